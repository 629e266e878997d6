// What a vCPU did with its time: waiting for a turn is neither running nor sleep, and a vCPU that never sleeps is told of it.
import { expect, test } from "vitest";
import { StructView } from "../abi/struct.js";
import { vcpu_runstate_info } from "../abi/services.js";
import { runStates } from "../vcpu/virtual-cpu.js";
import { RunState } from "./runstate.js";

function bench() {
  const at = { now: 0, stolen: 0 };
  const written: Uint8Array[] = [];
  const runstate = new RunState(true, {
    bits: () => 64,
    now: () => at.now,
    stolen: () => at.stolen,
    write: (_address, bytes) => void written.push(bytes.slice()),
    marksUpdates: () => false,
  });
  const times = (): bigint[] => {
    const { bytes } = new StructView(vcpu_runstate_info[64], runstate.snapshot(64));
    const view = new DataView(bytes.buffer);
    return [16, 24, 32, 40].map((offset) => view.getBigUint64(offset, true));
  };
  return { at, written, runstate, times };
}

test("what others took of a running vCPU's time is the state of being ready", () => {
  const { at, runstate, times } = bench();
  at.now = 10_000_000;
  at.stolen = 4_000_000;
  expect(times()).toEqual([6_000_000n, 4_000_000n, 0n, 0n]);
  runstate.enter(runStates.blocked);
  at.now = 15_000_000;
  runstate.enter(runStates.running);
  expect(times()).toEqual([6_000_000n, 4_000_000n, 5_000_000n, 0n]);
});

test("the guest's copy follows when enough was stolen, and is left alone otherwise", () => {
  const { at, written, runstate } = bench();
  runstate.register(0x1000n);
  at.now = 1_000_000;
  runstate.publishStolen();
  expect(written).toHaveLength(1);
  at.stolen = 99_999;
  runstate.publishStolen();
  expect(written).toHaveLength(1);
  at.stolen = 100_000;
  runstate.publishStolen();
  runstate.publishStolen();
  expect(written).toHaveLength(2);
});
