/** National PC16550D, alone and as a COM port. */
export { attachIsaUart, type IsaUart } from "./isa-uart.js";
export { MODEM_CONNECTED, Uart16550, type Uart16550State } from "./uart16550.js";
