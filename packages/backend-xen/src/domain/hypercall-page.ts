/** The page of calls that a kernel may ask for: 128 slots of 32 bytes, one for each number. public/xen.h "hypercall page". */
import { hypercalls } from "../abi/hypercalls.js";
import type { GuestBits } from "../abi/struct.js";

const SLOTS = 128;
const SLOT_BYTES = 32;
const INT3 = 0xcc;

const moveNumber = (number: number): number[] => [0xb8, number, 0, 0, 0];
const SYSCALL = [0x0f, 0x05];
const INT_82 = [0xcd, 0x82];
const VMCALL = [0x0f, 0x01, 0xc1];
const VMMCALL = [0x0f, 0x01, 0xd9];
const RET = 0xc3;
const PUSH = { rax: 0x50, rcx: 0x51, r11: [0x41, 0x53] } as const;
const POP = { rcx: 0x59, r11: [0x41, 0x5b] } as const;

function slot(bits: GuestBits, number: number): number[] {
  if (bits === 64) {
    const saved = [PUSH.rcx, ...PUSH.r11];
    if (number === hypercalls.iret) return [...saved, PUSH.rax, ...moveNumber(number), ...SYSCALL];
    return [...saved, ...moveNumber(number), ...SYSCALL, ...POP.r11, POP.rcx, RET];
  }
  if (number === hypercalls.iret) return [PUSH.rax, ...moveNumber(number), ...INT_82];
  return [...moveNumber(number), ...INT_82, RET];
}

function page(slots: (number: number) => number[]): Uint8Array {
  const bytes = new Uint8Array(SLOTS * SLOT_BYTES).fill(INT3);
  for (let number = 0; number < SLOTS; number++) bytes.set(slots(number), number * SLOT_BYTES);
  return bytes;
}

/** The page for PV guests. */
export function pvHypercallPage(bits: GuestBits): Uint8Array {
  return page((number) => slot(bits, number));
}

/** The page for PVH guests, by the processor's virtualization call; iret is not for them and raises #UD. */
export function pvhHypercallPage(vendor: "intel" | "amd"): Uint8Array {
  const call = vendor === "intel" ? VMCALL : VMMCALL;
  return page((number) => (number === hypercalls.iret ? [0x0f, 0x0b] : [...moveNumber(number), ...call, RET]));
}
