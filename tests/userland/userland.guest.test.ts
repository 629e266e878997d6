// User programs of our own in Debian's kernels: what they say is what they said on a real processor (__expect__, recorded on an AMD EPYC).
// The 64-bit kernel runs both word sizes, the 32-bit one has PAE, espfix for 32 bits and 16-bit segments.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { canTakeGuest } from "../../apps/cli/src/img/guests.js";
import { differences, recorded } from "./runner/lines.js";
import { runInGuest } from "./runner/machines.js";
import { type Bits, buildProgram, cannotBuild, programNames } from "./runner/programs.js";

const GUESTS: readonly { guest: string; args: readonly string[]; sizes: readonly Bits[]; sameKernel: boolean }[] = [
  { guest: "debian", args: [], sizes: [64, 32], sameKernel: true },
  { guest: "debian-686-pae", args: [], sizes: [32], sameKernel: false },
];
const LIMIT_SECONDS = 580;

describe.each(GUESTS)("user programs in $guest", ({ guest, args, sizes, sameKernel }) => {
  const missing = cannotBuild() ?? (canTakeGuest(guest) ? undefined : `no ${guest}: it comes through apt-get`);
  const programs = sizes.flatMap((bits) => programNames(bits).map((name) => ({ name, bits })));
  let results = new Map<string, string[]>();
  beforeAll(async () => {
    if (missing !== undefined) {
      if (process.env["CI"]) throw new Error(missing);
      return;
    }
    const built = programs.map(({ name, bits }) => buildProgram(name, bits));
    results = await runInGuest({ guest, args, limitSeconds: LIMIT_SECONDS }, built);
  });
  afterAll(() => results.clear());

  test.skipIf(missing !== undefined && process.env["CI"] === undefined).each(programs)(
    "$name, $bits bits, says what it said on a real processor",
    ({ name, bits }) => {
      expect(differences(recorded(name, bits), results.get(`${name} ${bits}`) ?? ["it did not run"], sameKernel)).toEqual([]);
    },
  );
});
