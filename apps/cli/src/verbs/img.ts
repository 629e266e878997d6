// `paravane img`: make and look at kernels and initramfs.
import { describeFile, packDirectory, unpackKernel, writeOutput } from "../commands/img.js";
import { GUEST_NAMES, takeGuest } from "../img/guests.js";
import { collect, type CommonOptions, commonOptions, type Verb } from "./verb.js";

/** `paravane img` */
export const img: Verb = (command, { io, useOptions }) => {
  const progress = (options: CommonOptions) => {
    const messages = useOptions(options);
    return (line: string): void => messages.info(line);
  };
  commonOptions(
    command
      .command("initrd <dir>")
      .description("pack a directory into an initramfs")
      .option("-o, --output <file>", "where it goes", "initrd.img"),
  ).action((dir: string, options: CommonOptions & { output: string }) => {
    writeOutput(options.output, packDirectory(dir, progress(options)));
    io.stdout.write(`${options.output}\n`);
  });
  commonOptions(
    command
      .command("deb <file>")
      .description("take the kernel out of a linux-image package and build an initramfs for it")
      .option("-o, --output <dir>", "where they go", ".")
      .option("--busybox <deb>", "a busybox-static package; otherwise apt is asked")
      .option("--module <name>", "one more module; may be given again", collect),
  ).action(async (file: string, options: CommonOptions & { output: string; busybox?: string; module?: string[] }) => {
    const { output, busybox, module } = options;
    const made = await unpackKernel(
      file,
      { output, ...(busybox ? { busybox } : {}), ...(module ? { modules: module } : {}) },
      progress(options),
    );
    io.stdout.write(`${made.kernel}\n${made.initrd}\n`);
  });
  commonOptions(command.command("info <file>").description("say what a file is")).action(async (file: string, options: CommonOptions) => {
    useOptions(options);
    io.stdout.write(`${(await describeFile(file)).join("\n")}\n`);
  });
  commonOptions(
    command
      .command("take <guest>")
      .description(`take a guest into the cache: ${GUEST_NAMES.map(({ name, about }) => `${name} (${about})`).join(", ")}`)
      .option("--refresh", "ask apt again"),
  ).action(async (name: string, options: CommonOptions & { refresh?: boolean }) => {
    const { kernel, initrd } = await takeGuest(name, progress(options), options.refresh ?? false);
    io.stdout.write(`${kernel}\n${initrd ? `${initrd}\n` : ""}`);
  });
};
