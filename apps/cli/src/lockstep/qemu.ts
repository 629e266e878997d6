// QEMU as the other machine: a bare processor (-M none, no devices, no interrupt controller) whose RAM is a file that both sides read.
// Its port, its state's text and its log of every instruction are what lockstep compares with.
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { closeSync, constants, existsSync, ftruncateSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CliError, ExitStatus } from "../errors.js";
import { DumpReader, parseDump } from "./dump.js";
import { type GdbAddress, GdbClient, type Stop } from "./gdb-client.js";
import type { State } from "./state.js";

/** RAM beyond the guest's, for the code that puts a state into the processor. */
export const SCRATCH_BYTES = 2 << 20;
const BINARY = "qemu-system-x86_64";
const START_MS = 10_000;
const LOG_READ = 1 << 16;
const LOG_ITEMS = "cpu,nochain";
/** Records that the processor may be ahead of what was read: the pipe holds about 60. */
const AHEAD = 400;
/** How long an interrupt takes to reach it. */
const OVERTAKE_MS = 3;
/** Longest time without a stop. */
const RUN_MS = 60_000;

/** Answers the question whether QEMU is here. */
export function qemuVersion(): string | undefined {
  const { status, stdout } = spawnSync(BINARY, ["--version"], { encoding: "utf8" });
  return status === 0 ? /version (\S+)/.exec(stdout)?.[1] : undefined;
}

/** Writes the RAM's first contents; what is not written is zero. */
export type Fill = (write: (at: number, bytes: Uint8Array) => void) => void;

/** The command line of a QEMU that `--vs HOST:PORT` can use, for a guest of so many bytes. */
export function qemuArguments(ramBytes: number): string[] {
  return [
    ...["-M", "none", "-accel", "tcg", "-cpu", "max,apic-id=0,-apic", "-m", `${(ramBytes + SCRATCH_BYTES) / 1024}K`],
    ...["-nodefaults", "-display", "none", "-S"],
  ];
}

interface OwnProcess {
  readonly folder: string;
  /** File descriptor. */
  readonly ram: number;
  readonly child: ChildProcess;
}

/** One QEMU. */
export class Qemu {
  readonly #own: OwnProcess | undefined;
  readonly #log: { fd: number; socket: Socket; reader: DumpReader } | undefined;
  #stderr = "";
  #onState: ((state: State) => void) | undefined;
  #gdb: GdbClient | undefined;

