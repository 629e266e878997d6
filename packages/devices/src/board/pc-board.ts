/**
 * A PC: every device of this package where ACPI and thirty years of software expect it.
 * Ports and addresses are the parts' own; what is decided here is who drives which wire, what reset means, and what kernels find without firmware.
 */
import {
  type Board,
  type BoardEnvironment,
  type BusTap,
  defineBoard,
  type GuestMemory,
  type HypercallDevice,
  HvError,
  type IrqLine,
  type LocalInterrupts,
  type MsiSink,
  type MsrDevice,
  type Vcpu,
} from "@paravane/paravirt-ops";
import { type AcpiBoard, installAcpiTables, pcAcpiBoard } from "../acpi/index.js";
import { installMpTable } from "../mp-table/index.js";
import { createMmioBus, createPioBus } from "../bus/index.js";
import { attachDebugExit } from "../debug-exit/index.js";
import { attachFwCfg, FW_CFG_MAX_CPUS, FW_CFG_NB_CPUS, FW_CFG_RAM_SIZE, FwCfg } from "../fw-cfg/index.js";
import { attachHpet, HPET_BASE, Hpet, type MmioHpet } from "../hpet/index.js";
import { A20Gate, AtKeyboard, attachIsaI8042, I8042, type IsaI8042 } from "../i8042/index.js";
import { attachIoApic, IOAPIC_BASE, IoApic } from "../ioapic/index.js";
import { ApicBus, ApicMsrs, XapicWindow } from "../lapic/index.js";
import { PciHost } from "../pci/index.js";
import { IsaPic } from "../pic/index.js";
import { IsaPit } from "../pit/index.js";
import { AcpiPm, attachAcpiPm, type PortAcpiPm } from "../pm-timer/index.js";
import { cmosContents, IsaRtc } from "../rtc/index.js";
import { requireSchema } from "../schema.js";
import { ParavirtualMsrs, TestDevice, TestHypercalls } from "../test-device/index.js";
import { attachIsaUart, type IsaUart, Uart16550 } from "../uart/index.js";
import { attachVga, Vga } from "../vga/index.js";
import { VirtioBlock, VirtioConsole, VirtioEntropy, VirtioPci } from "../virtio/index.js";
import { writeBiosDataArea } from "./bios-data-area.js";
import { applyFirmwareState } from "./firmware-state.js";
import { InterruptWires } from "./interrupt-wires.js";
import { SuspendToRam } from "./suspend.js";

const COM1_PORT = 0x3f8;
const IRQ = { timer: 0, keyboard: 1, com1: 4, rtc: 8 } as const;
/** Width of physical addresses: what IA32_APIC_BASE takes as a base. */
const PHYSICAL_BITS = 40;
const MSR_TSC = 0x10;

/** A part whose registers can be saved. */
interface StatefulPart {
  save(): { schema: string };
  load(state: never): void;
}

/** All registers of a board; each part's record says its own schema. */
export interface PcBoardState {
  readonly schema: "pc-board@1";
  readonly parts: Record<string, { schema: string }>;
}

/** A PC board. Beyond the contract it shows the parts that a host may want to reach: screen, keyboard, power button. */
export class PcBoard implements Board {
  readonly pic: IsaPic;
  readonly pit: IsaPit;
  readonly rtc: IsaRtc;
  readonly uart = new Uart16550();
  readonly keyboard = new AtKeyboard();
  readonly controller: I8042;
  readonly a20: A20Gate;
  readonly hpet = new Hpet();
  readonly pm = new AcpiPm(32);
  readonly fwCfg = new FwCfg();
  readonly vga: Vga;
  readonly pci: PciHost;
  readonly ioapic: IoApic;
  readonly apics: ApicBus;
  readonly testDevice: TestDevice | undefined;
  readonly hypercalls?: HypercallDevice;
  readonly localInterrupts: LocalInterrupts;
  readonly msrs: MsrDevice;
  readonly #paravirtualMsrs: ParavirtualMsrs | undefined;
  readonly msi: MsiSink;
  readonly #wires: InterruptWires;
  /** The wires as the contract lends them to whoever has the board. */
  readonly #lines: (gsi: number) => IrqLine;
  readonly #timerLine: IrqLine;
  readonly #xapic: XapicWindow;
  readonly #acpi: AcpiBoard;
  readonly #virtio: VirtioPci[] = [];
  readonly #serialPort: IsaUart;
  readonly #keyboardPort: IsaI8042;
  readonly #hpetPort: MmioHpet;
  readonly #pmPort: PortAcpiPm;
  /** Restored first: their wires move on the way. */
  readonly #devices: Record<string, StatefulPart>;
  /** Restored last: they remember what came of the wires. */
  readonly #controllers: Record<string, StatefulPart>;
  readonly #suspend: SuspendToRam;
  #memory: GuestMemory | undefined;
  #vcpus: readonly Vcpu[] = [];
  #facs: number | undefined;

