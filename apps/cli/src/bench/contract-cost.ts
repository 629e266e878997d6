// What the contract costs a guest of the bare machine, where nothing can be left out by a translator: the interpreter with architectural
// operations bound beside the interpreter of a core that has neither operations nor handles.
import type { Core, CoreDefinition, CoreEnvironment, ParavirtOps } from "@paravane/paravirt-ops";
import { architectural, operations } from "@paravane/paravirt-ops";
import type { Program } from "./loop-programs.js";
import { Running } from "./running.js";

/** Every slot is the core's own, as on the bare machine. */
function architecturalOps(): ParavirtOps {
  const groups = Object.entries(operations).map(([group, rows]) => [
    group,
    Object.fromEntries(Object.keys(rows).map((name) => [name, architectural(() => undefined)])),
  ]);
  return Object.fromEntries(groups) as ParavirtOps;
}

const bound = (definition: CoreDefinition): CoreDefinition => ({
  ...definition,
  create: async (environment: CoreEnvironment): Promise<Core> => {
    const core = await definition.create(environment);
    core.bind?.(architecturalOps());
    return core;
  },
});

const bare = (definition: CoreDefinition): CoreDefinition => ({
  ...definition,
  create: async (environment: CoreEnvironment): Promise<Core> => {
    const { bind: _bind, hypervisor: _hypervisor, ...core } = await definition.create(environment);
    return core;
  },
});

/** The two, measured one after the other in each round. */
export class ContractCost {
  /** Time with the contract over time without it, by round. */
  readonly ratios: number[] = [];

  private constructor(
    private readonly withIt: Running,
    private readonly withoutIt: Running,
  ) {}

  static async start(definition: CoreDefinition, program: Program): Promise<ContractCost> {
    return new ContractCost(await Running.start(bound(definition), program), await Running.start(bare(definition), program));
  }

  get running(): readonly Running[] {
    return [this.withIt, this.withoutIt];
  }

  /** Whoever goes first changes from round to round. */
  measure(seconds: number): void {
    const order = this.ratios.length % 2 === 0 ? [this.withIt, this.withoutIt] : [this.withoutIt, this.withIt];
    for (const program of order) program.measure((_, spent) => spent >= seconds);
    this.ratios.push(this.withoutIt.instructionRates.at(-1)! / this.withIt.instructionRates.at(-1)!);
  }
}
