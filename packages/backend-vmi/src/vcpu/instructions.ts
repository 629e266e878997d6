/**
 * Instructions of a kernel at CPL 1 that are not what they would be at CPL 0: the privileged ones, which end in the operations beneath, and the
 * sensitive ones that do not trap, on the kernel's flag and its own descriptor tables. SDM Vol. 3A §5.9.
 */
import {
  generalProtection,
  generalRegisters,
  type GuestFault,
  type InterceptableInstruction,
  type InterceptAnswer,
  type InterceptedInstruction,
  isGuestFault,
  type TableOperand,
  type Vcpu,
} from "@paravane/paravirt-ops";
import { RFLAGS_IF } from "./flag-page.js";
import type { DeprivilegedKernel } from "./deprivileged.js";
import type { Done, KernelParts } from "./kernel.js";
import type { CpuShadow } from "./shadow.js";

/** What user code is kept from seeing, and its way into the kernel. */
export const userInstructions: readonly InterceptableInstruction[] = ["sysenter", "sgdt", "sidt"];

/** What comes here from the kernel. IRET does where there is no flag page. */
const kernelInstructions = [
  "mov-from-cr",
  "mov-to-cr",
  "mov-from-dr",
  "mov-to-dr",
  "clts",
  "lmsw",
  "invlpg",
  "invd",
  "wbinvd",
  "rdmsr",
  "wrmsr",
  "rdpmc",
  "xsetbv",
  "lgdt",
  "lidt",
  "sgdt",
  "sidt",
  "lldt",
  "ltr",
  "cli",
  "sti",
  "pushf",
  "popf",
  "hlt",
  "iret",
  "sysexit",
  "sysenter",
] as const satisfies readonly InterceptableInstruction[];

/** The same with a flag page, and ROM calls. */
export const deprivilegedIntercepts: readonly InterceptableInstruction[] = [
  "vmcall",
  ...kernelInstructions.filter((instruction) => instruction !== "iret"),
];

/** Flags that POPF changes beside IF: arithmetic ones, TF, DF, NT, AC, ID. */
const POPPED = 0x244dd5n;
const LOW_WORD = 0xffffn;
const HLT = 0xf4;
const IOPL_SHIFT = 12n;

type Handler = (vcpu: Vcpu, instruction: InterceptedInstruction, cpu: CpuShadow) => Done | bigint | "resume";

export class KernelInstructions {
  readonly #handlers: Readonly<Record<(typeof kernelInstructions)[number], Handler>>;

