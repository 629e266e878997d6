// Names for addresses: System.map and /proc/kallsyms (nm(1)'s lines), ELF symbol tables, and what kallsyms.ts finds in a running kernel.
import { readFileSync } from "node:fs";
import { parseElf } from "@paravane/vmm";
import { fileError, usageError } from "../errors.js";

/** A name and where it begins. */
export interface NamedAddress {
  readonly address: bigint;
  readonly name: string;
  /** Bytes; 0 when unknown, then it ends where the next one begins. */
  readonly size: number;
}

/** What an address lies in. */
export interface Found {
  readonly name: string;
  readonly offset: bigint;
}

/** A symbol whose size is unknown does not reach further than this. */
const LONGEST = 0x40000n;
/** Where the linker says that a part ends or begins: no code, and nothing follows that would end it. */
const LINKER_MARKS = /^(_end|_edata|_etext|__bss_start|end|edata|etext)$/;
/** Entry points whose addresses a kernel writes into MSRs: from them follows how far a kernel has been moved. */
const ENTRY_POINTS = ["entry_SYSCALL_64", "entry_SYSENTER_32"] as const;
/** Addresses that only kernels have: the upper half of 64 bits, and Linux's last gigabyte of 32. */
const isKernel = (address: bigint): boolean => address >= 0xffff800000000000n || (address >= 0xc0000000n && address <= 0xffffffffn);

/** Sorted symbols of one origin. */
export class SymbolTable {
  readonly #sorted: readonly NamedAddress[];

  constructor(symbols: readonly NamedAddress[]) {
    this.#sorted = [...symbols].sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  }

  get size(): number {
    return this.#sorted.length;
  }

  /** Is it a kernel's table? */
  get ofKernel(): boolean {
    const middle = this.#sorted[this.#sorted.length >> 1];
    return middle !== undefined && isKernel(middle.address);
  }

  /** The last symbol at or below the address, unless it ends before. */
  find(address: bigint): Found | undefined {
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#sorted[middle]!.address <= address) low = middle + 1;
      else high = middle;
    }
    const symbol = this.#sorted[low - 1];
    if (symbol === undefined) return undefined;
    const offset = address - symbol.address;
    if (offset >= (symbol.size > 0 ? BigInt(symbol.size) : LONGEST)) return undefined;
    return { name: symbol.name, offset };
  }

  /** Where a name begins. */
  addressOf(name: string): bigint | undefined {
    return this.#sorted.find((symbol) => symbol.name === name)?.address;
  }

  /** The table of a kernel that lies somewhere else than its file says: the entry point that `running` names is where it must be. */
  movedTo(running: readonly bigint[]): SymbolTable {
    for (const { name, address } of this.#sorted) {
      if (!(ENTRY_POINTS as readonly string[]).includes(name)) continue;
      const moved = running.find((entry) => entry !== 0n && isKernel(entry) && ((entry - address) & 0xfffn) === 0n);
      if (moved === undefined || moved === address) continue;
      return new SymbolTable(this.#sorted.map((symbol) => ({ ...symbol, address: symbol.address + moved - address })));
    }
    return this;
  }
}

/** Reads a symbol file. @throws CliError when it is of no known kind */
export function readSymbols(path: string): SymbolTable {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw usageError(fileError(path, error).message);
  }
  const symbols = isElfFile(bytes) ? elfSymbols(bytes, path) : mapSymbols(new TextDecoder("latin1").decode(bytes));
  if (symbols.length === 0)
    throw usageError(
      `--symbols ${path}: no symbols in it; a System.map, a copy of /proc/kallsyms and an ELF file with a symbol table have some ` +
        `(the System.map in Debian's kernel packages is empty, and not needed)`,
    );
  return new SymbolTable(symbols);
}

const isElfFile = (bytes: Uint8Array): boolean => bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;

function elfSymbols(bytes: Uint8Array, path: string): NamedAddress[] {
  try {
    const { symbols } = parseElf(bytes);
    return symbols()
      .filter(({ name, value, code }) => value !== 0n && code && !LINKER_MARKS.test(name))
      .map(({ name, value, size }) => ({ name, address: value, size }));
  } catch (error) {
    throw usageError(`--symbols ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Lines "ADDRESS TYPE NAME"; only code. All addresses zero is what a kernel shows to those who may not see them. */
export function mapSymbols(text: string): NamedAddress[] {
  const symbols: NamedAddress[] = [];
  for (const [, address = "", name = ""] of text.matchAll(/^([0-9a-fA-F]{8,16}) [tTwW] (\S+)/gm)) {
    const value = BigInt(`0x${address}`);
    if (value !== 0n) symbols.push({ address: value, name, size: 0 });
  }
  return symbols;
}
