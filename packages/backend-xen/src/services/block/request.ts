/** What a slot of the ring asks for, in words of our own: both ABIs and indirect requests come out the same. Nothing here is believed yet. */
import { BLKIF_MAX_SEGMENTS_PER_REQUEST, BLOCK_SEGMENT_BYTES, type BlockAbi, blockOperations } from "../../abi/blkif.js";
import type { GrantedPage } from "./granted-memory.js";

const SECTORS_PER_PAGE = 8;
const SEGMENTS_PER_PAGE = 4096 / BLOCK_SEGMENT_BYTES;
/** Segments of an indirect request that this backend takes; a page holds the list. */
export const MAX_INDIRECT_SEGMENTS = 256;

/** A run of sectors of 512 bytes in a granted page. */
export interface BlockSegment {
  readonly reference: number;
  readonly first: number;
  readonly count: number;
}

/** A request. `segments` is undefined for one that no backend could make sense of. */
export interface BlockRequest {
  /** What is to be done: of an indirect request, what it really asks for. */
  readonly operation: number;
  /** Comes back with the response. */
  readonly id: bigint;
  /** First sector, in units of 512 bytes. */
  readonly sector: number;
  /** Sectors to discard. */
  readonly discard: number;
  readonly segments: readonly BlockSegment[] | undefined;
}

/** Reads a slot. `pageOf` lends the pages in which an indirect request has its segments. */
export function readRequest(slot: Uint8Array, abi: BlockAbi, pageOf: (reference: number) => GrantedPage | undefined): BlockRequest {
  const view = new DataView(slot.buffer, slot.byteOffset, slot.byteLength);
  const common = { id: view.getBigUint64(abi.id, true), sector: Number(view.getBigUint64(abi.sector, true)), discard: 0 };
  const operation = slot[0]!;
  if (operation === blockOperations.INDIRECT) {
    return { ...common, operation: slot[1]!, segments: indirectSegments(view, abi, pageOf) };
  }
  if (operation === blockOperations.DISCARD) {
    return { ...common, operation, discard: Number(view.getBigUint64(abi.segments, true)), segments: [] };
  }
  const count = slot[1]!;
  if (count > BLKIF_MAX_SEGMENTS_PER_REQUEST) return { ...common, operation, segments: undefined };
  return { ...common, operation, segments: segmentsOf(view, abi.segments, count) };
}

function indirectSegments(
  view: DataView,
  abi: BlockAbi,
  pageOf: (reference: number) => GrantedPage | undefined,
): BlockSegment[] | undefined {
  const operation = view.getUint8(1);
  const count = view.getUint16(2, true);
  if (operation !== blockOperations.READ && operation !== blockOperations.WRITE) return undefined;
  if (count === 0 || count > MAX_INDIRECT_SEGMENTS) return undefined;
  const found: BlockSegment[] = [];
  for (let page = 0; page * SEGMENTS_PER_PAGE < count; page++) {
    const lent = pageOf(view.getUint32(abi.indirectPages + page * 4, true));
    if (lent === undefined) return undefined;
    const bytes = lent.read();
    const here = segmentsOf(
      new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
      0,
      Math.min(SEGMENTS_PER_PAGE, count - page * SEGMENTS_PER_PAGE),
    );
    lent.release();
    if (here === undefined) return undefined;
    found.push(...here);
  }
  return found;
}

function segmentsOf(view: DataView, at: number, count: number): BlockSegment[] | undefined {
  const segments: BlockSegment[] = [];
  for (let index = 0; index < count; index++) {
    const entry = at + index * BLOCK_SEGMENT_BYTES;
    const first = view.getUint8(entry + 4);
    const last = view.getUint8(entry + 5);
    if (last >= SECTORS_PER_PAGE || last < first) return undefined;
    segments.push({ reference: view.getUint32(entry, true), first, count: last - first + 1 });
  }
  return segments;
}
