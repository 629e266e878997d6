/** 32-bit machine code, byte by byte, with labels for short jumps. Nothing here knows what the code is for. */

/** Code under construction. */
export class Code {
  readonly bytes: number[] = [];
  readonly #labels = new Map<string, number>();
  readonly #jumps: { at: number; label: string }[] = [];

  /** Offset of the next byte. */
  get offset(): number {
    return this.bytes.length;
  }

  /** Appends bytes as they are. */
  emit(...bytes: readonly number[]): this {
    this.bytes.push(...bytes);
    return this;
  }

  /** Appends a little-endian 32-bit word. */
  word(value: number): this {
    return this.emit(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
  }

  /** Appends a little-endian 16-bit word. */
  half(value: number): this {
    return this.emit(value & 0xff, (value >>> 8) & 0xff);
  }

  /** Names this place. */
  label(name: string): this {
    this.#labels.set(name, this.offset);
    return this;
  }

  /** A short jump (`opcode` with an 8-bit displacement) to a label that may come later. */
  jump(opcode: number, label: string): this {
    this.emit(opcode, 0);
    this.#jumps.push({ at: this.offset - 1, label });
    return this;
  }

  /** Displacements are filled in. */
  finish(): readonly number[] {
    for (const { at, label } of this.#jumps) this.bytes[at] = (this.#labels.get(label)! - (at + 1)) & 0xff;
    return this.bytes;
  }

  /** Offset of a label. */
  at(label: string): number | undefined {
    return this.#labels.get(label);
  }
}
