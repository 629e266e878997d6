// A hostile guest: random calls with random arguments, half of them nearly right. Whatever it asks, nothing throws and no table is writable.
import { backendBench } from "@paravane/paravirt-ops/conformance";
import { expect, test } from "vitest";
import { native } from "../../test/guest.js";
import { elfKernel, image, plainNotes } from "../../test/images.js";
import { ARGUMENT_REGISTERS, HYPERCALL_VECTOR } from "../abi/hypercalls.js";
import type { Domain } from "../domain/domain.js";
import { readNotes } from "../domain/notes.js";
import { startPvDomain } from "../domain/start-pv.js";
import { frameTypes } from "../mmu/frame-table.js";
import { Deliveries } from "../vcpu/exceptions.js";
import { Instructions } from "../vcpu/instructions.js";
import { random } from "../../test/random.js";
import { tableEntries } from "../../test/table-entries.js";

const STEPS = 800;
const CHECK_EVERY = 400;
const CONFIG = { mode: "auto", frames: "scrambled", seed: 3, hypervisorConsole: true } as const;

/** Leaves through which the guest could write to what it must not. */
function writableTables(domain: Domain): string[] {
  const found: string[] = [];
  const { frames } = domain;
  for (const { table, type, index, target, write } of tableEntries(domain)) {
    if (!frames.owns(target)) found.push(`entry ${index} of ${table} names foreign ${target}`);
    if (type === frameTypes.l1 && write && frames.typeOf(target) !== frameTypes.writable)
      found.push(`entry ${index} of ${table} writes to ${target}`);
  }
  return found;
}

test.each([
  [64, 11],
  [64, 12],
  [32, 13],
  [32, 14],
] as const)("%i bit, seed %i: random calls are answered", { timeout: 60_000 }, async (bits, seed) => {
  const below = random(seed * 0x9e3779b9);
  const bench = await backendBench(native, [], 2);
  const { environment, core } = bench;
  const elf = elfKernel({ machine: bits === 64 ? 62 : 3, notes: plainNotes(), physical: 0x100000 });
  // Linear memory is machine memory here; as in a guest's tables, what is guarded cannot be written through it.
  const linear = core.hypervisor.linear as { write: typeof core.hypervisor.linear.write };
  const store = linear.write;
  linear.write = (vcpu, address, bytes, access) => {
    const guarded = [address, address + BigInt(bytes.byteLength - 1)].some((at) => core.hypervisor.protectedFrames.has(Number(at >> 12n)));
    return guarded ? { fault: 14, errorCode: 3, address } : store(vcpu, address, bytes, access);
  };
  const domain = await startPvDomain(
    { image: image(elf), elf, notes: readNotes(elf)! },
    environment,
    core.hypervisor,
    CONFIG,
    bench.backend.ops,
  );
  const instructions = new Instructions(domain);
  const deliveries = new Deliveries(domain);
  const { registers } = core.vcpus[0]!;
  const frames = Array.from({ length: 40 }, () => 0x100 + below(0x700));
  const scratch = 0xc0000;
  const value = (): bigint => {
    switch (below(9)) {
      case 0:
        return BigInt(below(16));
      case 1:
        return BigInt(scratch + below(0x8000));
      case 2:
        return BigInt(frames[below(frames.length)]!);
      case 3:
        return (BigInt(frames[below(frames.length)]!) << 12n) | BigInt([1, 3, 7, 0x67, 0][below(5)]!);
      case 4:
        return 0x7ff0n;
      case 5:
        return BigInt(below(0x1_0000_0000));
      case 6:
        return BigInt.asUintN(64, -BigInt(below(4096)));
      case 7:
        return BigInt(below(0x1_0000_0000)) << 32n;
      default:
        return 0n;
    }
  };
  const calls = bits === 64 ? "syscall" : "int";
  let answered = 0;
  for (let step = 0; step < STEPS; step++) {
    for (let index = 0; index < 24; index++) environment.memory.writeU64(scratch + below(0x7f00), value());
    registers.set(
      "rax",
      BigInt(below(8) === 0 ? below(64) : [1, 2, 10, 12, 13, 14, 18, 20, 21, 24, 25, 26, 29, 32, 33, 0, 3, 4, 30][below(19)]!),
    );
    for (const name of ARGUMENT_REGISTERS[bits]) registers.set(name, BigInt.asUintN(bits, value()));
    registers.set("rsp", BigInt(scratch + 0x7000));
    // A vCPU in user mode could not call; the iret call may have led there.
    if (!domain.vcpus[0]!.inKernel) {
      if (bits === 64) domain.entry.toKernel(domain.vcpus[0]!);
      else registers.setSegment("cs", { selector: 0xe019, base: 0n, limit: 0xffffffff, access: 0xc0bb });
    }
    for (let again = 0; again < 3; again++) {
      const answer = instructions.handle(0, { instruction: calls, index: HYPERCALL_VECTOR, length: 2, bits, level: 1 });
      if (answer !== "resume") break;
    }
    if (below(20) === 0) deliveries.handle(0, { kind: "exception", vector: below(32), errorCode: below(8), address: value(), level: 1 });
    if (below(20) === 0) deliveries.handle(0, { kind: "event", level: 1 });
    if (below(50) === 0) bench.advance(below(20_000_000));
    if (BigInt.asIntN(bits, registers.get("rax")) >= 0n) answered++;
    if (step % CHECK_EVERY === CHECK_EVERY - 1) expect(writableTables(domain), `step ${step}`).toEqual([]);
    core.hypervisor.log.length = 0;
  }
  // Nearly right is worth something: a good part of the calls succeeds.
  expect(answered).toBeGreaterThan(STEPS / 10);
});
