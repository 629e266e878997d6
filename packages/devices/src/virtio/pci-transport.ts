/**
 * Virtio over PCI, modern (1.x) only. Virtio 1.2 §4.1. One 16 KiB window holds the structures, another the MSI-X table and pending bits;
 * vendor capabilities point at them, and one of them is a peephole from configuration space into the first window.
 *
 *   BAR 0: 0x0000 common configuration · 0x1000 ISR status · 0x2000 device configuration · 0x3000 notify (4 bytes a queue)
 *   BAR 1: 0x000 MSI-X table · 0x800 pending bits
 *
 * Left out: legacy and transitional interfaces, shared memory regions, notification data.
 */
import { HvError } from "@paravane/paravirt-ops";
import type { AccessSize, GuestMemory, IrqLine, MmioDevice } from "@paravane/paravirt-ops";
import { BarWindows } from "../pci/bar-windows.js";
import { PciConfigSpace } from "../pci/config-space.js";
import type { PciBar, PciConfigState } from "../pci/config-space.js";
import { CAP_MSIX, Msix } from "../pci/msix.js";
import type { MsixState } from "../pci/msix.js";
import type { PciFunction } from "../pci/pci-bus.js";
import type { PciSlotWiring } from "../pci/pci-host.js";
import { requireSchema } from "../schema.js";
import type { VirtioDevice } from "./device.js";
import { COMMON_CONFIG_LENGTH, NO_VECTOR, VirtioRegisters } from "./registers.js";
import type { VirtioState } from "./registers.js";

const CAP_VENDOR = 0x09;
const CFG_TYPE_COMMON = 1,
  CFG_TYPE_NOTIFY = 2,
  CFG_TYPE_ISR = 3,
  CFG_TYPE_DEVICE = 4,
  CFG_TYPE_PCI = 5;
const STRUCTURES: PciBar = { index: 0, kind: "memory", size: 0x4000 };
const MESSAGES: PciBar = { index: 1, kind: "memory", size: 0x1000 };
const AT_COMMON = 0x0000,
  AT_ISR = 0x1000,
  AT_DEVICE = 0x2000,
  AT_NOTIFY = 0x3000,
  REGION = 0x1000;
const NOTIFY_MULTIPLIER = 4;
const PENDING_OFFSET = 0x800;
const MAX_VECTORS = PENDING_OFFSET / 16;
const ISR_QUEUE = 1,
  ISR_CONFIG = 2;

/** Saved virtio PCI function. */
export interface VirtioPciState {
  schema: "virtio-pci@1";
  config: PciConfigState;
  msix: MsixState;
  isr: number;
  virtio: VirtioState;
}

/** A virtio device as a PCI function. */
export class VirtioPci implements PciFunction {
  readonly name: string;
  readonly space: PciConfigSpace;
  readonly #intx: IrqLine;
  readonly #msix: Msix;
  readonly #registers: VirtioRegisters;
  readonly #windows: BarWindows;
  readonly #atMsix: number;
  readonly #atPeephole: number;
  #isr = 0;

