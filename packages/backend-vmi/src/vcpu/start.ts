/** Loading a vCPU with the state that SetInitialAPState described: control registers, tables, then segments from those tables. */
import type { ControlRegister, GeneralRegister, HypervisorHandle, SegmentName, Vcpu } from "@paravane/paravirt-ops";
import type { StartImage } from "../calls/processors.js";
import type { Done } from "./kernel.js";

const CONTROL: readonly ControlRegister[] = ["cr2", "cr4", "efer", "cr3", "cr0"];
const GENERAL: readonly (readonly [GeneralRegister, keyof StartImage])[] = [
  ["rax", "eax"],
  ["rbx", "ebx"],
  ["rcx", "ecx"],
  ["rdx", "edx"],
  ["rsp", "esp"],
  ["rbp", "ebp"],
  ["rsi", "esi"],
  ["rdi", "edi"],
];
const SEGMENTS: readonly (SegmentName & keyof StartImage)[] = ["ldtr", "cs", "ss", "ds", "es", "fs", "gs"];
const FLAGS_FIXED = 2n;

/** Registers that no table is needed for. */
export function startRegisters({ registers }: Vcpu, image: StartImage): void {
  for (const name of CONTROL) registers.set(name, image[name as keyof StartImage]);
  for (const [name, field] of GENERAL) registers.set(name, image[field]);
  registers.set("rip", image.eip);
  registers.set("rflags", image.eflags | FLAGS_FIXED);
}

/** Segments, with the checks of loads at CPL 0. */
export function startSegments(hypervisor: HypervisorHandle, vcpu: Vcpu, image: StartImage): Done {
  for (const name of SEGMENTS) {
    const fault = hypervisor.loadSegment(vcpu.id, name, Number(image[name]));
    if (fault !== undefined) return fault;
  }
}
