/**
 * Single instructions on a backend's behalf: the engine's own function for each, with a decoded operation made up for it, at the privilege
 * asked for. Registers that the request stands in for come back unchanged.
 */
import {
  type ArchitecturalRequest,
  type GuestFault,
  HvError,
  type InterceptableInstruction,
  type LinearMemory,
  type SegmentName,
  undefinedOpcode,
} from "@paravane/paravirt-ops";
import type { Handler } from "../interp/handlers.js";
import * as L from "../layout.js";
import { blockOf, type LentState, takeFault } from "./state.js";

const RAX = 0,
  RCX = 1,
  RDX = 2;
const GENERAL_PROTECTION = { fault: 13, errorCode: 0 } as const;
const SEGMENTS: readonly SegmentName[] = ["es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"];
const ZF = 0x40;
const NOT_PRESENT = 11;

/** Engine functions by instruction; those of `IN` and `OUT` go by size. */
const FUNCTIONS: Readonly<Partial<Record<InterceptableInstruction, string>>> = {
  "mov-from-cr": "movFromCr",
  "mov-to-cr": "movToCr",
  clts: "clts",
  lmsw: "lmswRegister",
  smsw: "smswRegister",
  "mov-from-dr": "movFromDr",
  "mov-to-dr": "movToDr",
  lldt: "lldt",
  ltr: "ltr",
  sldt: "sldt",
  str: "str",
  lar: "lar",
  lsl: "lsl",
  verr: "verr",
  verw: "verw",
  pushf: "pushFlags",
  popf: "popFlags",
  cli: "cli",
  sti: "sti",
  iret: "iret",
  hlt: "hlt",
  pause: "pause",
  invd: "cacheControl",
  wbinvd: "cacheControl",
  rdmsr: "rdmsr",
  wrmsr: "wrmsr",
  rdtsc: "rdtsc",
  rdtscp: "rdtscp",
  rdpmc: "rdpmc",
  cpuid: "cpuid",
  xsetbv: "xsetbv",
  swapgs: "swapgs",
  ins: "insWide",
  outs: "outsWide",
  syscall: "syscall",
  sysret: "sysret",
  sysenter: "sysenter",
  sysexit: "sysexit",
  int: "intImmediate",
  int3: "int3",
  into: "into",
  vmcall: "vmcall",
  vmmcall: "vmcall",
};
/** Instructions that leave at another privilege than they began with. */
const TRANSFERS: ReadonlySet<InterceptableInstruction> = new Set([
  "iret",
  "syscall",
  "sysret",
  "sysenter",
  "sysexit",
  "int",
  "int3",
  "into",
]);
/** Read a register operand; write one; take ECX and EDX:EAX; give EDX:EAX. */
const READS: ReadonlySet<InterceptableInstruction> = new Set(["mov-from-cr", "mov-from-dr", "smsw", "sldt", "str"]);
const PAIR_RESULTS: ReadonlySet<InterceptableInstruction> = new Set(["rdmsr", "rdtsc", "rdtscp", "rdpmc"]);
const SELECTOR_TESTS: ReadonlySet<InterceptableInstruction> = new Set(["lar", "lsl", "verr", "verw"]);

export class Executor {
  readonly #handlers = new Map<string, number>();

