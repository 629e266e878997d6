/** Frames of a PV domain as users of its grants hold them: by the same counts that page tables are kept safe with. */
import type { Mfn } from "@paravane/paravirt-ops";
import type { GrantedFrames } from "../domain/active-grants.js";
import { type FrameTable, frameTypes } from "./frame-table.js";

/** Grants of frames that a frame table knows. */
export function grantedFrames(frames: FrameTable): GrantedFrames {
  return {
    resolve: (frame) => (frame <= 0xff_ffff_ffffn && frames.owns(Number(frame)) ? Number(frame) : undefined),
    hold: (frame: Mfn, write) => (write ? frames.get(frame, frameTypes.writable) === 0 : frames.getAny(frame)),
    drop: (frame, write) => (write ? frames.put(frame) : frames.putAny(frame)),
  };
}
