/** A vCPU's first state, as another one gives it: vcpu_guest_context into registers, tables and what Xen remembers. Xen's arch_set_info_guest. */
import { cpu_user_regs, kernelCodeOf, trap_info, vcpu_guest_context, vgcf } from "../abi/arch-x86.js";
import { errno } from "../abi/errno.js";
import { type GuestBits, StructView } from "../abi/struct.js";
import { BOOT_CR4, CR4_GUEST, startPv } from "../domain/boot-vcpu.js";
import type { Domain } from "../domain/domain.js";
import { USER_LEVEL } from "../vcpu/entry.js";
import type { VirtualCpu } from "../vcpu/virtual-cpu.js";
import { frameNumber } from "./call.js";
import { isCanonical, kernelSelector, setTaskSwitched } from "./vcpu-state.js";

type Context = StructView<keyof (typeof vcpu_guest_context)[64]["fields"]>;
type Registers = StructView<keyof (typeof cpu_user_regs)[64]["fields"]>;

const TRAPS = 256;
const ENTRIES_PER_PAGE = 512;
const MAX_GDT_ENTRIES = 7168;
const MAX_LDT_ENTRIES = 8192n;
const CR0_TS = 1n << 3n;
const IOPL = 0x3000n;
const IF = 0x200n;
const VM = 0x2_0000n;
const KEPT_FLAGS = ~(IOPL | VM);
/** General registers of both widths, and those of 64-bit guests alone. */
const COMMON = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"] as const;
const WIDE = ["r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"] as const;
const DATA_SEGMENTS = ["ds", "es", "fs", "gs"] as const;
/** Addresses that a 64-bit context must have canonical. */
const CHECKED = [
  "kernel_sp",
  "ldt_base",
  "event_callback_eip",
  "failsafe_callback_eip",
  "syscall_callback_eip",
  "fs_base",
  "gs_base_kernel",
  "gs_base_user",
] as const;

/** Gives `vcpu` its state. 0, or a negative error with nothing in force. */
export function setContext(domain: Domain, vcpu: VirtualCpu, bytes: Uint8Array): number {
  const { bits } = domain;
  const context: Context = new StructView(vcpu_guest_context[bits], bytes);
  const user: Registers = new StructView(cpu_user_regs[bits], context.field("user_regs"));
  const flags = context.get("flags");
  const ldtEntries = context.wide("ldt_ents");
  if (bits === 64 && !addressesAreCanonical(context, user)) return -errno.EINVAL;
  if (context.wide("ldt_base") % 4096n !== 0n || ldtEntries > MAX_LDT_ENTRIES) return -errno.EINVAL;
  const error = setTables(domain, vcpu, context, (flags & vgcf.in_kernel) !== 0);
  if (error !== 0) return error;
  vcpu.tables.setLdt(context.wide("ldt_base"), Number(ldtEntries));
  setEntries(vcpu, context, flags);
  setRegisters(domain, vcpu, context, user);
  setSegments(domain, vcpu, context, user);
  if (bits === 64 && (flags & vgcf.in_kernel) === 0) startInUser(domain, vcpu);
  if ((flags & vgcf.i387_valid) !== 0) vcpu.registers.setFxState(context.field("fpu_ctxt"));
  vcpu.initialised = true;
  return 0;
}

function addressesAreCanonical(context: Context, user: Registers): boolean {
  if (!isCanonical(user.wide("rip")) || !isCanonical(user.wide("rsp"))) return false;
  if (!CHECKED.every((name) => isCanonical(context.wide(name)))) return false;
  return trapsOf(context, 64).every((trap) => isCanonical(trap.wide("address")));
}

/** The trap table: one line for each vector, in order. */
function trapsOf(context: Context, bits: GuestBits): StructView<keyof (typeof trap_info)[64]["fields"]>[] {
  const { size } = trap_info[bits];
  const table = context.field("trap_ctxt");
  return Array.from({ length: TRAPS }, (_, vector) => new StructView(trap_info[bits], table.subarray(vector * size, (vector + 1) * size)));
}

/** A word of an array member. */
function word(context: Context, name: "gdt_frames" | "ctrlreg" | "debugreg", index: number, bits: GuestBits): bigint {
  const bytes = context.field(name);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return bits === 64 ? view.getBigUint64(index * 8, true) : BigInt(view.getUint32(index * 4, true));
}

/** Descriptors and page tables: what can be refused. */
function setTables({ bits }: Domain, vcpu: VirtualCpu, context: Context, inKernel: boolean): number {
  const entries = context.wide("gdt_ents");
  if (entries > BigInt(MAX_GDT_ENTRIES)) return -errno.EINVAL;
  const pages = Math.ceil(Number(entries) / ENTRIES_PER_PAGE);
  const frames = Array.from({ length: pages }, (_, page) => frameNumber(word(context, "gdt_frames", page, bits)));
  const gdt = vcpu.tables.setGdt(frames, Number(entries));
  if (gdt !== 0) return gdt;
  const undo = (): number => {
    vcpu.tables.setGdt([], 0);
    return -errno.EINVAL;
  };
  const cr3 = word(context, "ctrlreg", 3, bits);
  const root = bits === 64 ? cr3 >> 12n : (cr3 >> 12n) | ((cr3 & 0xfffn) << 20n);
  const user = bits === 64 ? word(context, "ctrlreg", 1, bits) >> 12n : 0n;
  if (bits === 64 && user === 0n && !inKernel) return undo();
  if (vcpu.space.setKernel(frameNumber(root), false) !== 0) return undo();
  if (user !== 0n && vcpu.space.setUser(frameNumber(user)) !== 0) {
    vcpu.space.clear();
    return undo();
  }
  return 0;
}

