/** What must hold of a PV domain's frames after whatever its guest did: counts are what the tables and the grants say, no table is writable. */
import { grantMapFlags } from "../src/abi/grant-table.js";
import type { Domain } from "../src/domain/domain.js";
import { frameTypes, isGuarded } from "../src/mmu/frame-table.js";
import { tableEntries } from "./table-entries.js";

/** Uses from outside the tables: [frame, as its type]. */
function outsideUses(domain: Domain): [number, boolean][] {
  const uses: [number, boolean][] = [];
  for (const vcpu of domain.vcpus) if (vcpu.space.root !== undefined) uses.push([vcpu.space.root, true]);
  // The rings of console and xenstore.
  for (const reference of [0, 1]) {
    const grant = domain.activeGrants.get(reference);
    if (grant !== undefined) uses.push([grant.frame, true]);
  }
  for (const { reference, flags } of domain.mapTrack.values()) {
    if ((flags & grantMapFlags.device_map) === 0) continue;
    uses.push([domain.activeGrants.get(reference)!.frame, (flags & grantMapFlags.readonly) === 0]);
  }
  return uses;
}

/** What is wrong, in words. `protectedFrames` are those that the guest cannot store to. */
export function domainFaults(domain: Domain, protectedFrames: ReadonlySet<number>): string[] {
  const { frames } = domain;
  const found: string[] = [];
  const used = new Map<number, number>();
  const typed = new Map<number, number>();
  const use = (frame: number, asType: boolean): void => {
    used.set(frame, (used.get(frame) ?? 0) + 1);
    if (asType) typed.set(frame, (typed.get(frame) ?? 0) + 1);
  };
  for (const [frame, asType] of outsideUses(domain)) use(frame, asType);
  for (let table = 0; table < frames.ramFrames; table++) {
    if (frames.isPinned(table)) use(table, true);
    if (isGuarded(frames.typeOf(table)) && !protectedFrames.has(table)) found.push(`${table.toString(16)} is guarded and not protected`);
  }
  for (const { table, type, index, target, write } of tableEntries(domain)) {
    const leaf = type === frameTypes.l1;
    if (!frames.owns(target)) found.push(`entry ${index} of ${table.toString(16)} names ${target.toString(16)}, which is nobody's`);
    if (!leaf && target === table) continue;
    use(target, !leaf || write);
    if (leaf && write && frames.typeOf(target) !== frameTypes.writable) {
      found.push(`entry ${index} of ${table.toString(16)} can write to ${target.toString(16)}`);
    }
  }
  let pages = 0;
  for (let frame = 0; frame < frames.ramFrames; frame++) {
    const count = frames.countOf(frame);
    if (frames.owns(frame)) pages++;
    else if (count !== 0) found.push(`${frame.toString(16)} is nobody's and has count ${count}`);
    const uses = used.get(frame) ?? 0;
    // The domain's own claim is one more, until it gives the frame up.
    if (frames.owns(frame) && count !== uses + 1 && (count !== uses || uses === 0))
      found.push(`count of ${frame.toString(16)}: ${count}, not ${uses}`);
    if (frames.typeCountOf(frame) !== (typed.get(frame) ?? 0)) found.push(`type count of ${frame.toString(16)}`);
  }
  if (pages !== domain.reservation.pages) found.push(`the domain has ${pages} pages and ${domain.reservation.pages} in its account`);
  return found;
}
