/** The device that multiboot kernel test suites expect. */
export { TestHypercalls } from "./hypercalls.js";
export { ParavirtualMsrs } from "./paravirtual-msrs.js";
export { TestDevice, type TestDeviceState } from "./test-device.js";