  constructor(environment: BoardEnvironment) {
    const { pio, mmio, clock, power } = environment;
    const resetMachine = () => power({ kind: "reset" });
    this.#acpi = pcAcpiBoard(environment.vcpus);

    // Interrupt controllers, from the processors outwards.
    this.apics = new ApicBus({
      vcpus: environment.vcpus,
      clock,
      tscHz: environment.tscHz,
      acknowledgeExtInt: () => this.pic.acknowledge(),
      broadcastEoi: (vector) => this.ioapic.endOfInterrupt(vector),
    });
    this.msi = this.apics;
    this.ioapic = new IoApic(this.apics);
    // INT of the 8259 pair leads to LINT0 of the processors and to input 0 of the I/O APIC.
    let extInt: IrqLine | undefined;
    this.pic = new IsaPic({
      set: (level) => {
        this.apics.setLint0(level);
        extInt?.set(level);
      },
    });
    this.#wires = new InterruptWires(this.pic, this.ioapic);
    this.#lines = this.#wires.party();
    this.#timerLine = this.#wires.connectTimer();
    extInt = this.#wires.connect(0);
    this.#xapic = new XapicWindow(mmio, this.apics.apics, () => environment.currentVcpu());
    const apicMsrs = new ApicMsrs(this.apics.apics, PHYSICAL_BITS, () => this.#xapic.follow());
    if (environment.testDevice) {
      this.#paravirtualMsrs = new ParavirtualMsrs(apicMsrs, {
        clock,
        wallClock: environment.wallClock,
        tscHz: environment.tscHz,
        memory: () => this.#memory,
        guestTsc: (vcpu) => this.#vcpus[vcpu]?.registers.msr(MSR_TSC) ?? 0n,
      });
    }
    this.msrs = this.#paravirtualMsrs ?? apicMsrs;
    this.localInterrupts = localInterrupts(this.apics);
    this.pic.attach(pio);
    attachIoApic(mmio, IOAPIC_BASE, this.ioapic);

