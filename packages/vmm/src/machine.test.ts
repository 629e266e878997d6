import type { BackendDefinition, BlockStore, HypervisorHandle } from "@paravane/paravirt-ops";
import { type GuestProgram, plainBackend, plainOps, recordingBoard, recordingCore, spin } from "@paravane/paravirt-ops/conformance";
import { describe, expect, test } from "vitest";
import { multibootKernel, pvhKernel } from "../test/images.js";
import { createMachine, type Machine } from "./machine.js";
import { type MachineOptions, memoryBytes } from "./machine-options.js";

const guest = { kernel: multibootKernel(0x200000) };

/** A machine whose guest is a function. */
async function build(program: GuestProgram = spin, options: Partial<MachineOptions> = {}) {
  const core = recordingCore(program);
  const board = recordingBoard();
  const machine = await createMachine({ core, board, backends: [plainBackend()], guest, memory: "8M", ...options });
  return { machine, core: core.made[0]!, board: board.made[0]! };
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const atClose = async (machine: Machine, run: () => Promise<void>) => {
  try {
    await run();
  } finally {
    await machine.close();
  }
};

describe("composition", () => {
  const refused = async (backends: readonly BackendDefinition[], kernel = guest.kernel) =>
    createMachine({ core: recordingCore(), board: recordingBoard(), backends, guest: { kernel }, memory: "8M" }).then(
      () => "accepted",
      (error: { code?: string; hint?: string }) => `${error.code}: ${error.hint}`,
    );

  const upper = (name: string, accepts: "requires" | "allows" | "no", needs = ["plain"]) =>
    plainBackend({ name, needs, boot: { accepts: () => accepts, placement: "monitor" } });

  test("a missing layer names what to install, a layer in the wrong place says so", async () => {
    expect(await refused([])).toMatch(/compose\/no-backend.*backend-native/);
    expect(await refused([upper("xen", "allows", ["native"])])).toMatch(/compose\/missing-layer: install @paravane\/backend-native/);
    expect(await refused([upper("xen", "allows"), plainBackend()])).toMatch(/missing-layer: name "plain" before "xen"/);
    expect(await refused([plainBackend(), plainBackend()])).toMatch(/compose\/duplicate/);
  });

  test("the backend that the image requires wins over one that it allows", async () => {
    const { machine } = await build(spin, { backends: [plainBackend(), upper("a", "allows"), upper("b", "requires")] });
    await atClose(machine, async () => expect(machine.boot).toMatchObject({ backend: "b", reason: "the image requires it" }));
  });

  test("who is preferred comes first where the kernel leaves the choice, and what it requires comes before that", async () => {
    const chosen = async (accepts: "requires" | "allows", preference: readonly string[]) => {
      const { machine } = await build(spin, { backends: [plainBackend(), upper("xen", "allows"), upper("vmi", accepts)], preference });
      await machine.close();
      return machine.boot.backend;
    };
    expect(await chosen("allows", [])).toBe("plain");
    expect(await chosen("allows", ["vmi", "xen"])).toBe("vmi");
    expect(await chosen("allows", ["xen", "plain"])).toBe("xen");
    expect(await chosen("requires", ["xen", "plain"])).toBe("vmi");
    expect(await chosen("allows", ["lguest", "xen"])).toBe("xen");
    await expect(chosen("allows", ["lguest"])).rejects.toMatchObject({
      code: "compose/unknown-preference",
      hint: "given: plain, xen, vmi",
    });
  });

  test("an operation is seen by its tap, once, though a layer names the slot beneath", async () => {
    const seen: string[] = [];
    const above = plainBackend({
      name: "above",
      needs: ["plain"],
      boot: { accepts: () => "requires", placement: "backend" },
      install: (under, { vcpus }) => ({
        ops: { ...under!, cpu: under!.cpu },
        load: async () => void under!.mmu.flushTlbSingle.run(vcpus[0]!, 0x5000n),
      }),
    });
    const taps = {
      operation: (_at: number, vcpu: number, group: string, name: string, args: readonly unknown[]) =>
        void seen.push(`${vcpu} ${group}.${name} ${args}`),
    };
    const { machine } = await build(spin, { backends: [plainBackend(), above], taps });
    await machine.close();
    expect(seen).toEqual(["0 mmu.flushTlbSingle 20480"]);
  });

  test("an image that no backend can start is refused", async () => {
    expect(await refused([upper("a", "no", [])])).toMatch(/image\/no-backend/);
  });

  test("a backend may start a vCPU that waits for STARTUP in its own way", async () => {
    const asked: number[][] = [];
    const backend = plainBackend({
      install: () => ({
        ops: plainOps(),
        startup: (vcpu, vector) => {
          asked.push([vcpu, vector]);
          return vector === 0x10;
        },
      }),
    });
    const { machine, core, board } = await build(spin, { backends: [backend], vcpus: 2 });
    await atClose(machine, async () => {
      const second = board.parts!.vcpus[1]!;
      second.startup(0x10);
      expect([core.hypervisor.log.at(-1), core.vcpus[1]!.startupVector]).toEqual(["wake 1", undefined]);
      second.startup(0x20);
      expect(core.vcpus[1]!.startupVector).toBe(0x20);
      board.parts!.vcpus[0]!.startup(0x30);
      expect(asked).toEqual([
        [1, 0x10],
        [1, 0x20],
      ]);
    });
  });

  test("each layer gets the operations of the one beneath, and only the top one's are bound", async () => {
    const seen: unknown[] = [];
    const ops = plainOps();
    const bottom = plainBackend({ install: () => ({ ops }) });
    const top = plainBackend({
      name: "top",
      needs: ["plain"],
      boot: { accepts: () => "requires", placement: "monitor" },
      install: (under) => {
        seen.push(under);
        return { ops: plainOps(), delivery: () => "architectural" };
      },
    });
    const { machine, core } = await build(spin, { backends: [bottom, top] });
    await atClose(machine, async () => {
      expect(seen).toEqual([ops]);
      expect(core.bound).not.toBe(ops);
      expect(core.hypervisor.deliveryHandler?.(0, { kind: "nmi", level: 0 })).toBe("architectural");
    });
  });

  test("a backend that places its guest itself is asked to", async () => {
    const loaded: string[] = [];
    const own = plainBackend({
      boot: { accepts: () => "requires", placement: "backend" },
      install: () => ({ ops: plainOps(), load: async (image) => void loaded.push(image.description) }),
    });
    const { machine } = await build(spin, { backends: [own], guest: { kernel: pvhKernel() } });
    await atClose(machine, async () => expect(loaded).toEqual(["64-bit ELF, kernel with a PVH entry"]));
  });

  test("memory that nobody chose follows the boot protocol", () => {
    expect([memoryBytes(undefined), memoryBytes(undefined, "multiboot1"), memoryBytes("64M", "multiboot1")]).toEqual(
      [256, 128, 64].map((mib) => mib * 2 ** 20),
    );
  });

  test("sizes that cannot be are refused before anything is made", async () => {
    for (const memory of ["8X", "-3", 1000, "0M", "4G"])
      await expect(build(spin, { memory })).rejects.toMatchObject({ code: "config/memory" });
    await expect(build(spin, { vcpus: 0 })).rejects.toMatchObject({ code: "config/vcpus" });
  });

  test("a failed construction closes what was already made", async () => {
    const board = recordingBoard();
    const core = recordingCore();
    await expect(
      createMachine({ core, board, backends: [plainBackend()], guest: { kernel: multibootKernel(0x1000000) }, memory: "8M" }),
    ).rejects.toMatchObject({ code: "image/outside-memory" });
    expect([board.made[0]!.closed, core.made[0]!.closed]).toEqual([true, true]);
  });
});

describe("how a run ends", () => {
  test.each([
    [{ kind: "poweroff" } as const, { kind: "poweroff" }],
    [{ kind: "reset" } as const, { kind: "reset" }],
    [{ kind: "exit", status: 7 } as const, { kind: "exit", status: 7 }],
  ])("the board's %o ends it", async (event, result) => {
    const { machine, board } = await build((vcpu, budget) => {
      vcpu.retire(budget);
      if (vcpu.retired > 1e6) board.environment.power(event);
      return vcpu.stopRequested ? "stopped" : "budget";
    });
    await atClose(machine, async () => {
      await expect(machine.run()).resolves.toMatchObject(result);
      await expect(machine.run()).resolves.toMatchObject(result);
      expect(machine.stats().instructions).toBeGreaterThan(1e6);
    });
  });

  test("a triple fault and an unmodelled instruction are results, with the core's words", async () => {
    for (const kind of ["shutdown", "unmodelled"] as const) {
      const { machine } = await build((vcpu) => {
        vcpu.fault = "in the test";
        return kind;
      });
      await atClose(machine, async () => expect(await machine.run()).toEqual({ kind, vcpu: 0, detail: "in the test" }));
    }
  });

  test("a bug of the host comes out of run() as it is", async () => {
    const { machine } = await build(() => {
      throw new TypeError("broken device");
    });
    await atClose(machine, async () => {
      await expect(machine.run()).rejects.toThrow("broken device");
    });
  });

  test("pause stops a spinning guest, and run goes on from there", async () => {
    const { machine, core } = await build();
    await atClose(machine, async () => {
      const first = machine.run();
      await sleep(10);
      await machine.pause();
      expect(await first).toEqual({ kind: "stopped", detail: "paused" });
      const retired = core.vcpus[0]!.retired;
      const guestNs = machine.stats().guestNs;
      await sleep(10);
      expect([core.vcpus[0]!.retired, machine.stats().guestNs]).toEqual([retired, guestNs]);
      const second = machine.run();
      await sleep(10);
      await machine.pause();
      expect((await second).kind).toBe("stopped");
      expect(core.vcpus[0]!.retired).toBeGreaterThan(retired);
    });
  });

  test("close and abort settle a run, whether it spins or sleeps, and are idempotent", async () => {
    for (const program of [spin, (() => "halted") as GuestProgram]) {
      const { machine, core, board } = await build(program);
      const run = machine.run();
      await sleep(5);
      await Promise.all([machine.close(), machine.close()]);
      expect(await run).toEqual({ kind: "stopped", detail: "closed" });
      expect([core.closed, board.closed]).toEqual([true, true]);
      await expect(machine.run()).rejects.toMatchObject({ code: "machine/closed" });

      const controller = new AbortController();
      const aborted = await build(program, { signal: controller.signal });
      const running = aborted.machine.run();
      await sleep(5);
      controller.abort();
      expect(await running).toEqual({ kind: "stopped", detail: "aborted" });
      await aborted.machine.close();
      expect(aborted.core.closed).toBe(true);
    }
    await expect(build(spin, { signal: AbortSignal.abort(new Error("no")) })).rejects.toThrow("no");
  });

  test("events tell of the end", async () => {
    const { machine } = await build(() => "shutdown");
    const heard: string[] = [];
    machine.on("ended", (result) => heard.push(result.kind));
    const off = machine.on("closed", () => heard.push("closed"));
    off();
    await machine.run();
    await machine.close();
    expect(heard).toEqual(["shutdown"]);
  });
});

describe("the run loop", () => {
  test("a spinning guest gives up the host's thread at least every 10 ms", async () => {
    const { machine } = await build((vcpu, budget) => {
      const until = performance.now() + 0.2;
      while (performance.now() < until);
      vcpu.retire(budget);
      return "budget";
    });
    await atClose(machine, async () => {
      const run = machine.run();
      // Processor time, and the median: a busy host preempts this process too.
      const spent = () => (process.cpuUsage().user + process.cpuUsage().system) / 1000;
      const gaps: number[] = [];
      let last = spent();
      for (let turn = 0; turn < 30; turn++) {
        await new Promise((resolve) => setImmediate(resolve));
        gaps.push(spent() - last);
        last = spent();
      }
      expect(gaps.sort((a, b) => a - b)[15]).toBeLessThan(10);
      await machine.pause();
      await run;
    });
  });

  test("the thread sleeps for a guest that spins on PAUSE, unless time is a function of instructions", async () => {
    for (const clock of ["host", "icount"] as const) {
      const { machine, core, board } = await build(
        (vcpu) => {
          vcpu.retire(500);
          if (core.environment.readTsc(0) > 50_000_000) board.environment.power({ kind: "poweroff" });
          return "yield";
        },
        { clock },
      );
      await atClose(machine, async () => {
        await machine.run();
        const { naps, napMs } = machine.stats();
        expect(core.environment.pauseLoopExiting).toBe(clock === "host");
        if (clock === "icount") expect([naps, napMs]).toEqual([0, 0]);
        else {
          expect(naps).toBeGreaterThan(5);
          expect(napMs).toBeGreaterThan(0.09 * naps);
        }
      });
    }
  });

  test("a vCPU that spins while another one has work keeps the thread awake", async () => {
    const { machine, core, board } = await build(
      (vcpu, budget) => {
        vcpu.retire(vcpu.id === 0 ? 500 : budget);
        if (core.environment.readTsc(0) > 20_000_000) board.environment.power({ kind: "poweroff" });
        return vcpu.id === 0 ? "yield" : "budget";
      },
      { vcpus: 2 },
    );
    core.vcpus[1]!.halted = false;
    await atClose(machine, async () => {
      await machine.run();
      expect(machine.stats().naps).toBe(0);
    });
  });

  test("a sleeping machine wakes for an alarm, and hardly uses the host meanwhile", async () => {
    const { machine, board } = await build(() => "halted");
    const fired: number[] = [];
    const alarm = board.environment.clock.createAlarm("tick", (at) => {
      fired.push(board.environment.clock.nowNs() - at);
      if (fired.length < 10) alarm.arm(at + 20_000_000);
      else board.environment.power({ kind: "poweroff" });
    });
    alarm.arm(20_000_000);
    await atClose(machine, async () => {
      const cpu = process.cpuUsage();
      await machine.run();
      const used = process.cpuUsage(cpu);
      expect((used.user + used.system) / 1000).toBeLessThan(100);
      expect(fired.length).toBe(10);
      expect(Math.min(...fired)).toBeGreaterThanOrEqual(0);
      expect(fired.sort((a, b) => a - b)[5]).toBeLessThan(3_000_000);
      expect(machine.stats().idleMs).toBeGreaterThan(150);
    });
  });

  test("an alarm that a host callback sets during a sleep is not late", async () => {
    for (const clock of ["host", "icount"] as const) {
      const { machine, board } = await build(() => "halted", { clock });
      const { clock: time, power } = board.environment;
      if (clock === "host") time.createAlarm("far", () => {}).arm(60e9);
      await atClose(machine, async () => {
        const run = machine.run();
        await sleep(20);
        const set = time.nowNs();
        time.createAlarm("near", () => power({ kind: "poweroff" })).arm(set + 5_000_000);
        const started = performance.now();
        expect((await run).kind).toBe("poweroff");
        expect(performance.now() - started).toBeLessThan(1000);
        expect(time.nowNs()).toBeGreaterThanOrEqual(set + 5_000_000);
      });
    }
  });

  test("an interrupt from the host wakes a sleeping machine at once", async () => {
    const { machine, board } = await build((vcpu, budget) => {
      vcpu.retire(1);
      if (vcpu.interruptRequest) board.environment.power({ kind: "poweroff" });
      return budget > 0 ? "halted" : "budget";
    });
    await atClose(machine, async () => {
      const run = machine.run();
      await sleep(20);
      const started = performance.now();
      board.parts!.vcpus[0]!.setInterruptRequest(true);
      expect((await run).kind).toBe("poweroff");
      expect(performance.now() - started).toBeLessThan(20);
    });
  });

  test("a backend that wakes a vCPU, or has an event for it, wakes a sleeping machine at once", async () => {
    for (const signal of ["wake", "setPending"] as const) {
      let lent: HypervisorHandle | undefined;
      let awake = false;
      const backend = plainBackend({
        install: (_under, { hypervisor }) => {
          lent = hypervisor;
          return { ops: plainOps() };
        },
      });
      const { machine, core, board } = await build(
        (vcpu, budget) => {
          vcpu.retire(1);
          if (awake) board.environment.power({ kind: "poweroff" });
          return budget > 0 ? "halted" : "budget";
        },
        { backends: [backend] },
      );
      await atClose(machine, async () => {
        const run = machine.run();
        await sleep(20);
        const started = performance.now();
        awake = true;
        core.vcpus[0]!.halted = false;
        if (signal === "wake") lent!.wake(0);
        else lent!.setPending(0, true);
        expect((await run).kind).toBe("poweroff");
        expect(performance.now() - started).toBeLessThan(20);
        expect(core.hypervisor.log).toEqual([signal === "wake" ? "wake 0" : "setPending 0 true"]);
      });
    }
  });

  test("several vCPUs take turns, and one that is started joins them", async () => {
    const order: number[] = [];
    const { machine, board } = await build(
      (vcpu, budget) => {
        order.push(vcpu.id);
        vcpu.retire(Math.min(budget, 1000));
        if (order.length === 3) board.parts!.vcpus[1]!.startup(8);
        if (order.length === 20) board.environment.power({ kind: "poweroff" });
        return "yield";
      },
      { vcpus: 3, clock: "icount" },
    );
    await atClose(machine, async () => {
      await machine.run();
      expect(order.slice(0, 3)).toEqual([0, 0, 0]);
      // The one that was signalled goes ahead of the ring, once.
      expect(order.slice(3, 10)).toEqual([1, 1, 0, 1, 0, 1, 0]);
      expect(order).not.toContain(2);
    });
  });

  test("a guest that gives up its turns while a disk request is in flight has the answer at the host's next turn", async () => {
    const hostTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    const { read, ...others } = { read: hostTurn, write: hostTurn, flush: hostTurn, close: hostTurn };
    const store: BlockStore = { size: 1024, sectorSize: 512, readOnly: false, read, ...others };
    let answered = 0;
    let asked = false;
    const { machine, board } = await build(
      (vcpu) => {
        const { drives, power } = board.environment;
        vcpu.retire(10);
        if (!asked) {
          asked = true;
          void drives[0]!.store.read(0, new Uint8Array(512)).then(() => {
            answered++;
            asked = answered === 100;
          });
        }
        if (answered === 100) power({ kind: "poweroff" });
        return "yield";
      },
      { drives: [{ store }] },
    );
    await atClose(machine, async () => {
      await machine.run();
      // Each answer takes a few turns of the host's, not a millisecond of empty slices.
      expect(machine.stats().slices).toBeLessThan(600);
    });
  });

  test("under icount two runs are equal, alarms come at exact instructions, and idle time is skipped", async () => {
    const runOnce = async () => {
      const trace: string[] = [];
      const { machine, board, core } = await build(
        (vcpu, budget) => {
          vcpu.retire(budget);
          return vcpu.retired % 3 === 0 ? "halted" : "budget";
        },
        { clock: "icount" },
      );
      const { clock, power, entropy, wallClock } = board.environment;
      const alarm = clock.createAlarm("tick", (at) => {
        trace.push(`${at} ${clock.nowNs()} ${core.vcpus[0]!.retired}`);
        core.vcpus[0]!.raiseNmi();
        if (trace.length < 200) alarm.arm(at + 1_000_003);
        else power({ kind: "poweroff" });
      });
      alarm.arm(1_000_000);
      const started = performance.now();
      await machine.run();
      const ms = performance.now() - started;
      const random = new Uint8Array(8);
      entropy.fill(random);
      trace.push(`${random} ${wallClock.nowMs()} ${machine.stats().instructions}`);
      await machine.close();
      return { trace, ms };
    };
    const [first, second] = [await runOnce(), await runOnce()];
    expect(second.trace).toEqual(first.trace);
    expect(first.trace.slice(0, 200).every((line) => Number(line.split(" ")[1]) - Number(line.split(" ")[0]) < 2)).toBe(true);
  });

  test("under icount a disk request takes no guest time, whatever the host takes", async () => {
    const store: BlockStore = {
      size: 1024,
      sectorSize: 512,
      readOnly: false,
      read: async (offset) => void (await sleep(offset === 0 ? 15 : 1)),
      write: async () => {},
      flush: async () => {},
      close: async () => {},
    };
    const done: string[] = [];
    const { machine, board } = await build(
      (vcpu, budget) => {
        const { clock, drives, power } = board.environment;
        const steps = Math.min(budget, 1000);
        vcpu.retire(steps);
        if (vcpu.retired === 3000) {
          const note = (what: string) => () => void done.push(`${what} ${clock.nowNs()}`);
          void drives[0]!.store.read(0, new Uint8Array(512)).then(note("slow"));
          void drives[0]!.store.read(512, new Uint8Array(512)).then(note("quick"));
        }
        if (vcpu.retired === 10_000) power({ kind: "poweroff" });
        return "yield";
      },
      { clock: "icount", drives: [{ store }] },
    );
    await atClose(machine, async () => {
      await machine.run();
      expect(done).toEqual(["slow 6000", "quick 6000"]);
    });
  });
});

describe("the serial line", () => {
  test("output is a stream, and a guest whose output nobody reads is asked to wait", async () => {
    const { machine, board } = await build();
    const { serial } = board.environment;
    const chunk = new Uint8Array(65536).fill(0x2e);
    let taken = 0;
    while (serial.write(chunk) && taken < 100e6) taken += chunk.byteLength;
    expect(taken).toBeLessThan(2e6);
    let drained = 0;
    serial.onDrain(() => drained++);
    const reader = machine.serial!.readable.getReader();
    for (let read = 0; read < taken; ) read += (await reader.read()).value!.byteLength;
    expect(drained).toBeGreaterThan(0);
    expect(serial.write(chunk)).toBe(true);
    await machine.close();
    await reader.read();
    expect((await reader.read()).done).toBe(true);
  });

  test("input waits until the guest takes it", async () => {
    const { machine, board } = await build();
    const { serial } = board.environment;
    const got: number[] = [];
    let room = 2;
    serial.onData((bytes) => {
      const take = Math.min(room, bytes.byteLength);
      got.push(...bytes.subarray(0, take));
      room -= take;
      return take;
    });
    const writer = machine.serial!.writable.getWriter();
    let settled = false;
    const written = writer.write(Uint8Array.of(1, 2, 3, 4, 5)).then(() => {
      settled = true;
    });
    await sleep(1);
    expect([got, settled]).toEqual([[1, 2], false]);
    room = 10;
    serial.ready();
    await written;
    expect(got).toEqual([1, 2, 3, 4, 5]);
    const last = writer.write(Uint8Array.of(6)).then(() => "taken");
    room = 0;
    await machine.close();
    expect(await last).toBe("taken");
  });
});
