/**
 * The host's functions with which a time-stamp counter goes on by itself for some instructions after it was read (assembly/system/privilege,
 * `rawTsc`). Wherever a device or a backend may have looked at the clock meanwhile it is read anew, and at the beginning of each run.
 */
import type { TscGuess } from "@paravane/paravirt-ops";
import type { EngineImports } from "./engine.js";
import * as L from "./layout.js";

/** Functions behind which others see the clock. */
const OUTSIDE = [
  "pioRead",
  "pioWrite",
  "mmioRead",
  "mmioWrite",
  "msrRead",
  "msrWrite",
  "hypercall",
  "intercept",
  "deliver",
  "store",
  "interruptWindow",
] as const satisfies readonly (keyof EngineImports)[];

type HostFunction = (cpu: number, a: number, b: number, c: number, d: number) => number;

/** `host` with counters that `guess` allows to go on by themselves. */
export function withTscGuess(host: EngineImports, view: DataView, guess: TscGuess): EngineImports {
  const noting = OUTSIDE.map((name): [string, HostFunction] => {
    const call = host[name] as HostFunction;
    return [
      name,
      (cpu, a, b, c, d) => {
        view.setUint32((cpu >>> 0) + L.TSC_SPAN, 0, true);
        return call(cpu, a, b, c, d);
      },
    ];
  });
  return {
    ...host,
    ...(Object.fromEntries(noting) as unknown as Pick<EngineImports, (typeof OUTSIDE)[number]>),
    readTsc(cpu) {
      host.readTsc(cpu);
      view.setUint32((cpu >>> 0) + L.TSC_PACE, guess.pace(), true);
      view.setUint32((cpu >>> 0) + L.TSC_SPAN, guess.instructions, true);
    },
  };
}
