import { describe, expect, test } from "vitest";
import { preference, withBackends, withConsole } from "./backends.js";
import { installedParts } from "./parts.js";

describe("--backend", () => {
  const carried = async (...names: string[]) => (await withBackends(installedParts("interp"), names)).backends;
  const image = { description: "", file: new Uint8Array(0), protocols: ["linux64" as const], commandLine: "" };

  test("without a name the machine is bare", async () => {
    expect((await carried()).map(({ name }) => name)).toEqual(["native"]);
  });

  test("xen alone stands on native, which then starts no guest itself", async () => {
    const [native, xen] = await carried("xen");
    expect([native!.name, native!.boot.accepts(image), xen!.name]).toEqual(["native", "no", "xen"]);
  });

  test("both are carried when both are named, and by auto", async () => {
    for (const names of [["native", "xen"], ["xen", "native"], ["auto"]]) {
      const [native, xen] = await carried(...names);
      expect([native!.boot.accepts(image), xen!.name]).toEqual(["allows", "xen"]);
    }
  });

  test("vmi stands on native, with the settings that were given", async () => {
    const { backends } = await withBackends(installedParts("interp"), ["vmi"], { vmi: { cpl: 1 } });
    expect(backends.map(({ name, config }) => [name, (config as { cpl?: number }).cpl])).toEqual([
      ["native", undefined],
      ["vmi", 1],
    ]);
  });

  test("a guest on Xen has its console on hvc0", () => {
    expect(withConsole("console=ttyS0 panic=-1", "xen")).toBe("console=hvc0 panic=-1");
    for (const name of ["native", "vmi"]) expect(withConsole("console=ttyS0", name)).toBe("console=ttyS0");
  });

  test("backends are preferred in the order in which they are given", () => {
    expect(preference([])).toEqual(["native"]);
    expect(preference(["auto"])).toEqual(["native", "xen", "vmi"]);
    expect(preference(["xen", "native"])).toEqual(["xen", "native"]);
    expect(preference(["auto", "xen", "native"])).toEqual(["xen", "native"]);
  });

  test("how a Xen guest is started is the backend's setting", async () => {
    const { backends } = await withBackends(installedParts("interp"), ["xen"], { xen: { mode: "pvh", frames: "identity" } });
    expect(backends[1]!.config).toMatchObject({ mode: "pvh", frames: "identity" });
  });
});
