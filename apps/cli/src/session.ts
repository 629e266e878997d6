// One run of the command line: composes the machine, connects it to this terminal, waits for how it ends, and says so by an exit status.
import { writeFileSync } from "node:fs";
import type { BlockStore, Core, Taps } from "@paravane/paravirt-ops";
import { createMachine, type Machine, type MachineStats, type RunResult } from "@paravane/vmm";
import type { Settings } from "./args/settings.js";
import { preference, withConsole } from "./backends.js";
import { ExpectSession, type Step } from "./console/expect.js";
import { EscapeKeys, KEY_HELP } from "./console/keys.js";
import { Monitor } from "./console/monitor.js";
import { PanicWatch } from "./console/panic.js";
import { formatCrash } from "./console/registers.js";
import { fileSink, HostSerial, nullSink, streamSink } from "./console/serial.js";
import { rawTerminal, type Terminal } from "./console/terminal.js";
import { ExitStatus, fileError } from "./errors.js";
import { openDrive } from "./host/drive.js";
import { payloadDecompressors } from "./img/payload.js";
import type { ProcessIo } from "./host/process-io.js";
import { type KernelFiles, kernelFiles } from "./kernel-files.js";
import type { Messages } from "./messages.js";
import type { Parts } from "./parts.js";
import { Profiler } from "./profile/profile.js";
import { allTaps, RequestCounts, requestTrace } from "./requests.js";
import { readSymbols, type SymbolTable } from "./profile/symbols.js";
import { writeProfile } from "./profile/write-profile.js";
import { cpuTimes, type StatsStart, statsReport, statsStart } from "./stats.js";
import { parseTaps, tapped } from "./taps.js";

/** How a session is held. */
export interface SessionOptions {
  /** With the keyboard (run) or without (boot). */
  readonly interactive: boolean;
  readonly steps: readonly Step[];
  /** Called when the guest is about to run. */
  readonly guestStarts?: (() => void) | undefined;
  /** One more watcher of the machine; the core is there once the machine is made. */
  readonly watch?: (core: () => Core | undefined) => Taps;
}

/** Why a session was ended from our side. */
type Stop = { readonly status: ExitStatus; readonly why: string };

const PENDING_KEYS = 4096;
const PANIC_GRACE_MS = 2000;

/** Runs a guest to its end; resolves to the exit status. Mistakes in files and options reject. */
export async function runSession(
  settings: Settings,
  options: SessionOptions,
  parts: Parts,
  io: ProcessIo,
  messages: Messages,
): Promise<ExitStatus> {
  const taps = parseTaps(settings.trace);
  const symbols = settings.symbols.map(readSymbols);
  // Not by way of a variable: a function that waits keeps all of them, and this one waits until the guest is over.
  const files = await kernelFiles(settings, messages).then((first) => givenOnce(first, () => kernelFiles(settings, messages)));
  const stores: BlockStore[] = [];
  const drives: { store: BlockStore; readOnly: boolean }[] = [];
  try {
    for (const option of settings.drives) {
      const drive = await openDrive(option);
      stores.push(drive.store);
      drives.push(drive);
    }
    const session = new Session(settings, options, parts, io, messages, files, drives, symbols);
    return await session.run(taps);
  } finally {
    for (const store of stores) await store.close();
  }
}

/** Gives away the first files, and reads them again for a second boot: guests have copies, and there may be tens of megabytes of them. */
function givenOnce(first: KernelFiles, again: () => Promise<KernelFiles>): () => Promise<KernelFiles> {
  let kept: KernelFiles | undefined = first;
  return () => {
    const files = kept === undefined ? again() : Promise.resolve(kept);
    kept = undefined;
    return files;
  };
}

