/** Number to handler, names for people, and calls of calls. A call that is not here answers -ENOSYS, as the ABI says, and is seen by the tap. */
import { type GuestCall, generalRegisters } from "@paravane/paravirt-ops";
import { segmentBases } from "../abi/arch-x86.js";
import { errno } from "../abi/errno.js";
import { ARGUMENT_REGISTERS, type HypercallName, hypercallName, hypercalls } from "../abi/hypercalls.js";
import * as services from "../abi/services.js";
import type { GuestBits } from "../abi/struct.js";
import { wideResult } from "../abi/wide.js";
import { mmuExtCommands, mmuUpdateCommands, multicall_entry } from "../abi/xen.js";
import type { Domain } from "../domain/domain.js";
import { isOwnCall } from "../modes/own-calls.js";
import type { VirtualCpu } from "../vcpu/virtual-cpu.js";
import { type Call, type CallHandler, type CallResult, isAgain, PIECES_AT_ONCE, resumed, u32 } from "./call.js";
import { consoleIo, denied, domctl, nmiOp, physdevOp, physdevOpCompat, platformOp, sysctl } from "./devices.js";
import { eventChannelOp, eventChannelOpCompat, schedOp, schedOpCompat } from "./events.js";
import { grantTableOp, hvmGrantTableOp } from "./grants.js";
import { memoryOp, xenVersion } from "./information.js";
import { hvmMemoryOp, hvmOp, hvmOpOfPv } from "./hvm.js";
import { hvmVcpuOp } from "./hvm-context.js";
import { mmuExtOp, mmuUpdate, updateVaMapping, updateVaMappingOtherdomain } from "./page-tables.js";
import {
  callbackOp,
  fpuTaskSwitch,
  getDebugreg,
  iret,
  setCallbacks,
  setDebugreg,
  setGdt,
  setSegmentBase,
  setTrapTable,
  stackSwitch,
  updateDescriptor,
  vmAssist,
} from "./vcpu-state.js";
import { setTimerOp, vcpuOp } from "./vcpu-op.js";

const notSupported: CallHandler = () => -errno.EOPNOTSUPP;
/** For domains whose page tables are Xen's affair. */
const notTranslated: CallHandler = () => -errno.EINVAL;
/** Handlers that never do what is asked. */
const refusals: ReadonlySet<CallHandler> = new Set([denied, sysctl, domctl, platformOp, notSupported, notTranslated]);
type Handlers = Partial<Record<HypercallName, CallHandler>>;

/** What PV guests can call. */
const pvHandlers: Handlers = {
  set_trap_table: setTrapTable,
  mmu_update: mmuUpdate,
  set_gdt: setGdt,
  stack_switch: stackSwitch,
  set_callbacks: setCallbacks,
  fpu_taskswitch: fpuTaskSwitch,
  sched_op_compat: schedOpCompat,
  platform_op: platformOp,
  set_debugreg: setDebugreg,
  get_debugreg: getDebugreg,
  update_descriptor: updateDescriptor,
  memory_op: memoryOp,
  multicall,
  update_va_mapping: updateVaMapping,
  set_timer_op: setTimerOp,
  event_channel_op_compat: eventChannelOpCompat,
  xen_version: xenVersion,
  console_io: consoleIo,
  physdev_op_compat: physdevOpCompat,
  grant_table_op: grantTableOp,
  vm_assist: vmAssist,
  update_va_mapping_otherdomain: updateVaMappingOtherdomain,
  iret,
  vcpu_op: vcpuOp,
  set_segment_base: setSegmentBase,
  mmuext_op: mmuExtOp,
  nmi_op: nmiOp,
  sched_op: schedOp,
  callback_op: callbackOp,
  event_channel_op: eventChannelOp,
  physdev_op: physdevOp,
  hvm_op: hvmOpOfPv,
  sysctl,
  domctl,
  kexec_op: denied,
  xenpmu_op: notSupported,
  hypfs_op: denied,
  mca: denied,
};

/** What guests with a physical address space of their own can call. */
const hvmHandlers: Handlers = {
  platform_op: platformOp,
  memory_op: hvmMemoryOp,
  multicall,
  set_timer_op: setTimerOp,
  xen_version: xenVersion,
  console_io: consoleIo,
  grant_table_op: hvmGrantTableOp,
  vm_assist: vmAssist,
  vcpu_op: hvmVcpuOp,
  mmuext_op: notTranslated,
  sched_op: schedOp,
  event_channel_op: eventChannelOp,
  hvm_op: hvmOp,
  sysctl,
  domctl,
  xenpmu_op: notSupported,
  hypfs_op: denied,
};

