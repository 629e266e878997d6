// Which registers the other side has, and where each lies in its g packet: target.xml and what it includes ("Debugging with GDB",
// appendix G). Only <reg> and <xi:include> matter here; types and flags are not read.

/** One register of the other side. */
export interface GdbRegister {
  readonly name: string;
  /** Its number in p and P packets. */
  readonly number: number;
  /** Where it starts in a g packet, in bytes. */
  readonly offset: number;
  readonly bytes: number;
}

const attribute = (tag: string, name: string): string | undefined => new RegExp(`\\s${name}\\s*=\\s*["']([^"']*)["']`).exec(tag)?.[1];

/** Reads the description; `fetch` returns one annex. Registers come in the order of their numbers. */
export async function readRegisterLayout(fetch: (annex: string) => Promise<string>): Promise<ReadonlyMap<string, GdbRegister>> {
  const registers = new Map<string, GdbRegister>();
  let next = 0;
  let offset = 0;
  const seen = new Set<string>();
  const read = async (annex: string): Promise<void> => {
    if (seen.has(annex)) return;
    seen.add(annex);
    const text = (await fetch(annex)).replaceAll(/<!--[\s\S]*?-->/g, "");
    for (const [tag, element] of text.matchAll(/<(reg|xi:include)\s[^>]*>/g)) {
      if (element === "xi:include") {
        const href = attribute(tag, "href");
        if (href !== undefined) await read(href);
        continue;
      }
      const name = attribute(tag, "name");
      const bits = Number(attribute(tag, "bitsize"));
      if (name === undefined || !Number.isInteger(bits)) continue;
      const number = Number(attribute(tag, "regnum") ?? next);
      registers.set(name, { name, number, offset, bytes: bits / 8 });
      next = number + 1;
      offset += bits / 8;
    }
  };
  await read("target.xml");
  return registers;
}
