/** Intel 8254 programmable interval timer: three counters and the control word register. Datasheet (order 231164), "Programming the 8254". */
import { requireSchema } from "../schema.js";
import { Counter, type CounterState } from "./counter.js";

const READ_BACK = 3;

/** Saved counters of an 8254. */
export interface I8254State {
  readonly schema: "i8254@1";
  readonly counters: CounterState[];
}

/** An 8254. Time is an argument: the number of CLK periods since the machine began. */
export class I8254 {
  readonly counters: readonly [Counter, Counter, Counter] = [new Counter(), new Counter(), new Counter()];

  /** Power-on; GATE 0 and 1 are tied high, GATE 2 is low until the board raises it. */
  reset(): void {
    this.counters[0].reset(true);
    this.counters[1].reset(true);
    this.counters[2].reset(false);
  }

  constructor() {
    this.reset();
  }

  /** Reads register 0-2; the control word register cannot be read and floats. */
  read(register: number, tick: number): number {
    const counter = this.counters[register];
    return counter ? counter.read(tick) : 0xff;
  }

  write(register: number, value: number, tick: number): void {
    const counter = this.counters[register];
    if (counter) counter.write(value, tick);
    else this.#control(value, tick);
  }

  save(): I8254State {
    return { schema: "i8254@1", counters: this.counters.map((counter) => counter.save()) };
  }

  load(state: I8254State): void {
    requireSchema(state, "i8254@1");
    this.counters.forEach((counter, index) => {
      counter.load(state.counters[index]!);
    });
  }

  #control(word: number, tick: number): void {
    const select = word >> 6;
    if (select === READ_BACK) {
      this.counters.forEach((counter, index) => {
        if ((word & (2 << index)) === 0) return;
        if ((word & 0x20) === 0) counter.latchCount(tick);
        if ((word & 0x10) === 0) counter.latchStatus(tick);
      });
      return;
    }
    const counter = this.counters[select]!;
    if ((word & 0x30) === 0) counter.latchCount(tick);
    else counter.control(word & 0x3f);
  }
}
