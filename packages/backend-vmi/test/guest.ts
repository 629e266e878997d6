/** A VMI guest on the recording parts: linear addresses are physical ones, and the test is the processor. */
import {
  architectural,
  type BackendDefinition,
  type BoardDefinition,
  type InterceptAnswer,
  isGuestFault,
  type ParavirtOps,
} from "@paravane/paravirt-ops";
import { type BackendBench, backendBench, type GuestTimer, plainBackend, plainOps } from "@paravane/paravirt-ops/conformance";
import type { CallName } from "../src/abi/calls.js";
import { alarmFlags } from "../src/abi/vmi.js";
import { vmi, type VmiConfig } from "../src/backend.js";
import { buildRom, type Rom, ROM_BASE, type RomEntry } from "../src/rom/rom.js";

/** Operations whose results are numbers and tables, as those of a bare machine are. */
function answeringOps(): ParavirtOps {
  const { cpu, irq, mmu, time, smp } = plainOps();
  const zero = architectural(() => 0n);
  const nothing = architectural(() => 0);
  const table = (name: "gdtr" | "idtr") => architectural((vcpu) => vcpu.registers.table(name));
  return {
    cpu: {
      ...cpu,
      ...{ readCr0: zero, readCr4: zero, readCr8: zero, readMsr: zero, getDebugreg: zero, readPmc: zero },
      ...{ storeGdt: table("gdtr"), storeIdt: table("idtr"), storeLdt: nothing, storeTr: nothing },
    },
    irq: { ...irq, apicRead: nothing },
    mmu: { ...mmu, readCr2: zero, readCr3: zero },
    time: { ...time, getWallclock: nothing },
    smp,
  };
}

/** The bottom layer for these tests. */
export const native = plainBackend({
  name: "native",
  manifest: { part: "native", abi: "1", entries: [] },
  install: () => ({ ops: answeringOps() }),
});

/** The stack of every call. */
const STACK = 0x300000;

/** A guest after VMI_Init. Its ROM has VMCALLs in the places that the one for CPL 1 without a hole has, unless it is at CPL 0. */
export class TestGuest {
  readonly #rom: Rom;

  private constructor(
    readonly bench: BackendBench,
    config: Partial<VmiConfig>,
  ) {
    this.#rom = buildRom({ level: config.cpl ?? 0, flagPage: undefined }, 0);
  }

  static async start(
    config: Partial<VmiConfig> = {},
    vcpus = 1,
    { layer = native, board }: { layer?: BackendDefinition; board?: BoardDefinition } = {},
  ): Promise<TestGuest> {
    const bench = await backendBench(vmi.with({ ...config, hole: 0 }), [layer], vcpus, board);
    const guest = new TestGuest(bench, config);
    for (const { id } of bench.environment.vcpus) guest.enter("Init", [], id);
    return guest;
  }

  registers(vcpu = 0) {
    return this.bench.core.vcpus[vcpu]!.registers;
  }

  /** A vCPU's alarm as calls program it, with `flags` for its wiring. A counter's ticks are ns here. */
  alarm(vcpu: number, flags: number): GuestTimer {
    const set = (more: number, expiry: number, period: number): void => {
      const words = [expiry, period].flatMap((value) => [BigInt(value) & 0xffffffffn, BigInt(value) >> 32n]);
      this.enter("SetAlarm", [flags | more, ...words], vcpu);
    };
    return {
      setNextEvent: (deadlineNs) => set(0, deadlineNs, 0),
      setPeriodic: (periodNs) => set(alarmFlags.periodic, this.bench.environment.clock.nowNs() + periodNs, periodNs),
      shutdown: () => void this.enter("CancelAlarm", [flags], vcpu),
    };
  }

  /** Calls with arguments in EAX, EDX, ECX and on the stack: EDX:EAX, or the answer when it is no result. */
  call(name: CallName, ...args: readonly (number | bigint)[]): bigint | InterceptAnswer {
    return this.enter(name, args, 0);
  }

  enter(entry: RomEntry, args: readonly (number | bigint)[], vcpu: number): bigint | InterceptAnswer {
    const registers = this.registers(vcpu);
    const exit = [...this.#rom.exits].find(([, found]) => found.entry === entry);
    if (exit === undefined) throw new Error(`${entry} is code in the ROM`);
    registers.setSegment("cs", { selector: 8, base: 0n, limit: 0xffffffff, access: 0xc09b });
    registers.setSegment("ss", { selector: 16, base: 0n, limit: 0xffffffff, access: 0xc093 });
    registers.set("rip", BigInt(ROM_BASE + exit[0]));
    registers.set("rsp", BigInt(STACK));
    for (const [index, value] of args.entries()) {
      const word = BigInt.asUintN(32, BigInt(value));
      if (index < 3) registers.set((["rax", "rdx", "rcx"] as const)[index]!, word);
      else this.bench.core.guestMemory.writeU32(STACK + 4 * (index - 2), Number(word));
    }
    const answer = this.bench.backend.intercept!(vcpu, { instruction: "vmcall", length: 3, bits: 32, level: 0 });
    if (isGuestFault(answer) || answer !== "next") return answer;
    return (registers.get("rdx") << 32n) | registers.get("rax");
  }
}
