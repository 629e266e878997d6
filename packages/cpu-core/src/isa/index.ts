/** All instructions, in the order in which the decode table tries them. */
import type { Entry } from "./define.js";
import { arith } from "./families/arith.js";
import { bits } from "./families/bits.js";
import { branches } from "./families/branches.js";
import { logic } from "./families/logic.js";
import { move } from "./families/move.js";
import { muldiv } from "./families/muldiv.js";
import { shift } from "./families/shift.js";

export const instructions: readonly Entry[] = [...arith, ...logic, ...move, ...shift, ...muldiv, ...bits, ...branches];
