/**
 * The status flags of a block under translation. Most instructions that set flags are followed by another one that sets them again, or by a
 * condition that can ask their operands; so the flag words wait (isa/flag-words.ts): FR and FV get values that are there anyway, FK says
 * which rule makes words of them, and only who needs the words settles them. Between blocks see flag-flow.ts.
 */
import { flagKind, flagOf, flagWords, ruleOf, settledWords, type Waiting, widthOfKind } from "../isa/flag-words.js";
import type { Flag, FlagEffect, Width } from "../isa/sem.js";
import type { BlockCode } from "./block-code.js";
import { FK, FR, FV } from "./locals.js";
import * as N from "./node.js";
import type { Node } from "./node.js";
import { Op } from "./wasm.js";

/** What FK holds: a number where it is known when the block is written; else what it was on entering, or one of several. */
export const AS_ENTERED = -1;
export const MIXED = -2;

/** What a block wants of the flags with which it is entered. */
export const NOTHING = 0;
/** CF in bit 63 of FV. */
export const CARRY = 1;
/** FR and FV as they should be, FK zero. */
export const WORDS = 2;

/** What the last instruction that set flags said, as long as its operands can still be asked directly. */
interface FlagSource {
  /** CF and ZF themselves, all other flags being zero. */
  readonly order?: { readonly less: Node; readonly equal: Node };
  readonly x?: Node;
  readonly y?: Node;
  /** Sign-extended. */
  readonly result: Node;
  /** CF and OF are zero. */
  readonly logic?: boolean;
  readonly cf?: Node;
  readonly bits: Width;
}

const hasCarry = (kind: number): boolean => kind === 0 || (kind > 0 && (ruleOf(kind) === "increment" || ruleOf(kind) === "decrement"));

export class FlagCode {
  #source: FlagSource | undefined;
  needs = NOTHING;
  /** CF was put into FV for whoever follows. */
  #carries = false;

  constructor(
    readonly code: BlockCode,
    /** FLAG_KIND at this place of the block. */
    public kind: number,
  ) {}

  /** FV is neither one of the values that wait nor has CF for anybody. */
  get ignoresSecond(): boolean {
    return this.kind > 0 && ruleOf(this.kind) === "logic" && !this.#carries;
  }

