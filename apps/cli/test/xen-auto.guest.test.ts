// A machine that carries both the bare machine and Xen: which of them starts a stock kernel, and what the first line says of it.
import { expect, test } from "vitest";
import { hasTool, paravane } from "./paravane.js";

test.skipIf(!hasTool("apt-get")).each([
  ["native", ["native", "xen"], /console=ttyS0/],
  ["xen", ["xen", "native"], /console=hvc0/],
  ["native", ["auto"], /console=ttyS0/],
])(
  "%s starts Debian's cloud kernel for --backend %j, with its console where that has it",
  { timeout: 240_000 },
  async (chosen, names, console) => {
    const backends = names.flatMap((name) => ["--backend", name]);
    const { status, stdout, stderr } = await paravane(
      ["boot", "debian", ...backends, "--until", "Command line: .*panic", "--timeout", "200s"],
      {
        limitMs: 220_000,
      },
    );
    expect([status, stderr.split("\n")[0]]).toEqual([
      0,
      expect.stringMatching(new RegExp(`^paravane: bzImage, .*, backend ${chosen} \\(it is the first that the image allows\\)`)),
    ]);
    expect(stdout).toMatch(console);
  },
);
