/** Block ring: public/io/blkif.h. A page or more of free-running indices and slots; requests differ in layout by the frontend's ABI. */

/** States of either end of a split driver: public/io/xenbus.h. */
export const xenbusStates = {
  Unknown: 0,
  Initialising: 1,
  InitWait: 2,
  Initialised: 3,
  Connected: 4,
  Closing: 5,
  Closed: 6,
  Reconfiguring: 7,
  Reconfigured: 8,
} as const;

/** What a request asks. 4 is a hole. */
export const blockOperations = { READ: 0, WRITE: 1, WRITE_BARRIER: 2, FLUSH_DISKCACHE: 3, DISCARD: 5, INDIRECT: 6 } as const;

/** Status of a response, s16. */
export const blockStatus = { OKAY: 0, ERROR: -1, EOPNOTSUPP: -2 } as const;

/** Bits of the backend's node "info". */
export const vbdInfo = { CDROM: 1, REMOVABLE: 2, READONLY: 4 } as const;

/** Indices at the head of the first page, u32 each; slots begin after `bytes`. */
export const sharedRing = { req_prod: 0, req_event: 4, rsp_prod: 8, rsp_event: 12, bytes: 64 } as const;

/** Segments in a request itself, and pages of segments that an indirect one may name. */
export const BLKIF_MAX_SEGMENTS_PER_REQUEST = 11;
export const BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST = 8;
/** A segment: grant reference u32, first and last sector u8. */
export const BLOCK_SEGMENT_BYTES = 8;

/** Where the members of requests are, in one ABI. All begin with the operation, and the count of segments (or a flag, or the real operation). */
export interface BlockAbi {
  /** Value of the frontend's node "protocol". */
  readonly protocol: string;
  readonly slotBytes: number;
  readonly id: number;
  readonly sector: number;
  /** Segments, or the count of sectors to discard. */
  readonly segments: number;
  /** References of the pages of an indirect request. */
  readonly indirectPages: number;
}

/** By width of the guest that writes it. */
export const blockAbis = {
  64: { protocol: "x86_64-abi", slotBytes: 112, id: 8, sector: 16, segments: 24, indirectPages: 28 },
  32: { protocol: "x86_32-abi", slotBytes: 108, id: 4, sector: 12, segments: 20, indirectPages: 24 },
} as const satisfies Record<64 | 32, BlockAbi>;
