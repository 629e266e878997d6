/** All instructions, in the order in which the decode table tries them. */
import type { Entry } from "./define.js";
import { arith, wideExchange } from "./families/arith.js";
import { bits } from "./families/bits.js";
import { branches } from "./families/branches.js";
import { controlTransfer } from "./families/control-transfer.js";
import { controlRegisters } from "./families/control-registers.js";
import { io } from "./families/io.js";
import { logic } from "./families/logic.js";
import { miscSystem } from "./families/misc-system.js";
import { move } from "./families/move.js";
import { msr } from "./families/msr.js";
import { muldiv } from "./families/muldiv.js";
import { segments } from "./families/segments.js";
import { shift } from "./families/shift.js";
import { sse } from "./families/sse.js";
import { stackSystem } from "./families/stack-system.js";
import { string } from "./families/string.js";
import { systemCalls } from "./families/syscall.js";
import { x87 } from "./families/x87.js";
import { xsave } from "./families/xsave.js";

export const instructions: readonly Entry[] = [
  ...arith,
  ...logic,
  ...move,
  ...shift,
  ...muldiv,
  ...bits,
  ...branches,
  ...wideExchange,
  ...controlTransfer,
  ...segments,
  ...stackSystem,
  ...string,
  ...io,
  ...controlRegisters,
  ...msr,
  ...systemCalls,
  ...xsave,
  ...miscSystem,
  ...x87,
  ...sse,
];
