/** What the operations on arrays of grants have in common: elements in guest memory, one after another, each with a status of its own. */
import { grantStatus } from "../abi/grant-table.js";
import { errno } from "../abi/errno.js";
import type { Struct, StructView } from "../abi/struct.js";
import { domids } from "../abi/xen.js";
import { DOMAIN_ID } from "../domain/domain.js";
import { type Call, type CallResult, PIECES_AT_ONCE, u32 } from "./call.js";

const DOM0 = 0;
/** References of the owner's own table, which grants nothing to guests. */
const DOM0_ENTRIES = 512;

/** Acts on each element; `act` changes it, and what it changed goes back. A negative result ends the call. */
export function overGrants<Name extends string>(
  { domain, vcpu, args }: Call,
  struct: Struct<Name>,
  act: (element: StructView<Name>) => number,
): CallResult {
  const [command = 0n, address = 0n, count = 0n] = args;
  const { size } = struct[domain.bits];
  const wanted = u32(count);
  if (!domain.copy.mayName(address, wanted * size)) return -errno.EFAULT;
  for (let index = 0; index < wanted; index++) {
    const at = address + BigInt(index * size);
    if (index === PIECES_AT_ONCE) return { again: [command, at, BigInt(wanted - index)] };
    const element = domain.copy.readStruct(vcpu.id, at, struct);
    if (element === undefined) return -errno.EFAULT;
    const error = act(element);
    if (error < 0) return error;
    if (!domain.copy.writeStruct(vcpu.id, at, element)) return -errno.EFAULT;
  }
  return 0;
}

/** Whose table an operation on the table itself is about: okay for the caller's own, else why not. */
export function ownTable(domain: number): number {
  if (domain === domids.SELF || domain === DOMAIN_ID) return grantStatus.okay;
  return domain === DOM0 ? grantStatus.permission_denied : grantStatus.bad_domain;
}

/** Why a grant of another domain's cannot be used; undefined for the caller's own. */
export function foreignGrant(domain: number, reference: number): number | undefined {
  if (domain === DOMAIN_ID) return undefined;
  if (domain !== DOM0) return grantStatus.bad_domain;
  return reference < DOM0_ENTRIES ? grantStatus.general_error : grantStatus.bad_gntref;
}
