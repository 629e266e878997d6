// `paravane abi`: which backends are here, how guests of each get what operations promise, which numbers they see, what a kernel can run on.
import { writeFileSync } from "node:fs";
import { type Command, Option } from "commander";
import { backendNamed, columns } from "../abi/columns.js";
import { makeMatrix } from "../abi/matrix.js";
import { formatHtml } from "../abi/matrix-html.js";
import { formatMarkdown, formatMatrix } from "../abi/matrix-text.js";
import { formatProbe, probeKernel } from "../abi/probe.js";
import { formatList, formatShow, listBackends, showBackend } from "../abi/show.js";
import type { RawSettings } from "../args/settings.js";
import { installedBackends } from "../backends.js";
import { runColumns } from "../commands/abi.js";
import { parseThen, parseUntil, type Step } from "../console/expect.js";
import { ExitStatus, fileError, usageError } from "../errors.js";
import { GUEST_NAMES } from "../img/guests.js";
import { kernelFiles } from "../kernel-files.js";
import { installedParts } from "../parts.js";
import { collect, type CommonOptions, type Verb } from "./verb.js";

interface MatrixOptions extends CommonOptions {
  backend?: string[];
  html?: string;
  markdown?: boolean;
  run?: string;
  initrd?: string;
  append?: string;
  memory?: string;
  smp?: string;
  exitPort?: string;
  timeout?: string;
}

/** Options of a run, which are about nothing without one. */
const RUN_OPTIONS = ["initrd", "append", "memory", "smp", "exitPort", "timeout"] as const;
const SPELLINGS: Readonly<Record<string, string>> = { memory: "-m", exitPort: "--exit-port" };

const common = (command: Command): Command =>
  command
    .option("-q, --quiet", "say nothing but errors")
    .option("--json", "the answer as JSON")
    .option("--log-level <level>", "how much is said");

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

function write(path: string, content: string): void {
  try {
    writeFileSync(path, content);
  } catch (error) {
    throw fileError(path, error);
  }
}

/** `paravane abi` */
export const abi: Verb = (command, { io, useOptions, done }) => {
  const installed = () => installedBackends(installedParts("auto"));
  command
    .usage("list | matrix | show BACKEND | probe KERNEL")
    .argument("[what]")
    .action((what: string | undefined) => {
      throw usageError(
        `paravane abi ${what === undefined ? "what" : `${what}: unknown`}? There are: list, matrix, show BACKEND, probe KERNEL`,
      );
    });

  common(command.command("list").description("installed backends, the contract that they are written for, their guest ABIs")).action(
    async (options: CommonOptions) => {
      useOptions(options);
      const list = listBackends(await installed());
      io.stdout.write(options.json ? json(list) : `${formatList(list)}\n`);
    },
  );

  common(
    command
      .command("show <backend>")
      .description("calls with their numbers, and the operations that they ask for")
      .option("--numbers", "every number that guests see"),
  ).action(async (name: string, options: CommonOptions & { numbers?: boolean }) => {
    useOptions(options);
    const all = await installed();
    const shown = showBackend(await columns(all, [backendNamed(name, all).name]));
    io.stdout.write(options.json ? json(shown) : `${formatShow(shown, options.numbers ?? false)}\n`);
  });

  common(
    command
      .command("probe <kernel>")
      .description(`on which backends a kernel can run, and why: a file, ${GUEST_NAMES.map(({ name }) => name).join(", ")}`),
  ).action(async (kernel: string, options: CommonOptions) => {
    const messages = useOptions(options);
    const files = await kernelFiles({ guest: kernel, kernel: undefined, initrd: undefined, append: undefined }, messages);
    const probe = await probeKernel(files.title, files.kernel, await installed());
    io.stdout.write(options.json ? json(probe) : `${formatProbe(probe)}\n`);
    if (probe.verdicts.every(({ accepts }) => accepts === "no")) done(ExitStatus.image);
  });

  const steps: Step[] = [];
  const step = (flags: string, about: string, parse: (text: string) => Step): Option =>
    new Option(flags, about).argParser((text: string) => void steps.push(parse(text)));
  common(
    command
      .command("matrix")
      .description("operations and hypervisors: paravirtual, emulated, in memory, native, not applicable")
      .option("--backend <name>", "one backend, or one of its columns (xen, xen/pvh); may be given again", collect)
      .option("--html <file>", "write a page that a browser opens")
      .option("--markdown", "print it as Markdown")
      .option("--run <guest>", "run a guest under each, and count; status 1 where it did otherwise than the matrix says")
      .option("--initrd <file>", "with --run: initial RAM disk")
      .option("--append <text>", "with --run: kernel command line")
      .option("-m, --memory <size>", "with --run: memory")
      .option("--smp <n>", "with --run: vCPUs")
      .option("--exit-port <port>", "with --run: port whose writes end a run")
      .option("--timeout <time>", "with --run: each run ends after this time")
      .addOption(step("--until <regex>", "with --run: wait for this on the console; may be given again", parseUntil))
      .addOption(step("--then <text>", "with --run: type this; may be given again", parseThen)),
  ).action(async (options: MatrixOptions) => {
    const messages = useOptions(options);
    const all = await installed();
    const asked = await columns(all, options.backend);
    if (options.run === undefined) {
      const idle = RUN_OPTIONS.find((name) => options[name] !== undefined);
      if (idle !== undefined || steps.length > 0)
        throw usageError(
          `${idle === undefined ? "--until and --then are" : `${SPELLINGS[idle] ?? `--${idle}`} is`} about a run; give --run GUEST too`,
        );
    }
    const raw: RawSettings = {
      ...Object.fromEntries(RUN_OPTIONS.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]]))),
    };
    const counted =
      options.run === undefined ? undefined : await runColumns(asked, all, { ...raw, guest: options.run }, steps, io, messages);
    const matrix = makeMatrix(asked, counted?.runs);
    if (options.html !== undefined) write(options.html, formatHtml(matrix));
    if (options.html === undefined || options.json || options.markdown)
      io.stdout.write(options.json ? json(matrix) : options.markdown ? formatMarkdown(matrix) : `${formatMatrix(matrix)}\n`);
    else messages.info(`written: ${options.html}`);
    for (const line of counted?.disagreements ?? []) messages.error(line);
    if (counted === undefined) return;
    done(counted.disagreements.length > 0 ? ExitStatus.noMarker : counted.status);
  });
};