class Session {
  readonly #abort = new AbortController();
  readonly #serial: HostSerial;
  readonly #expect: ExpectSession;
  readonly #panic = new PanicWatch();
  readonly #cleanUp: (() => void)[] = [];
  readonly #profiler: Profiler | undefined;
  readonly #requests = new RequestCounts();
  readonly #watchers: Taps[] = [];
  /** Waits for where the profile begins. */
  readonly #profileFrom: ExpectSession | undefined;
  #terminal: Terminal = { isRaw: false, restore: () => {} };
  #stop: Stop | undefined;
  #machine: Machine | undefined;
  #core: Core | undefined;
  #monitor: Monitor | undefined;
  #leaveMonitor: (() => void) | undefined;

  constructor(
    private readonly settings: Settings,
    private readonly options: SessionOptions,
    private readonly parts: Parts,
    private readonly io: ProcessIo,
    private readonly messages: Messages,
    private readonly files: () => Promise<KernelFiles>,
    private readonly drives: readonly { store: BlockStore; readOnly: boolean }[],
    private readonly symbols: readonly SymbolTable[],
  ) {
    const { serial } = settings;
    const sink = serial === "stdio" ? streamSink(io.stdout) : serial === "none" ? nullSink : fileSink(serial.file);
    this.#serial = new HostSerial(sink, (bytes) => this.#watch(bytes), settings.clock === "icount");
    this.#profiler = settings.profile.length === 0 ? undefined : new Profiler();
    if (this.#profiler !== undefined) this.#watchers.push(this.#profiler.exits.taps);
    if (settings.stats !== undefined) this.#watchers.push(this.#requests.taps);
    if (options.watch !== undefined) this.#watchers.push(options.watch(() => this.#core));
    const from = settings.profileFrom;
    this.#profileFrom =
      from === undefined
        ? undefined
        : new ExpectSession(
            [{ until: from }],
            () => {},
            () => this.#profiler?.restart(),
          );
    this.#expect = new ExpectSession(
      options.steps,
      (bytes) => this.#serial.type(bytes),
      () => this.#end({ status: ExitStatus.ok, why: "the console showed what was waited for" }),
    );
  }

