/**
 * INS and OUTS of a PV guest, which come to the hypervisor like all port accesses. What the core tells of them is the port and its size; where
 * the memory is and whether they repeat is in their prefixes. SDM Vol. 2A "INS", Vol. 2B "OUTS". Long repetitions are done in pieces.
 */
import {
  type AccessSize,
  type GuestFault,
  generalProtection,
  type InterceptAnswer,
  type InterceptedInstruction,
} from "@paravane/paravirt-ops";
import { isGuestFault, type SegmentName } from "@paravane/paravirt-ops";
import type { Domain } from "../domain/domain.js";
import type { Ports } from "./ports.js";
import type { VirtualCpu } from "./virtual-cpu.js";

const DF = 0x400n;
/** L and D/B of a code segment's attributes. */
const LONG_CODE = 0x2000;
const WIDE_CODE = 0x4000;
const ADDRESS_SIZE = 0x67;
const REPEATS: readonly number[] = [0xf2, 0xf3];
const OVERRIDES: Readonly<Record<number, SegmentName>> = { 38: "es", 46: "cs", 54: "ss", 62: "ds", 100: "fs", 101: "gs" };
/** Units after which others may run. */
const UNITS_AT_ONCE = 256;

/** What the bytes say beyond port and size. */
interface Form {
  readonly addressBits: 16 | 32 | 64;
  readonly repeats: boolean;
  readonly source: SegmentName;
}

function formOf(domain: Domain, vcpu: VirtualCpu, length: number): Form | GuestFault {
  const code = vcpu.registers.segment("cs");
  const bytes = new Uint8Array(length);
  const access = { level: vcpu.level, execute: true } as const;
  const fault = domain.hypervisor.linear.read(vcpu.id, code.base + vcpu.registers.get("rip"), bytes, access);
  if (fault !== undefined) return fault;
  const prefixes = bytes.subarray(0, length - 1);
  const changed = prefixes.includes(ADDRESS_SIZE);
  const long = (code.access & LONG_CODE) !== 0;
  const wide = (code.access & WIDE_CODE) !== 0;
  const named = prefixes.findLast((byte) => byte in OVERRIDES);
  return {
    addressBits: long ? (changed ? 32 : 64) : wide !== changed ? 32 : 16,
    repeats: prefixes.some((byte) => REPEATS.includes(byte)),
    source: named === undefined ? "ds" : OVERRIDES[named]!,
  };
}

/** Executes one INS or OUTS, or a piece of a long one: "next" when it is over, "resume" when it goes on. */
export function stringPort(domain: Domain, ports: Ports, vcpu: VirtualCpu, i: InterceptedInstruction): InterceptAnswer {
  const { port = 0, size = 1, length } = i;
  if (!ports.allows(vcpu, port, size)) return generalProtection;
  const form = formOf(domain, vcpu, length);
  if (isGuestFault(form)) return form;
  const { registers } = vcpu;
  const input = i.instruction === "ins";
  const index = input ? "rdi" : "rsi";
  const step = (registers.get("rflags") & DF) === 0n ? BigInt(size) : -BigInt(size);
  const keep = form.addressBits === 16 ? ~0xffffn : 0n;
  const wrapped = (old: bigint, value: bigint): bigint => (old & keep) | BigInt.asUintN(form.addressBits, value);
  for (let done = 0; done < UNITS_AT_ONCE; done++) {
    const left = BigInt.asUintN(form.addressBits, registers.get("rcx"));
    if (form.repeats && left === 0n) return "next";
    const at = registers.get(index);
    const offset = BigInt.asUintN(form.addressBits, at);
    const fault = transfer(domain, ports, vcpu, { input, port, size, segment: input ? "es" : form.source, offset });
    if (fault !== undefined) return fault;
    registers.set(index, wrapped(at, offset + step));
    if (!form.repeats) return "next";
    registers.set("rcx", wrapped(registers.get("rcx"), left - 1n));
    if (vcpu.debugHits !== 0n) return left === 1n ? "next" : "resume";
  }
  return "resume";
}

interface Unit {
  readonly input: boolean;
  readonly port: number;
  readonly size: AccessSize;
  readonly segment: SegmentName;
  readonly offset: bigint;
}

function transfer(domain: Domain, ports: Ports, vcpu: VirtualCpu, { input, port, size, segment, offset }: Unit): GuestFault | undefined {
  const { linear } = domain.hypervisor;
  const { base, limit } = vcpu.registers.segment(segment);
  const long = (vcpu.registers.segment("cs").access & LONG_CODE) !== 0;
  if (!long && offset + BigInt(size) - 1n > BigInt(limit)) return generalProtection;
  const flat = long && segment !== "fs" && segment !== "gs";
  const address = BigInt.asUintN(long ? 64 : 32, (flat ? 0n : base) + offset);
  if (!domain.copy.mayName(address, size)) return generalProtection;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  if (!input) {
    const fault = linear.read(vcpu.id, address, bytes, { level: vcpu.level });
    const value = size === 1 ? view.getUint8(0) : size === 2 ? view.getUint16(0, true) : view.getUint32(0, true);
    return fault ?? ports.write(vcpu, port, size, value);
  }
  // The device is asked only when there is room for its answer.
  const room = linear.translate(vcpu.id, address, { level: vcpu.level, write: true });
  if (isGuestFault(room)) return room;
  const value = ports.read(vcpu, port, size);
  if (isGuestFault(value)) return value;
  for (let byte = 0; byte < size; byte++) bytes[byte] = value >>> (8 * byte);
  return linear.write(vcpu.id, address, bytes, { level: vcpu.level, write: true });
}
