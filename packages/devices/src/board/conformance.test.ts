/** The contract's device suite, over every window that the board attaches to its buses. */
import type { MmioDevice, PioDevice } from "@paravane/paravirt-ops";
import { deviceSuite } from "@paravane/paravirt-ops/conformance";
import { describe, test } from "vitest";
import { pcRig } from "../../test/pc-rig.js";

interface Attached {
  readonly where: string;
  readonly length: number;
  readonly pio?: PioDevice;
  readonly mmio?: MmioDevice;
}

/** All windows of a new board, in the order in which they were attached. */
function windows(): Attached[] {
  const attached: Attached[] = [];
  pcRig({ vcpus: 2, exitPort: 0xf4, testDevice: true }, ({ pio, mmio }) => ({
    pio: {
      ...bound(pio),
      attach(port, length, device) {
        attached.push({ where: `${device.name} at port 0x${port.toString(16)}`, length, pio: device });
        pio.attach(port, length, device);
      },
    },
    mmio: {
      ...bound(mmio),
      attach(base, length, device) {
        attached.push({ where: `${device.name} at 0x${base.toString(16)}`, length: Math.min(length, 0x1000), mmio: device });
        mmio.attach(base, length, device);
      },
    },
  }));
  return attached;
}

function bound<
  Bus extends {
    detach(at: number): void;
    read(at: number, size: 1 | 2 | 4): number;
    write(at: number, size: 1 | 2 | 4, value: number): void;
  },
>(bus: Bus) {
  return {
    detach: (at: number) => bus.detach(at),
    read: (at: number, size: 1 | 2 | 4) => bus.read(at, size),
    write: (at: number, size: 1 | 2 | 4, value: number) => bus.write(at, size, value),
  };
}

for (const [index, { where }] of windows().entries()) {
  describe(where, () => {
    for (const { name, run } of deviceSuite(() => windows()[index]!)) test(name, () => run());
  });
}
