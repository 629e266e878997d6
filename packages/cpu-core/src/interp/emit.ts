/**
 * Writes the interpreter: AssemblyScript text with one `switch` case per handler. The hand-written frame (block entry, exits) is in
 * assembly/run.ts; here are operand fetch, the TLB probe, write-back and fault order, once per operand shape.
 */
import * as L from "../layout.js";
import { condition } from "../isa/conditions.js";
import type { BranchEntry, FamilyEntry, OutlinedEntry, StackEntry } from "../isa/define.js";
import { FLAG_KINDS, settledWords } from "../isa/flag-words.js";
import { RSP, type Width } from "../isa/sem.js";
import { type Handler, immediateWidth, slowBranch, SPECIAL_HANDLERS } from "./handlers.js";
import { emitVector } from "./emit-vector.js";
import { type Access, COLD, HandlerText, IMM, LOOP, slotAddress } from "./handler-text.js";
import { memoryFlags, TextSem } from "./text-sem.js";
import { commonName, emitCommon } from "./text-system.js";

/** Text of `case id: { … }` for a handler inside the loop or in the cold function. */
export function emitHandler(handler: Handler): string {
  const text = new HandlerText(handler.class === "inline" ? LOOP : COLD);
  switch (handler.entry.type) {
    case "family":
      emitFamily(text, handler, handler.entry);
      break;
    case "vector":
      emitVector(text, handler, handler.entry);
      break;
    case "stack":
      emitStack(text, handler, handler.entry);
      break;
    case "branch":
      emitBranch(text, handler, handler.entry);
      break;
    case "outlined":
      emitOutlined(text, handler, handler.entry);
      break;
  }
  return `case ${handler.id}: { // ${handler.key}\n  ${text.sem.lines.join("\n  ")}\n}`;
}

function emitFamily(text: HandlerText, handler: Handler, entry: FamilyEntry): void {
  const { sem } = text;
  let pointer = "";
  const operands = handler.shapes.map((shape, i): string => {
    const role = entry.roles[i];
    if (role === undefined) return "";
    if (shape.kind === "i") return sem.let(sem.trunc(IMM, immediateWidth(handler, shape)));
    if (shape.kind === "r") return role === "w" ? "" : sem.let(text.readRegister(shape.slot, shape.bits));
    if (role === "a") return sem.let(`effectiveAddress(cpu, u)`);
    const access: Access = role === "r" ? "R" : role === "w" ? "W" : "RW";
    pointer = text.pointer(text.address(shape.bits / 8, role !== "r", shape.operand.bitString), shape.bits / 8, access);
    return role === "w" ? "" : sem.let(`<u64>load<u${shape.bits}>(${pointer})`);
  });
  const bits = (handler.shapes[0]?.bits ?? 64) as Width;
  const effect = entry.meaning(
    sem,
    operands,
    bits,
    handler.shapes.map((s) => s.bits as Width),
  );
  for (const i of [3, 2, 1, 0]) {
    const value = effect.out?.[i];
    const shape = handler.shapes[i];
    if (value === undefined || shape === undefined) continue;
    if (shape.kind === "m") text.emit(`store<u${shape.bits}>(${pointer}, <u${shape.bits}>(${value}));`);
    else {
      if (effect.writeIf) text.emit(`if ((${effect.writeIf}) != 0)`);
      text.writeRegister(shape.slot, shape.bits, value);
    }
  }
  if (effect.flags) {
    if (effect.flagsIf) text.emit(`if ((${effect.flagsIf}) != 0) {`);
    sem.setFlags(effect.flags, bits);
    if (effect.flagsIf) text.emit("}");
  }
  text.leave();
}

const SP = L.GPR + RSP * 8;

/** Stack pointer arithmetic wraps at the stack's width. */
const wrap = (handler: Handler, text: string): string => (handler.stack === "s32" ? `(<u64><u32>(${text}))` : `(${text})`);