/** Traps, callbacks, and the stack for them. */
function setEntries(vcpu: VirtualCpu, context: Context, flags: number): void {
  const { bits } = vcpu;
  vcpu.traps.clear();
  for (const [vector, trap] of trapsOf(context, bits).entries()) {
    const address = trap.wide("address");
    if (address === 0n) continue;
    const how = trap.get("flags");
    vcpu.traps.set(vector, {
      selector: kernelSelector(vcpu, trap.get("cs")),
      address,
      level: how & 3,
      masksEvents: (how & 4) !== 0,
    });
  }
  const selector = (name: "event_callback_cs" | "failsafe_callback_cs"): number =>
    bits === 64 ? kernelCodeOf(bits) : kernelSelector(vcpu, context.get(name) & 0xffff);
  const { callbacks } = vcpu;
  callbacks.event = { selector: selector("event_callback_cs"), address: context.wide("event_callback_eip"), masksEvents: true };
  callbacks.failsafe = {
    selector: selector("failsafe_callback_cs"),
    address: context.wide("failsafe_callback_eip"),
    masksEvents: (flags & vgcf.failsafe_disables_events) !== 0,
  };
  if (bits === 64) {
    callbacks.syscall = {
      selector: selector("event_callback_cs"),
      address: context.wide("syscall_callback_eip"),
      masksEvents: (flags & vgcf.syscall_disables_events) !== 0,
    };
  }
  vcpu.kernelStack = {
    selector: kernelSelector(vcpu, Number(context.wide("kernel_ss") & 0xffffn)),
    pointer: context.wide("kernel_sp"),
  };
}

function setRegisters(domain: Domain, vcpu: VirtualCpu, context: Context, user: Registers): void {
  const { bits } = domain;
  const { registers } = vcpu;
  startPv(registers, { bits, entry: user.wide("rip"), stack: user.wide("rsp"), startInfo: 0n, root: vcpu.space.startAddress });
  for (const name of bits === 64 ? [...COMMON, ...WIDE] : COMMON) registers.set(name, user.wide(name));
  const rflags = user.wide("rflags");
  vcpu.iopl = Number((rflags & IOPL) >> 12n);
  registers.set("rflags", (rflags & KEPT_FLAGS) | IF | 2n);
  vcpu.cr4 = word(context, "ctrlreg", 4, bits) & CR4_GUEST;
  registers.set("cr4", BOOT_CR4 | vcpu.cr4);
  vcpu.taskSwitched = (word(context, "ctrlreg", 0, bits) & CR0_TS) !== 0n;
  setTaskSwitched(domain, vcpu, vcpu.taskSwitched);
  for (const index of [0, 1, 2, 3, 7] as const) {
    const value = word(context, "debugreg", index, bits);
    const allowed = index === 7 ? (value & 0x2000n) === 0n && value <= 0xffff_ffffn : domain.copy.mayName(value, 1);
    if (value !== 0n && allowed) domain.operations.cpu.setDebugreg.run(vcpu.core, index, value);
  }
}

/** Code and stack as the way into the kernel would find them; a selector of data that leads nowhere becomes null. */
function setSegments({ bits }: Domain, vcpu: VirtualCpu, context: Context, user: Registers): void {
  const { registers, tables } = vcpu;
  const code = tables.segment(kernelSelector(vcpu, user.get("cs")));
  const stack = tables.segment(kernelSelector(vcpu, user.get("ss")));
  if (code !== undefined) registers.setSegment("cs", code);
  if (stack !== undefined) registers.setSegment("ss", stack);
  for (const name of DATA_SEGMENTS) {
    const selector = user.get(name);
    const found = (selector & ~3) === 0 ? undefined : tables.segment(kernelSelector(vcpu, selector));
    registers.setSegment(name, found ?? { selector: 0, base: 0n, limit: 0, access: 0 });
  }
  if (bits === 32) return;
  registers.setSegment("fs", { ...registers.segment("fs"), base: context.wide("fs_base") });
  registers.setSegment("gs", { ...registers.segment("gs"), base: context.wide("gs_base_kernel") });
  vcpu.setOtherGsBase(context.wide("gs_base_user"));
}

/** A context may begin in user code: as an iret call that leads there. */
function startInUser({ hypervisor }: Domain, vcpu: VirtualCpu): void {
  vcpu.kernelMode = false;
  vcpu.swapGs();
  vcpu.space.enterUser();
  hypervisor.setVirtualLevel(vcpu.id, USER_LEVEL);
}
