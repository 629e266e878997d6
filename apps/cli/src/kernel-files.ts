// From what the person named (a file, a guest's name, nothing) to the bytes that boot.
import { existsSync, statSync } from "node:fs";
import { CliError, fileError, imageError } from "./errors.js";
import { helloImage } from "./guests/hello-image.js";
import { readWholeFile } from "./host/whole-file.js";
import { canTakeGuest, GUEST_NAMES, isGuestName, takeGuest } from "./img/guests.js";
import type { Messages } from "./messages.js";

/** A kernel with what goes with it, in memory. */
export interface KernelFiles {
  readonly title: string;
  readonly kernel: Uint8Array;
  readonly initrd?: Uint8Array;
  readonly append: string;
}

const MAX_KERNEL_BYTES = 512 * 2 ** 20;
const HOW_TO = "give one with: paravane run --kernel BZIMAGE --initrd INITRD --append 'console=ttyS0'";

function readImage(path: string): Uint8Array {
  try {
    const { size } = statSync(path);
    if (size > MAX_KERNEL_BYTES)
      throw imageError(`${path} cannot be a kernel or initrd: it has ${(size / 2 ** 20).toFixed(0)} MiB; disks go to --drive`);
    return readWholeFile(path);
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw fileError(path, error);
  }
}

const hello = (): KernelFiles => ({ title: "hello, the guest that ships with Paravane", kernel: helloImage(), append: "hello" });

/** What to boot; takes named guests through apt when the cache lacks them. */
export async function kernelFiles(
  asked: { guest: string | undefined; kernel: string | undefined; initrd: string | undefined; append: string | undefined },
  messages: Messages,
): Promise<KernelFiles> {
  const initrd = asked.initrd === undefined ? {} : { initrd: readImage(asked.initrd) };
  const found = await namedFiles(asked.kernel ?? asked.guest, asked.kernel !== undefined, messages);
  return { ...found, ...initrd, append: asked.append ?? found.append };
}

async function namedFiles(name: string | undefined, isFile: boolean, messages: Messages): Promise<KernelFiles> {
  if (name === undefined) return defaultGuest(messages);
  if (!isFile && !existsSync(name)) {
    if (name === "hello") return hello();
    if (isGuestName(name)) return takenGuest(name, messages);
    throw imageError(
      `there is no file ${name}, and no guest of that name; guests: hello, ${GUEST_NAMES.map((guest) => guest.name).join(", ")}`,
    );
  }
  return { title: name, kernel: readImage(name), append: "" };
}

async function takenGuest(name: string, messages: Messages): Promise<KernelFiles> {
  const files = await takeGuest(name, (line) => messages.info(line));
  return {
    title: files.title,
    kernel: readImage(files.kernel),
    ...(files.initrd === undefined ? {} : { initrd: readImage(files.initrd) }),
    append: files.append,
  };
}

async function defaultGuest(messages: Messages): Promise<KernelFiles> {
  if (!canTakeGuest("debian")) {
    messages.warn(`no apt on this host, so no Debian kernel: booting hello; ${HOW_TO}`);
    return hello();
  }
  try {
    return await takenGuest("debian", messages);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    messages.warn(`${error.message}: booting hello`);
    return hello();
  }
}