  constructor(
    private readonly parts: KernelParts,
    private readonly kernel: DeprivilegedKernel,
    private readonly cpus: readonly CpuShadow[],
  ) {
    const { hypervisor } = parts;
    const { cpu, mmu } = parts.under;
    const operand = ({ operand: value }: InterceptedInstruction): bigint => value ?? 0n;
    const index = ({ index: value }: InterceptedInstruction): number => value ?? 0;
    this.#handlers = {
      "mov-from-cr": (vcpu, i) => this.#readControl(vcpu, i),
      "mov-to-cr": (vcpu, i) => this.#writeControl(vcpu, i),
      "mov-from-dr": (vcpu, i) => cpu.getDebugreg.run(vcpu, index(i)),
      "mov-to-dr": (vcpu, i) => cpu.setDebugreg.run(vcpu, index(i), operand(i)),
      clts: (vcpu) => cpu.clts.run(vcpu),
      lmsw: (vcpu, i) => {
        const answer = hypervisor.execute(vcpu.id, { instruction: "lmsw", operand: operand(i) });
        return isGuestFault(answer) ? answer : undefined;
      },
      invlpg: (vcpu, i) => mmu.flushTlbSingle.run(vcpu, operand(i)),
      invd: (vcpu) => cpu.wbinvd.run(vcpu),
      wbinvd: (vcpu) => cpu.wbinvd.run(vcpu),
      rdmsr: (vcpu, i) => pair(vcpu, cpu.readMsr.run(vcpu, index(i))),
      wrmsr: (vcpu, i) => kernel.writeMsr(vcpu, index(i), operand(i)),
      rdpmc: (vcpu, i) => pair(vcpu, cpu.readPmc.run(vcpu, index(i))),
      xsetbv: (vcpu, i) => (index(i) === 0 ? cpu.writeXcr0.run(vcpu, operand(i)) : generalProtection),
      lgdt: (vcpu, i) => this.#loadTable(vcpu, operand(i), (table) => kernel.loadGdt(vcpu, table)),
      lidt: (vcpu, i) => this.#loadTable(vcpu, operand(i), (table) => kernel.loadIdt(vcpu, table)),
      sgdt: (vcpu, i) => this.#storeTable(vcpu, i, kernel.storeGdt(vcpu)),
      sidt: (vcpu, i) => this.#storeTable(vcpu, i, kernel.storeIdt(vcpu)),
      lldt: (vcpu, i) => kernel.loadLdt(vcpu, Number(operand(i))),
      ltr: (vcpu, i) => kernel.loadTr(vcpu, Number(operand(i))),
      cli: (vcpu) => kernel.setInterruptFlag(vcpu, false),
      sti: (vcpu, i) => this.#enable(vcpu, i),
      pushf: (vcpu, i, shadow) => this.#pushFlags(vcpu, i, shadow),
      popf: (vcpu, i, shadow) => this.#popFlags(vcpu, i, shadow),
      hlt: ({ id }) => hypervisor.park(id),
      iret: (vcpu) => kernel.iret(vcpu) ?? "resume",
      sysexit: (vcpu) => kernel.sysexit(vcpu) ?? "resume",
      sysenter: (vcpu) => kernel.sysenter(vcpu) ?? "resume",
    };
  }

  run(vcpu: Vcpu, intercepted: InterceptedInstruction): InterceptAnswer {
    const { instruction, destination } = intercepted;
    const handlers: Readonly<Partial<Record<InterceptableInstruction, Handler>>> = this.#handlers;
    const answer = handlers[instruction]?.(vcpu, intercepted, this.cpus[vcpu.id]!);
    if (typeof answer === "bigint" && destination !== undefined) {
      vcpu.registers.set(generalRegisters[destination]!, BigInt.asUintN(32, answer));
      return "next";
    }
    if (answer === "resume" || isGuestFault(answer)) return answer;
    return "next";
  }

  #readControl(vcpu: Vcpu, { control }: InterceptedInstruction): bigint | GuestFault {
    const { cpu, mmu } = this.parts.under;
    if (control === "cr0") return cpu.readCr0.run(vcpu);
    if (control === "cr2") return mmu.readCr2.run(vcpu);
    if (control === "cr3") return mmu.readCr3.run(vcpu);
    return control === "cr4" ? cpu.readCr4.run(vcpu) : cpu.readCr8.run(vcpu);
  }

  #writeControl(vcpu: Vcpu, { control, operand = 0n }: InterceptedInstruction): Done {
    const { cpu, mmu } = this.parts.under;
    if (control === "cr0") return cpu.writeCr0.run(vcpu, operand);
    if (control === "cr2") return mmu.writeCr2.run(vcpu, operand);
    if (control === "cr3") return mmu.writeCr3.run(vcpu, operand);
    return control === "cr4" ? cpu.writeCr4.run(vcpu, operand) : cpu.writeCr8.run(vcpu, operand);
  }

  #loadTable(vcpu: Vcpu, address: bigint, load: (table: TableOperand) => Done): Done {
    const image = new Uint8Array(6);
    const fault = this.parts.hypervisor.linear.read(vcpu.id, address, image, { level: 1 });
    const view = new DataView(image.buffer);
    return fault ?? load({ limit: view.getUint16(0, true), base: BigInt(view.getUint32(2, true)) });
  }

  #storeTable(vcpu: Vcpu, { operand = 0n, level }: InterceptedInstruction, table: TableOperand | GuestFault): Done {
    if (isGuestFault(table)) return table;
    const image = new DataView(new ArrayBuffer(6));
    image.setUint16(0, table.limit, true);
    image.setUint32(2, Number(BigInt.asUintN(32, table.base)), true);
    return this.parts.hypervisor.linear.write(vcpu.id, operand, new Uint8Array(image.buffer), { level, write: true });
  }

  /** STI. No interrupt comes between it and a HLT: a kernel that waits in this way would sleep over what woke it. */
  #enable(vcpu: Vcpu, { length }: InterceptedInstruction): Done | "resume" {
    const { registers, id } = vcpu;
    const behind = BigInt.asUintN(32, registers.get("rip") + BigInt(length));
    const opcode = new Uint8Array(1);
    const at = BigInt.asUintN(32, registers.segment("cs").base + behind);
    const unread = this.parts.hypervisor.linear.read(id, at, opcode, { level: 1 });
    this.kernel.setInterruptFlag(vcpu, true);
    if (unread !== undefined || opcode[0] !== HLT) return undefined;
    registers.set("rip", behind + 1n);
    this.parts.hypervisor.park(id);
    return "resume";
  }

  #pushFlags({ id, registers }: Vcpu, { bits }: InterceptedInstruction, shadow: CpuShadow): Done {
    const bytes = bits === 16 ? 2 : 4;
    const pointer = BigInt.asUintN(32, registers.get("rsp") - BigInt(bytes));
    const image = new DataView(new ArrayBuffer(4));
    image.setUint32(0, Number(shadow.visibleFlags() & 0xfcffffn), true);
    const at = BigInt.asUintN(32, registers.segment("ss").base + pointer);
    const fault = this.parts.hypervisor.linear.write(id, at, new Uint8Array(image.buffer, 0, bytes), { level: 1, write: true });
    if (fault === undefined) registers.set("rsp", pointer);
    return fault;
  }

  #popFlags(vcpu: Vcpu, { bits }: InterceptedInstruction, shadow: CpuShadow): Done {
    const { registers, id } = vcpu;
    const bytes = bits === 16 ? 2 : 4;
    const image = new Uint8Array(4);
    const at = BigInt.asUintN(32, registers.segment("ss").base + registers.get("rsp"));
    const fault = this.parts.hypervisor.linear.read(id, at, image.subarray(0, bytes), { level: 1 });
    if (fault !== undefined) return fault;
    const popped = BigInt(new DataView(image.buffer).getUint32(0, true));
    const mask = bytes === 2 ? POPPED & LOW_WORD : POPPED;
    registers.set("rsp", BigInt.asUintN(32, registers.get("rsp") + BigInt(bytes)));
    registers.set("rflags", (registers.get("rflags") & ~mask) | (popped & mask));
    shadow.iopl = Number((popped >> IOPL_SHIFT) & 3n); // the kernel is its machine's most privileged code
    this.kernel.setInterruptFlag(vcpu, (popped & BigInt(RFLAGS_IF)) !== 0n);
  }
}

/** EDX:EAX. */
function pair({ registers }: Vcpu, value: bigint | GuestFault): Done {
  if (isGuestFault(value)) return value;
  registers.set("rax", BigInt.asUintN(32, value));
  registers.set("rdx", BigInt.asUintN(32, value >> 32n));
}
