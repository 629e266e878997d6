/** The CPU core's definition: the engine on the machine's memory, one vCPU object per virtual CPU, guest RAM. */
import { type Core, type CoreDefinition, type CoreEnvironment, defineCore, HvError, type PrivilegeLevel } from "@paravane/paravirt-ops";
import { BlockDecoder } from "./decode/block.js";
import { ENGINE_TABLE } from "./generated/engine.js";
import { type EngineImports, instantiateEngine } from "./engine.js";
import { createGuestMemory } from "./guest-memory.js";
import { LentHandle } from "./hypervisor/handle.js";
import { idOf } from "./hypervisor/state.js";
import { buildTable, fingerprint } from "./interp/handlers.js";
import { instructions } from "./isa/index.js";
import * as L from "./layout.js";
import { LOG_BYTES, planMemory } from "./memory-plan.js";
import { withTscGuess } from "./tsc-guess.js";
import { type TranslationTuning, Translator } from "./translate/translator.js";
import { parseCpuModel } from "./vcpu/models.js";
import { fillCpuid, modelCpuid } from "./vcpu/cpuid.js";
import { createRegisters } from "./vcpu/registers.js";
import { CoreVcpu } from "./vcpu/vcpu.js";
import type { Sampling, Verifier } from "./verify/verifier.js";

/** The decode table, built when the first core is created. */
let table: ReturnType<typeof buildTable> | undefined;

function instructionTable(): ReturnType<typeof buildTable> {
  const built = buildTable(instructions);
  if (fingerprint(built.handlers) !== ENGINE_TABLE)
    throw new HvError("core/stale-engine", "the engine was built from other instruction tables", {
      hint: "run the package's generate script",
    });
  return built;
}

/** How a core carries out its code. */
export interface CpuCoreOptions {
  /**
   * "interp": the interpreter alone. "jit", the default: what runs often is translated to WebAssembly. "verify": that too, and each run of a
   * translation is done again by the interpreter; a difference is thrown by `Vcpu.run` as HvError "core/verify".
   */
  readonly engine?: "interp" | "jit" | "verify";
  /** With "verify": which runs are compared; all of them when absent. */
  readonly verify?: Sampling;
  /** When translation happens; for tests and experiments. */
  readonly translation?: TranslationTuning;
  /** Frames of 4 KiB that a backend may allocate for itself; 1024 and one for each 2 MiB of guest memory when absent. */
  readonly hypervisorFrames?: number;
}

const framesOf = ({ hypervisorFrames }: CpuCoreOptions): { hypervisorFrames?: number } =>
  hypervisorFrames === undefined ? {} : { hypervisorFrames };