  constructor(
    private readonly state: LentState,
    private readonly linear: LinearMemory,
    handlers: readonly Handler[],
  ) {
    for (const { entry, id, shapes } of handlers)
      if (entry.type === "outlined" && !shapes.some(({ kind }) => kind === "m") && !this.#handlers.has(entry.fn))
        this.#handlers.set(entry.fn, id);
  }

  execute(vcpu: number, request: ArchitecturalRequest): bigint | undefined | GuestFault {
    const { instruction, operand = 0n, level = 0 } = request;
    switch (instruction) {
      case "lgdt":
      case "lidt":
        return this.#privileged(level) ?? this.#loadTable(vcpu, instruction === "lgdt" ? "gdtr" : "idtr", request);
      case "sgdt":
      case "sidt":
        return this.#storeTable(vcpu, instruction === "sgdt" ? "gdtr" : "idtr", request);
      case "invlpg":
        return this.#privileged(level) ?? this.forgetAddress(vcpu, operand);
      case "invpcid":
        return this.#privileged(level) ?? this.#invalidate(vcpu, request);
      case "ud2":
      case "monitor":
      case "mwait":
        return undefinedOpcode;
      default:
        return this.#run(vcpu, request);
    }
  }

  /** No cached translation of the page, or of any page. */
  forgetAddress(vcpu: number, address: bigint | undefined): undefined {
    const { engine } = this.state;
    if (address === undefined) engine.tlbFlushAll(blockOf(vcpu));
    else engine.tlbFlushPage(blockOf(vcpu), BigInt.asUintN(64, address));
    return undefined;
  }

  loadSegment(vcpu: number, name: SegmentName, selector: number): GuestFault | undefined {
    const { engine, view } = this.state;
    const cpu = blockOf(vcpu);
    const number = SEGMENTS.indexOf(name);
    return this.#at(cpu, 0, false, () => {
      if (name === "cs") engine.loadCodeSegment(cpu, selector);
      else if (name === "ldtr") engine.loadLdtr(cpu, selector & 0xffff, GENERAL_PROTECTION.fault, NOT_PRESENT);
      else if (name === "tr") engine.loadTaskRegister(cpu, selector & 0xffff);
      else engine.loadSegment(cpu, number, selector);
      return takeFault(view, cpu);
    });
  }

  #privileged(level: number): GuestFault | undefined {
    return level === 0 ? undefined : GENERAL_PROTECTION;
  }

  /** Runs `body` at privilege `level`; one that transfers control keeps the privilege that it arrives at. */
  #at<Result>(cpu: number, level: number, transfers: boolean, body: () => Result | GuestFault): Result | GuestFault {
    const { view, engine } = this.state;
    const before = view.getUint32(cpu + L.CPL, true);
    const change = (to: number): void => {
      if (view.getUint32(cpu + L.CPL, true) === to) return;
      view.setUint32(cpu + L.CPL, to, true);
      engine.updateMode(cpu);
    };
    change(level);
    const result = body();
    if (!transfers || (typeof result === "object" && result !== null)) change(before);
    return result;
  }

  #run(vcpu: number, request: ArchitecturalRequest): bigint | undefined | GuestFault {
    const { view, engine } = this.state;
    const { instruction, level = 0 } = request;
    const cpu = blockOf(vcpu);
    const u = this.#operation(cpu, request);
    const put = (number: number, value: bigint): void => view.setBigUint64(cpu + L.GPR + 8 * number, value, true);
    const kept = this.#stands(request).map((number) => [number, view.getBigUint64(cpu + L.GPR + 8 * number, true)] as const);
    this.#placeOperands(cpu, request, put);
    return this.#at<bigint | undefined>(cpu, level, TRANSFERS.has(instruction), () => {
      engine.lentOp(cpu, u);
      const fault = takeFault(view, cpu);
      const result = fault ?? this.#result(cpu, request);
      for (const [number, value] of kept) put(number, value);
      return result;
    });
  }

  /** General registers in whose place the request's operands are put. */
  #stands({ instruction, index, operand }: ArchitecturalRequest): readonly number[] {
    if (instruction === "in" || instruction === "out") return [RAX, RDX];
    if (instruction === "rdmsr" || instruction === "rdpmc") return index === undefined ? [] : [RAX, RCX, RDX];
    if (instruction === "wrmsr" || instruction === "xsetbv") return operand === undefined ? [] : [RAX, RCX, RDX];
    return instruction === "rdtsc" ? [RAX, RDX] : instruction === "rdtscp" ? [RAX, RCX, RDX] : [];
  }

  #placeOperands(cpu: number, { instruction, index, operand }: ArchitecturalRequest, put: (number: number, value: bigint) => void): void {
    this.state.view.setBigUint64(cpu + L.EXECUTE_SLOT, BigInt.asUintN(64, operand ?? 0n), true);
    if (instruction === "in" || instruction === "out") {
      put(RDX, BigInt(index ?? 0));
      put(RAX, operand ?? 0n);
    } else if ((instruction === "rdmsr" || instruction === "rdpmc") && index !== undefined) put(RCX, BigInt(index));
    else if ((instruction === "wrmsr" || instruction === "xsetbv") && operand !== undefined) {
      put(RCX, BigInt(index ?? 0));
      put(RAX, BigInt.asUintN(32, operand));
      put(RDX, BigInt.asUintN(32, operand >> 32n));
    }
  }

  /** Makes up the decoded operation. */
  #operation(cpu: number, { instruction, bits, index, operand }: ArchitecturalRequest): number {
    const { view } = this.state;
    const long = (view.getUint32(cpu + L.MODE, true) & L.MODE_64) !== 0;
    const port = instruction === "in" || instruction === "out";
    const name = port ? `${instruction}${bits === undefined ? "Byte" : "Wide"}Dx` : FUNCTIONS[instruction];
    const handler = this.#handlers.get(name ?? "");
    if (handler === undefined) throw new HvError("core/instruction", `this core cannot execute "${instruction}" by itself`);
    const u = cpu + L.EXECUTE_UOP;
    const size = bits ?? (long ? 64 : 32);
    new Uint8Array(view.buffer, u, L.UOP_SIZE).fill(0);
    view.setUint16(u + L.U_OP, handler, true);
    for (const slot of [L.U_DST, L.U_SRC]) view.setUint16(u + slot, L.EXECUTE_SLOT, true);
    view.setUint16(u + L.U_BASE, L.ZERO, true);
    view.setUint16(u + L.U_INDEX, L.ZERO, true);
    view.setUint8(u + L.U_SEG, L.DS | ((long ? 2 : 1) << 4));
    if (instruction === "int") view.setUint32(u + L.U_IMM, index ?? Number(operand ?? 0n), true);
    const register = instruction.startsWith("mov-") ? (index ?? 0) : 0;
    const aux =
      (size === 64 ? L.AUX_OP64 : size === 16 ? L.AUX_OP16 : L.AUX_OP32) | (long ? L.AUX_AD64 : L.AUX_AD32) | (register << L.AUX_REG_SHIFT);
    view.setUint32(u + L.U_AUX, aux, true);
    return u;
  }

  #result(cpu: number, { instruction, index, operand, bits }: ArchitecturalRequest): bigint | undefined {
    const { view } = this.state;
    if (READS.has(instruction)) return view.getBigUint64(cpu + L.EXECUTE_SLOT, true);
    if (instruction === "in") return BigInt.asUintN(bits === undefined ? 8 : bits === 16 ? 16 : 32, view.getBigUint64(cpu + L.GPR, true));
    if (SELECTOR_TESTS.has(instruction)) {
      const valid = (this.state.engine.getFlags(cpu) & ZF) !== 0;
      if (instruction === "verr" || instruction === "verw") return valid ? 1n : 0n;
      return valid ? view.getBigUint64(cpu + L.EXECUTE_SLOT, true) : undefined;
    }
    const asked = instruction === "rdtsc" || instruction === "rdtscp" || index !== undefined || operand !== undefined;
    if (!PAIR_RESULTS.has(instruction) || !asked) return undefined;
    return (BigInt(view.getUint32(cpu + L.GPR + 16, true)) << 32n) | BigInt(view.getUint32(cpu + L.GPR, true));
  }

  #tableBytes(vcpu: number): number {
    return this.state.view.getUint32(blockOf(vcpu) + L.MODE, true) & L.MODE_64 ? 10 : 6;
  }

  #loadTable(vcpu: number, name: "gdtr" | "idtr", { operand = 0n, level = 0 }: ArchitecturalRequest): GuestFault | undefined {
    const image = new Uint8Array(this.#tableBytes(vcpu));
    const fault = this.linear.read(vcpu, operand, image, { level });
    if (fault !== undefined) return fault;
    const view = new DataView(image.buffer);
    const base = image.byteLength === 10 ? view.getBigUint64(2, true) : BigInt(view.getUint32(2, true));
    this.state.vcpus[vcpu]!.registers.setTable(name, { limit: view.getUint16(0, true), base });
    return undefined;
  }

  #storeTable(vcpu: number, name: "gdtr" | "idtr", { operand = 0n, level = 0 }: ArchitecturalRequest): GuestFault | undefined {
    const { base, limit } = this.state.vcpus[vcpu]!.registers.table(name);
    const image = new DataView(new ArrayBuffer(this.#tableBytes(vcpu)));
    image.setUint16(0, limit, true);
    if (image.byteLength === 10) image.setBigUint64(2, base, true);
    else image.setUint32(2, Number(BigInt.asUintN(32, base)), true);
    return this.linear.write(vcpu, operand, new Uint8Array(image.buffer), { level, write: true });
  }

  /** INVPCID: `index` is the type, `operand` the linear address of the descriptor. Drops more than it must. */
  #invalidate(vcpu: number, { operand = 0n, index = 2, level = 0 }: ArchitecturalRequest): GuestFault | undefined {
    const descriptor = new Uint8Array(16);
    const fault = this.linear.read(vcpu, operand, descriptor, { level });
    if (fault !== undefined) return fault;
    const view = new DataView(descriptor.buffer);
    if (index > 3 || view.getBigUint64(0, true) > 0xfffn) return GENERAL_PROTECTION;
    return this.forgetAddress(vcpu, index === 0 ? view.getBigUint64(8, true) : undefined);
  }
}
