/** Operations under a tap: whoever calls one, the core or a layer above, is seen by it. Machines without the tap carry none of this. */
import type { Clock, Operation, OperationGroup, ParavirtOps, Taps } from "@paravane/paravirt-ops";

type Slot = Operation<readonly unknown[]>;

/** Slots that are watched already: a layer that adds nothing names the slot beneath, and one request is to be seen once. */
const watched = new WeakSet<Slot>();

/** The same operations, each of which tells the tap when it is called. */
export function watchOperations(ops: ParavirtOps, tap: NonNullable<Taps["operation"]>, clock: Pick<Clock, "nowNs">): ParavirtOps {
  const watch = (group: OperationGroup, name: string, slot: Slot): Slot => {
    if (watched.has(slot)) return slot;
    const seen: Slot = {
      inline: slot.inline,
      run: (vcpu, ...args) => {
        tap(clock.nowNs(), vcpu.id, group, name, args);
        return slot.run(vcpu, ...args);
      },
    };
    watched.add(seen);
    return seen;
  };
  const groups = Object.entries(ops).map(([group, slots]) => [
    group,
    Object.fromEntries(
      Object.entries(slots as Record<string, Slot>).map(([name, slot]) => [name, watch(group as OperationGroup, name, slot)]),
    ),
  ]);
  return Object.fromEntries(groups) as ParavirtOps;
}
