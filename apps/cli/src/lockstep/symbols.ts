// Names for addresses: a System.map ("address type name" lines) or the symbol table of an ELF file.
import { inspectImage } from "@paravane/vmm";
import { imageError } from "../errors.js";

interface Symbol {
  readonly address: bigint;
  readonly name: string;
}

/** Names in the order of their addresses. */
export class Symbols {
  readonly #sorted: readonly Symbol[];

  constructor(symbols: readonly Symbol[]) {
    this.#sorted = [...symbols].sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  }

  /** Reads either format. @throws CliError when it is neither */
  static parse(file: Uint8Array, path: string): Symbols {
    if (file[0] === 0x7f) {
      const { elf } = inspectImage(file, {});
      return new Symbols((elf?.symbols() ?? []).map(({ name, value }) => ({ name, address: value })));
    }
    const symbols: Symbol[] = [];
    for (const [, address, name] of Buffer.from(file)
      .toString("latin1")
      .matchAll(/^([0-9a-f]+) [a-zA-Z] (\S+)/gm)) {
      symbols.push({ address: BigInt(`0x${address}`), name: name! });
    }
    if (symbols.length === 0) throw imageError(`${path} is neither a System.map nor an ELF file`);
    return new Symbols(symbols);
  }

  /** Where a name is. */
  find(name: string): bigint | undefined {
    return this.#sorted.find((symbol) => symbol.name === name)?.address;
  }

  /** `name+0x12` for an address, or undefined before the first symbol. */
  describe(address: bigint): string | undefined {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#sorted[middle]!.address <= address) low = middle + 1;
      else high = middle;
    }
    const symbol = this.#sorted[low - 1];
    if (symbol === undefined) return undefined;
    const offset = address - symbol.address;
    return offset === 0n ? symbol.name : `${symbol.name}+0x${offset.toString(16)}`;
  }
}