  async run(taps: ReturnType<typeof parseTaps>): Promise<ExitStatus> {
    const started = statsStart();
    try {
      const captured = this.#capturing(this.parts);
      if (taps !== undefined) this.#watchers.push(requestTrace(taps, (line) => this.#note(`${line}\n`)));
      const parts = tapped(this.#profiler?.wrap(captured) ?? captured, taps, (line) => this.#note(`${line}\n`));
      this.#connectHost();
      for (let boot = 1; ; boot++) {
        const machine = await this.#create(parts, boot);
        if (this.settings.timeoutMs !== undefined && boot === 1) this.#startTimeout(this.settings.timeoutMs);
        if (boot === 1) this.#expect.start();
        if (boot === 1) this.options.guestStarts?.();
        started.firstInstruction ??= cpuTimes();
        const result = await this.#runMachine(machine);
        const stats = machine.stats();
        this.#serial.flush();
        const status = this.#conclude(result);
        if (status !== "again") {
          this.#writeStats(stats, started);
          this.#writeProfiles(stats);
        }
        await machine.close();
        if (status !== "again") return status;
      }
    } catch (error) {
      if (!this.#stop) throw error;
      this.messages.error(this.#stop.why);
      return this.#stop.status;
    } finally {
      this.#serial.close();
      // The shell's prompt should not start in the middle of the guest's last line.
      if (this.#terminal.isRaw && !this.#serial.atLineStart) this.#note("\n");
      for (const undo of this.#cleanUp.reverse()) undo();
    }
  }

  async #create(parts: Parts, boot: number): Promise<Machine> {
    const { settings } = this;
    const { kernel, initrd, append, title } = await this.files();
    const commandLine = (backend: string): string => (settings.append === undefined ? withConsole(append, backend) : append);
    const machine = await createMachine({
      ...parts,
      preference: preference(settings.backends),
      guest: {
        kernel,
        ...(initrd ? { initrd } : {}),
        commandLine,
        decompressors: payloadDecompressors,
      },
      ...(settings.memoryBytes === undefined ? {} : { memory: settings.memoryBytes }),
      vcpus: settings.vcpus,
      clock: settings.clock,
      drives: this.drives,
      serial: this.#serial,
      testDevice: settings.testDevice,
      ...(settings.cpu === undefined ? {} : { cpu: settings.cpu }),
      ...(settings.exitPort === undefined ? {} : { exitPort: settings.exitPort }),
      taps: allTaps(...this.#watchers),
      signal: this.#abort.signal,
    });
    this.#machine = machine;
    if (boot === 1) {
      const { image, protocol, backend, reason, memoryBytes, vcpus } = machine.boot;
      this.messages.info(
        `${image} by ${protocol}, backend ${backend} (${reason}), ${memoryBytes / 2 ** 20} MiB, ${vcpus} vCPU${vcpus === 1 ? "" : "s"}`,
        {
          title,
          ...machine.boot,
        },
      );
      if (this.#terminal.isRaw) this.messages.info("Ctrl-A x quits, Ctrl-A h helps");
    }
    return machine;
  }

  /** Runs, with pauses for the monitor. */
  async #runMachine(machine: Machine): Promise<RunResult> {
    for (;;) {
      const result = await machine.run();
      if (result.kind !== "stopped" || this.#stop || !this.#monitor) return result;
      await new Promise<void>((resolve) => {
        this.#leaveMonitor = resolve;
      });
      if (this.#stop) return result;
    }
  }

  #conclude(result: RunResult): ExitStatus | "again" {
    const { messages } = this;
    if (this.#stop) {
      if (this.#stop.status !== ExitStatus.ok) messages.error(this.#stop.why);
      return this.#stop.status;
    }
    switch (result.kind) {
      case "poweroff": {
        const waiting = this.#expect.waitingFor;
        if (!waiting) return ExitStatus.ok;
        messages.error(`the guest powered off before the console showed ${waiting}`);
        return ExitStatus.noMarker;
      }
      case "reset":
        if (this.#panic.seen) {
          messages.error(`the guest panicked: ${this.#panic.seen}`);
          return ExitStatus.guestCrash;
        }
        if (this.options.interactive && this.settings.reboot) {
          messages.info("the guest reset the machine; booting again");
          return "again";
        }
        messages.error("the guest reset the machine");
        // Status 1 would be that of a suite which left by the exit port with 0.
        if (this.settings.exitPort !== undefined) return ExitStatus.guestCrash;
        return this.options.interactive ? ExitStatus.ok : ExitStatus.noMarker;
      case "exit":
        messages.info(result.detail);
        return result.status;
      case "shutdown":
      case "unmodelled": {
        messages.error(result.kind === "shutdown" ? `the guest crashed: ${result.detail}` : `not modelled: ${result.detail}`);
        this.#note(formatCrash(this.#core?.vcpus ?? [], result.vcpu));
        return result.kind === "shutdown" ? ExitStatus.guestCrash : ExitStatus.notModelled;
      }
      case "stopped":
        messages.error(result.detail);
        return ExitStatus.interrupted;
    }
  }

  #connectHost(): void {
    const { io, options } = this;
    const onSignal = (signal: NodeJS.Signals): void => this.#end({ status: ExitStatus.interrupted, why: `interrupted by ${signal}` });
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(signal, onSignal);
      this.#cleanUp.push(() => process.off(signal, onSignal));
    }
    const onOutputError = (error: NodeJS.ErrnoException): void =>
      this.#end({ status: ExitStatus.interrupted, why: `the console's reader went away (${error.code ?? error.message})` });
    io.stdout.on("error", onOutputError);
    if (!options.interactive || this.settings.serial !== "stdio") return;

    this.#terminal = rawTerminal(io.stdin);
    this.#cleanUp.push(() => this.#terminal.restore());
    const keys = new EscapeKeys((command) => {
      if (command === "quit") this.#end({ status: ExitStatus.ok, why: "quit" });
      else if (command === "help") this.#note(`\n${KEY_HELP}`);
      else this.#toggleMonitor();
    });
    const onData = (bytes: Uint8Array): void => {
      const typed = this.#terminal.isRaw ? keys.feed(bytes) : bytes;
      if (this.#monitor) this.#monitor.feed(typed);
      else this.#serial.type(typed);
      if (this.#serial.pending > PENDING_KEYS) {
        io.stdin.pause();
        this.#serial.onRoom(() => io.stdin.resume());
      }
    };
    io.stdin.on("data", onData);
    this.#cleanUp.push(() => {
      io.stdin.off("data", onData);
      io.stdin.pause();
    });
  }

  #toggleMonitor(): void {
    const machine = this.#machine;
    if (!machine) return;
    if (this.#monitor) {
      this.#closeMonitor();
      return;
    }
    this.#serial.flush();
    this.#monitor = new Monitor(
      machine,
      () => this.#core?.vcpus ?? [],
      (text) => this.#note(text),
      (how) => {
        if (how === "quit") this.#end({ status: ExitStatus.ok, why: "quit" });
        this.#closeMonitor();
      },
    );
    void machine.pause();
  }

  #closeMonitor(): void {
    this.#note("\n");
    this.#monitor = undefined;
    this.#leaveMonitor?.();
    this.#leaveMonitor = undefined;
  }

  #watch(bytes: Uint8Array): void {
    if (this.options.steps.length > 0) this.#expect.feed(bytes);
    this.#profileFrom?.feed(bytes);
    const before = this.#panic.seen;
    this.#panic.feed(bytes);
    if (!before && this.#panic.seen && !this.options.interactive) {
      const timer = setTimeout(
        () => this.#end({ status: ExitStatus.guestCrash, why: `the guest panicked: ${this.#panic.seen}` }),
        PANIC_GRACE_MS,
      );
      this.#cleanUp.push(() => clearTimeout(timer));
    }
  }