function emitPush(text: HandlerText, handler: Handler, value: string): void {
  const bytes = handler.opsize / 8;
  text.emit(`const sp: u64 = ${wrap(handler, `load<u64>(cpu, ${SP}) - ${bytes}`)};`);
  const p = text.pointer("sp", bytes, "W", "stack");
  text.emit(`store<u${handler.opsize}>(${p}, <u${handler.opsize}>(${value}));`);
  text.emit(`store<u64>(cpu, sp, ${SP});`);
}
function emitStack(text: HandlerText, handler: Handler, entry: StackEntry): void {
  const shape = handler.shapes[0];
  const bytes = handler.opsize / 8;
  if (entry.kind === "push") {
    let value = IMM;
    if (shape?.kind === "r") value = text.readRegister(shape.slot, handler.opsize);
    else if (shape?.kind === "m") value = `load<u${handler.opsize}>(${text.pointer(text.address(bytes, false), bytes, "R")})`;
    text.emit(`const value: u64 = <u64>${value};`);
    emitPush(text, handler, "value");
  } else {
    // LEAVE is MOV RSP, RBP; POP RBP.
    const from = entry.kind === "leave" ? L.GPR + 5 * 8 : SP;
    text.emit(`const sp: u64 = ${wrap(handler, `load<u64>(cpu, ${from})`)};`);
    const source = text.pointer("sp", bytes, "R", "stack");
    text.emit(`const value: u64 = <u64>load<u${handler.opsize}>(${source});`);
    if (shape?.kind === "m") {
      // The address of POP r/m is computed with the stack pointer already moved (SDM Vol. 2B "POP").
      text.emit(`store<u64>(cpu, ${wrap(handler, `sp + ${bytes}`)}, ${SP});`);
      text.undo = `store<u64>(cpu, sp, ${SP});`;
      const p = text.pointer(text.address(bytes, true), bytes, "W");
      text.emit(`store<u${handler.opsize}>(${p}, <u${handler.opsize}>(value));`);
    } else {
      text.emit(`store<u64>(cpu, ${wrap(handler, `sp + ${bytes}`)}, ${SP});`);
      if (entry.kind === "leave")
        text.emit(
          handler.opsize === 32
            ? `store<u64>(cpu, <u64><u32>value, ${L.GPR + 40});`
            : `store<u${handler.opsize}>(cpu, <u${handler.opsize}>value, ${L.GPR + 40});`,
        );
      else text.writeRegister(shape!.slot, handler.opsize, "value");
    }
  }
  text.leave();
}

/** Target of a relative branch, truncated to the operand size. */
const relativeTarget = (handler: Handler): string => truncateRip(handler, `load<u64>(cpu, ${L.RIP_BASE}) + ${IMM}`);
const truncateRip = (handler: Handler, text: string): string => (handler.opsize === 64 ? text : `<u64><u${handler.opsize}>(${text})`);
const NEXT_RIP = `((load<u64>(cpu, ${L.RIP_BASE}) + <u64>load<u16>(u, ${L.U_DELTA}) + <u64>load<u8>(u, ${L.U_LEN})) & linMask)`;
const TAKE_LINK = `h = load<u32>(u, ${L.U_AUX}); link = u + ${L.U_AUX};`;
const FALL_LINK = `h = load<u32>(u, ${L.U_DISP}); link = u + ${L.U_DISP};`;