    // Timers and clock.
    this.pit = new IsaPit(clock, this.#wires.connectIsa(IRQ.timer));
    this.pit.attach(pio);
    this.rtc = new IsaRtc(clock, this.#wires.connectIsa(IRQ.rtc), environment.wallClock, () => this.#pmPort.rtcAlarm());
    this.rtc.attach(pio);
    for (const [register, value] of cmosContents(environment.ramBytes, environment.vcpus)) this.rtc.chip.preset(register, value);
    this.#hpetPort = attachHpet(mmio, HPET_BASE, clock, this.hpet, {
      line: this.#wires.party(),
      legacyTimer: this.#wires.connectIsa(IRQ.timer),
      legacyRtc: this.#wires.connectIsa(IRQ.rtc),
      setLegacy: (on) => {
        this.pit.setConnected(!on);
        this.rtc.setConnected(!on);
      },
    });
    this.#suspend = new SuspendToRam(clock, {
      pm: this.pm,
      power,
      facs: () => (this.#memory && this.#facs !== undefined ? { memory: this.#memory, address: this.#facs } : undefined),
      resetDevices: () => this.#resetDevices(),
    });
    this.#pmPort = attachAcpiPm(pio, clock, this.pm, {
      eventPort: this.#acpi.pm1EventPort,
      controlPort: this.#acpi.pm1ControlPort,
      timerPort: this.#acpi.pmTimerPort,
      sleepTypeS3: this.#acpi.sleepTypeS3,
      sleepTypeS5: this.#acpi.sleepTypeS5,
      sci: this.#wires.connectIsa(this.#acpi.sci),
      powerOff: () => power({ kind: "poweroff" }),
      suspend: () => this.#suspend.enter(),
      event: () => this.#suspend.event(),
    });

    // Console: serial port, keyboard, screen.
    this.#serialPort = attachIsaUart(pio, this.#wires.connectIsa(IRQ.com1), COM1_PORT, this.uart, environment.serial);
    this.a20 = new A20Gate((enabled) => environment.setA20(enabled), resetMachine);
    this.a20.attach(pio);
    this.controller = new I8042(this.keyboard, { a20: (level) => this.a20.setKeyboard(level), reset: resetMachine });
    this.#keyboardPort = attachIsaI8042(pio, this.#wires.connectIsa(IRQ.keyboard), this.controller, this.keyboard);
    this.vga = new Vga(clock);
    attachVga(pio, mmio, this.vga);

    // PCI with the drives in the order given, then the console if there is one, then entropy.
    this.pci = new PciHost({ pio, mmio, msi: this.msi, line: this.#wires.party(), reset: resetMachine });
    environment.drives.forEach(({ store, readOnly }, index) => {
      this.#virtio.push(this.pci.plug((wiring) => new VirtioPci(new VirtioBlock({ store, readOnly, serial: `disk${index}` }), wiring)));
    });
    const { console } = environment;
    if (console) this.#virtio.push(this.pci.plug((wiring) => new VirtioPci(new VirtioConsole(console), wiring)));
    this.#virtio.push(this.pci.plug((wiring) => new VirtioPci(new VirtioEntropy(environment.entropy), wiring)));

    // What test suites and firmware ask for.
    this.fwCfg.setNumber(FW_CFG_RAM_SIZE, environment.ramBytes, 8);
    this.fwCfg.setNumber(FW_CFG_NB_CPUS, environment.vcpus, 2);
    this.fwCfg.setNumber(FW_CFG_MAX_CPUS, environment.vcpus, 2);
    attachFwCfg(pio, this.fwCfg);
    if (environment.exitPort !== undefined) attachDebugExit(pio, environment.exitPort, (status) => power({ kind: "exit", status }));
    if (environment.testDevice) {
      this.testDevice = new TestDevice((n) => (n < 16 ? this.#wires.connectIsa(n) : this.#wires.connect(n)));
      this.testDevice.attach(pio, mmio);
      this.hypercalls = new TestHypercalls(this.apics);
    }

    const { pit, rtc, uart, keyboard, controller, a20, hpet, pm, fwCfg, vga, pci, testDevice, ioapic, pic } = this;
    this.#devices = { pit, rtc, uart, keyboard, controller, a20, hpet, pm, fwCfg, vga, pci, ...(testDevice ? { testDevice } : {}) };
    this.#controllers = { ioapic, pic, ...Object.fromEntries(this.apics.apics.map((apic) => [`lapic${apic.id}`, apic])) };
    this.reset();
  }

  connect(parts: { vcpus: readonly Vcpu[]; memory: GuestMemory }): void {
    this.#memory = parts.memory;
    this.#vcpus = parts.vcpus;
    for (const vcpu of parts.vcpus) this.apics.apics[vcpu.id]?.connect(vcpu);
    this.fwCfg.connect(parts.memory);
    for (const device of this.#virtio) device.connect(parts.memory);
  }

  line(gsi: number): IrqLine {
    return this.#lines(gsi);
  }

  timerLine(): IrqLine {
    return this.#timerLine;
  }

  /** @throws HvError "board/no-such-line" */
  localTimerLine(vcpu: number): IrqLine {
    const apic = this.apics.apics[vcpu];
    if (!apic) throw new HvError("board/no-such-line", `there is no vCPU ${vcpu}`);
    return { set: (level) => apic.setTimerInput(level) };
  }

  /** Writes the ACPI and MP tables and the BIOS data area. @throws HvError "board/not-connected" before `connect` */
  installTables(): ReturnType<Board["installTables"]> {
    const memory = this.#connectedMemory();
    writeBiosDataArea(memory, COM1_PORT);
    const { facs, ...tables } = installAcpiTables(memory, this.#acpi);
    installMpTable(memory, this.#acpi);
    this.#facs = facs;
    return tables;
  }

  addFirmwareFile(name: string, bytes: Uint8Array): void {
    this.fwCfg.addFile(name, bytes);
  }

  /** A key of the guest's keyboard goes down or up: set 2 make code, 0xe000 added for an extended key. */
  key(code: number, down: boolean): void {
    this.#keyboardPort.key(code, down);
  }

  /** The power button: an ACPI event that a guest may answer by switching itself off. */
  pressPowerButton(): void {
    this.#pmPort.pressPowerButton();
  }

  /** Power-on state of every part, then what firmware does. vCPUs and memory are not the board's. */
  reset(): void {
    this.pm.reset();
    this.#suspend.reset();
    this.#resetDevices();
  }

  /** The same but for what stays powered while the machine sleeps. */
  #resetDevices(): void {
    this.apics.reset();
    this.#xapic.follow();
    this.ioapic.reset();
    this.pic.reset();
    this.pit.reset();
    this.rtc.reset();
    this.uart.reset();
    this.controller.reset();
    this.a20.reset();
    this.hpet.reset();
    this.vga.reset();
    this.fwCfg.reset();
    this.testDevice?.reset();
    this.#paravirtualMsrs?.reset();
    this.pci.reset();
    this.#settle();
    applyFirmwareState(this.pic, this.apics);
  }

  /** All registers as they are now, as plain records. */
  save(): PcBoardState {
    this.#settle();
    const parts: Record<string, { schema: string }> = {};
    for (const [name, part] of Object.entries({ ...this.#devices, ...this.#controllers })) parts[name] = part.save();
    return { schema: "pc-board@1", parts };
  }

  /**
   * Restores all registers. Edges that wires make on the way are gone when the controllers get their own state.
   *
   * @throws HvError "snapshot/mismatch" when the record is of a board with other parts
   */
  load(state: PcBoardState): void {
    requireSchema(state, "pc-board@1");
    const parts = Object.entries({ ...this.#devices, ...this.#controllers });
    const missing = parts.filter(([name]) => !(name in state.parts)).map(([name]) => name);
    const extra = Object.keys(state.parts).filter((name) => !parts.some(([own]) => own === name));
    if (missing.length + extra.length > 0) {
      throw new HvError("snapshot/mismatch", `the snapshot was made with another board: ${[...missing, ...extra].join(", ")} differ`, {
        hint: "start the machine with the vCPUs, drives and devices that it had when it was saved",
      });
    }
    for (const [name, part] of Object.entries(this.#devices)) part.load(state.parts[name] as never);
    this.#settle();
    for (const [name, part] of Object.entries(this.#controllers)) part.load(state.parts[name] as never);
    this.#xapic.follow();
  }

  /** Ends what is in flight; the host's stores and streams belong to who gave them. */
  close(): void {
    for (const device of this.#virtio) device.reset();
  }

  /** Wires and alarms follow their parts' registers. */
  #settle(): void {
    this.#serialPort.settle();
    this.#keyboardPort.settle();
    this.#hpetPort.settle();
    this.#pmPort.settle();
  }

  #connectedMemory(): GuestMemory {
    if (!this.#memory) throw new HvError("board/not-connected", "the board's tables were asked for before connect() gave it guest memory");
    return this.#memory;
  }
}

/** INTA and CR8 of each vCPU are its local APIC's. */
function localInterrupts({ apics }: ApicBus): LocalInterrupts {
  return {
    acknowledge: (vcpu) => apics[vcpu]?.acknowledge() ?? -1,
    readTaskPriority: (vcpu) => (apics[vcpu]?.taskPriority ?? 0) >> 4,
    writeTaskPriority(vcpu, cr8) {
      const apic = apics[vcpu];
      if (apic) apic.taskPriority = cr8 << 4;
    },
  };
}

/** The board as a part: give it to `createMachine`. */
export const pcBoard = defineBoard({
  name: "pc",
  package: "@paravane/devices",
  contract: "^1.0",
  capabilities: ["pc", "local-apic", "pci", "acpi"],
  requires: [],
  createBuses: (tap?: BusTap) => ({ pio: createPioBus(tap), mmio: createMmioBus(tap) }),
  create: (environment: BoardEnvironment) => new PcBoard(environment),
});
