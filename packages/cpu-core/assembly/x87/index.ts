// The x87 unit: every instruction function, and what the interpreter and the system instructions need of it.
export * from "./arithmetic";
export * from "./bcd";
export * from "./compare";
export * from "./control";
export { fxrstorX87, fxsaveX87, x87Fldenv, x87Fnsave, x87Fnstenv, x87Frstor } from "./environment";
export * from "./load-store";
export * from "./logarithmic";
export { fpuEnter, mmxCheck, mmxEnter, x87Emms, x87Fwait } from "./pointers";
export * from "./remainder";
export * from "./trigonometric";
