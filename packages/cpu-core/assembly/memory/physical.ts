// Guest-physical memory: RAM that lies in the WebAssembly memory, and devices behind the host. A frame's FRAME_* byte says what it is.
// Below RAM_SIZE everything is RAM but the VGA window; then come the frames of a hypervisor, device memory until they are allocated; behind
// them everything is device memory.
import {
  A20_MASK_PTR,
  CODE_MAP_PTR,
  FRAME_CODE,
  FRAMES_END_PTR,
  FRAME_DEVICE,
  FRAME_INFO_PTR,
  FRAME_STORES_PTR,
  FRAME_MASK,
  FRAME_ROM,
  RAM_BASE_PTR,
  RAM_SIZE_PTR,
  RESTART,
  VCPU_BASE,
  VCPU_COUNT_PTR,
  VCPU_STRIDE,
} from "../../src/layout";
import { codeInvalidate } from "../code-cache";
import { hostMmioRead, hostMmioWrite } from "../imports";

/** Describes the machine to the core; called once, before any vCPU runs. The tables are zeroed by the caller. */
export function machineInit(
  ramBase: u32, ramSize: u32, frameInfo: u32, codeMap: u32, frameStores: u32, vcpus: u32, hypervisorFrames: u32,
): void {
  store<u32>(RAM_BASE_PTR, ramBase);
  store<u32>(RAM_SIZE_PTR, ramSize);
  store<u64>(A20_MASK_PTR, -1);
  store<u32>(FRAME_INFO_PTR, frameInfo);
  store<u32>(CODE_MAP_PTR, codeMap);
  store<u32>(FRAME_STORES_PTR, frameStores);
  store<u32>(VCPU_COUNT_PTR, vcpus);
  const end = ramSize + (hypervisorFrames << 12);
  store<u32>(FRAMES_END_PTR, end);
  for (let frame: u32 = 0xa0; frame < 0xc0; frame++) store<u8>(frameInfo + frame, FRAME_DEVICE);
  for (let frame = ramSize >>> 12; frame < end >>> 12; frame++) store<u8>(frameInfo + frame, FRAME_DEVICE);
}

/** FRAME_* bits at a physical address; device memory behind all frames counts as FRAME_DEVICE. */
// @ts-ignore: decorator
@inline
export function frameInfoAt(pa: u64): u32 {
  return pa < <u64>load<u32>(FRAMES_END_PTR) ? <u32>load<u8>(load<u32>(FRAME_INFO_PTR) + (<u32>pa >> 12)) : FRAME_DEVICE;
}

/** Host address of a physical address that is RAM. */
// @ts-ignore: decorator
@inline
export function ramAt(pa: u64): usize {
  return load<u32>(RAM_BASE_PTR) + <u32>pa;
}

/** Bits of a frame's code map for `size` bytes at offset `pa & 0xfff`; the bytes lie in one frame. */
export function granulesOf(pa: u32, size: u32): u64 {
  const first = (pa >> 6) & 63;
  const last = ((pa + size - 1) >> 6) & 63;
  return (<u64>-1 << first) & (<u64>-1 >> (63 - last));
}

/** After bytes of one frame have changed: drops the code decoded from them. `cpu` may be 0 (DMA). */
export function afterStore(cpu: usize, pa: u64, size: u32): void {
  if (!(frameInfoAt(pa) & FRAME_CODE)) return;
  if (!(load<u64>(load<u32>(CODE_MAP_PTR) + (<u32>(pa >> 12) << 3)) & granulesOf(<u32>pa, size))) return;
  codeInvalidate(<u32>pa, size);
  if (cpu) {
    store<u32>(cpu, 1, RESTART);
    return;
  }
  const count = load<u32>(VCPU_COUNT_PTR);
  for (let i: u32 = 0; i < count; i++) store<u32>(VCPU_BASE + i * VCPU_STRIDE, 1, RESTART);
}

/** The host has written `length` bytes of frames: code decoded from them is gone. */
export function dmaInvalidate(pa: u32, length: u32): void {
  while (length) {
    const room: u32 = 0x1000 - (pa & 0xfff);
    const size = length < room ? length : room;
    if (pa < load<u32>(FRAMES_END_PTR)) afterStore(0, pa, size);
    pa += size;
    length -= size;
  }
}

/** The largest piece of 1, 2 or 4 bytes that crosses no 4-byte boundary. */
// @ts-ignore: decorator
@inline
function piece(pa: u64, size: u32): u32 {
  const offset = <u32>pa & 3;
  if (size >= 4 && offset == 0) return 4;
  return size >= 2 && !(offset & 1) ? 2 : 1;
}

/** Reads up to 64 bytes of one frame, RAM or device, to host address `to`. */
export function physRead(cpu: usize, pa: u64, to: usize, size: u32): void {
  if (!(frameInfoAt(pa) & FRAME_DEVICE)) {
    memory.copy(to, ramAt(pa), size);
    return;
  }
  while (size) {
    const n = piece(pa, size);
    const value = hostMmioRead(cpu, <u32>pa, <u32>(pa >> 32), n);
    if (n == 4) store<u32>(to, value);
    else if (n == 2) store<u16>(to, value);
    else store<u8>(to, value);
    to += n;
    pa += n;
    size -= n;
  }
}

/** Writes up to 64 bytes of one frame from host address `from`; ROM ignores it, decoded code is dropped. */
export function physWrite(cpu: usize, pa: u64, from: usize, size: u32): void {
  const info = frameInfoAt(pa);
  if (!(info & FRAME_DEVICE)) {
    const at = ramAt(pa);
    if (info & FRAME_ROM || (info & FRAME_CODE && memory.compare(at, from, size) == 0)) return; // the same bytes are no new code
    memory.copy(at, from, size);
    if (info & FRAME_CODE) afterStore(cpu, pa, size);
    if (info & FRAME_MASK) store<u32>(cpu, 1, RESTART);
    return;
  }
  while (size) {
    const n = piece(pa, size);
    const value: u32 = n == 4 ? load<u32>(from) : n == 2 ? <u32>load<u16>(from) : <u32>load<u8>(from);
    hostMmioWrite(cpu, <u32>pa, <u32>(pa >> 32), n, value);
    from += n;
    pa += n;
    size -= n;
  }
}

/** A paging-structure entry of 8 bytes; page tables in device memory read as all ones. */
// @ts-ignore: decorator
@inline
export function physEntry64(pa: u64): u64 {
  return frameInfoAt(pa) & FRAME_DEVICE ? -1 : load<u64>(ramAt(pa));
}

/** A paging-structure entry of 4 bytes. */
// @ts-ignore: decorator
@inline
export function physEntry32(pa: u64): u32 {
  return frameInfoAt(pa) & FRAME_DEVICE ? -1 : load<u32>(ramAt(pa));
}

/** Sets accessed or dirty bits in the low half of a paging-structure entry. */
export function physOr(cpu: usize, pa: u64, bits: u32): void {
  const info = frameInfoAt(pa);
  if (info & (FRAME_DEVICE | FRAME_ROM)) return;
  const at = ramAt(pa);
  store<u32>(at, load<u32>(at) | bits);
  if (info & FRAME_CODE) afterStore(cpu, pa, 4);
}