function emitBranch(text: HandlerText, handler: Handler, entry: BranchEntry): void {
  const bytes = handler.opsize / 8;
  const leaveBlock = (link: string): void => {
    text.emit(link);
    text.leave(`{ store<u64>(cpu, rip, ${L.RIP}); return leaveAt(cpu, fr, fv, cnt); }`, "break;");
  };
  const conditional = (test: string): void => {
    text.emit(`if (${test}) { rip = ${relativeTarget(handler)}; ${TAKE_LINK} } else { rip = ${NEXT_RIP}; ${FALL_LINK} }`);
    text.emit("break;");
  };
  switch (entry.kind) {
    case "jmp":
      text.emit(`rip = ${relativeTarget(handler)};`);
      leaveBlock(TAKE_LINK);
      return;
    case "jcc":
      conditional(`(${condition(text.sem, entry.condition)}) != 0`);
      return;
    case "call":
      text.emit(`const back: u64 = ${NEXT_RIP};`);
      emitPush(text, handler, "back");
      text.emit(`rip = ${relativeTarget(handler)};`);
      leaveBlock(TAKE_LINK);
      return;
    case "jmpIndirect":
    case "callIndirect": {
      const shape = handler.shapes[0]!;
      const value =
        shape.kind === "r"
          ? text.readRegister(shape.slot, handler.opsize)
          : `<u64>load<u${handler.opsize}>(${text.pointer(text.address(bytes, false), bytes, "R")})`;
      text.emit(`const target: u64 = ${value};`);
      if (entry.kind === "callIndirect") {
        if (handler.opsize === 64) text.emit(`if (!canonical(target)) { raiseError(cpu, 13, 0); ${text.frame.abandon} }`);
        text.emit(`const back: u64 = ${NEXT_RIP};`);
        emitPush(text, handler, "back");
      }
      text.emit("rip = target;");
      leaveBlock("h = 0; link = 0;");
      return;
    }
    case "ret":
    case "retImm": {
      text.emit(`const sp: u64 = ${wrap(handler, `load<u64>(cpu, ${SP})`)};`);
      const p = text.pointer("sp", bytes, "R", "stack");
      text.emit(`rip = <u64>load<u${handler.opsize}>(${p});`);
      text.emit(
        `store<u64>(cpu, ${wrap(handler, `sp + ${bytes}${entry.kind === "retImm" ? ` + <u64>load<u16>(u, ${L.U_IMM})` : ""}`)}, ${SP});`,
      );
      leaveBlock("h = 0; link = 0;");
      return;
    }
    case "loop":
    case "loope":
    case "loopne": {
      text.emit(`const left: u64 = countDown(cpu, u);`);
      const zf = text.sem.flag("ZF");
      conditional(`left != 0${entry.kind === "loope" ? ` && ${zf} != 0` : entry.kind === "loopne" ? ` && ${zf} == 0` : ""}`);
      return;
    }
    case "jcxz":
      conditional("countOf(cpu, u) == 0");
      return;
  }
}

/** Text of `case id: { … }` of undoBranch. Calls and returns on stacks that are not flat have looked first. */
function emitUndo(handler: Handler): string {
  const { entry } = handler;
  if (entry.type !== "branch") return "";
  const move = (text: string): string => `store<u64>(cpu, ${wrap(handler, `load<u64>(cpu, ${SP}) ${text}`)}, ${SP});`;
  const bytes = handler.opsize / 8;
  let undo = "";
  if (entry.kind === "call" || entry.kind === "callIndirect") undo = move(`+ ${bytes}`);
  else if (entry.kind === "ret") undo = move(`- ${bytes}`);
  else if (entry.kind === "retImm") undo = move(`- ${bytes} - <u64>load<u16>(u, ${L.U_IMM})`);
  else if (entry.kind.startsWith("loop")) undo = "countUp(cpu, u);";
  return `case ${handler.id}: { ${undo} return true; }`;
}

function emitOutlined(text: HandlerText, handler: Handler, entry: OutlinedEntry): void {
  const memory = handler.shapes.find((s) => s.kind === "m");
  const registers = handler.shapes.filter((s) => s.kind === "r");
  const usesMmx = handler.shapes.some((s) => s.operand.file === "mmx");
  const imm = `<u32>load<i64>(u, ${L.U_IMM})`;
  const faultCheck = `if (faulted(cpu)) ${text.frame.abandon}`;
  const access = (kind: Access): string => {
    const bytes = memory!.bits / 8;
    const a = text.address(bytes, kind !== "R");
    if (memory!.operand.aligned || entry.options.aligned)
      text.emit(`if (${a} & ${bytes - 1}) { raiseError(cpu, 13, 0); ${text.frame.abandon} }`);
    return text.pointer(a, bytes, kind);
  };
  if (entry.kind === "modify") {
    text.emit(`${entry.fn}(cpu, ${access("RW")});`);
    text.leave();
    return;
  }
  if (entry.kind.startsWith("fpu")) {
    const enter = entry.options.control ? undefined : `if (!fpuEnter(cpu, u)) ${text.frame.abandon}`;
    if (enter) text.emit(enter);
    if (entry.kind === "fpu") text.emit(`${entry.fn}(cpu, ${imm} & 7);`);
    else if (entry.kind === "fpuLoad") text.emit(`${entry.fn}(cpu, ${access("R")});`);
    else {
      const p = access("W");
      text.emit(`if (!${entry.fn}(cpu, ${p})) { ${faultCheck} ${text.frame.done} }`);
    }
    text.emit(faultCheck);
    text.leave();
    return;
  }
  if (usesMmx) text.emit(`if (!mmxCheck(cpu)) ${text.frame.abandon}`);
  let dst: string, src: string;
  if (entry.kind === "vec") {
    dst = registers.length > 0 ? slotAddress(registers[0]!.slot) : "0";
    src = memory ? access("R") : registers.length > 1 ? slotAddress(registers[1]!.slot) : "0";
  } else {
    dst = memory ? access("W") : slotAddress(registers[0]!.slot);
    src = registers.length > 0 ? slotAddress(registers[registers.length - 1]!.slot) : "0";
  }
  if (usesMmx) text.emit("mmxEnter(cpu);");
  text.emit(`${entry.fn}(cpu, ${dst}, ${src}, ${imm});`);
  text.emit(faultCheck);
  text.leave();
}

