/**
 * The code behind each call. Most calls are one VMCALL, which comes to the hypervisor by the address of the instruction; what is called a million
 * times is done here: at CPL 0 by the native instruction, at CPL 1 on the vCPU's flag page. All of it is position independent, uses no register
 * that a call does not own, and reaches memory through SS and CS alone.
 */
import type { CallName } from "../abi/calls.js";
import { flagPage, RFLAGS_IF } from "../vcpu/flag-page.js";
import type { Code } from "./code.js";

/** What the code depends on: where the kernel runs, and the linear address of its CPU's flag page, if it has one. */
export interface SlotShape {
  readonly level: 0 | 1;
  readonly flagPage: number | undefined;
}

/** Where a VMCALL stands, or an instruction at which the flag is set already and the return is not made. */
export interface SlotMarks {
  /** A VMCALL: `discard` is whether a return address lies above the frame. */
  vmcall(discard: boolean): void;
  /** The next instruction takes EAX back, drops the return address, or returns. */
  returning(step: "restore" | "drop" | "iret"): void;
}

const RET = 0xc3;
const IRET = 0xcf;
const CLI = 0xfa;
const STI = 0xfb;
const JZ = 0x74;
const JNZ = 0x75;
const SS = 0x36;
const OPERAND16 = 0x66;
const EFLAGS_VM = 0x20000;
/** EFLAGS of user code after SYSEXIT: IF, and the bit that is always set. */
const EFLAGS_USER = 0x202;

/** Emits VMCALL. */
function exit(code: Code, marks: SlotMarks, discard = false): void {
  marks.vmcall(discard);
  code.emit(0x0f, 0x01, 0xc1);
}

/** mov word ss:[page + flag], value */
function storeFlag(code: Code, page: number, value: number): void {
  code
    .emit(SS, OPERAND16, 0xc7, 0x05)
    .word(page + flagPage.interruptFlag)
    .half(value);
}

/** Calls whose instruction is all that they do, at the levels at which it can be executed. */
function native(name: CallName, { level }: SlotShape): readonly number[] | undefined {
  switch (name) {
    case "CPUID":
      return [0x0f, 0xa2, RET];
    case "RDTSC":
      return [0x0f, 0x31, RET];
    case "IODelay":
      return [RET];
    case "EnableInterrupts":
      return level === 0 ? [STI, RET] : undefined;
    case "DisableInterrupts":
      return level === 0 ? [CLI, RET] : undefined;
    case "GetInterruptMask": // pushf; pop eax
      return level === 0 ? [0x9c, 0x58, RET] : undefined;
    case "SetInterruptMask": // test ah, 2; jz to the cli
      return level === 0 ? [0xf6, 0xc4, 0x02, JZ, 2, STI, RET, CLI, RET] : undefined;
    case "Halt": // sti; hlt
      return level === 0 ? [STI, 0xf4, RET] : undefined;
    case "GetCR2": // mov eax, cr2
      return level === 0 ? [0x0f, 0x20, 0xd0, RET] : undefined;
    case "SYSEXIT": // sti; sysexit
      return level === 0 ? [STI, 0x0f, 0x35] : undefined;
    default:
      return undefined;
  }
}

/** The flag's calls at CPL 1 with a flag page. */
function onFlagPage(name: CallName, code: Code, page: number, marks: SlotMarks): boolean {
  switch (name) {
    case "EnableInterrupts":
      storeFlag(code, page, RFLAGS_IF);
      break;
    case "DisableInterrupts":
      storeFlag(code, page, 0);
      break;
    case "GetInterruptMask": // movzx eax, word ss:[flag]
      code.emit(SS, 0x0f, 0xb7, 0x05).word(page + flagPage.interruptFlag);
      break;
    case "SetInterruptMask": // and eax, IF; mov ss:[flag], ax
      code
        .emit(0x25)
        .word(RFLAGS_IF)
        .emit(SS, OPERAND16, 0xa3)
        .word(page + flagPage.interruptFlag);
      break;
    case "SYSEXIT":
      // The frame of a return to user code: SS and CS as SYSENTER_CS has them, ESP from ECX, EIP from EDX.
      code.emit(SS, 0xff, 0x35).word(page + flagPage.userStack);
      code.emit(0x51).emit(0x68).word(EFLAGS_USER);
      code.emit(SS, 0xff, 0x35).word(page + flagPage.userCode);
      code.emit(0x52);
      storeFlag(code, page, RFLAGS_IF);
      marks.returning("iret");
      code.emit(IRET);
      return true;
    default:
      return false;
  }
  code.emit(RET);
  return true;
}

/**
 * IRET at CPL 1: the frame's interrupt flag becomes the CPU's, and EFLAGS.IF itself stays set. `discard`: a return address lies on the frame; it
 * stays below ESP, where the hypervisor finds it when the return faults. Virtual-8086 mode can be entered from CPL 0 only.
 */
function returnOnFlagPage(code: Code, page: number, marks: SlotMarks, discard: boolean): void {
  const flags = discard ? 16 : 12;
  const slow = discard ? "vm-call" : "vm-jump";
  code.emit(0x50); // push eax
  code.emit(0x8b, 0x44, 0x24, flags); // mov eax, [esp + flags]
  code.emit(0xa9).word(EFLAGS_VM).jump(JNZ, slow); // test eax, VM
  code.emit(0x25).word(RFLAGS_IF); // and eax, IF
  code.emit(0x80, 0x4c, 0x24, flags + 1, RFLAGS_IF >> 8); // or byte [esp + flags + 1], IF >> 8
  code.emit(SS, OPERAND16, 0xa3).word(page + flagPage.interruptFlag);
  marks.returning("restore");
  code.emit(0x58); // pop eax
  if (discard) {
    marks.returning("drop");
    code.emit(0x8d, 0x64, 0x24, 0x04); // lea esp, [esp + 4]
  }
  marks.returning("iret");
  code.emit(IRET);
  code.label(slow).emit(0x58);
  exit(code, marks, discard);
}

/** The code for being called. */
export function callSlot(name: CallName, shape: SlotShape, code: Code, marks: SlotMarks): void {
  if (name === "IRET") {
    if (shape.level === 0) {
      code.emit(0x8d, 0x64, 0x24, 0x04); // lea esp, [esp + 4]
      marks.returning("iret");
      code.emit(IRET);
    } else if (shape.flagPage === undefined) exit(code, marks, true);
    else returnOnFlagPage(code, shape.flagPage, marks, true);
    return;
  }
  const instructions = native(name, shape);
  if (instructions !== undefined) code.emit(...instructions);
  else if (shape.level === 0 || shape.flagPage === undefined || !onFlagPage(name, code, shape.flagPage, marks)) {
    exit(code, marks);
    code.emit(RET);
  }
}

/** The code for being jumped to, where that differs; false where it is the same. */
export function jumpSlot(name: CallName, shape: SlotShape, code: Code, marks: SlotMarks): boolean {
  if (name !== "IRET") return false;
  if (shape.level === 0) {
    marks.returning("iret");
    code.emit(IRET);
  } else if (shape.flagPage === undefined) exit(code, marks);
  else returnOnFlagPage(code, shape.flagPage, marks, false);
  return true;
}
