/**
 * What every backend must do, whatever its ABI: name every slot, answer whatever a guest asks without throwing, keep the promises that hold
 * on every hypervisor, and share nothing between machines. Runs on the recording core and board.
 */
import { answersOfForms, contradictions, listAnswers } from "../answers.js";
import type { BackendDefinition } from "../backend.js";
import { CONTRACT_VERSION } from "../abi.js";
import { isHvError } from "../errors.js";
import type { Vcpu } from "../handles/vcpu.js";
import { type OperationGroup, operations, type ParavirtOps } from "../ops/index.js";
import { isGuestFault, type Operation } from "../ops/operation.js";
import { contractIncludes, partKind } from "../part.js";
import { type BackendBench, backendBench } from "./backend-bench.js";
import { type ConformanceCase, check, same } from "./case.js";
import { sampleArguments } from "./samples.js";

const INLINE_KINDS = ["architectural", "exit", "nop", "fault", "load-field", "store-field"];

type AnyOperation = Operation<readonly unknown[], unknown>;

function slots(ops: ParavirtOps): { group: OperationGroup; name: string; slot: AnyOperation | undefined }[] {
  return (Object.keys(operations) as OperationGroup[]).flatMap((group) =>
    Object.keys(operations[group]).map((name) => ({ group, name, slot: (ops[group] as Record<string, AnyOperation>)[name] })),
  );
}

function samplesOf(group: OperationGroup, name: string): readonly (readonly unknown[])[] {
  return (sampleArguments[group] as Record<string, readonly (readonly unknown[])[]>)[name]!;
}