/** Text of `case kind: { … }` of settleFlags. */
function emitSettle(kind: number): string {
  const sem = new TextSem(memoryFlags, "");
  const { fr, fv } = settledWords<string>(sem, kind, "first", "second");
  sem.emit(memoryFlags.setFr(`<i64>(${fr})`));
  sem.emit(memoryFlags.setFv(`<i64>(${fv})`));
  return `case ${kind}: { ${sem.lines.join(" ")} break; }`;
}

/** The engine function of a sys or stay handler. */
function outlinedFunction(handler: Handler): string {
  const { entry } = handler;
  if (entry.type === "outlined") return entry.fn;
  if (entry.type === "stack") return entry.slow;
  return slowBranch(entry as BranchEntry);
}

/** Has the common case of a stay handler tried first. */
function unlessCommon({ entry }: Handler): string {
  return entry.type === "outlined" && entry.options.common !== undefined ? `if (!${commonName(entry)}(cpu, u)) ` : "";
}

/** Names that the generated text uses from the hand-written engine, beside the operand helpers. */
function importedFunctions(handlers: readonly Handler[]): string[] {
  const names = handlers.flatMap((h) =>
    h.class === "sys" || h.class === "stay"
      ? [outlinedFunction(h)]
      : h.entry.type === "outlined"
        ? [h.entry.fn]
        : h.entry.type === "vector" && h.entry.exact !== undefined
          ? [h.entry.exact]
          : [],
  );
  return [...new Set(names)].sort();
}

/** Engine functions that translated units call: those of all handlers that do not end a block, and what surrounds them. */
export function unitCalls(handlers: readonly Handler[]): string[] {
  const names = handlers.flatMap((h) => (h.class !== "sys" && h.entry.type === "outlined" ? [h.entry.fn] : []));
  return [...new Set(["loadPlainly", "mmxEnter", ...names])].sort();
}