  constructor(device: VirtioDevice, wiring: PciSlotWiring) {
    const vectors = device.queueSizes.length + 1;
    if (vectors > MAX_VECTORS) throw new HvError("virtio/queues", `${device.name} has more queues than the MSI-X table has room for`);
    this.name = device.name;
    this.#intx = wiring.intx;
    const space = new PciConfigSpace({
      vendor: 0x1af4,
      device: 0x1040 + device.type,
      classCode: device.pciClass,
      revision: 1,
      subsystemVendor: 0x1af4,
      subsystem: 0x40,
      interruptPin: 1,
    });
    this.space = space;
    space.addBar(STRUCTURES);
    space.addBar(MESSAGES);
    this.#msix = new Msix(vectors, wiring.msi, () => space.busMaster);
    const { body, writable } = this.#msix.capability(MESSAGES.index, 0, PENDING_OFFSET);
    this.#atMsix = space.addCapability(CAP_MSIX, body, writable);
    space.addCapability(CAP_VENDOR, vendorCapability(CFG_TYPE_COMMON, AT_COMMON, COMMON_CONFIG_LENGTH));
    space.addCapability(CAP_VENDOR, vendorCapability(CFG_TYPE_ISR, AT_ISR, 1));
    space.addCapability(CAP_VENDOR, vendorCapability(CFG_TYPE_DEVICE, AT_DEVICE, REGION));
    space.addCapability(
      CAP_VENDOR,
      vendorCapability(CFG_TYPE_NOTIFY, AT_NOTIFY, NOTIFY_MULTIPLIER * device.queueSizes.length, NOTIFY_MULTIPLIER),
    );
    const peephole = vendorCapability(CFG_TYPE_PCI, 0, 0, 0);
    // The driver aims it: BAR, offset and length are writable; the last four bytes are the data.
    const aimable = new Uint8Array(peephole.length);
    aimable[2] = 0xff;
    aimable.fill(0xff, 6, 14);
    this.#atPeephole = space.addCapability(CAP_VENDOR, peephole, aimable);

    this.#registers = new VirtioRegisters(device, {
      vectors,
      queue: (vector) => this.#interrupt(vector, ISR_QUEUE),
      config: (vector) => this.#interrupt(vector, ISR_CONFIG),
    });
    this.#windows = new BarWindows(space, wiring, [
      { bar: STRUCTURES, device: this.#structures(device.name) },
      { bar: MESSAGES, device: this.#messages(device.name) },
    ]);
  }

  /** Guest memory exists now: call once before the guest runs. */
  connect(memory: GuestMemory): void {
    this.#registers.connect(memory);
  }

  configRead(offset: number, size: AccessSize): number {
    if (offset === this.#atPeephole + 16) return this.#peepholeRead(size);
    return this.space.read(offset, size);
  }
  configWrite(offset: number, size: AccessSize, value: number): void {
    if (offset === this.#atPeephole + 16) {
      this.#peepholeWrite(size, value);
      return;
    }
    this.space.write(offset, size, value);
    if (offset < 8 || (offset < this.#atMsix + 4 && offset + size > this.#atMsix)) {
      this.#msix.setControl(this.space.read(this.#atMsix + 2, 2));
      this.#driveIntx();
    }
  }
  remap(): void {
    this.#windows.update();
  }

  reset(): void {
    this.#registers.reset();
    this.space.reset();
    this.#msix.reset();
    this.#isr = 0;
    this.#driveIntx();
  }
  save(): VirtioPciState {
    return {
      schema: "virtio-pci@1",
      config: this.space.save(),
      msix: this.#msix.save(),
      isr: this.#isr,
      virtio: this.#registers.save(),
    };
  }
  load(state: VirtioPciState): void {
    requireSchema(state, "virtio-pci@1");
    this.space.load(state.config);
    this.#msix.load(state.msix);
    this.#isr = state.isr;
    this.#registers.load(state.virtio);
    this.#driveIntx();
  }

  #structures(name: string): MmioDevice {
    return {
      name,
      mmioRead: (offset, size) => this.#readStructure(offset, size),
      mmioWrite: (offset, size, value) => this.#writeStructure(offset, size, value),
    };
  }
  #messages(name: string): MmioDevice {
    const msix = this.#msix;
    return {
      name: `${name} msi-x`,
      mmioRead: (offset, size) =>
        offset < PENDING_OFFSET ? msix.readTable(offset, size) : msix.readPending(offset - PENDING_OFFSET, size),
      mmioWrite: (offset, size, value) => {
        if (offset < PENDING_OFFSET) msix.writeTable(offset, size, value);
      },
    };
  }

  #readStructure(offset: number, size: AccessSize): number {
    if (offset < AT_ISR) return this.#registers.read(offset, size);
    if (offset < AT_DEVICE) return offset === AT_ISR ? this.#takeIsr() : 0;
    return offset < AT_NOTIFY ? this.#registers.readConfig(offset - AT_DEVICE, size) : 0;
  }
  #writeStructure(offset: number, size: AccessSize, value: number): void {
    if (offset >= AT_NOTIFY) this.#registers.notify((offset - AT_NOTIFY) >> 2);
    else if (offset >= AT_DEVICE) this.#registers.writeConfig(offset - AT_DEVICE, size, value);
    else if (offset < AT_ISR) {
      this.#registers.write(offset, size, value);
      if (this.#registers.status === 0 && this.#isr !== 0) this.#takeIsr();
    }
  }

  /** Where the peephole looks: undefined unless it is aimed at whole accesses inside BAR 0. */
  #peepholeOffset(size: AccessSize): number | undefined {
    const at = this.#atPeephole;
    const offset = this.space.read(at + 8, 4);
    const aimed = this.space.read(at + 4, 1) === STRUCTURES.index && this.space.read(at + 12, 4) === size;
    return aimed && offset % size === 0 && offset + size <= STRUCTURES.size ? offset : undefined;
  }
  #peepholeRead(size: AccessSize): number {
    const offset = this.#peepholeOffset(size);
    return offset === undefined ? 0 : this.#readStructure(offset, size);
  }
  #peepholeWrite(size: AccessSize, value: number): void {
    const offset = this.#peepholeOffset(size);
    if (offset !== undefined) this.#writeStructure(offset, size, value);
  }

  #interrupt(vector: number, cause: number): void {
    if (this.#msix.enabled) {
      if (vector !== NO_VECTOR) this.#msix.notify(vector);
      return;
    }
    this.#isr |= cause;
    this.#driveIntx();
  }
  /** Reading the ISR clears it and lets the wire go. */
  #takeIsr(): number {
    const isr = this.#isr;
    this.#isr = 0;
    this.#driveIntx();
    return isr;
  }
  #driveIntx(): void {
    const wants = this.#isr !== 0 && !this.#msix.enabled;
    this.space.setInterruptStatus(wants);
    this.#intx.set(wants && !this.space.intxDisabled);
  }
}

/** Body of a vendor capability after id and next pointer (§4.1.4): length, type, BAR 0, offset, length, and a last word where there is one. */
function vendorCapability(type: number, offset: number, length: number, last?: number): Uint8Array {
  const body = new Uint8Array(last === undefined ? 14 : 18);
  const view = new DataView(body.buffer);
  body[0] = body.length + 2;
  body[1] = type;
  body[2] = STRUCTURES.index;
  view.setUint32(6, offset, true);
  view.setUint32(10, length, true);
  if (last !== undefined) view.setUint32(14, last, true);
  return body;
}
