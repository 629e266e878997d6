/** Errors with stable codes that survive several copies of this package in one process: test the brand, not the class. */
const brand = "~hv/error";

/** What goes with an HvError beyond its code and message. */
export interface HvErrorOptions extends ErrorOptions {
  /** What the person can do about it. */
  hint?: string;
}

/** A fault of the host, its configuration or an image; never the answer to a guest. `code` is `area/what` and stable. */
export class HvError extends Error {
  /** Survives several copies of this class. */
  readonly [brand] = true;
  /** `area/what`, stable. */
  readonly code: string;
  /** What the person can do about it. */
  readonly hint: string | undefined;
  constructor(code: string, message: string, options?: HvErrorOptions) {
    super(message, options);
    this.name = "HvError";
    this.code = code;
    this.hint = options?.hint;
  }
}

/** True for an HvError of any copy or version of the contract. */
export function isHvError(value: unknown): value is HvError {
  return typeof value === "object" && value !== null && brand in value;
}
