// From linear to physical addresses by a guest's page tables, without rights and without side effects (SDM Vol. 3A §4.3-4.5).
import type { GuestMemory } from "@paravane/paravirt-ops";
import type { State } from "./state.js";

const PRESENT = 1n;
const LARGE = 0x80n;
const ADDRESS = 0x000f_ffff_ffff_f000n;
const CR0_PG = 0x80000000n;
const CR4_PSE = 0x10n;
const CR4_PAE = 0x20n;

/** The physical address, or undefined where nothing is mapped. */
export function translate(memory: GuestMemory, state: State, linear: bigint): number | undefined {
  if ((state.get("cr0") & CR0_PG) === 0n) return Number(BigInt.asUintN(32, linear));
  const cr3 = state.get("cr3");
  const cr4 = state.get("cr4");
  const read = (at: bigint): bigint => (memory.contains(Number(at), 8) ? memory.readU64(Number(at)) : 0n);
  if ((cr4 & CR4_PAE) === 0n) {
    const word = (at: bigint): bigint => (memory.contains(Number(at), 4) ? BigInt(memory.readU32(Number(at))) : 0n);
    const low = BigInt.asUintN(32, linear);
    const pde = word((cr3 & 0xfffff000n) + (low >> 22n) * 4n);
    if ((pde & PRESENT) === 0n) return undefined;
    if ((pde & LARGE) !== 0n && (cr4 & CR4_PSE) !== 0n) {
      return Number((((pde >> 13n) & 0xffn) << 32n) | (pde & 0xffc00000n) | (low & 0x3fffffn));
    }
    const pte = word((pde & 0xfffff000n) + ((low >> 12n) & 0x3ffn) * 4n);
    return (pte & PRESENT) === 0n ? undefined : Number((pte & 0xfffff000n) | (low & 0xfffn));
  }
  let table = state.longMode ? cr3 & ADDRESS : cr3 & 0xffffffe0n;
  for (let shift = state.longMode ? 39n : 30n; shift >= 12n; shift -= 9n) {
    const slots = shift === 30n && !state.longMode ? 3n : 0x1ffn;
    const entry = read(table + ((linear >> shift) & slots) * 8n);
    if ((entry & PRESENT) === 0n) return undefined;
    const isLeaf = shift === 12n || ((entry & LARGE) !== 0n && shift <= 30n && (state.longMode || shift < 30n));
    if (isLeaf) {
      const inside = (1n << shift) - 1n;
      return Number((entry & ADDRESS & ~inside) | (linear & inside));
    }
    table = entry & ADDRESS;
  }
  return undefined;
}

/** Up to `length` bytes at a linear address; fewer where the mapping or the RAM ends. */
export function readLinear(memory: GuestMemory, state: State, linear: bigint, length: number): Uint8Array {
  const out: number[] = [];
  while (out.length < length) {
    const at = linear + BigInt(out.length);
    const physical = translate(memory, state, at);
    if (physical === undefined) break;
    const size = Math.min(length - out.length, 0x1000 - Number(at & 0xfffn));
    if (!memory.contains(physical, size)) break;
    out.push(...memory.view(physical, size));
  }
  return Uint8Array.from(out);
}
