// What a core's translator emits for a guest that is run the same way each time: instruction count for a clock, typing at exact
// instructions, translations compiled between two slices.
import { createHash } from "node:crypto";
import { native } from "@paravane/backend-native";
import { cpuCoreWith } from "@paravane/cpu-core";
import { pcBoard } from "@paravane/devices/board";
import type { ByteStream, Core, CoreDefinition } from "@paravane/paravirt-ops";
import { createMachine, type GuestOptions, type MachineStats, type RunResult } from "@paravane/vmm";

/** A core that translates much, and on the run's own path. */
const synchronous = cpuCoreWith({ translation: { synchronous: true, heat: 100, leastRuns: 20 } });

/** Which core carries out the guest's code: as it is composed, or one for which the contract's operations and handles do not exist. */
export const CORES = {
  "with the contract": synchronous,
  "without it": {
    ...synchronous,
    create: async (environment): Promise<Core> => {
      const { bind: _bind, hypervisor: _hypervisor, ...bare } = await synchronous.create(environment);
      return bare;
    },
  },
} satisfies Record<string, CoreDefinition>;

/** A guest and what is typed when its console shows something. */
export interface Session {
  readonly guest: GuestOptions;
  readonly memory: string;
  readonly prompt: string;
  readonly typed: string;
}

/** What came of a session. */
export interface Emitted {
  /** SHA-256 of each emitted module, in order. */
  readonly modules: readonly string[];
  readonly bytes: number;
  readonly result: RunResult;
  readonly console: string;
  readonly stats: MachineStats;
}

/** The console, and what is typed into it, from the first prompt on, as soon as the guest takes it. */
function typist({ prompt, typed }: Session): { serial: ByteStream; text: () => string } {
  let text = "";
  let begun = false;
  let left = new Uint8Array(0);
  let take: (bytes: Uint8Array) => number = () => 0;
  const feed = (): void => {
    if (left.byteLength > 0) left = left.subarray(take(left));
  };
  const serial: ByteStream = {
    write(bytes) {
      text += Buffer.from(bytes).toString("latin1");
      if (!begun && text.endsWith(prompt)) {
        begun = true;
        left = new TextEncoder().encode(typed);
        feed();
      }
      return true;
    },
    onDrain: () => {},
    onData: (listener) => {
      take = listener;
    },
    ready: feed,
  };
  return { serial, text: () => text };
}

/** Runs a session to its end and notes every module that is compiled meanwhile. */
export async function emittedBy(core: CoreDefinition, session: Session): Promise<Emitted> {
  const modules: string[] = [];
  let bytes = 0;
  const { serial, text } = typist(session);
  const machine = await createMachine({
    core,
    board: pcBoard,
    backends: [native],
    guest: session.guest,
    memory: session.memory,
    serial,
    clock: "icount",
  });
  const Module = WebAssembly.Module;
  WebAssembly.Module = class extends Module {
    constructor(source: BufferSource) {
      const code = ArrayBuffer.isView(source)
        ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
        : new Uint8Array(source);
      modules.push(createHash("sha256").update(code).digest("hex"));
      bytes += code.byteLength;
      super(source);
    }
  };
  try {
    const result = await machine.run();
    return { modules, bytes, result, console: text(), stats: machine.stats() };
  } finally {
    WebAssembly.Module = Module;
    await machine.close();
  }
}
