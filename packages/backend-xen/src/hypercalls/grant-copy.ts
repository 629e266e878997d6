/** grant_table_op: copy between frames and grants, and transfer of frames, which is only ever accepted by the domain itself. */
import { gnttab_copy, gnttab_transfer, grantCopyFlags, grantStatus } from "../abi/grant-table.js";
import { domids } from "../abi/xen.js";
import type { ActiveGrant } from "../domain/active-grants.js";
import { DOMAIN_ID, type Domain } from "../domain/domain.js";
import { storeToFrame } from "../domain/frame-store.js";
import type { Call, CallResult } from "./call.js";
import { foreignGrant, overGrants } from "./grant-batch.js";

const DOM0 = 0;
const PAGE = 4096;

/** An end of a copy, held. */
interface CopyEnd {
  readonly frame: number;
  /** Bytes of it that may be used. */
  readonly offset: number;
  readonly length: number;
  release(): void;
}

/** copy(operations, count) */
export function copyGrants(call: Call): CallResult {
  const { domain } = call;
  return overGrants(call, gnttab_copy, (operation) => {
    const flags = operation.get("flags");
    const end = (name: "source" | "dest") => ({
      frame: operation.wide(`${name}.frame`),
      owner: operation.get(`${name}.domid`),
      offset: operation.get(`${name}.offset`),
      granted: (flags & (name === "source" ? grantCopyFlags.source_gref : grantCopyFlags.dest_gref)) !== 0,
    });
    operation.set("status", copyOne(domain, end("source"), end("dest"), operation.get("len")));
    return 0;
  });
}

interface CopyArgument {
  readonly frame: bigint;
  readonly owner: number;
  readonly offset: number;
  readonly granted: boolean;
}

function copyOne(domain: Domain, source: CopyArgument, dest: CopyArgument, length: number): number {
  const refused = checkOwner(source) || checkOwner(dest);
  if (refused !== grantStatus.okay) return refused;
  const from = claim(domain, source, false);
  if (typeof from === "number") return from;
  const to = claim(domain, dest, true);
  if (typeof to === "number") {
    from.release();
    return to;
  }
  const status = checkBounds(source, dest, from, to, length);
  if (status === grantStatus.okay) {
    const bytes = domain.hypervisor.frames.bytes(from.frame).slice(source.offset, source.offset + length);
    storeToFrame({ memory: domain.environment.memory, frames: domain.hypervisor.frames }, to.frame, dest.offset, bytes);
  }
  to.release();
  from.release();
  return status;
}

function checkBounds(source: CopyArgument, dest: CopyArgument, from: CopyEnd, to: CopyEnd, length: number): number {
  if (source.offset + length > PAGE || dest.offset + length > PAGE) return grantStatus.bad_copy_arg;
  const inside = (offset: number, end: CopyEnd): boolean => offset >= end.offset && offset + length <= end.offset + end.length;
  return inside(source.offset, from) && inside(dest.offset, to) ? grantStatus.okay : grantStatus.general_error;
}

/** Only the caller's own frames are named by number. */
function checkOwner({ owner, granted }: CopyArgument): number {
  if (owner === domids.SELF) return grantStatus.okay;
  if (!granted) return grantStatus.permission_denied;
  return owner === DOMAIN_ID || owner === DOM0 ? grantStatus.okay : grantStatus.bad_domain;
}

function claim(domain: Domain, { frame, owner, granted }: CopyArgument, write: boolean): CopyEnd | number {
  const { activeGrants } = domain;
  if (!granted) {
    const found = activeGrants.frames.resolve(frame);
    if (found === undefined) return grantStatus.bad_page;
    if (!activeGrants.frames.hold(found, write)) return grantStatus.general_error;
    return { frame: found, offset: 0, length: PAGE, release: () => activeGrants.frames.drop(found, write) };
  }
  const reference = Number(BigInt.asUintN(32, frame));
  const foreign = owner === domids.SELF ? undefined : foreignGrant(owner, reference);
  const grant: ActiveGrant | number = foreign ?? activeGrants.hold(reference, { domain: DOMAIN_ID, write, copy: true });
  if (typeof grant === "number") return grant;
  return { ...grant, release: () => activeGrants.drop(reference, grant, write) };
}

/** transfer(operations, count) */
export function transferFrames(call: Call): CallResult {
  const { domain } = call;
  return overGrants(call, gnttab_transfer, (operation) => {
    operation.set("status", transferOne(domain, operation.wide("mfn"), operation.get("domid"), operation.get("ref")));
    return 0;
  });
}

/** As in Xen, a frame that could be given away is gone even when nobody took it. */
function transferOne(domain: Domain, frame: bigint, receiver: number, reference: number): number {
  const found = domain.activeGrants.frames.resolve(frame);
  if (found === undefined || !domain.reservation.release(found)) return grantStatus.bad_page;
  if (receiver !== DOMAIN_ID) return receiver === DOM0 ? grantStatus.general_error : grantStatus.bad_domain;
  const accepted = domain.grants.acceptTransfer(reference, DOMAIN_ID, found);
  if (accepted === undefined) return grantStatus.general_error;
  domain.reservation.claim(found, accepted);
  return grantStatus.okay;
}
