// Libraries without types of their own: what is used of them.
declare module "bz2" {
  const bz2: {
    /** Unpacks a bzip2 stream, with its checks when asked for. Throws for one that is damaged. */
    decompress(bytes: Uint8Array, checkCRC?: boolean): Uint8Array;
  };
  export default bz2;
}

declare module "js-lzma" {
  const lzma: {
    /** Unpacks into `size` bytes, or up to the end mark for -1. Throws or returns false for data that is damaged. */
    decompress(
      properties: { readByte(): number },
      input: { readByte(): number },
      output: { writeByte(byte: number): void },
      size: number,
    ): boolean;
  };
  export default lzma;
}