/** The whole generated module; `sourceOf` names the assembly file that exports a function. */
export function emitInterpreter(handlers: readonly Handler[], sourceOf: (name: string) => string): string {
  const of = (c: Handler["class"]): Handler[] => handlers.filter((h) => h.class === c);
  const cold = of("cold");
  const stay = of("stay");
  const sys = of("sys");
  const firstStay = stay[0]?.id ?? 0;
  const firstSys = sys[0]?.id ?? 0;
  const calls = (list: readonly Handler[]): string =>
    list.map((h) => `case ${h.id}: ${unlessCommon(h)}${outlinedFunction(h)}(cpu, u); return;`).join("\n");
  const common = stay.flatMap(({ entry }) =>
    entry.type === "outlined" && entry.options.common !== undefined ? [emitCommon(entry, entry.options.common)] : [],
  );
  const bySource = new Map<string, string[]>();
  for (const name of importedFunctions(handlers)) bySource.set(sourceOf(name), [...(bySource.get(sourceOf(name)) ?? []), name]);
  const imports = [...bySource].map(([source, names]) => `import { ${names.join(", ")} } from "${source}";`);
  return `// Generated from the instruction tables by scripts/build-engine; not to be edited.
import { hostDecode, hostHot } from "../imports";
import { codeCrossingValid, codeFind } from "../code-cache";
import { faulted, raise, raiseError, raiseIntercept } from "../fault";
import { mulHighU, mulHighS, divU128, divFitsS128, divS128, crc32c, pdep, pext } from "../leaf";
import { commit, fetchPtr, readPtr, rmwPtr, writePtr } from "../memory/access";
import { canonical, withinLimit } from "../memory/segmentation";
import { bitAddress, countDown, countOf, countUp, effectiveAddress, modifyAt, operandAddress, operandFault, readAt, segmented, stackFault, writeAt } from "../operand";
import { permuteBytes } from "../sse/vector-ops";
import { fpuEnter, mmxCheck, mmxEnter } from "../x87/index";
import { abandon, abandonOperand, abandonStack, beyondLimit, finish, leaveAt, noDevice, BUDGET, FAULTED, LIMITED, RAN } from "../interp-exits";
import { inlineForm } from "../hypervisor/inline-form";
import { plainStack, pushSlow, stackCommit, stackCurrent, stackPeek, stackSkip } from "../system/stack";
import { waiting } from "../system/misc";
import { missed, runUnits } from "../units";
${imports.join("\n")}

const GO_ON: i32 = 0;
const ABANDON: i32 = 1;
const RESTARTED: i32 = 2;

/** Rare handlers: the loop calls them and goes on. */
function cold(cpu: usize, u: usize, op: u32): i32 {
  switch (op) {
case 5: return inlineForm(cpu, u);
${cold.map(emitHandler).join("\n")}
default: return ABANDON;
  }
}

/** The same for a translation: 0: go on; 1: a fault is pending; 2: done, but code or mode may have changed. */
export function coldOp(cpu: usize, u: usize): i32 {
  return cold(cpu, u, load<u16>(u));
}

/** An instruction that a backend has carried out for the guest: \`u\` is no part of a block. A fault may be pending. */
export function lentOp(cpu: usize, u: usize): void {
  const op: u32 = load<u16>(u);
  if (op < ${firstStay}) cold(cpu, u, op);
  else if (op < ${firstSys}) stay(cpu, u, op);
  else sys(cpu, u, op);
}

/** Makes words of flags that wait under a translation. */
export function settleFlags(cpu: usize): void {
  const first = load<u64>(cpu, ${L.FR});
  const second = load<u64>(cpu, ${L.FV});
  switch (load<u32>(cpu, ${L.FLAG_KIND})) {
${FLAG_KINDS.map(emitSettle).join("\n")}
  }
  store<u32>(cpu, 0, ${L.FLAG_KIND});
}

${common.join("\n")}

/** Handlers behind which the block goes on, unless they set RESTART. */
function stay(cpu: usize, u: usize, op: u32): void {
  switch (op) {
${calls(stay)}
  }
}

/** Handlers after which the run loop looks at the whole machine again. */
function sys(cpu: usize, u: usize, op: u32): void {
  switch (op) {
${calls(sys)}
  }
}

/** The same for a translation, which has left RIP behind the operation, the last of its block. A fault is pending, or it is done. */
export function systemOp(cpu: usize, u: usize): void {
  const next = load<u64>(cpu, ${L.RIP});
  const op: u32 = load<u16>(u);
  if (op == ${SPECIAL_HANDLERS.indexOf("intercept")}) raiseIntercept(cpu, u);
  else sys(cpu, u, op);
  if (!faulted(cpu)) return;
  store<u64>(cpu, (next - <u64>load<u8>(u, ${L.U_LEN})) & load<u64>(cpu, ${L.LIN_MASK}), ${L.RIP});
  store<i64>(cpu, load<i64>(cpu, ${L.COUNT}) + 1, ${L.COUNT});
}

/**
 * A target that is not canonical or lies outside CS is the fault of the branch at \`u\`, which then has done nothing (SDM Vol. 2A "CALL",
 * "JMP", Vol. 2B "RET"). Takes its effects back; false when what precedes \`rip\` in time is not a branch to it.
 */
function undoBranch(cpu: usize, u: usize, rip: u64): bool {
  if (rip == ${NEXT_RIP.replace("linMask", `load<u64>(cpu, ${L.LIN_MASK})`)}) return false;
  switch (load<u16>(u)) {
${of("inline").map(emitUndo).join("\n")}
default: return false;
  }
}

/** Runs blocks under mode key \`mode\` until something needs the run loop. State is in memory before and after. */
export function interpret(cpu: usize, mode: u32): i32 {
  let fr: i64 = load<i64>(cpu, ${L.FR});
  let fv: i64 = load<i64>(cpu, ${L.FV});
  let cnt: i64 = load<i64>(cpu, ${L.COUNT});
  let rip: u64 = load<u64>(cpu, ${L.RIP});
  let tlb: usize = load<u32>(cpu, ${L.TLB});
  let ctx: u64 = load<u64>(cpu, ${L.CTX});
  const linMask: u64 = load<u64>(cpu, ${L.LIN_MASK});
  const codeBase: u64 = mode & ${L.MODE_64} ? 0 : load<u64>(cpu, ${L.SEG + L.CS * L.SEG_SIZE + L.SEG_BASE});
  let page: u64 = 1;
  let h: usize = 0;
  let link: usize = 0;
  let u: usize = 0;
  /** The next block is for the interpreter even if there is a translation. */
  let untranslated = false;
  while (true) {
    if (h == 0) {
      if (mode & ${L.MODE_PLAIN} && cnt <= 0) { // what comes next is not asked for yet, nor its page's accessed flag
        store<u64>(cpu, rip, ${L.RIP});
        return leaveAt(cpu, fr, fv, cnt);
      }
      const linear = (rip + codeBase) & linMask;
      const entry: usize = tlb + ((<usize>(linear >> 12) & ${L.TLB_ENTRIES - 1}) << ${L.TLB_SHIFT});
      let host: usize;
      if (!(mode & ${L.MODE_FLAT}) && !withinLimit(load<u32>(cpu, ${L.SEG + L.CS * L.SEG_SIZE + L.SEG_LIMIT}), 0, rip, 1)) {
        raiseError(cpu, 13, 0);
        if (u && undoBranch(cpu, u, rip)) ${LOOP.abandon}
        store<u64>(cpu, rip, ${L.RIP});
        leaveAt(cpu, fr, fv, cnt);
        return FAULTED;
      }
      if (load<u64>(entry, ${L.TLB_X}) == ((linear & ~0xfff) ^ ctx)) host = <usize>load<u32>(entry, ${L.TLB_ADDEND}) + <usize>linear;
      else {
        host = fetchPtr(cpu, linear);
        if (!host) {
          if (u && load<i32>(cpu, ${L.FAULT}) == 13 && undoBranch(cpu, u, rip)) ${LOOP.abandon}
          store<u64>(cpu, rip, ${L.RIP});
          leaveAt(cpu, fr, fv, cnt);
          return FAULTED;
        }
      }
      h = codeFind(host, mode);
      if (!h) {
        store<u64>(cpu, rip, ${L.RIP});
        h = hostDecode(cpu, <u32>host, mode);
        if (!h) {
          leaveAt(cpu, fr, fv, cnt);
          return FAULTED;
        }
        link = 0;
      }
      if (link && (linear & ~0xfff) == page && !(load<u32>(h, ${L.H_STATE}) & ${L.BLOCK_STALE | L.BLOCK_CROSSING})) store<u32>(link, <u32>h);
      page = linear & ~0xfff;
    }
    if (!(mode & ${L.MODE_FLAT}) && rip + <u64>load<u32>(h, ${L.H_BYTES}) > <u64>load<u32>(cpu, ${L.SEG + L.CS * L.SEG_SIZE + L.SEG_LIMIT}) + 1) {
      if (load<u32>(h, ${L.H_STATE}) & ${L.BLOCK_STALE} || rip > <u64>load<u32>(cpu, ${L.SEG + L.CS * L.SEG_SIZE + L.SEG_LIMIT})) {
        h = 0;
        continue;
      }
      return beyondLimit(cpu, mode, rip, fr, fv, cnt);
    }
    if (load<u32>(h, ${L.H_UNIT})) {
      if (!untranslated) {
        store<u64>(cpu, rip, ${L.RIP});
        leaveAt(cpu, fr, fv, cnt);
        const left = runUnits(cpu, mode, h);
        if (left == ${L.UNIT_LOOK}) return faulted(cpu) ? FAULTED : RAN;
        untranslated = left == ${L.UNIT_SIDE};
        tlb = load<u32>(cpu, ${L.TLB});
        ctx = load<u64>(cpu, ${L.CTX});
        fr = load<i64>(cpu, ${L.FR});
        fv = load<i64>(cpu, ${L.FV});
        cnt = load<i64>(cpu, ${L.COUNT});
        rip = load<u64>(cpu, ${L.RIP});
        h = left == ${L.UNIT_GO} ? missed : 0;
        page = ((rip + codeBase) & linMask) & ~0xfff;
        link = 0;
        u = 0;
        continue;
      }
    } else {
      const heat = load<u32>(h, ${L.H_HEAT}) - 1;
      store<u32>(h, heat, ${L.H_HEAT});
      if (heat <= load<u32>(${L.HOT_PTR})) {
        store<u64>(cpu, rip, ${L.RIP});
        hostHot(cpu, <u32>h);
      }
    }
    untranslated = false;
    const n: i64 = <i64>load<u32>(h, ${L.H_COUNT});
    if (cnt < n) {
      const state = load<u32>(h, ${L.H_STATE});
      if (state & ${L.BLOCK_STALE}) {
        h = 0;
        continue;
      }
      if (state & ${L.BLOCK_CROSSING} && cnt > 0) {
        if (!codeCrossingValid(cpu, h, (rip + codeBase) & linMask)) {
          store<u64>(cpu, rip, ${L.RIP});
          if (faulted(cpu)) {
            leaveAt(cpu, fr, fv, cnt);
            return FAULTED;
          }
          h = 0;
          continue;
        }
        cnt--;
      } else {
        store<u64>(cpu, rip, ${L.RIP});
        leaveAt(cpu, fr, fv, cnt);
        return BUDGET;
      }
    } else cnt -= n;
    store<u64>(cpu, rip, ${L.RIP_BASE});
    u = h + ${L.HEADER_SIZE};
    h = 0;
    do {
      const op: u32 = load<u16>(u);
      switch (op) {
case 0: { // the block ends without a branch
  rip = (load<u64>(cpu, ${L.RIP_BASE}) + <u64>load<u16>(u, ${L.U_DELTA})) & linMask;
  ${TAKE_LINK}
  break;
}
case 1: { raise(cpu, 6); ${LOOP.abandon} }
case 2: { noDevice(cpu, u); ${LOOP.abandon} }
case 3: { raiseError(cpu, 13, 0); ${LOOP.abandon} } // longer than 15 bytes
case 4: { raiseIntercept(cpu, u); ${LOOP.abandon} }
${of("inline").map(emitHandler).join("\n")}
default: {
  store<i64>(cpu, fr, ${L.FR});
  store<i64>(cpu, fv, ${L.FV});
  // What the instruction asks for is how much has been retired with it, not with its block.
  store<i64>(cpu, cnt + <i64>load<u8>(u, ${L.U_LEFT}) - 1, ${L.COUNT});
  if (op < ${firstStay}) {
    const r = cold(cpu, u, op);
    fr = load<i64>(cpu, ${L.FR});
    fv = load<i64>(cpu, ${L.FV});
    if (r == GO_ON) {
      u += ${L.UOP_SIZE};
      continue;
    }
    if (r == RESTARTED) return finish(cpu, u, fr, fv, cnt);
    ${LOOP.abandon}
  }
  store<u64>(cpu, ${NEXT_RIP}, ${L.RIP});
  if (op < ${firstSys}) {
    stay(cpu, u, op);
    fr = load<i64>(cpu, ${L.FR});
    fv = load<i64>(cpu, ${L.FV});
    if (faulted(cpu)) ${LOOP.abandon}
    if (load<u32>(cpu, ${L.RESTART})) return RAN;
    tlb = load<u32>(cpu, ${L.TLB});
    ctx = load<u64>(cpu, ${L.CTX});
    u += ${L.UOP_SIZE};
    continue;
  }
  sys(cpu, u, op);
  if (!faulted(cpu)) return RAN;
  fr = load<i64>(cpu, ${L.FR});
  fv = load<i64>(cpu, ${L.FV});
  ${LOOP.abandon}
}
      }
      break;
    } while (true);
  }
}
`;
}
