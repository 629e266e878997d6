// `--trace insn,irq,pio:3f8,mmio`: taps by wrapping the parts that a machine is made of, so that an untraced machine carries none of it.
import type { Core, CoreDefinition, MmioBus, PioBus, Vcpu } from "@paravane/paravirt-ops";
import { usageError } from "./errors.js";
import { forward } from "./forward.js";
import type { Parts } from "./parts.js";

/** What is to be traced. Ranges are inclusive; undefined means everything. */
export interface Taps {
  readonly insn: boolean;
  readonly irq: boolean;
  readonly pio: readonly Range[] | undefined;
  readonly mmio: readonly Range[] | undefined;
  /** Beginnings of names; empty for all. */
  readonly hypercall?: readonly string[];
  readonly op?: readonly string[];
}

interface Range {
  readonly first: number;
  readonly last: number;
}

type Line = (text: string) => void;

const hex = (value: number | bigint, digits: number): string => value.toString(16).padStart(digits, "0");

/** Reads the option; undefined when nothing is traced. */
export function parseTaps(value: string | undefined): Taps | undefined {
  if (value === undefined) return undefined;
  const taps: { insn: boolean; irq: boolean; pio?: Range[]; mmio?: Range[]; hypercall?: string[]; op?: string[] } = {
    insn: false,
    irq: false,
  };
  for (const word of value.split(",")) {
    const [kind = "", range] = word.split(":");
    if (kind === "insn" || kind === "irq") taps[kind] = true;
    else if (kind === "pio" || kind === "mmio") {
      const ranges = taps[kind] ?? [];
      taps[kind] = ranges;
      ranges.push(range === undefined ? { first: 0, last: Number.MAX_SAFE_INTEGER } : parseRange(word, range));
    } else if (kind === "op" || kind === "hypercall") {
      const names = taps[kind] ?? [];
      taps[kind] = names;
      if (range !== undefined) names.push(range);
    } else throw usageError(`--trace ${word}: unknown tap; known: insn, irq, pio[:PORTS], mmio[:ADDRESSES], hypercall[:NAME], op[:NAME]`);
  }
  const { insn, irq, pio, mmio, hypercall, op } = taps;
  return { insn, irq, pio, mmio, ...(hypercall === undefined ? {} : { hypercall }), ...(op === undefined ? {} : { op }) };
}

function parseRange(word: string, range: string): Range {
  const match = /^(?:0x)?([0-9a-f]+)(?:-(?:0x)?([0-9a-f]+))?$/i.exec(range);
  if (!match) throw usageError(`--trace ${word}: not a range of hexadecimal numbers; write pio:3f8 or pio:3f8-3ff`);
  const first = Number.parseInt(match[1]!, 16);
  return { first, last: match[2] === undefined ? first : Number.parseInt(match[2], 16) };
}

/** The same parts with the taps in between. */
export function tapped(parts: Parts, taps: Taps | undefined, line: Line): Parts {
  if (!taps) return parts;
  const { core, board } = parts;
  return {
    ...parts,
    core: taps.insn || taps.irq ? tappedCore(core, taps, line) : core,
    board: {
      ...board,
      createBuses: (tap) => {
        const { pio, mmio } = board.createBuses(tap);
        return {
          pio: taps.pio ? tappedBus("pio", 4, pio, taps.pio, line) : pio,
          mmio: taps.mmio ? tappedBus("mmio", 8, mmio, taps.mmio, line) : mmio,
        };
      },
    },
  };
}

function tappedBus<B extends PioBus | MmioBus>(name: string, digits: number, bus: B, ranges: readonly Range[], line: Line): B {
  const wanted = (address: number): boolean => ranges.some(({ first, last }) => address >= first && address <= last);
  const under = bus as PioBus;
  const tapped: PioBus = {
    attach: (address, length, device) => under.attach(address, length, device),
    detach: (address) => under.detach(address),
    read(address, size) {
      const value = under.read(address, size);
      if (wanted(address)) line(`${name} read  ${hex(address, digits)} ${size} -> ${hex(value >>> 0, size * 2)}`);
      return value;
    },
    write(address, size, value) {
      if (wanted(address)) line(`${name} write ${hex(address, digits)} ${size} <- ${hex(value >>> 0, size * 2)}`);
      under.write(address, size, value);
    },
  };
  return tapped as B;
}

function tappedCore(definition: CoreDefinition, taps: Taps, line: Line): CoreDefinition {
  return {
    ...definition,
    create: async (environment) => {
      const { localInterrupts } = environment;
      const core = await definition.create(
        taps.irq
          ? {
              ...environment,
              localInterrupts: {
                acknowledge(vcpu) {
                  const vector = localInterrupts.acknowledge(vcpu);
                  line(`irq vcpu ${vcpu} vector ${hex(vector, 2)}`);
                  return vector;
                },
                readTaskPriority: (vcpu) => localInterrupts.readTaskPriority(vcpu),
                writeTaskPriority: (vcpu, cr8) => localInterrupts.writeTaskPriority(vcpu, cr8),
              },
            }
          : environment,
      );
      return taps.insn ? steppedCore(core, line) : core;
    },
  };
}

/** A core whose vCPUs run one instruction at a time and say where. Slow, and exact. */
function steppedCore(core: Core, line: Line): Core {
  const vcpus = core.vcpus.map((vcpu) => {
    const run: Vcpu["run"] = (budget) => {
      for (let left = budget; left > 0; left--) {
        const { registers } = vcpu;
        line(`insn vcpu ${vcpu.id} ${hex(registers.segment("cs").selector, 4)}:${hex(BigInt.asUintN(64, registers.get("rip")), 16)}`);
        const reason = vcpu.run(1);
        if (reason !== "budget") return reason;
      }
      return "budget";
    };
    return new Proxy(vcpu, { get: (target, property) => (property === "run" ? run : forward(target, property)) });
  });
  return new Proxy(core, { get: (target, property) => (property === "vcpus" ? vcpus : forward(target, property)) });
}
