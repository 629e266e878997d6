/**
 * Where a unit finds its vCPU's block and the TLB array in use. A machine of one vCPU has both at addresses that never change: V8 then keeps no
 * register for either, and finds an entry of the TLB by its index and a constant.
 */
import * as L from "../layout.js";
import { CPU, TLB } from "./locals.js";
import * as N from "./node.js";
import type { Node } from "./node.js";
import { Op } from "./wasm.js";

export interface Places {
  /** The vCPU's block, an i32: a constant or the parameter. */
  readonly cpu: Node;
  /** The TLB array lies this many bytes behind the address in the local TLB, or, where that is not needed, behind 0. */
  readonly array: number;
  readonly needsTlb: boolean;
}

/** @param mode - mode key of the unit's code: it tells the array unless EFLAGS.AC does */
export function placesOf(vcpus: number, mode: number): Places {
  const one = vcpus === 1;
  const needsTlb = !one || (mode & L.MODE_SMAP) !== 0;
  const array = mode & L.MODE_CPL3 ? L.TLB_USER : L.TLB_SUPERVISOR;
  return {
    cpu: one ? N.i32(L.VCPU_BASE) : N.local(CPU, false),
    array: needsTlb ? 0 : L.VCPU_BASE + L.TLB_OFFSET + array * L.TLB_BYTES,
    needsTlb,
  };
}

/** The TLB's entry for the page of a linear address (its low half, an i32), for `tlbTag` and `tlbAddend`: `array` bytes behind what this gives. */
export function tlbEntry({ needsTlb }: Places, linear: Node): Node {
  const page = N.binary(Op.i32ShrU, false, 32, linear, N.i32(12 - L.TLB_SHIFT));
  const index = N.binary(Op.i32And, false, 32, page, N.i32((L.TLB_ENTRIES - 1) << L.TLB_SHIFT));
  return needsTlb ? N.binary(Op.i32Add, false, 32, index, N.local(TLB, false)) : index;
}

/** A tag of an entry, TLB_R, TLB_W or TLB_X; outside long mode its low half says all. */
export const tlbTag = ({ array }: Places, entry: Node, tag: number, short = false): Node =>
  N.loadNode(short ? Op.i64Load32u : Op.i64Load, true, 64, entry, array + tag);
/** What makes a host address of a linear one in the entry's page, an i32. */
export const tlbAddend = ({ array }: Places, entry: Node): Node => N.loadNode(Op.i32Load, false, 32, entry, array + L.TLB_ADDEND);