/** The same by number. */
const numbered = (handlers: Handlers): readonly (CallHandler | undefined)[] => {
  const list: (CallHandler | undefined)[] = [];
  for (const [name, handler] of Object.entries(handlers)) list[hypercalls[name as HypercallName]] = handler;
  return list;
};
const PV_HANDLERS = numbered(pvHandlers);
const PVH_HANDLERS = numbered(hvmHandlers);
const handlerOf = (kind: Domain["kind"], number: number): CallHandler | undefined => (kind === "pv" ? PV_HANDLERS : PVH_HANDLERS)[number];

/** Commands by call, for names. */
const COMMANDS: Partial<Record<HypercallName, Readonly<Record<string, number>>>> = {
  memory_op: services.memoryCommands,
  xen_version: services.versionCommands,
  console_io: services.consoleCommands,
  grant_table_op: services.grantCommands,
  vm_assist: services.assistCommands,
  vcpu_op: services.vcpuCommands,
  sched_op: services.schedCommands,
  callback_op: services.callbackCommands,
  event_channel_op: services.eventChannelCommands,
  physdev_op: services.physdevCommands,
  hvm_op: services.hvmCommands,
  set_segment_base: segmentBases,
};
/** What the tap is told of a call: its name, or that of its command. */
interface CallNames {
  readonly name: HypercallName;
  readonly commands: ReadonlyMap<number, string> | undefined;
  /** Bits of the first argument that are the command. */
  readonly mask: number;
}
const CALL_NAMES: (CallNames | undefined)[] = [];
for (const [name, number] of Object.entries(hypercalls) as [HypercallName, number][]) {
  const table = COMMANDS[name];
  const commands = table && new Map(Object.entries(table).map(([command, value]) => [value, `${name}.${command}`]));
  CALL_NAMES[number] = { name, commands, mask: name === "memory_op" ? 0x3f : 0xffff_ffff };
}

/** Name of a call with its command: "vcpu_op.is_up". */
export function callName(number: number, args: readonly bigint[]): string {
  const known = CALL_NAMES[number];
  if (known === undefined) return `hypercall_${number}`;
  return known.commands?.get((u32(args[0]) & known.mask) >>> 0) ?? known.name;
}

/** Every call that a guest can make, and the commands of those that have some, as the tap names them. */
export function guestCalls(kind: Domain["kind"]): GuestCall[] {
  // These two have their commands in lists, and the tap is told of each.
  const tables = { ...COMMANDS, mmu_update: mmuUpdateCommands, mmuext_op: mmuExtCommands };
  return Object.entries(hypercalls).flatMap(([name, number]): GuestCall[] => {
    const handler = handlerOf(kind, number);
    const answered = handler !== undefined && !refusals.has(handler);
    const commands: Readonly<Record<string, number>> = tables[name as keyof typeof tables] ?? {};
    return [
      { name, number, answered, own: isOwnCall(kind, name, name in tables) },
      ...Object.entries(commands).map(([command, value]) => ({
        name: `${name}.${command}`,
        number,
        command: value,
        answered,
        own: isOwnCall(kind, `${name}.${command}`, false),
      })),
    ];
  });
}

/** Makes a call for the guest, and shows it to whoever watches. */
export function dispatch(domain: Domain, vcpu: VirtualCpu, number: number, args: readonly bigint[]): CallResult {
  const handler = handlerOf(domain.kind, number);
  const result = handler === undefined ? -errno.ENOSYS : handler({ domain, vcpu, args });
  const { taps } = domain.environment;
  if (taps.hypercall !== undefined && !isAgain(result)) {
    taps.hypercall(domain.exitNs, vcpu.id, callName(number, args), args, result === resumed || result === 0 ? 0n : BigInt(result));
  }
  return result;
}

