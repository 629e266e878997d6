/** What tests put around a chip: a clock that they advance, and a wire that remembers. */
import type { Alarm, Clock, IrqLine, Ns } from "@paravane/paravirt-ops";

class ManualAlarm implements Alarm {
  deadlineNs: Ns | undefined;
  constructor(readonly fire: (deadlineNs: Ns) => void) {}
  arm(deadlineNs: Ns): void {
    this.deadlineNs = deadlineNs;
  }
  disarm(): void {
    this.deadlineNs = undefined;
  }
}

/** Guest time that moves when a test says so. */
export class ManualClock implements Clock {
  #now = 0;
  readonly #alarms: ManualAlarm[] = [];
  nowNs(): Ns {
    return this.#now;
  }
  createAlarm(_name: string, fire: (deadlineNs: Ns) => void): Alarm {
    const alarm = new ManualAlarm(fire);
    this.#alarms.push(alarm);
    return alarm;
  }
  /** Moves on by `ns`; each alarm fires at its own instant. */
  advance(ns: Ns): void {
    const target = this.#now + ns;
    for (;;) {
      const due = this.#earliest(target);
      if (!due) break;
      this.#now = Math.max(this.#now, due.deadlineNs!);
      this.#fire(due);
    }
    this.#now = target;
  }
  /** Moves on by `ns` as a host that slept does: alarms fire only afterwards. */
  sleep(ns: Ns): void {
    this.#now += ns;
    for (let due = this.#earliest(this.#now); due; due = this.#earliest(this.#now)) this.#fire(due);
  }
  /** Moves on by `ns` while nobody polls the alarms. */
  pass(ns: Ns): void {
    this.#now += ns;
  }
  get pending(): number {
    return this.#alarms.filter((alarm) => alarm.deadlineNs !== undefined).length;
  }
  #earliest(limit: Ns): ManualAlarm | undefined {
    let found: ManualAlarm | undefined;
    for (const alarm of this.#alarms) {
      if (alarm.deadlineNs === undefined || alarm.deadlineNs > limit) continue;
      if (!found || alarm.deadlineNs < found.deadlineNs!) found = alarm;
    }
    return found;
  }
  #fire(alarm: ManualAlarm): void {
    const deadline = alarm.deadlineNs!;
    alarm.deadlineNs = undefined;
    alarm.fire(deadline);
  }
}

/** A wire that counts its rises. */
export class ProbeLine implements IrqLine {
  level = false;
  rises = 0;
  set(level: boolean): void {
    if (level && !this.level) this.rises++;
    this.level = level;
  }
}