/** Creates a core on `environment.memory`, which must have at least `cpuCore.plan(...).memoryBytes` bytes. */
export async function createCore(environment: CoreEnvironment, options: CpuCoreOptions = {}): Promise<Core> {
  const { memory, ramBytes, vcpus: count, pio, mmio, localInterrupts, msrs, hypercalls } = environment;
  const plan = planMemory({ ramBytes, vcpus: count, ...framesOf(options) });
  const model = parseCpuModel(environment.cpuModel);
  table ??= instructionTable();
  const view = new DataView(memory.buffer);
  const randomBytes = new Uint8Array(8);
  const exitArgument = (cpu: number): number => (cpu >>> 0) + L.EXIT_ARG;
  let decoder: BlockDecoder;
  let decodingAt = { cpu: 0, linear: 0n };
  const asked: EngineImports = {
    pioRead: (_cpu, port, size) => pio.read(port, size as 1 | 2 | 4),
    pioWrite: (_cpu, port, size, value) => pio.write(port, size as 1 | 2 | 4, value >>> 0),
    mmioRead: (_cpu, low, high, size) => mmio.read((low >>> 0) + (high >>> 0) * 0x100000000, size as 1 | 2 | 4),
    mmioWrite: (_cpu, low, high, size, value) => mmio.write((low >>> 0) + (high >>> 0) * 0x100000000, size as 1 | 2 | 4, value >>> 0),
    msrRead(cpu, index) {
      const value = msrs.msrRead(idOf(cpu), index >>> 0);
      if (value === undefined) return 0;
      view.setBigUint64(exitArgument(cpu), value, true);
      return 1;
    },
    msrWrite: (cpu, index) => (msrs.msrWrite(idOf(cpu), index >>> 0, view.getBigUint64(exitArgument(cpu), true)) ? 1 : 0),
    readTaskPriority: (cpu) => localInterrupts.readTaskPriority(idOf(cpu)),
    writeTaskPriority: (cpu, cr8) => localInterrupts.writeTaskPriority(idOf(cpu), cr8),
    acknowledge: (cpu) => localInterrupts.acknowledge(idOf(cpu)),
    readTsc(cpu) {
      const ticks = environment.readTsc(idOf(cpu));
      view.setUint32(exitArgument(cpu), ticks, true); // modulo 2^32
      view.setUint32(exitArgument(cpu) + 4, ticks / 0x100000000, true);
    },
    random(cpu) {
      environment.random(randomBytes);
      new Uint8Array(memory.buffer).set(randomBytes, exitArgument(cpu));
    },
    decode(cpu, host, mode) {
      const block = cpu >>> 0;
      const codeBase = mode & L.MODE_64 ? 0n : view.getBigUint64(block + L.SEG + L.CS * L.SEG_SIZE + L.SEG_BASE, true);
      decodingAt = {
        cpu: block,
        linear: (view.getBigUint64(block + L.RIP, true) + codeBase) & view.getBigUint64(block + L.LIN_MASK, true),
      };
      return decoder.decode(host >>> 0, mode >>> 0);
    },
    hypercall(cpu) {
      if (!hypercalls) return 0;
      const block = cpu >>> 0;
      const bits = view.getUint32(block + L.MODE, true) & L.MODE_64 ? 64 : 32;
      const register = (number: number): bigint => BigInt.asUintN(bits, view.getBigUint64(block + L.GPR + 8 * number, true));
      const level = view.getUint32(block + L.CPL, true) as PrivilegeLevel;
      const registers = [register(0), register(3), register(1), register(2), register(6)] as const;
      const result = hypercalls.hypercall(idOf(cpu), { level, bits, registers });
      view.setBigUint64(block + L.GPR, BigInt.asUintN(bits, result), true);
      return 1;
    },
    intercept: (cpu, u) => lent.intercepts.run(cpu >>> 0, u >>> 0),
    deliver: (cpu, kind, vector, error) => lent.deliveries.run(cpu >>> 0, kind, vector, error >>> 0),
    store: (cpu, pa, from, size, writable) => lent.stores.run(cpu >>> 0, pa >>> 0, from >>> 0, size, writable !== 0),
    interruptWindow: (cpu) => lent.interruptWindow(cpu >>> 0),
    hot: (cpu, header) => translator.hot(cpu >>> 0, header >>> 0),
    dropped: (header) => translator.dropped(header >>> 0),
    apart: (cpu, unit) => translator.apart(cpu >>> 0, unit >>> 0),
    grow: (cpu, from, to) => translator.grow(cpu >>> 0, from >>> 0, to >>> 0),
  };
  // Verification answers calls of the host from a record: it wants one for each reading.
  const guess = options.engine === "verify" ? undefined : environment.tscGuess;
  const host = guess === undefined ? asked : withTscGuess(asked, view, guess);
  const engine = await instantiateEngine(memory, host);
  let verifier: Verifier | undefined;
  if (options.engine === "verify") {
    const { createVerifier } = await import("./verify/verifier.js");
    verifier = await createVerifier(engine, { memory, plan, ramBytes, host, sampling: options.verify });
  }
  const translator = new Translator({
    view,
    memory,
    engine,
    handlers: table.handlers,
    enabled: options.engine !== "interp",
    verifier,
    ...options.translation,
  });
  let flushes = 0;
  decoder = new BlockDecoder(
    table,
    {
      buffer: memory.buffer,
      reserve(bytes) {
        const at = engine.codeReserve(bytes) >>> 0;
        if (flushes !== view.getUint32(L.CODE_FLUSHES_PTR, true)) {
          flushes = view.getUint32(L.CODE_FLUSHES_PTR, true);
          translator.flushed();
          lent.intercepts.flushed();
        }
        return at;
      },
      insert: (header, end) => engine.codeInsert(header, end),
      fetchNextPage: () => engine.fetchPtr(decodingAt.cpu, BigInt.asUintN(64, (decodingAt.linear | 0xfffn) + 1n)) >>> 0,
    },
    (feature) => model.has(feature),
    (mode) => translator.heat(mode),
    (set, u, instruction, row) => lent.intercepts.lower(set, u, instruction, row),
  );
  engine.machineInit(plan.ramBase, ramBytes, plan.frameInfo, plan.codeMap, plan.frameStores, count, plan.hypervisorFrames);
  // Verification runs units and blocks one after the other: both would count the same PAUSEs.
  if (environment.pauseLoopExiting && verifier === undefined) view.setUint32(L.PAUSE_LOOP_PTR, L.PAUSE_LOOP, true);
  engine.codeInit(plan.blockHash, plan.pageBlocks, plan.codePool, plan.codeEnd);
  const vcpus: CoreVcpu[] = [];
  const bytes = new Uint8Array(memory.buffer);
  const lent = new LentHandle({ view, bytes, engine, plan, ramBytes, vcpus }, mmio, table.handlers, count);
  for (let id = 0; id < count; id++) {
    const cpu = L.VCPU_BASE + id * L.VCPU_STRIDE;
    const registers = createRegisters(view, cpu, engine, {
      read: () => localInterrupts.readTaskPriority(id),
      write: (value) => localInterrupts.writeTaskPriority(id, value),
    });
    const vcpu = new CoreVcpu(id, view, registers, engine, translator);
    fillCpuid(view, cpu, model, { vcpuId: id, vcpus: count, tscHz: environment.tscHz });
    vcpu.reset();
    vcpus.push(vcpu);
  }
  return {
    vcpus,
    guestMemory: createGuestMemory(memory.buffer, plan.ramBase, ramBytes, engine),
    hypervisor: lent,
    cpuid: modelCpuid(model, { vcpuId: 0, vcpus: count, tscHz: environment.tscHz }),
    bind: (ops) => lent.bind(ops),
    setA20: (enabled) => engine.setA20(enabled),
    stats() {
      const instructions = vcpus.reduce((sum, v) => sum + v.retired, 0);
      const translated = translator.stats;
      return {
        blocksDecoded: view.getUint32(L.CODE_BLOCKS_PTR, true),
        blocksDropped: view.getUint32(L.CODE_STALE_PTR, true),
        codeFlushes: view.getUint32(L.CODE_FLUSHES_PTR, true),
        ...translated,
        "tiers.interp.instructions": instructions - translated["tiers.jit.instructions"]!,
        instructions,
      };
    },
    regions: () => translator.regions(),
    close: () => {},
  };
}

/** The Paravane CPU core with other than its usual options. */
export function cpuCoreWith(options: CpuCoreOptions): CoreDefinition {
  return defineCore({
    name: "@paravane/cpu-core",
    package: "@paravane/cpu-core",
    contract: "^1.0",
    capabilities: ["operations", "hypervisor"],
    requires: [],
    plan: ({ ramBytes, vcpus }) => ({
      memoryBytes: planMemory({ ramBytes, vcpus, ...framesOf(options) }).memoryBytes + (options.engine === "verify" ? LOG_BYTES : 0),
    }),
    create: (environment) => createCore(environment, options),
  });
}

/** The Paravane CPU core, as the machine monitor composes it. */
export const cpuCore: CoreDefinition = cpuCoreWith({});
