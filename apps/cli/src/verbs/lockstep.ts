// `paravane lockstep`: a guest here and on QEMU's processor.
import { rulesText, runLockstep } from "../commands/lockstep.js";
import { ExitStatus } from "../errors.js";
import { type RawLockstepOptions, understandLockstep } from "../lockstep/lockstep-arguments.js";
import { formatLockstep, lockstepJson } from "../lockstep/report.js";
import { collect, type CommonOptions, commonOptions, guestOptions, type Verb } from "./verb.js";

/** `paravane lockstep` */
export const lockstep: Verb = (command, { io, useOptions, done }) => {
  commonOptions(
    guestOptions(command)
      .option("-m, --memory <size>", "memory (default 256M)")
      .option("--cpu <model>", "CPU model; by default what QEMU's TCG has too")
      .option("--exit-port <port>", "port whose writes end the run")
      .option("--test-device", "the device of kernel test suites")
      .option("--vs <where>", "qemu (started here), HOST:PORT or unix:PATH of a gdb port", "qemu")
      .option("--from <where>", "start after so many instructions, at 0xADDRESS, or at a symbol", "0")
      .option("--count <n>", "instructions to compare (default 1M; 20k with --skip)")
      .option("--skip <n>", "then let ours run so many alone, and compare again")
      .option("--samples <n>", "how often, with --skip (default: until the guest ends)")
      .option("--findings <n>", "how many differences to report; after each the other side takes our state", "1")
      .option("--exact", "step from the start instead of following QEMU's log")
      .option("--strict <rule>", "switch a rule off, or all; may be given again", collect)
      .option("--rules", "list the rules and end")
      .option("--symbols <file>", "System.map or ELF file, for names")
      .option("--perturb <register=value@n>", "change the other side after n instructions: shows that differences are seen")
      .option("--timeout <time>", "end with status 124 after this time"),
  ).action(async (guest: string | undefined, options: CommonOptions & RawLockstepOptions & { rules?: boolean }) => {
    const messages = useOptions(options);
    if (options.rules) {
      io.stdout.write(rulesText());
      return;
    }
    const asked = understandLockstep(guest, options);
    const result = await runLockstep(asked, messages);
    io.stdout.write(options.json ? `${JSON.stringify(lockstepJson(result), null, 2)}\n` : formatLockstep(result));
    if (result.stopped !== undefined && result.outcome !== "differs") throw result.stopped;
    done(result.outcome === "differs" ? ExitStatus.noMarker : ExitStatus.ok);
  });
};
