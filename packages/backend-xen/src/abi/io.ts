/** Messages of xenstore: public/io/xs_wire.h. The ring is a page of two queues of 1 KiB. */

/** Types of messages, `XS_…`. 20 is a hole. */
export const storeMessages = {
  CONTROL: 0,
  DIRECTORY: 1,
  READ: 2,
  GET_PERMS: 3,
  WATCH: 4,
  UNWATCH: 5,
  TRANSACTION_START: 6,
  TRANSACTION_END: 7,
  INTRODUCE: 8,
  RELEASE: 9,
  GET_DOMAIN_PATH: 10,
  WRITE: 11,
  MKDIR: 12,
  RM: 13,
  SET_PERMS: 14,
  WATCH_EVENT: 15,
  ERROR: 16,
  IS_DOMAIN_INTRODUCED: 17,
  RESUME: 18,
  SET_TARGET: 19,
  RESET_WATCHES: 21,
  DIRECTORY_PART: 22,
} as const;

/** Errors by name, as they travel. */
export type StoreError =
  | "EINVAL"
  | "EACCES"
  | "EEXIST"
  | "EISDIR"
  | "ENOENT"
  | "ENOMEM"
  | "ENOSPC"
  | "EIO"
  | "ENOTEMPTY"
  | "ENOSYS"
  | "EROFS"
  | "EBUSY"
  | "EAGAIN"
  | "EISCONN"
  | "E2BIG"
  | "EPERM";

/** Bytes of a message's header: type, request, transaction, length. */
export const STORE_HEADER_BYTES = 16;
/** Longest payload. */
export const STORE_PAYLOAD_MAX = 4096;
/** Longest absolute and relative path. */
export const STORE_PATH_MAX = { absolute: 3072, relative: 2048 } as const;
