// What `--drive F[,ro][,overlay][,format=raw]` means, and qemu's `-drive file=F,if=virtio,readonly=on,snapshot=on`.
import type { BlockStore } from "@paravane/paravirt-ops";
import { usageError } from "../errors.js";
import { openFileStore } from "./file-store.js";
import { OverlayStore } from "./overlay-store.js";

/** A drive as asked for. */
export interface DriveOption {
  readonly file: string;
  readonly readOnly: boolean;
  readonly overlay: boolean;
}

/** Reads a `--drive` value; a comma in a file name is doubled, as qemu has it. */
export function parseDrive(value: string): DriveOption {
  const parts = value
    .replaceAll(",,", "\0")
    .split(",")
    .map((part) => part.replaceAll("\0", ","));
  let file = "";
  let readOnly = false;
  let overlay = false;
  parts.forEach((part, index) => {
    const [key = "", setting] = part.includes("=") ? [part.slice(0, part.indexOf("=")), part.slice(part.indexOf("=") + 1)] : [part];
    if (key === "file" && setting !== undefined) file = setting;
    else if (key === "ro" || (key === "readonly" && setting === "on")) readOnly = true;
    else if (key === "overlay" || (key === "snapshot" && setting === "on")) overlay = true;
    else if (key === "format" && setting === "raw") return;
    else if (key === "format" && setting === "qcow2") throw usageError("drives in qcow2 format are not there yet; convert to raw");
    else if ((key === "if" && setting === "virtio") || ["id", "cache", "media"].includes(key)) return;
    else if (setting === "off" && (key === "readonly" || key === "snapshot")) return;
    else if (index === 0) file = part;
    else throw usageError(`--drive ${value}: unknown setting ${part}; known: ro, overlay, format=raw`);
  });
  if (file === "") throw usageError(`--drive ${value}: no file is named`);
  if (readOnly && overlay) throw usageError(`--drive ${value}: ro and overlay exclude each other`);
  return { file, readOnly, overlay };
}

/** Opens what the option names. */
export async function openDrive(option: DriveOption): Promise<{ store: BlockStore; readOnly: boolean }> {
  const file = await openFileStore(option.file, option.readOnly || option.overlay);
  return { store: option.overlay ? new OverlayStore(file) : file, readOnly: option.readOnly };
}
