// `paravane doctor`: what this host offers.
import { examine, formatFindings } from "../commands/doctor.js";
import { ExitStatus } from "../errors.js";
import { type CommonOptions, commonOptions, type Verb } from "./verb.js";

/** `paravane doctor` */
export const doctor: Verb = (command, { io, useOptions, done }) => {
  commonOptions(command).action((options: CommonOptions) => {
    useOptions(options);
    const findings = examine();
    io.stdout.write(options.json ? `${JSON.stringify(findings, null, 2)}\n` : `${formatFindings(findings)}\n`);
    done(findings.some(({ ok }) => ok === false) ? ExitStatus.noMarker : ExitStatus.ok);
  });
};
