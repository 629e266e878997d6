/**
 * What a call stores to guest memory is the guest's own store, made for it, and means no more than that one would: the ROM drops it, and a
 * descriptor table that is written by it is raised anew. The hypervisor's stores pass the protection of frames, so it is done here.
 */
import { type GuestFault, isGuestFault } from "@paravane/paravirt-ops";
import { inRom } from "../rom/rom.js";
import type { CallAnswer, RomCall } from "./rom-call.js";

const PAGE = 4096;
const STORE = { level: 0, implicit: true, write: true } as const;

/** Makes the store of `bytes` (at most a page) at a linear address by `write`. */
export function guestStore(call: RomCall, address: number, bytes: number, write: () => CallAnswer): CallAnswer {
  const { linear } = call.guest.hypervisor;
  const at = (offset: number): number | GuestFault =>
    linear.translate(call.vcpu.id, BigInt.asUintN(32, BigInt(address) + BigInt(offset)), STORE);
  const [first, last] = [at(0), at(bytes - 1)];
  // What has no memory behind it faults in the store itself.
  if (isGuestFault(first) || isGuestFault(last)) return write();
  if (inRom(first) || inRom(last)) return undefined;
  const answer = write();
  if (answer !== undefined) return answer;
  call.guest.kernel.stored(first, Math.min(bytes, PAGE - (first % PAGE)));
  if (Math.floor(first / PAGE) !== Math.floor(last / PAGE)) call.guest.kernel.stored(last - (last % PAGE), (last % PAGE) + 1);
  return undefined;
}

/** Makes a change to the frame of guest memory by `write`. */
export function frameStore(call: RomCall, frame: number, write: () => CallAnswer): CallAnswer {
  if (inRom(frame * PAGE)) return undefined;
  const answer = write();
  if (answer === undefined) call.guest.kernel.stored(frame * PAGE, PAGE);
  return answer;
}
