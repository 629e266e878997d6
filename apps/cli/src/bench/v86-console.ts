// v86 (https://github.com/copy/v86, BSD-2-Clause) as a process whose standard input and output are the guest's serial port; started by the
// bench with its setup as JSON. It is a development dependency, never shipped.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

interface Setup {
  readonly kernel: string;
  readonly initrd: string;
  readonly append: string;
  readonly memoryBytes: number;
  readonly bios: { readonly system: string; readonly vga: string };
  readonly translate: boolean;
}

const read = (path: string): { buffer: ArrayBuffer } => {
  const { buffer, byteOffset, byteLength } = readFileSync(path);
  return { buffer: buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer };
};

const setup = JSON.parse(process.argv[2] ?? "") as Setup;
const { V86 } = await import("v86");
const emulator = new V86({
  wasm_path: fileURLToPath(new URL("v86.wasm", import.meta.resolve("v86"))),
  bios: read(setup.bios.system),
  vga_bios: read(setup.bios.vga),
  bzimage: read(setup.kernel),
  initrd: read(setup.initrd),
  cmdline: setup.append,
  memory_size: setup.memoryBytes,
  disable_jit: !setup.translate,
  disable_keyboard: true,
  disable_mouse: true,
  disable_speaker: true,
  autostart: true,
});
let gathered = "";
emulator.add_listener("serial0-output-byte", (byte) => {
  if (gathered === "") {
    setImmediate(() => {
      process.stdout.write(gathered, "latin1");
      gathered = "";
    });
  }
  gathered += String.fromCharCode(byte);
});
process.stdin.on("data", (bytes) => emulator.serial0_send(bytes.toString("latin1")));
process.stdin.on("end", () => process.exit(0));
