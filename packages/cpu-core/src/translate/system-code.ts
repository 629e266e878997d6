/** The translator's reading of SystemSem: fields of the vCPU in memory, pushes and pops on the flat stack that translated code has. */
import * as L from "../layout.js";
import { RSP } from "../isa/sem.js";
import { SYSTEM_FIELDS } from "../isa/system-fields.js";
import type { SystemField, SystemSem } from "../isa/system-sem.js";
import { BlockCode } from "./block-code.js";
import { COUNT } from "./locals.js";
import * as N from "./node.js";
import type { Node } from "./node.js";
import { Op } from "./wasm.js";

export class SystemCode extends BlockCode implements SystemSem<Node> {
  state(field: SystemField): Node {
    const [offset, bits] = SYSTEM_FIELDS[field];
    return this.field(bits === 64 ? Op.i64Load : Op.i64Load32u, true, bits, offset);
  }
  setState(field: SystemField, value: Node): void {
    const [offset, bits] = SYSTEM_FIELDS[field];
    this.setField(bits === 64 ? Op.i64Store : Op.i64Store32, offset, value);
  }
  rare(condition: Node): void {
    this.exitIf(N.truth(condition));
  }
  waiting(): Node {
    const asked = [L.INTR, L.NMI, L.STOP, L.EVENT, L.INTERRUPT_WINDOW].map((offset) => this.field(Op.i64Load32u, true, 32, offset));
    const spent = this.lts(N.add(N.local(COUNT, true), N.i64(this.left - 1)), N.i64(1));
    return N.or(
      this.ne(
        asked.reduce((a, b) => N.or(a, b)),
        N.i64(0),
      ),
      spent,
    );
  }

  get #bytes(): number {
    return this.long ? 8 : 4;
  }
  #pointer(change: number): Node {
    const sum = N.add(this.read(RSP), N.i64(change));
    return this.let(this.long ? sum : N.truncate(sum, 32));
  }
  top(): Node {
    return this.load(this.pointer(this.#pointer(0), this.#bytes, "R"), this.#bytes * 8);
  }
  drop(): void {
    this.write(RSP, this.#pointer(this.#bytes));
  }
  push(value: Node): void {
    const sp = this.#pointer(-this.#bytes);
    this.store(this.pointer(sp, this.#bytes, "W"), this.#bytes * 8, value);
    this.write(RSP, sp);
  }
}