  /** So many low bits of what flag register `register` holds are looked at; undefined where all of them may be, or nothing is known. */
  waitingBits(register: number): Width | undefined {
    if (this.kind <= 0) return undefined;
    const rule = ruleOf(this.kind);
    const both = rule === "sub" || rule === "add" || rule === "logic";
    return register === FR || (both && !this.#carries) ? widthOfKind(this.kind) : undefined;
  }

  /** A called function has written the words. */
  forget(): void {
    this.#source = undefined;
    this.kind = 0;
  }

  /** Has FR and FV hold the words. */
  settle(): void {
    const { code, kind } = this;
    if (kind === AS_ENTERED) this.needs = WORDS;
    else if (kind === MIXED) code.call("settleFlags", [code.places.cpu], { writes: (1 << FR) | (1 << FV) | (1 << FK) });
    else if (kind !== 0) {
      const { fr, fv } = settledWords<Node>(code, kind, code.read(FR), code.read(FV));
      const words = [code.let(fr), code.let(fv)] as const;
      code.write(FR, words[0]);
      code.write(FV, words[1]);
      code.write(FK, N.i64(0));
    }
    this.kind = 0;
  }
  #words(): { fr: Node; fv: Node } {
    this.settle();
    return { fr: this.code.read(FR), fv: this.code.read(FV) };
  }
  #known(): FlagSource | undefined {
    if (this.#source === undefined && this.kind > 0) this.#source = this.#sourceOf(ruleOf(this.kind), widthOfKind(this.kind));
    return this.#source;
  }
  /** What the waiting values say, where that is simple. */
  #sourceOf(rule: Waiting, bits: Width): FlagSource | undefined {
    const first = this.code.read(FR);
    const second = this.code.read(FV);
    switch (rule) {
      case "sub":
        return { x: first, y: N.truncate(second, bits), result: N.signExtend(N.sub(first, second), bits), bits };
      case "add":
        return { result: N.signExtend(first, bits), bits };
      case "logic":
        return { result: N.signExtend(first, bits), logic: true, bits };
      case "increment":
      case "decrement":
        return { result: N.signExtend(first, bits), cf: N.shift(Op.i64ShrU, second, N.i64(63)), bits };
      default:
        return undefined;
    }
  }

  flag(name: Flag): Node {
    const source = this.#known();
    if (source?.order !== undefined) return name === "CF" ? source.order.less : name === "ZF" ? source.order.equal : N.i64(0);
    if (source !== undefined) {
      if (name === "ZF") return source.x ? N.compare(Op.i64Eq, source.x, source.y!) : N.compare(Op.i64Eq, source.result, N.i64(0));
      if (name === "SF") return N.compare(Op.i64LtS, source.result, N.i64(0));
      if (name === "PF") return flagOf<Node>(this.code, name, source.result, N.i64(0));
      if (name === "CF") {
        const cf = this.#carry(source);
        if (cf !== undefined) return cf;
      }
      if (source.logic && (name === "OF" || name === "AF")) return N.i64(0);
    }
    const { fr, fv } = this.#words();
    return flagOf<Node>(this.code, name, fr, fv);
  }
  #carry({ order, logic, x, y, cf }: FlagSource): Node | undefined {
    if (order !== undefined) return order.less;
    return logic ? N.i64(0) : x ? N.compare(Op.i64LtU, x, y!) : cf;
  }

  /** Conditions B to G in one comparison, where the operands that were compared are at hand. */
  condition(code: number): Node | undefined {
    const source = this.#known();
    if (source === undefined) return undefined;
    const { x, y, result, bits } = source;
    if (x !== undefined && y !== undefined) {
      const unsigned = [Op.i64LtU, Op.i64GeU, Op.i64Eq, Op.i64Ne, Op.i64LeU, Op.i64GtU][code - 2];
      if (unsigned !== undefined) return N.compare(unsigned, x, y);
      const signed = [Op.i64LtS, Op.i64GeS, Op.i64LeS, Op.i64GtS][code - 12];
      if (signed !== undefined) return N.compare(signed, N.signExtend(x, bits), N.signExtend(y, bits));
    } else if (source.logic) {
      const op = { 6: Op.i64Eq, 7: Op.i64Ne, 12: Op.i64LtS, 13: Op.i64GeS, 14: Op.i64LeS, 15: Op.i64GtS }[code];
      if (op !== undefined) return N.compare(op, result, N.i64(0));
    }
    return undefined;
  }

  set(effect: FlagEffect<Node>, bits: Width, when: Node | undefined): void {
    if (when?.op === N.CONST) {
      if (when.value !== 0) this.set(effect, bits, undefined);
      return;
    }
    switch (effect.kind) {
      case "sub":
        if (effect.borrow !== undefined) break;
        this.#wait("sub", bits, effect.x, effect.y, when);
        this.#source = { x: effect.x, y: effect.y, result: N.signExtend(effect.result, bits), bits };
        return;
      case "add": {
        const { x, y, carry, result } = effect;
        const cf =
          bits < 64 ? N.and(N.shift(Op.i64ShrU, result, N.i64(bits)), N.i64(1)) : carry ? undefined : N.compare(Op.i64LtU, result, x);
        this.#wait("add", bits, result, y, when);
        if (carry !== undefined) {
          this.code.write(FK, N.add(N.i64(flagKind("add", bits)), N.shift(Op.i64Shl, carry, N.i64(2))));
          this.kind = MIXED;
        }
        this.#source = { result: N.signExtend(result, bits), bits, ...(cf === undefined ? {} : { cf }) };
        return;
      }
      case "logic":
        this.#wait("logic", bits, effect.result, undefined, when);
        this.#source = { result: N.signExtend(effect.result, bits), logic: true, bits };
        return;
      case "increment":
      case "decrement": {
        const carry = this.#carryWord();
        this.#wait(effect.kind, bits, effect.result, carry, when);
        this.#source = undefined;
        return;
      }
      case "shl":
      case "shr":
      case "sar":
        this.#wait(effect.kind, bits, effect.x, effect.count, when);
        this.#source = when === undefined ? { result: N.signExtend(effect.result, bits), bits } : undefined;
        return;
    }
    if (effect.kind === "order") {
      const order = { ...effect, less: this.code.let(effect.less), equal: this.code.let(effect.equal) };
      this.#setWords(order, bits, undefined);
      this.#source = { order, result: this.code.read(FR), bits };
    } else this.#setWords(effect, bits, when);
  }
  /** Leaves the words for later; `second` is absent where FV stays. */
  #wait(rule: Waiting, bits: Width, first: Node, second: Node | undefined, when: Node | undefined): void {
    const { code } = this;
    const kind = flagKind(rule, bits);
    const before = (register: number): Node => (register === FK && this.kind >= 0 ? N.i64(this.kind) : code.read(register));
    const chosen = (value: Node, register: number): Node =>
      when === undefined ? value : code.let(N.select(when, value, before(register)));
    // A sum of 32 bits is the register's value as well; above it there may be more.
    const result = bits === 32 ? N.truncate(first, 32) : first;
    const values = [chosen(result, FR), second === undefined ? undefined : chosen(second, FV), chosen(N.i64(kind), FK)] as const;
    code.write(FR, values[0]);
    if (values[1] !== undefined) code.write(FV, values[1]);
    code.write(FK, values[2]);
    this.kind = when === undefined ? kind : MIXED;
  }
  /** FV with CF in bit 63; nothing when it is there already. */
  #carryWord(): Node | undefined {
    if (hasCarry(this.kind)) return undefined;
    const source = this.#known();
    const cf = source && this.#carry(source);
    if (cf !== undefined) return N.shift(Op.i64Shl, cf, N.i64(63));
    if (this.kind === AS_ENTERED) this.needs = Math.max(this.needs, CARRY);
    else this.settle();
    return undefined;
  }
  #setWords(effect: FlagEffect<Node>, bits: Width, when: Node | undefined): void {
    const { code } = this;
    if (when !== undefined) this.settle();
    const words = flagWords<Node>(code, effect, bits, { fr: () => this.#words().fr, fv: () => this.#words().fv });
    const chosen = (value: Node, old: number): Node => (when === undefined ? value : N.select(when, value, code.read(old)));
    const fr = words.fr === undefined ? undefined : code.let(words.fr);
    const fv = code.let(words.fv);
    if (fr !== undefined) code.write(FR, chosen(fr, FR));
    code.write(FV, chosen(fv, FV));
    code.write(FK, N.i64(0));
    this.kind = 0;
    this.#source = when === undefined && fr !== undefined && effect.kind !== "bits" ? { result: fr, bits } : undefined;
  }

  /** Are the flags to be settled at the block's end, when whoever follows wants `need` of them? */
  settlesFor(need: number): boolean {
    return this.#lacks(need) && !(need === CARRY && this.#hasRoomForCarry());
  }
  #lacks(need: number): boolean {
    return this.kind !== AS_ENTERED && this.kind !== 0 && need !== NOTHING && !(need === CARRY && hasCarry(this.kind));
  }
  /** CF is easily told, and the rule by which the flags wait looks at no more than the low bits of FV. */
  #hasRoomForCarry(): boolean {
    if (this.kind <= 0 || widthOfKind(this.kind) === 64) return false;
    if (this.#source !== undefined) return this.#carry(this.#source) !== undefined;
    return ruleOf(this.kind) === "sub" || ruleOf(this.kind) === "logic";
  }
  /** At the block's end: whoever follows wants `need` of the flags. */
  provide(need: number): void {
    if (!this.#lacks(need)) return;
    const { code } = this;
    const end = code.statements.pop();
    if (this.settlesFor(need)) this.settle();
    else {
      this.#carries = true;
      const source = this.#known()!;
      const carry = N.shift(Op.i64Shl, this.#carry(source)!, N.i64(63));
      code.write(FV, code.let(source.logic ? carry : N.or(code.read(FV), carry)));
    }
    code.statements.push(end);
  }
}
