/**
 * Operations that came with a minor version of the contract. A backend that was written before does not name them; the contract says what
 * they are then, so that neither the backend nor the core has to be released again.
 */
import { HvError } from "../errors.js";
import { listOperations, type OperationGroup, type ParavirtOps } from "./index.js";
import type { Operation } from "./operation.js";

type Slots = Readonly<Record<string, Operation | undefined>>;

/**
 * The same operations with every slot of this contract: what `backend` does not name is what the table says it is then. Without anything
 * missing it is the very same record. @throws HvError "compose/missing-operation"
 */
export function completeOperations(ops: ParavirtOps, backend: string): ParavirtOps {
  const groups: Partial<Record<OperationGroup, Slots>> = {};
  for (const { group, name, unanswered } of listOperations()) {
    const slots = groups[group] ?? (ops[group] as unknown as Slots | undefined) ?? {};
    if (slots[name] !== undefined) continue;
    if (unanswered === undefined) {
      throw new HvError("compose/missing-operation", `backend "${backend}" does not answer the operation ${group}.${name}`, {
        hint: `every backend must name it; ask whoever wrote "${backend}", or take another release of it`,
      });
    }
    groups[group] = { ...slots, [name]: unanswered };
  }
  return Object.keys(groups).length === 0 ? ops : ({ ...ops, ...groups } as ParavirtOps);
}
