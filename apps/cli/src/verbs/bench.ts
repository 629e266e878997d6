// `paravane bench`: how fast guests run here.
import { type RawBenchOptions, RIVAL_WORDS, SUITES, understandBench } from "../bench/bench-options.js";
import { writePlot } from "../bench/plot.js";
import { formatReport, readReport } from "../bench/report.js";
import { bench as measure } from "../commands/bench.js";
import { ExitStatus } from "../errors.js";
import { collect, type CommonOptions, commonOptions, type Verb } from "./verb.js";

/** `paravane bench` */
export const bench: Verb = (command, { io, useOptions, done }) => {
  commonOptions(
    command
      .argument("[suite]", `${SUITES.join(", ")}; all without`)
      .option("--vs <emulators>", `take turns with others on the same guest: ${RIVAL_WORDS}`)
      .option("--only <names>", "of the suite programs these: programs or columns, with commas between")
      .option("--bits <n>", "32- or 64-bit guests of the suite programs; both without")
      .option("--quick", "fewer rounds and shorter sections")
      .option("--compare <file>", "say what changed since this run, written by bench --json")
      .option("--rounds <n>", "how often each measurement is repeated")
      .option("--guest <name>", "guest of the suite boot; may be given again", collect)
      .option("-m, --memory <size>", "memory of the guests")
      .option("--cpu <model>", "CPU model of our guests; without, the one that the others show")
      .option("--engine <tier>", "execution tier of our guests")
      .option("--plot <file>", "draw the run as an SVG")
      .option("--profile <file>", "where our guests' time goes in the suite programs; the file's name gets the suite's"),
  ).action(async (suite: string | undefined, options: CommonOptions & RawBenchOptions) => {
    const messages = useOptions(options);
    const asked = understandBench(suite, options);
    const before = asked.compare === undefined ? undefined : readReport(asked.compare);
    const report = await measure(asked, (line) => messages.info(line));
    io.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : `${formatReport(report, before)}\n`);
    if (asked.plot !== undefined) writePlot(asked.plot, report.metrics, report.conditions);
    if (report.failed) {
      messages.error("a guest on our machine computed something wrong; the report names it");
      done(ExitStatus.noMarker);
    }
  });
};
