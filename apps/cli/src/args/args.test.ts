import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { fromQemu } from "./qemu.js";
import { readConfig, understand } from "./settings.js";
import { parseMemory, parsePort, parseSmp, parseTimeout } from "./values.js";

const dir = mkdtempSync(join(tmpdir(), "paravane-args-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe("qemu's spellings", () => {
  test("single-dash options become ours, values stay as they are", () => {
    expect(fromQemu(["-kernel", "-s", "-append", "console=ttyS0 -smp", "-m", "512", "-smp", "1", "-nographic", "-no-reboot"])).toEqual([
      "--kernel",
      "-s",
      "--append",
      "console=ttyS0 -smp",
      "-m",
      "512",
      "--smp",
      "1",
      "--no-reboot",
    ]);
  });

  test("devices that are always there vanish, the exit device becomes an option", () => {
    expect(fromQemu(["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04", "-device", "virtio-rng-pci", "-display", "none"])).toEqual([
      "--exit-port",
      "0xf4",
    ]);
  });

  test("what this board lacks is named", () => {
    expect(() => fromQemu(["-device", "e1000"])).toThrow(/-device e1000 is not on this board/);
    expect(() => fromQemu(["-S"])).toThrow(/-S is known from qemu, but not there yet/);
  });

  test("our own spellings pass through, and a missing value is an error", () => {
    expect(fromQemu(["run", "hello", "--then", "-S", "--until=a b", "-q"])).toEqual(["run", "hello", "--then", "-S", "--until=a b", "-q"]);
    expect(() => fromQemu(["--kernel"])).toThrow(/--kernel needs a value/);
  });
});

describe("values", () => {
  test("memory is MiB unless a unit says otherwise", () => {
    expect([parseMemory("256M"), parseMemory("512"), parseMemory("1G"), parseMemory("1.5G"), parseMemory("2048k")]).toEqual([
      256 * 2 ** 20,
      512 * 2 ** 20,
      2 ** 30,
      1.5 * 2 ** 30,
      2 * 2 ** 20,
    ]);
    for (const bad of ["", "lots", "-1M", "0", "1500k", "1T"]) expect(() => parseMemory(bad), bad).toThrow(/-m/);
  });

  test("times, ports and vCPUs", () => {
    expect([parseTimeout("60s"), parseTimeout("500ms"), parseTimeout("2m"), parseTimeout("1.5")]).toEqual([60_000, 500, 120_000, 1500]);
    for (const bad of ["soon", "0", "-1s"]) expect(() => parseTimeout(bad)).toThrow(/--timeout/);
    expect(parsePort("0xf4")).toBe(0xf4);
    expect(() => parsePort("70000")).toThrow(/--exit-port/);
    expect(parseSmp("cpus=1")).toBe(1);
    expect(parseSmp("4")).toBe(4);
    expect(parseSmp("8,sockets=1,cores=8,threads=1")).toBe(8);
    for (const value of ["0", "9", "2x"]) expect(() => parseSmp(value)).toThrow(/write 1 to 8/);
    expect(() => parseSmp("none")).toThrow(/not a number/);
  });
});

describe("settings", () => {
  test("defaults are filled in", () => {
    expect(understand({})).toMatchObject({
      memoryBytes: undefined,
      vcpus: 1,
      clock: "host",
      engine: "auto",
      serial: "stdio",
      reboot: true,
      drives: [],
    });
  });

  test("execution tiers go by their words", () => {
    expect(understand({ engine: "verify:sampled" }).engine).toBe("verify:sampled");
    expect(() => understand({ engine: "fast" })).toThrow(/--engine fast: unknown; known: auto, interp, jit, verify, verify:sampled/);
  });

  test("VMI's options are understood, and refused where nothing is to have them", () => {
    expect(understand({ backend: ["vmi"], vmiCpl: "1", vmiHole: "64M", vmiCalls: "RDTSC=native" }).vmi).toEqual({
      cpl: 1,
      hole: 64 << 20,
      calls: "RDTSC=native",
    });
    expect(understand({ backend: ["vmi"], vmiHole: "none" }).vmi).toEqual({ hole: 0 });
    expect(() => understand({ vmiCpl: "1" })).toThrow(/--vmi-cpl is about VMI/);
    expect(() => understand({ backend: ["vmi"], vmiCpl: "2" })).toThrow(/--vmi-cpl 2/);
    expect(() => understand({ backend: ["vmi"], vmiHole: "much" })).toThrow(/--vmi-hole much/);
  });

  test("what is not there yet is named", () => {
    expect(() => understand({ backend: ["native", "kvm"] })).toThrow(/--backend kvm: this backend is not there yet/);
    expect(() => understand({ clock: "sun" })).toThrow(/--clock sun: unknown; known: host, icount/);
    expect(() => understand({ serial: "tty" })).toThrow(/--serial tty/);
  });

  test("-snapshot makes overlays of the drives that may be written", () => {
    expect(understand({ drive: ["a", "b,ro"], snapshot: true }).drives.map(({ overlay }) => overlay)).toEqual([true, false]);
  });

  test("a configuration file uses the same words, and its mistakes are named", () => {
    const file = (text: string): string => {
      const path = join(dir, "vm.json");
      writeFileSync(path, text);
      return path;
    };
    expect(readConfig(file('{"memory":"64M","drive":["a,ro"],"testDevice":true}'))).toEqual({
      memory: "64M",
      drive: ["a,ro"],
      testDevice: true,
    });
    expect(() => readConfig(file('{"memroy":"64M"}'))).toThrow(/unknown setting "memroy"; known: .*memory/);
    expect(() => readConfig(file('{"memory":64}'))).toThrow(/"memory" is of the wrong kind/);
    expect(() => readConfig(file("[]"))).toThrow(/does not hold a JSON object/);
    expect(() => readConfig(file("{"))).toThrow(/is not JSON/);
    expect(() => readConfig(join(dir, "none"))).toThrow(/there is no such file/);
  });
});
