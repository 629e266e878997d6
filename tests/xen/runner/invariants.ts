// What must hold of a domain's frames whatever its guest did: Xen's own rules of direct paging, counted anew from the tables themselves.
import type { Domain } from "../../../packages/backend-xen/src/domain/domain.js";
import { frameTypes, isGuarded, levelOf } from "../../../packages/backend-xen/src/mmu/frame-table.js";
import { tableEntries } from "../../../packages/backend-xen/test/table-entries.js";

/** What is broken, one line each. Frames may have more uses than tables make of them (pins, roots, descriptor tables), never fewer. */
export function brokenInvariants(domain: Domain): string[] {
  const { frames, paging } = domain;
  const found: string[] = [];
  const used = new Map<number, number>();
  const typed = new Map<number, number>();
  const add = (map: Map<number, number>, frame: number): void => void map.set(frame, (map.get(frame) ?? 0) + 1);
  for (const { table, type, index, target, write } of tableEntries(domain)) {
    if (!paging.validation.isGuestSlot(type, index)) continue;
    const where = `entry ${index} of frame ${table}, a table of type ${type}`;
    const child = paging.validation.childType(type, index);
    if (!frames.owns(target)) found.push(`${where}, names ${target}, which is not the domain's`);
    else if (child === undefined && write && frames.typeOf(target) !== frameTypes.writable) found.push(`${where}, can write to ${target}`);
    // A table of its own level is named for reading only.
    const linear = child !== undefined && !write && levelOf(frames.typeOf(target)) === levelOf(type);
    if (child !== undefined && !linear && frames.typeOf(target) !== child)
      found.push(`${where}, names ${target}, which is no table for it`);
    if (linear && target === table) continue;
    add(used, target);
    if (child !== undefined || write) add(typed, target);
  }
  // The domain's own claim counts too, but it may have given a frame up that it still uses.
  for (const [frame, count] of used)
    if (frames.countOf(frame) < count) found.push(`frame ${frame} is used ${count} times and counts fewer`);
  for (const [frame, count] of typed) {
    if (frames.typeCountOf(frame) < count) found.push(`frame ${frame} is used ${count} times as its type and counts fewer`);
  }
  for (let frame = 0; frame < frames.ramFrames; frame++) {
    if (!frames.owns(frame) && frames.typeCountOf(frame) > 0 && isGuarded(frames.typeOf(frame)))
      found.push(`frame ${frame} is nobody's, and guarded`);
    if (frames.isPinned(frame) && levelOf(frames.typeOf(frame)) === undefined) found.push(`frame ${frame} is pinned, and no table`);
    if (frames.typeCountOf(frame) > frames.countOf(frame)) found.push(`frame ${frame} has more uses as its type than uses`);
  }
  return found.slice(0, 20);
}
