// A core alone, without a board: 64-bit mode at ring 0 over identity-mapped memory, for programs that need nothing else.
import type { Core, CoreDefinition } from "@paravane/paravirt-ops";
import { CODE, type Program, STACK } from "./loop-programs.js";

const RAM_BYTES = 16 << 20;
const LARGE_PAGE = 0x200000;
const PRESENT_WRITABLE = 3n;
const LARGE = 0x80n;
/** PAE and the SSE bits; paging, protection and WP; long mode enabled and active. SDM Vol. 3A §2.5, §10.8.5. */
const CR4 = 0x620n;
const CR0 = 0x80010033n;
const EFER = 0x500n;

/** Roots of two address spaces that map alike. */
export const ADDRESS_SPACES = [0x1000, 0x8000] as const;

const floating = { attach: () => {}, detach: () => {}, read: () => 0xffffffff, write: () => {} };

/** Writes PML4, PDPT, PD and one page table at `root`: the first 2 MiB by 4 KiB pages, the rest by 2 MiB pages. */
function mapIdentity(core: Core, root: number): void {
  const memory = core.guestMemory;
  const [pdpt, directory, table] = [root + 0x1000, root + 0x2000, root + 0x3000];
  memory.writeU64(root, BigInt(pdpt) | PRESENT_WRITABLE);
  memory.writeU64(pdpt, BigInt(directory) | PRESENT_WRITABLE);
  memory.writeU64(directory, BigInt(table) | PRESENT_WRITABLE);
  for (let page = 0; page < 512; page++) memory.writeU64(table + page * 8, BigInt(page * 0x1000) | PRESENT_WRITABLE);
  for (let entry = 1; entry < RAM_BYTES / LARGE_PAGE; entry++)
    memory.writeU64(directory + entry * 8, BigInt(entry * LARGE_PAGE) | PRESENT_WRITABLE | LARGE);
}

/** A core whose only vCPU stands at the program's first instruction. */
export async function coreFor(definition: CoreDefinition, program: Program): Promise<Core> {
  const config = { ramBytes: RAM_BYTES, vcpus: 1 };
  const pages = definition.plan(config).memoryBytes / 65536;
  const core = await definition.create({
    ...config,
    memory: new WebAssembly.Memory({ initial: pages, maximum: pages }),
    pio: floating,
    mmio: floating,
    localInterrupts: { acknowledge: () => -1, readTaskPriority: () => 0, writeTaskPriority: () => {} },
    msrs: { msrRead: () => undefined, msrWrite: () => false },
    readTsc: () => 0,
    tscHz: 1e9,
    random: () => {},
  });
  for (const root of ADDRESS_SPACES) mapIdentity(core, root);
  core.guestMemory.write(CODE, Uint8Array.from(program.code));
  const { registers } = core.vcpus[0]!;
  registers.set("cr3", BigInt(ADDRESS_SPACES[0]));
  registers.set("cr4", CR4);
  registers.set("efer", EFER);
  registers.set("cr0", CR0);
  registers.setSegment("cs", { selector: 8, base: 0n, limit: 0xffffffff, access: 0xa09b });
  for (const name of ["ss", "ds", "es"] as const) registers.setSegment(name, { selector: 16, base: 0n, limit: 0xffffffff, access: 0xc093 });
  for (const [name, value] of Object.entries(program.registers)) registers.set(name as "rax", value);
  registers.set("rsp", BigInt(STACK));
  registers.set("rip", BigInt(CODE));
  return core;
}
