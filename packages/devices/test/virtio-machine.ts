/** One virtio device in a PCI slot of a machine with 4 MiB of RAM. */
import { createMmioBus, createPioBus } from "../src/bus/index.js";
import { PciBus } from "../src/pci/index.js";
import { VirtioPci } from "../src/virtio/index.js";
import type { VirtioDevice } from "../src/virtio/index.js";
import { ProbeLine } from "./fakes.js";
import { createRam } from "./ram.js";
import { TestDriver } from "./virtio-driver.js";

export function virtioMachine(device: VirtioDevice, memory = createRam(4 << 20)) {
  const pio = createPioBus();
  const mmio = createMmioBus();
  const intx = new ProbeLine();
  const messages: number[] = [];
  const msi = { send: (_address: number, data: number) => void messages.push(data) };
  const bus = new PciBus();
  const pci = new VirtioPci(device, { pio, mmio, intx, msi });
  const slot = bus.add(pci, 4);
  bus.assign(() => 10);
  pci.connect(memory);
  bus.write(0, slot, 0, 4, 2, 7);
  const driver = new TestDriver(pci, mmio, memory);
  const enableMsix = () => {
    const table = pci.space.barBase(pci.space.bars[1]!);
    for (let vector = 0; vector <= device.queueSizes.length; vector++) {
      mmio.write(table + 16 * vector, 4, 0xfee0_0000);
      mmio.write(table + 16 * vector + 8, 4, 0x50 + vector);
      mmio.write(table + 16 * vector + 12, 4, 0);
    }
    bus.write(0, slot, 0, 0x42, 2, 0x8000);
  };
  return { bus, slot, pci, mmio, memory, intx, messages, driver, enableMsix };
}