/** The suite of a backend. `layers` are what lies beneath it, the bottom one first. */
export function backendSuite(definition: BackendDefinition, layers: readonly BackendDefinition[] = []): ConformanceCase[] {
  const on = async (body: (bench: BackendBench) => void): Promise<void> => {
    const bench = await backendBench(definition, layers);
    try {
      body(bench);
    } finally {
      bench.backend.close?.();
    }
  };
  const law = (name: string, body: (ops: ParavirtOps, vcpu: Vcpu, bench: BackendBench) => void): ConformanceCase => ({
    name,
    run: () => on((bench) => body(bench.backend.ops, bench.environment.vcpus[0]!, bench)),
  });
  return [
    {
      name: "its definition says what it is",
      run: () => {
        check(/^[a-z][a-z0-9-]*$/.test(definition.name), "the name is lower case");
        check(definition.abi !== "", "the guest ABI has a version");
        same(partKind(definition), "backend", "what defineBackend made of it");
        check(
          contractIncludes(definition.contract, CONTRACT_VERSION),
          `it is written for this contract, ${CONTRACT_VERSION} (it says ${definition.contract})`,
        );
        for (const capability of definition.capabilities) check(definition.has(capability), `has("${capability}")`);
        check(!definition.has("a capability that nobody has"), "has() tells what it has not");
        same(definition.manifest.part, definition.name, "the manifest's part");
        same(definition.manifest.abi, definition.abi, "the manifest's ABI");
        const keys = definition.manifest.entries.map(({ kind, name }) => `${kind} ${name}`);
        same(new Set(keys).size, keys.length, "names in the manifest are unique");
        check(!definition.needs.includes(definition.name), "it does not lie under itself");
      },
    },
    {
      name: "without the layers that it needs it is a composition error",
      run: async () => {
        if (definition.needs.length === 0) return;
        try {
          await backendBench(definition);
        } catch (error) {
          check(isHvError(error) && error.code.startsWith("compose/"), "the error is compose/…");
          return;
        }
        throw new Error("it was installed");
      },
    },
    {
      name: "every slot of the contract is filled, and nothing else",
      run: () =>
        on(({ backend }) => {
          for (const { group, name, slot } of slots(backend.ops)) check(typeof slot?.run === "function", `${group}.${name} is filled`);
          for (const group of Object.keys(operations) as OperationGroup[]) {
            for (const name of Object.keys(backend.ops[group])) check(name in operations[group], `${group}.${name} is in the contract`);
          }
        }),
    },
    {
      name: "every inline form is from the closed list, and agrees with its function",
      run: () =>
        on(({ backend, environment }) => {
          for (const { group, name, slot } of slots(backend.ops)) {
            const { inline } = slot!;
            check(INLINE_KINDS.includes(inline.kind), `${group}.${name} has inline form ${inline.kind}`);
            if (inline.kind !== "fault" && inline.kind !== "nop") continue;
            const answer = slot!.run(environment.vcpus[0]!, ...samplesOf(group, name)[0]!);
            same(answer, inline.kind === "fault" ? inline.fault : undefined, `${group}.${name}`);
          }
        }),
    },
    {
      name: "how its guests get what operations promise is declared for every operation, and agrees with the slots",
      run: () =>
        on(({ backend }) => {
          const declared = definition.modes ?? [];
          same(new Set(declared.map(({ name }) => name)).size, declared.length, "names of modes are unique");
          for (const mode of declared) {
            same(contradictions(mode, backend.ops), [], `mode ${mode.name}`);
            for (const group of Object.keys(operations) as OperationGroup[]) {
              for (const name of Object.keys(mode.answers[group])) check(name in operations[group], `${group}.${name} is in the contract`);
            }
          }
          for (const { operation, answer } of listAnswers(answersOfForms(backend.ops)))
            check(answer !== undefined, `${operation} has a form`);
        }),
    },
    {
      name: "whatever a guest asks is answered, never thrown at the host",
      run: () =>
        on(({ backend, environment }) => {
          for (const { group, name, slot } of slots(backend.ops)) {
            for (const args of samplesOf(group, name)) {
              const answer = slot!.run(environment.vcpus[0]!, ...args);
              if (!isGuestFault(answer)) continue;
              check(
                Number.isInteger(answer.fault) && answer.fault >= 0 && answer.fault < 32,
                `${group}.${name} raises exception ${answer.fault}`,
              );
            }
          }
        }),
    },
    law("disabling and enabling interrupts shows in saveFl; restoreFl puts back what was", ({ irq }, vcpu) => {
      const enabled = (): boolean | undefined => {
        const flags = irq.saveFl.run(vcpu);
        return isGuestFault(flags) ? undefined : (flags & 0x200) !== 0;
      };
      if (isGuestFault(irq.restoreFl.run(vcpu, 0x200)) || enabled() === undefined) return;
      same(enabled(), true, "after restoreFl(0x200)");
      irq.restoreFl.run(vcpu, 0);
      same(enabled(), false, "after restoreFl(0)");
      if (irq.enable.inline.kind !== "nop" && !isGuestFault(irq.enable.run(vcpu))) same(enabled(), true, "after enable");
      if (irq.disable.inline.kind !== "nop" && !isGuestFault(irq.disable.run(vcpu))) same(enabled(), false, "after disable");
    }),
    law("makeEntry and entryValue are inverses", ({ mmu }, vcpu) => {
      for (const value of [0n, 0x400067n, 0x123000n]) {
        const stored = mmu.makeEntry.run(vcpu, value);
        if (!isGuestFault(stored)) same(mmu.entryValue.run(vcpu, stored), value, `entry ${value.toString(16)}`);
      }
    }),
    law("lazy brackets can be opened, flushed and closed, and closing ends them", ({ mmu }, vcpu) => {
      for (const mode of ["mmu", "cpu"] as const) {
        for (const answer of [mmu.enterLazy.run(vcpu, mode), mmu.flushLazy.run(vcpu), mmu.leaveLazy.run(vcpu, mode)]) {
          check(!isGuestFault(answer), `${mode}: no fault`);
        }
      }
    }),
    law("time does not go back", ({ time }, vcpu, bench) => {
      let last = 0;
      for (let step = 0; step < 10; step++) {
        const now = time.schedClock.run(vcpu);
        if (isGuestFault(now)) return;
        check(now >= last, `${now} after ${last}`);
        last = now;
        bench.advance(step * 1000);
      }
      const stolen = time.stealClock.run(vcpu);
      check(isGuestFault(stolen) || stolen >= 0, "stolen time is not negative");
    }),
    law("an image is judged by its content alone: twice the same", () => {
      const image = { description: "nothing", file: new Uint8Array(0), protocols: [], commandLine: "" } as const;
      same(definition.boot.accepts(image), definition.boot.accepts(image), "accepts");
      check(["requires", "allows", "no"].includes(definition.boot.accepts(image)), "an acceptance");
    }),
    {
      name: "two machines share nothing",
      run: async () => {
        const [a, b] = [await backendBench(definition, layers), await backendBench(definition, layers)];
        const before = b.core.hypervisor.log.length;
        for (const { group, name, slot } of slots(a.backend.ops)) slot!.run(a.environment.vcpus[0]!, ...samplesOf(group, name)[0]!);
        same(b.core.hypervisor.log.length, before, "calls seen by the other machine");
        same(b.shutdowns, [], "ends of the other machine");
        a.backend.close?.();
        b.backend.close?.();
      },
    },
  ];
}
