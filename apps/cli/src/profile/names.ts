// The name of a place in a profile: a kernel's function, a function of a program whose symbols were given, or what can be said without.
import type { Core } from "@paravane/paravirt-ops";
import { findKallsyms } from "./kallsyms.js";
import type { Where } from "./samples.js";
import { SymbolTable } from "./symbols.js";

const MSR_SYSENTER_EIP = 0x176;
const MSR_LSTAR = 0xc0000082;
const FIRST_MIB = 0x100000;

/** A place with a name. */
export interface NamedPlace {
  /** Function, or page of code that has no name. */
  readonly name: string;
  /** Bytes from the beginning of the function or page. */
  readonly offset: bigint;
  /** Who it belongs to: "kernel", "user", "real mode". */
  readonly owner: string;
}

const hex = (value: bigint): string => value.toString(16).padStart(8, "0");

/** Names places; made when the guest stands still, since the tables of a kernel are read from its memory. */
export class Names {
  readonly #tables: readonly SymbolTable[];
  /** Where the names of the kernel came from, in words. */
  readonly origin: string;

  constructor(given: readonly SymbolTable[], core: Pick<Core, "guestMemory" | "vcpus"> | undefined) {
    const registers = core?.vcpus[0]?.registers;
    const entries = [MSR_LSTAR, MSR_SYSENTER_EIP].map((msr) => registers?.msr(msr) ?? 0n);
    const tables = given.map((table) => table.movedTo(entries));
    const own = tables.some((table) => table.ofKernel);
    const found = own || core === undefined ? undefined : kernelSymbols(core.guestMemory);
    this.#tables = found === undefined ? tables : [...tables, found];
    this.origin = own
      ? "kernel functions from --symbols"
      : found === undefined
        ? "no names: neither --symbols for a kernel, nor a Linux kernel's kallsyms in guest memory"
        : `${found.size} kernel functions from the kallsyms in guest memory`;
  }

  of({ address, level, mode }: Where): NamedPlace {
    const owner = mode === "elsewhere" ? mode : mode === "real mode" ? "real mode" : level === 3 ? "user" : "kernel";
    for (const table of this.#tables) {
      const found = table.find(address);
      if (found) return { name: found.name, offset: found.offset, owner };
    }
    const page = address & ~0xfffn;
    return { name: `[${hex(page)}]`, offset: address - page, owner };
  }
}

function kernelSymbols(memory: Core["guestMemory"]): SymbolTable | undefined {
  if (memory.size <= FIRST_MIB) return undefined;
  const symbols = findKallsyms(memory.view(FIRST_MIB, memory.size - FIRST_MIB));
  return symbols && new SymbolTable(symbols);
}
