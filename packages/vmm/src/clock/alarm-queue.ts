/**
 * The alarms of one clock: a binary heap ordered by deadline, ties by creation. Arming moves an entry inside preallocated arrays,
 * so that a guest which reprograms its timers a million times a second allocates nothing.
 * A periodic alarm that is many periods late is folded into one call, its phase kept: after a suspended host each timer fires once.
 */
import type { Alarm, Ns } from "@paravane/paravirt-ops";
import { IdleTicks } from "./idle-ticks.js";

/** Missed periods that are still delivered one by one. */
const FOLD_AFTER_PERIODS = 8;
/** Calls in one poll, should alarms keep arming one another to the past. */
const MAX_FIRED = 10_000;
const NOT_QUEUED = -1;

class QueuedAlarm implements Alarm {
  deadline = 0;
  slot = NOT_QUEUED;
  /** Counts calls to `arm` and `disarm`, so that the queue sees what `fire` did. */
  changes = 0;
  /** Armed by its own `fire`: a periodic device, each of whose periods must be seen. */
  selfArmed = false;
  readonly ticks = new IdleTicks();

  constructor(
    readonly name: string,
    readonly order: number,
    readonly fire: (deadlineNs: Ns) => void,
    private readonly queue: AlarmQueue,
  ) {}

  get deadlineNs(): Ns | undefined {
    return this.slot === NOT_QUEUED ? undefined : this.deadline;
  }

  arm(deadlineNs: Ns): void {
    this.changes++;
    this.selfArmed = false;
    this.queue.place(this, deadlineNs);
  }

  disarm(): void {
    this.changes++;
    this.queue.take(this);
  }
}

/** Alarms in order of their deadlines. */
export class AlarmQueue {
  readonly #heap: QueuedAlarm[] = [];
  #created = 0;

  /** @param onEarlier - told when the earliest deadline moved towards the present */
  constructor(private readonly onEarlier: (deadlineNs: Ns) => void) {}

  /** The earliest deadline, or Infinity. */
  get nextNs(): Ns {
    const first = this.#heap[0];
    return first === undefined ? Number.POSITIVE_INFINITY : first.deadline;
  }

  /**
   * Until when a machine may sleep whose vCPUs all do: the earliest deadline, but for the ticks that `IdleTicks` lets wait. Each vCPU's
   * timer is looked at by itself, since those of an idle kernel tick side by side. Called when the machine goes to sleep at `nowNs`.
   */
  idleUntilNs(nowNs: Ns): Ns {
    let until = Number.POSITIVE_INFINITY;
    for (const alarm of this.#heap) until = Math.min(until, alarm.selfArmed ? alarm.deadline : alarm.ticks.wakeAt(alarm.deadline, nowNs));
    return until;
  }

  create(name: string, fire: (deadlineNs: Ns) => void): Alarm {
    return new QueuedAlarm(name, this.#created++, fire, this);
  }

  /** Fires what is due at `nowNs`, earliest first. Each alarm fires a bounded number of times, whatever it re-arms itself to. */
  fireDue(nowNs: Ns): void {
    for (let fired = 0; fired < MAX_FIRED; fired++) {
      const first = this.#heap[0];
      if (first === undefined || first.deadline > nowNs) return;
      const deadline = first.deadline;
      this.take(first);
      const changes = first.changes;
      first.fire(deadline);
      if (first.changes === changes || first.slot === NOT_QUEUED) continue;
      first.selfArmed = true;
      this.#fold(first, deadline, nowNs);
    }
  }

  /** Moves a late periodic alarm on to its last period before `nowNs`. */
  #fold(alarm: QueuedAlarm, firedNs: Ns, nowNs: Ns): void {
    const period = alarm.deadline - firedNs;
    if (period <= 0) {
      // Re-armed to the past: it fires at the next poll, not in this one.
      if (alarm.deadline <= nowNs) this.place(alarm, nowNs + 1);
      return;
    }
    const missed = Math.floor((nowNs - alarm.deadline) / period);
    if (missed > FOLD_AFTER_PERIODS) this.place(alarm, alarm.deadline + missed * period);
  }

  place(alarm: QueuedAlarm, deadlineNs: Ns): void {
    const earliest = this.nextNs;
    alarm.deadline = deadlineNs;
    if (alarm.slot === NOT_QUEUED) {
      alarm.slot = this.#heap.length;
      this.#heap.push(alarm);
    }
    this.#settle(alarm);
    if (deadlineNs < earliest) this.onEarlier(deadlineNs);
  }

  take(alarm: QueuedAlarm): void {
    const slot = alarm.slot;
    if (slot === NOT_QUEUED) return;
    alarm.slot = NOT_QUEUED;
    const last = this.#heap.pop()!;
    if (last === alarm) return;
    last.slot = slot;
    this.#heap[slot] = last;
    this.#settle(last);
  }

  /** Restores the heap order around an entry whose deadline changed. */
  #settle(alarm: QueuedAlarm): void {
    const heap = this.#heap;
    let slot = alarm.slot;
    while (slot > 0) {
      const parent = heap[(slot - 1) >> 1]!;
      if (!before(alarm, parent)) break;
      heap[slot] = parent;
      parent.slot = slot;
      slot = (slot - 1) >> 1;
    }
    for (;;) {
      let child = heap[2 * slot + 1];
      if (child === undefined) break;
      const right = heap[2 * slot + 2];
      if (right !== undefined && before(right, child)) child = right;
      if (!before(child, alarm)) break;
      const childSlot = child.slot;
      heap[slot] = child;
      child.slot = slot;
      slot = childSlot;
    }
    heap[slot] = alarm;
    alarm.slot = slot;
  }
}

function before(a: QueuedAlarm, b: QueuedAlarm): boolean {
  return a.deadline < b.deadline || (a.deadline === b.deadline && a.order < b.order);
}