  #startTimeout(ms: number): void {
    const timer = setTimeout(() => {
      const waiting = this.#expect.waitingFor;
      this.#end({ status: ExitStatus.timeout, why: `timed out after ${ms / 1000} s${waiting ? ` waiting for ${waiting}` : ""}` });
    }, ms);
    this.#cleanUp.push(() => clearTimeout(timer));
  }

  #end(stop: Stop): void {
    this.#stop ??= stop;
    this.#abort.abort(new Error(stop.why));
    this.#leaveMonitor?.();
  }

  /** Text for the person, on stderr, with carriage returns while the terminal is raw. */
  #note(text: string): void {
    this.io.stderr.write(this.#terminal.isRaw ? text.replaceAll("\n", "\r\n") : text);
  }

  /** Keeps hold of the core that the machine makes, for registers. */
  #capturing(parts: Parts): Parts {
    const { core } = parts;
    return {
      ...parts,
      core: {
        ...core,
        create: async (environment) => {
          this.#core = await core.create(environment);
          return this.#core;
        },
      },
    };
  }

  #writeProfiles(stats: MachineStats): void {
    const { profile: paths } = this.settings;
    if (this.#profiler === undefined) return;
    const profile = this.#profiler.finish(this.#core, stats, this.symbols);
    for (const path of paths) writeProfile(path, profile);
    this.messages.info(`profile: ${paths.join(", ")} (${profile.namesFrom})`);
  }

  #writeStats(stats: MachineStats, started: StatsStart): void {
    const path = this.settings.stats;
    if (path === undefined) return;
    const common = statsReport(stats, this.#core?.guestMemory, this.#machine!.boot.memoryBytes, started);
    const report = { ...common, requests: this.#requests.report() };
    try {
      writeFileSync(path, `${JSON.stringify(report, null, 2)}\n`);
    } catch (error) {
      throw fileError(path, error);
    }
  }
}
