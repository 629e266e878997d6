/** The table of operations: five groups, at most a hundred rows. */
import { type CpuOps, cpuOperations } from "./cpu.js";
import { type IrqOps, irqOperations } from "./irq.js";
import { type MmuOps, mmuOperations } from "./mmu.js";
import type { OperationSpec } from "./operation.js";
import { type SmpOps, smpOperations } from "./smp.js";
import { type TimeOps, timeOperations } from "./time.js";

/** A backend's answers: every slot of every group. */
export interface ParavirtOps {
  /** Processor state. */
  readonly cpu: CpuOps;
  /** Interrupts. */
  readonly irq: IrqOps;
  /** Address spaces. */
  readonly mmu: MmuOps;
  /** Time. */
  readonly time: TimeOps;
  /** Among vCPUs. */
  readonly smp: SmpOps;
}

/** The name of a group. */
export type OperationGroup = keyof ParavirtOps;

/** The contract as data: group, name, origin and promise of every operation. */
export const operations = {
  cpu: cpuOperations,
  irq: irqOperations,
  mmu: mmuOperations,
  time: timeOperations,
  smp: smpOperations,
} as const;

/** One operation of the contract. */
export interface OperationRow extends OperationSpec {
  /** Where it belongs. */
  readonly group: OperationGroup;
  /** As in the group's table. */
  readonly name: string;
}

/** All operations, group by group. */
export function listOperations(): OperationRow[] {
  return Object.entries(operations).flatMap(([group, rows]) =>
    Object.entries(rows).map(([name, spec]: [string, OperationSpec]) => ({ group: group as OperationGroup, name, ...spec })),
  );
}

/** A layer's own answers: of each group the slots in which it differs from what lies beneath. */
export type OwnAnswers = { readonly [Group in OperationGroup]?: Partial<ParavirtOps[Group]> };

/**
 * The operations of a layer: its own answers, and in every other slot the very slot of the layer beneath, so that whoever asks can tell the two
 * apart. What a layer owns is to be named in its tests together with how many operations there are: a new one wants to be read by each author.
 */
export function layerOver(under: ParavirtOps, own: OwnAnswers): ParavirtOps {
  return {
    cpu: { ...under.cpu, ...own.cpu },
    irq: { ...under.irq, ...own.irq },
    mmu: { ...under.mmu, ...own.mmu },
    time: { ...under.time, ...own.time },
    smp: { ...under.smp, ...own.smp },
  };
}
