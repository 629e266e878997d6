/** A set of interrupt vectors 0-255: IRR, ISR and TMR of a local APIC. SDM Vol. 3A §11.8.4. */
export class VectorSet {
  readonly #words = new Uint32Array(8);

  add(vector: number): void {
    this.#words[vector >> 5]! |= 1 << (vector & 31);
  }

  remove(vector: number): void {
    this.#words[vector >> 5]! &= ~(1 << (vector & 31));
  }

  has(vector: number): boolean {
    return ((this.#words[vector >> 5]! >>> (vector & 31)) & 1) !== 0;
  }

  /** The highest vector, or -1. */
  highest(): number {
    for (let index = 7; index >= 0; index--) {
      const word = this.#words[index]!;
      if (word !== 0) return index * 32 + 31 - Math.clz32(word);
    }
    return -1;
  }

  /** The register with vectors 32n to 32n+31. */
  word(n: number): number {
    return this.#words[n]!;
  }

  clear(): void {
    this.#words.fill(0);
  }

  toArray(): number[] {
    return [...this.#words];
  }

  load(words: readonly number[]): void {
    this.#words.set(words);
  }
}
