/** Calls of a domain on the recording parts, with structures in a page that is nobody's: linear memory is machine memory there. */
import { gnttab_copy, gnttab_map_grant_ref, gnttab_unmap_grant_ref } from "../src/abi/grant-table.js";
import { hypercalls } from "../src/abi/hypercalls.js";
import { grantCommands } from "../src/abi/services.js";
import { type Struct, StructView } from "../src/abi/struct.js";
import type { Domain } from "../src/domain/domain.js";
import { isAgain } from "../src/hypercalls/call.js";
import { dispatch } from "../src/hypercalls/table.js";
import { frameTypes } from "../src/mmu/frame-table.js";

/** Address of the page. */
export const SCRATCH = 0xc0000;
const LIST = SCRATCH + 0x400;
const signed = (status: number): number => (status << 16) >> 16;

/** What a guest's kernel asks. */
export class Calls {
  constructor(readonly domain: Domain) {}

  get memory() {
    return this.domain.environment.memory;
  }

  /** Makes a call until it is through: what RAX says. */
  call(name: keyof typeof hypercalls, ...args: (number | bigint)[]): number {
    for (let given: readonly bigint[] = args.map(BigInt); ; ) {
      const result = dispatch(this.domain, this.domain.vcpus[0]!, hypercalls[name], given);
      if (typeof result === "symbol") return 0;
      if (!isAgain(result)) return Number(result);
      given = result.again;
    }
  }

  /** Stores a structure; the result reads it back. */
  put<Name extends string>(struct: Struct<Name>, values: Partial<Record<Name, number | bigint>>): () => StructView<Name> {
    const layout = struct[this.domain.bits];
    const view = StructView.empty(layout);
    for (const [name, value] of Object.entries(values)) view.set(name as Name, value as number | bigint);
    this.memory.write(SCRATCH, view.bytes);
    return () => new StructView(layout, this.memory.view(SCRATCH, layout.size));
  }

  /** Stores frame numbers as wide as the guest; the address of the list. */
  list(...frames: number[]): number {
    for (const [index, frame] of frames.entries()) {
      if (this.domain.bits === 64) this.memory.writeU64(LIST + index * 8, BigInt(frame));
      else this.memory.writeU32(LIST + index * 4, frame);
    }
    return LIST;
  }

  /** The list as it is now. */
  listed(count: number): number[] {
    return Array.from({ length: count }, (_, index) =>
      this.domain.bits === 64 ? Number(this.memory.readU64(LIST + index * 8)) : this.memory.readU32(LIST + index * 4),
    );
  }

  /** A grant operation on one structure: its status, or the call's own error when there is one. */
  grant<Name extends string>(command: number, struct: Struct<Name>, values: Partial<Record<Name, number | bigint>>): number {
    const read = this.put(struct, values);
    const result = this.call("grant_table_op", command, SCRATCH, 1);
    return result < 0 ? result : signed(read().get("status" as Name));
  }

  map(values: { host_addr?: number | bigint; flags: number; ref: number; dom?: number }): {
    status: number;
    handle: number;
    address: number;
  } {
    const status = this.grant(grantCommands.map_grant_ref, gnttab_map_grant_ref, { dom: 1, ...values });
    const view = new StructView(gnttab_map_grant_ref[this.domain.bits], this.memory.view(SCRATCH, 32));
    return { status, handle: view.get("handle"), address: Number(view.wide("dev_bus_addr")) };
  }

  unmap(handle: number, host: number | bigint, device = 0): number {
    return this.grant(grantCommands.unmap_grant_ref, gnttab_unmap_grant_ref, { host_addr: host, dev_bus_addr: device, handle });
  }

  copy(values: Partial<Record<keyof (typeof gnttab_copy)[64]["fields"], number | bigint>>): number {
    return this.grant(grantCommands.copy, gnttab_copy, values);
  }

  /** The guest writes an entry of its table, version 1. */
  entry(reference: number, flags: number, frame: number, domain = 1): void {
    const view = this.entryView(reference);
    view.setUint16(2, domain, true);
    view.setUint32(4, frame, true);
    view.setUint16(0, flags, true);
  }

  /** An entry of version 1. */
  entryView(reference: number): DataView {
    const bytes = this.domain.hypervisor.frames.bytes(this.domain.grants.frames[0]!);
    return new DataView(bytes.buffer, bytes.byteOffset + reference * 8, 8);
  }

  /** The leaf table of the lowest linear addresses. */
  get leaf(): number {
    return this.domain.paging.leafSlot(this.domain.vcpus[0]!.space.root!, 0n)!.table;
  }

  /** Plain frames that nothing names: of linear addresses that are unmapped for it. */
  spare(count: number): { frame: number; linear: number; index: number }[] {
    const { paging, frames } = this.domain;
    const found: { frame: number; linear: number; index: number }[] = [];
    for (let index = 1; index < 512 && found.length < count; index++) {
      const [low, high] = paging.readEntry(this.leaf, index);
      const frame = (low >>> 12) + (high & 0xfffff) * 0x10_0000;
      if ((low & 1) === 0 || frames.typeOf(frame) !== frameTypes.writable || frames.countOf(frame) !== 2) continue;
      paging.setEntry(this.leaf, index, 0, 0);
      found.push({ frame, linear: index * 4096, index });
    }
    return found;
  }
}
