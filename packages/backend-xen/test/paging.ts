/** Page tables of a domain on plain memory, with processors that remember what they could still write to. */
import { RecordingMemory } from "@paravane/paravirt-ops/conformance";
import type { GuestBits } from "../src/abi/struct.js";
import { DirectPaging } from "../src/mmu/direct-paging.js";
import { FrameTable, frameTypes, isGuarded, levelOf } from "../src/mmu/frame-table.js";
import { TableValidation, wordsOf } from "../src/mmu/table-validation.js";

/** First frame of the domain in these tests. */
export const FIRST = 0x100;

/** A domain of `count` frames. */
export class PagingBench {
  readonly memory = new RecordingMemory(8 << 20);
  readonly protectedFrames = new Set<number>();
  /** Frames that a processor may still have a writable translation of. */
  readonly staleWritable = new Set<number>();
  readonly forgotten: number[] = [];
  readonly frames: FrameTable;
  readonly paging: DirectPaging;
  readonly pool: readonly number[];
  /** References that are held from outside the tables. */
  readonly roots: number[] = [];

  constructor(
    readonly bits: GuestBits,
    count = 32,
  ) {
    this.frames = new FrameTable(2048, {
      protect: (frame, on) => void (on ? this.protectedFrames.add(frame) : this.protectedFrames.delete(frame)),
      forget: (frame) => {
        this.forgotten.push(frame);
        this.staleWritable.delete(frame);
      },
    });
    const validation = new TableValidation(this.frames, this.memory, bits);
    this.frames.connect(validation);
    this.paging = new DirectPaging(this.frames, validation, this.memory);
    this.pool = Array.from({ length: count }, (_, index) => FIRST + index);
    for (const frame of this.pool) this.frames.give(frame);
  }

  /** What the guest stores to a frame that it may write. */
  write(frame: number, index: number, value: bigint): void {
    this.memory.writeU64(frame * 4096 + index * 8, value);
  }

  read(frame: number, index: number): bigint {
    return this.memory.readU64(frame * 4096 + index * 8);
  }

  set(table: number, index: number, value: bigint, keepAccessed = false): number {
    return this.paging.setEntry(table, index, Number(value & 0xffff_ffffn), Number(value >> 32n), keepAccessed);
  }

  /** Every leaf that allows stores, and every other present entry of a table in force: table, type, index, target. */
  *entries(): Generator<{ table: number; index: number; target: number; write: boolean; leaf: boolean; self: boolean }> {
    for (const table of this.pool) {
      const type = this.frames.typeOf(table);
      if (levelOf(type) === undefined) continue;
      const words = wordsOf(this.memory, table);
      const count = this.bits === 32 && type === frameTypes.l3 ? 4 : 512;
      for (let index = 0; index < count; index++) {
        const low = words[2 * index]!;
        if ((low & 1) === 0) continue;
        const target = (low >>> 12) + (words[2 * index + 1]! & 0xfffff) * 0x10_0000;
        yield {
          table,
          index,
          target,
          write: (low & 2) !== 0,
          leaf: type === frameTypes.l1,
          self: type !== frameTypes.l1 && target === table,
        };
      }
    }
  }

  /** What is wrong, in words; nothing when all invariants hold. */
  faults(): string[] {
    const found: string[] = [];
    const used = new Map<number, number>();
    const typed = new Map<number, number>();
    const add = (map: Map<number, number>, frame: number): void => void map.set(frame, (map.get(frame) ?? 0) + 1);
    const hold = (frame: number): void => {
      add(used, frame);
      add(typed, frame);
    };
    for (const { table, index, target, write, leaf, self } of this.entries()) {
      const where = `entry ${index} of ${table.toString(16)}`;
      if (!this.frames.owns(target)) found.push(`${where} names a foreign frame ${target.toString(16)}`);
      if (self && !write) continue;
      if (leaf && !write) add(used, target);
      else hold(target);
      if (!leaf || !write) continue;
      this.staleWritable.add(target);
      if (this.frames.typeOf(target) !== frameTypes.writable)
        found.push(`${where} can write to ${target.toString(16)}, which is no plain frame`);
    }
    for (const frame of this.pool) if (this.frames.isPinned(frame)) hold(frame);
    for (const root of this.roots) hold(root);
    for (const frame of this.pool) {
      const name = frame.toString(16);
      if (this.frames.countOf(frame) !== 1 + (used.get(frame) ?? 0)) found.push(`count of ${name}`);
      if (this.frames.typeCountOf(frame) !== (typed.get(frame) ?? 0)) found.push(`type count of ${name}`);
      const guarded = isGuarded(this.frames.typeOf(frame));
      if (guarded && !this.protectedFrames.has(frame)) found.push(`${name} is guarded and not protected`);
      if (guarded && this.staleWritable.has(frame)) found.push(`${name} is guarded, and a processor may still write to it`);
    }
    return found;
  }
}