/** Arguments of the calls that kernels make all the time; of others as many as there can be. */
const FEW_ARGUMENTS: (number | undefined)[] = [];
FEW_ARGUMENTS[hypercalls.mmu_update] = 4;
FEW_ARGUMENTS[hypercalls.mmuext_op] = 4;
FEW_ARGUMENTS[hypercalls.iret] = 0;
FEW_ARGUMENTS[hypercalls.vcpu_op] = 3;
FEW_ARGUMENTS[hypercalls.set_segment_base] = 2;
FEW_ARGUMENTS[hypercalls.stack_switch] = 2;
FEW_ARGUMENTS[hypercalls.event_channel_op] = 2;
FEW_ARGUMENTS[hypercalls.sched_op] = 2;

/** A number that stays free. */
const NO_CALL = 0xffff_ffff;
const RAX = generalRegisters.indexOf("rax");
const numbersOf = (bits: GuestBits): readonly number[] => ARGUMENT_REGISTERS[bits].map((name) => generalRegisters.indexOf(name));
/** Registers with arguments, by their numbers. */
const ARGUMENTS_64 = numbersOf(64);
const ARGUMENTS_32 = numbersOf(32);

function argumentsOf({ general }: VirtualCpu, bits: GuestBits, count: number): bigint[] {
  const numbers = bits === 64 ? ARGUMENTS_64 : ARGUMENTS_32;
  const args: bigint[] = [];
  for (let index = 0; index < count; index++) {
    const value = general[numbers[index]!]!;
    args.push(bits === 64 ? value : value & 0xffff_ffffn);
  }
  return args;
}

/** The instruction that calls: arguments from registers, result to RAX. "resume" when the registers are as the guest is to find them. */
export function callFromRegisters(domain: Domain, vcpu: VirtualCpu): "next" | "resume" {
  const { general, halves } = vcpu;
  const { bits } = domain;
  // 64-bit code gives all of RAX, and a number that does not fit is none.
  const number = bits === 64 && halves[2 * RAX + 1] !== 0 ? NO_CALL : halves[2 * RAX]!;
  const seen = domain.environment.taps.hypercall !== undefined;
  const count = (seen ? undefined : FEW_ARGUMENTS[number]) ?? (bits === 64 ? ARGUMENTS_64 : ARGUMENTS_32).length;
  const result = dispatch(domain, vcpu, number, argumentsOf(vcpu, bits, count));
  if (result === resumed) return "resume";
  if (isAgain(result)) {
    for (const [index, value] of result.again.entries()) general[(bits === 64 ? ARGUMENTS_64 : ARGUMENTS_32)[index]!] = value;
    return "resume";
  }
  const wide = wideResult(result);
  general[RAX] = bits === 64 ? wide : wide & 0xffff_ffffn;
  return "next";
}

/** multicall(entries, count) */
function multicall({ domain, vcpu, args }: Call): CallResult {
  const [address = 0n, count = 0n] = args;
  const { bits, copy } = domain;
  const layout = multicall_entry[bits];
  const width = bits === 64 ? 8 : 4;
  const wanted = u32(count);
  for (let index = 0; index < wanted; index++) {
    const at = address + BigInt(index * layout.size);
    if (index === PIECES_AT_ONCE) return { again: [at, BigInt(wanted - index)] };
    const entry = copy.readStruct(vcpu.id, at, multicall_entry);
    if (entry === undefined) return -errno.EFAULT;
    const list = entry.field("args");
    const view = new DataView(list.buffer, list.byteOffset);
    const callArgs = Array.from({ length: 6 }, (_, n) =>
      width === 8 ? view.getBigUint64(n * 8, true) : BigInt(view.getUint32(n * 4, true)),
    );
    const number = u32(entry.wide("op"));
    const nested = hypercallName(number) === "multicall";
    const result = nested ? -errno.EINVAL : dispatch(domain, vcpu, number, callArgs);
    if (result === resumed) return resumed;
    if (isAgain(result)) {
      for (const [n, value] of result.again.entries()) {
        if (width === 8) view.setBigUint64(n * 8, BigInt.asUintN(64, value), true);
        else view.setUint32(n * 4, u32(value), true);
      }
      return copy.writeStruct(vcpu.id, at, entry) ? { again: [at, BigInt(wanted - index)] } : -errno.EFAULT;
    }
    const { offset } = layout.fields.result;
    if (!copy.writeNumber(vcpu.id, at + BigInt(offset), width, BigInt(result))) return -errno.EFAULT;
  }
  return 0;
}