  private constructor(own: OwnProcess | undefined, logFd?: number) {
    this.#own = own;
    own?.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-2000);
    });
    own?.child.on("error", () => {});
    if (logFd !== undefined) {
      const reader = new DumpReader((state) => this.#onState?.(state), false);
      const socket = new Socket({ fd: logFd, readable: true, writable: false });
      socket.on("data", (bytes: Buffer) => reader.feed(bytes.toString("latin1")));
      socket.on("error", () => {});
      this.#log = { fd: logFd, socket, reader };
    }
  }

  /** One that already listens: RAM goes through its port, and it steps. */
  static async attach(address: GdbAddress, fill: Fill): Promise<Qemu> {
    const qemu = new Qemu(undefined);
    try {
      qemu.#gdb = await GdbClient.connect(address);
    } catch (error) {
      if (error instanceof CliError) throw error;
      throw new CliError(ExitStatus.notModelled, `nobody answers at the other machine's gdb port: ${(error as Error).message}`);
    }
    await qemu.gdb.maskInterruptsInSteps();
    await qemu.gdb.usePhysicalMemory();
    await qemu.gdb.monitor("system_reset");
    const writes: [number, Uint8Array][] = [];
    fill((at, bytes) => void writes.push([at, bytes.slice()]));
    for (const [at, bytes] of writes) await qemu.writeRam(at, bytes);
    return qemu;
  }

  /**
   * Starts it, stopped. `fill` writes the RAM before the processor exists.
   * @param trace - every instruction's state goes to the log
   */
  static async start(ramBytes: number, trace: boolean, fill: Fill): Promise<Qemu> {
    const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "paravane-lockstep-"));
    let ram: number | undefined;
    try {
      const total = ramBytes + SCRATCH_BYTES;
      const ramPath = join(folder, "ram");
      const file = openSync(ramPath, "w+");
      ram = file;
      ftruncateSync(file, total);
      fill((at, bytes) => void writeSync(file, bytes, 0, bytes.length, at));
      const gdbPath = join(folder, "gdb");
      const logPath = join(folder, "log");
      let logFd: number | undefined;
      if (trace) {
        execFileSync("mkfifo", [logPath]);
        logFd = openSync(logPath, constants.O_RDONLY | constants.O_NONBLOCK);
      }
      const child = spawn(
        BINARY,
        [
          ...qemuArguments(ramBytes),
          ...["-machine", "memory-backend=ram", "-object", `memory-backend-file,id=ram,size=${total / 1024}K,mem-path=${ramPath},share=on`],
          ...["-chardev", `socket,id=gdb,path=${gdbPath},server=on,wait=off`, "-gdb", "chardev:gdb"],
          ...(trace ? ["-singlestep", "-d", LOG_ITEMS, "-D", logPath] : []),
        ],
        { stdio: ["ignore", "ignore", "pipe"] },
      );
      const qemu = new Qemu({ folder, ram: file, child }, logFd);
      await qemu.#connect(gdbPath);
      return qemu;
    } catch (error) {
      if (ram !== undefined) closeSync(ram);
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  async #connect(path: string): Promise<void> {
    const deadline = Date.now() + START_MS;
    for (;;) {
      const { child } = this.#own!;
      if (child.exitCode !== null || child.pid === undefined || Date.now() > deadline) {
        child.kill("SIGKILL");
        throw new CliError(ExitStatus.notModelled, `${BINARY} did not start: ${this.#stderr.trim() || "is it installed?"}`);
      }
      try {
        this.#gdb = await GdbClient.connect({ path });
        break;
      } catch (error) {
        if (error instanceof CliError) throw error;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
    await this.#gdb.maskInterruptsInSteps();
    await this.#gdb.usePhysicalMemory();
  }

  get gdb(): GdbClient {
    if (!this.#gdb) throw new Error("not connected");
    return this.#gdb;
  }

  /** The whole state, by its monitor. */
  async state(): Promise<State> {
    return parseDump(await this.gdb.monitor("info registers"));
  }

  /** RAM at a physical address. */
  async readRam(at: number, into: Uint8Array): Promise<void> {
    if (this.#own) readSync(this.#own.ram, into, 0, into.length, at);
    else into.set(await this.gdb.readMemory(BigInt(at), into.length));
  }

  /** True when RAM is a file, so that all of it can be compared. */
  get sharesRam(): boolean {
    return this.#own !== undefined;
  }

  /** True when `trace` works. */
  get traces(): boolean {
    return this.#log !== undefined;
  }

  /** RAM while the processor stands: through the port, so that translated code is dropped. */
  writeRam(at: number, bytes: Uint8Array): Promise<void> {
    return this.gdb.writeMemory(BigInt(at), bytes);
  }

  /**
   * Runs on, handing each instruction's state, before it executes, to `onState`, which returns how many are still wanted; less than zero gives
   * up, and the processor is then somewhere behind, and of no more use. With `linear` it stops at that place; else it is stopped some
   * instructions early, since it runs ahead of its log, and goes the rest in steps.
   */
  async trace(linear: bigint | undefined, onState: (state: State) => number): Promise<Stop> {
    const { gdb } = this;
    this.#drain();
    let left = Number.POSITIVE_INFINITY;
    let interrupted = false;
    const interrupt = (): void => {
      if (interrupted) return;
      interrupted = true;
      gdb.interrupt();
      // While nobody reads, the log's pipe holds the processor back, so that the interrupt overtakes it.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, OVERTAKE_MS);
    };
    this.#onState = (state) => {
      if (left < 0) return;
      left = onState(state);
      if (left < 0 || (linear === undefined && left < AHEAD)) interrupt();
    };
    try {
      if (linear !== undefined) await gdb.setBreakpoint(linear);
      let stop = await gdb.continue();
      this.#drain();
      if (left >= 0 && linear !== undefined) await gdb.clearBreakpoint(linear);
      while (stop.kind === "stopped" && left > 0) {
        stop = await gdb.step();
        this.#drain();
      }
      return stop;
    } finally {
      this.#onState = undefined;
    }
  }

  /** Runs to a place at full speed, without the log; stops anyway after a while. */
  async runTo(linear: bigint): Promise<Stop> {
    const { gdb } = this;
    if (this.#log) await gdb.monitor("log none");
    await gdb.setBreakpoint(linear);
    const timer = setTimeout(() => gdb.interrupt(), RUN_MS);
    const stop = await gdb.continue();
    clearTimeout(timer);
    await gdb.clearBreakpoint(linear);
    if (this.#log) await gdb.monitor(`log ${LOG_ITEMS}`);
    this.#drain();
    return stop;
  }

  /** Takes what the log holds now. */
  #drain(): void {
    if (!this.#log) return;
    const { fd, reader } = this.#log;
    const buffer = Buffer.alloc(LOG_READ);
    for (;;) {
      try {
        const length = readSync(fd, buffer, 0, buffer.length, null);
        if (length === 0) return;
        reader.feed(buffer.toString("latin1", 0, length));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EAGAIN") return;
        throw error;
      }
    }
  }

  /** Ends the process and takes its files away. */
  async close(): Promise<void> {
    this.#gdb?.close();
    this.#log?.socket.destroy();
    if (!this.#own) return;
    const { child, ram, folder } = this.#own;
    if (child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await ended;
    }
    closeSync(ram);
    rmSync(folder, { recursive: true, force: true });
  }
}
