/** QEMU's isa-debug-exit as test suites use it: a write of `v` to its port ends the run with process status (v << 1) | 1. It has no state. */
import type { PioBus, Port } from "@paravane/paravirt-ops";

/** Puts the device at four ports from `port`; `exit` gets the process status. */
export function attachDebugExit(bus: PioBus, port: Port, exit: (status: number) => void): void {
  bus.attach(port, 4, {
    name: "debug-exit",
    pioRead: () => 0,
    pioWrite: (_offset, _size, value) => exit(((value << 1) | 1) >>> 0),
  });
}
