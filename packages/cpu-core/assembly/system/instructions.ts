// The system instructions of this folder's control, I/O, MSR, call and state files, as the decode table names them.
export {
  clts,
  lmswMemory,
  lmswRegister,
  movFromCr,
  movToCr,
  smswMemory,
  smswRegister,
  writeCr0,
  writeCr4,
  xgetbv,
  xsetbv,
} from "./control";
export { cpuid } from "./cpuid";
export { debugRegistersChanged, movFromDr, movToDr } from "./debug-registers";
export {
  inByteDx,
  inByteImm,
  insByte,
  insWide,
  inWideDx,
  inWideImm,
  outByteDx,
  outByteImm,
  outsByte,
  outsWide,
  outWideDx,
  outWideImm,
} from "./io";
export {
  cacheControl,
  clac,
  cld,
  cli,
  hlt,
  invlpg,
  invpcid,
  pause,
  randomNumber,
  rdfsbase,
  rdgsbase,
  rdpid,
  rdpmc,
  rdtsc,
  rdtscp,
  stac,
  std,
  sti,
  swapgs,
  undefinedOpcode,
  vmcall,
  wrfsbase,
  wrgsbase,
} from "./misc";
export { msrGet, msrPut, rdmsr, writeEfer, wrmsr } from "./msr";
export { syscall, sysenter, sysexit, sysret } from "./syscall";
export { fxrstor, fxsave, xrstor, xsave, xsavec, xsaveopt } from "./xsave";
