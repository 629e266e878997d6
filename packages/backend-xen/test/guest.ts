/** A PV guest on the recording parts: linear addresses are machine addresses, and the test is the processor. */
import {
  architectural,
  type HypervisorHandle,
  type InterceptAnswer,
  type InterceptableInstruction,
  type InterceptedInstruction,
  type ParavirtOps,
  type Taps,
  type Vcpu,
} from "@paravane/paravirt-ops";
import { type BackendBench, backendBench, plainBackend, plainOps } from "@paravane/paravirt-ops/conformance";
import { ARGUMENT_REGISTERS, type HypercallName, hypercalls } from "../src/abi/hypercalls.js";
import { type GuestBits, StructView } from "../src/abi/struct.js";
import { start_info } from "../src/abi/xen.js";
import { xen } from "../src/backend.js";
import type { XenConfig } from "../src/domain/domain.js";
import { elfKernel, image, plainNotes } from "./images.js";

/** Operations that do what the core would, as far as Xen asks for them. */
export function coreOps(hypervisor: HypervisorHandle): ParavirtOps {
  const { cpu, irq, mmu, smp, time } = plainOps();
  const control = (index: number) =>
    architectural((vcpu: Vcpu, operand: bigint) => void hypervisor.execute(vcpu.id, { instruction: "mov-to-cr", index, operand }));
  const forget = (vcpu: number, address: bigint | undefined): void => hypervisor.forgetAddress(vcpu, address);
  return {
    cpu: {
      ...cpu,
      writeCr0: control(0),
      writeCr4: control(4),
      setDebugreg: architectural((vcpu, index, operand) => void hypervisor.execute(vcpu.id, { instruction: "mov-to-dr", index, operand })),
      writeXcr0: architectural((vcpu, operand) => void hypervisor.execute(vcpu.id, { instruction: "xsetbv", index: 0, operand })),
    },
    irq: { ...irq, halt: architectural((vcpu) => hypervisor.park(vcpu.id)) },
    mmu: {
      ...mmu,
      writeCr3: control(3),
      flushTlbKernel: architectural((vcpu) => forget(vcpu.id, undefined)),
      flushTlbSingle: architectural((vcpu, address) => forget(vcpu.id, address)),
      flushTlbOthers: architectural((_vcpu, vcpus, address) => {
        for (const vcpu of vcpus) forget(vcpu, address);
      }),
    },
    smp: {
      ...smp,
      vcpuUp: architectural((_vcpu, target) => hypervisor.wake(target)),
      yield: architectural((vcpu) => hypervisor.yield(vcpu.id)),
    },
    time,
  };
}

/** The bottom layer for these tests. */
export const native = plainBackend({
  name: "native",
  manifest: { part: "native", abi: "1", entries: [] },
  install: (_under, { hypervisor }) => ({ ops: coreOps(hypervisor!) }),
});

/** A guest whose kernel stands at its entry. */
export class TestGuest {
  /** Linear address of start_info, as RSI had it at the entry. */
  readonly #startInfo: number;

  private constructor(
    readonly bits: GuestBits,
    readonly bench: BackendBench,
    readonly calls: string[],
  ) {
    this.#startInfo = Number(this.registers.get("rsi"));
  }

  static async start(bits: GuestBits, config: Partial<XenConfig> = {}, vcpus = 1): Promise<TestGuest> {
    const calls: string[] = [];
    const bench = await backendBench(xen.with(config), [native], vcpus);
    const taps = bench.environment.taps as { -readonly [Key in keyof Taps]: Taps[Key] };
    taps.hypercall = (_at, _vcpu, name, _args, result) => void calls.push(`${name} ${result}`);
    const elf = elfKernel({ machine: bits === 64 ? 62 : 3, notes: plainNotes(), physical: 0x100000 });
    await bench.backend.load!(image(elf));
    const { backend, core } = bench;
    core.hypervisor.setInterceptHandler(backend.intercept!);
    core.hypervisor.setDeliveryHandler(backend.delivery!);
    core.hypervisor.setStoreHandler(backend.store!);
    return new TestGuest(bits, bench, calls);
  }

  get memory() {
    return this.bench.core.guestMemory;
  }

  get hypervisor() {
    return this.bench.core.hypervisor;
  }

  get registers() {
    return this.registersOf(0);
  }

  registersOf(vcpu: number) {
    return this.bench.core.vcpus[vcpu]!.registers;
  }

  /** start_info, found as the kernel finds it: RSI has its address in the mapped area, whose frames the list tells. */
  get info(): StructView<string> {
    return new StructView(start_info[this.bits], this.memory.view(this.frameOf(this.#startInfo / 4096) * 4096, 4096));
  }

  /** Machine frame of the domain's own frame, by the page tables that it starts on. */
  frameOf(pfn: number): number {
    const root = Number(this.registers.get("cr3"));
    let table = root / 4096;
    for (let level = 4; level > 0; level--) {
      const index = Math.floor((pfn * 4096) / 2 ** (12 + 9 * (level - 1))) & 0x1ff;
      const bytes = this.hypervisor.frames.bytes(table);
      const entry = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(index * 8, true);
      if ((entry & 1n) === 0n) throw new Error(`pfn ${pfn} is not mapped`);
      table = Number((entry >> 12n) & 0xff_ffff_ffffn);
    }
    return table;
  }

  /** Machine address of scratch memory `offset` bytes into a plain page of the guest's. */
  scratch(offset = 0): number {
    return this.frameOf(16) * 4096 + offset;
  }

  /** Stores 8- or 4-byte words there, as wide as the guest. */
  words(address: number, ...values: (number | bigint)[]): number {
    for (const [index, value] of values.entries()) {
      if (this.bits === 64) this.memory.writeU64(address + index * 8, BigInt.asUintN(64, BigInt(value)));
      else this.memory.writeU32(address + index * 4, Number(BigInt.asUintN(32, BigInt(value))));
    }
    return address;
  }

  /** A word as wide as the guest. */
  word(address: number): bigint {
    return this.bits === 64 ? this.memory.readU64(address) : BigInt(this.memory.readU32(address));
  }

  /** Makes a call from the first vCPU's kernel: what RAX says, signed. */
  call(name: HypercallName | number, ...args: (number | bigint)[]): number {
    return this.callFrom(0, name, ...args);
  }

  /** Makes a call from a vCPU's kernel. */
  callFrom(vcpu: number, name: HypercallName | number, ...args: (number | bigint)[]): number {
    const registers = this.registersOf(vcpu);
    registers.set("rax", BigInt(typeof name === "number" ? name : hypercalls[name]));
    for (const [index, value] of args.entries())
      registers.set(ARGUMENT_REGISTERS[this.bits][index]!, BigInt.asUintN(this.bits, BigInt(value)));
    for (;;) {
      const answer = this.bits === 64 ? this.execute("syscall", {}, vcpu) : this.execute("int", { index: 0x82 }, vcpu);
      if (answer === "next" || name === "iret") break;
    }
    return Number(BigInt.asIntN(this.bits, registers.get("rax")));
  }

  /** An instruction of two bytes comes to the hypervisor. */
  execute(instruction: InterceptableInstruction, parts: Partial<InterceptedInstruction> = {}, vcpu = 0): InterceptAnswer {
    return this.hypervisor.interceptHandler!(vcpu, { instruction, length: 2, bits: this.bits, level: 1, ...parts });
  }
}
