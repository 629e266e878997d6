// `npm run check` fails when it should. Each test makes an edit in a copy of the repository and runs the check that is to see it.
import { afterEach, expect, test } from "vitest";
import { Scratch } from "./scratch.js";

let copy: Scratch | undefined;
afterEach(() => {
  copy?.remove();
  copy = undefined;
});

/** A copy with an edit in it. */
function edited(change: (copy: Scratch) => void): Scratch {
  copy = new Scratch();
  change(copy);
  return copy;
}

const HYPERCALLS = "packages/backend-xen/src/abi/hypercalls.ts";
const STRUCTURES = "packages/backend-xen/src/abi/xen.ts";
const TIME_OPERATIONS = "packages/paravirt-ops/src/ops/time.ts";

test("an edited hypercall number fails, by its name and both numbers", () => {
  const { status, output } = edited((copy) => copy.edit(HYPERCALLS, "update_va_mapping: 14", "update_va_mapping: 11")).npm("check", "abi");
  expect(output).toContain("@paravane/backend-xen: hypercall __HYPERVISOR_update_va_mapping was 14 and is 11");
  expect(status).toBe(1);
});

test("a structure's member that moves fails", () => {
  const { status, output } = edited((copy) => copy.edit(STRUCTURES, 'wc_sec: ["u32", 0xc04, 0x904]', 'wc_sec: ["u32", 0xc10, 0x904]')).npm(
    "check",
    "abi",
  );
  expect(output).toContain("field 64 shared_info.wc_sec was 3076 (4 bytes) and is 3088 (4 bytes)");
  expect(status).toBe(1);
});

test("a port, a CPUID leaf, an MSR and a saved state that change fail", () => {
  const { status, output } = edited((copy) => {
    copy.edit("packages/devices/src/rtc/isa-rtc.ts", "bus.attach(0x70, 2", "bus.attach(0x72, 2");
    copy.edit("packages/devices/src/rtc/isa-rtc.ts", "index: this.#index };", "index: this.#index, extra: 1 } as never;");
    copy.edit("packages/cpu-core/src/vcpu/cpuid.ts", "const MTRR_CAP = 0x508n", "const MTRR_CAP = 0x50an");
    copy.edit("packages/cpu-core/src/vcpu/cpuid.ts", 'HYPERVISOR_SIGNATURE = "ParavaneVMM', 'HYPERVISOR_SIGNATURE = "ParavaneXXX');
  }).npm("check", "abi");
  expect(output).toContain("port rtc was 112 (2 bytes) and is 114 (2 bytes)");
  expect(output).toContain("schema isa-rtc@1 was {chip:<mc146818@1>,index:number} and is {chip:<mc146818@1>,extra:number,index:number}");
  expect(output).toContain("msr paravane: 000000fe was 0x508 and is 0x50a");
  expect(output).toMatch(/cpuid paravane: 40000000 was 40000000 .* and is 40000000 /);
  expect(status).toBe(1);
});

test("a backend that imports another fails, by its name as by its path", () => {
  const { status, output } = edited((copy) => {
    copy.write(
      "packages/backend-native/src/borrowed.ts",
      'export { xen } from "@paravane/backend-xen";\nexport * from "../../backend-vmi/src/abi/calls.js";\n',
    );
  }).npm("check", "boundaries");
  expect(output).toMatch(
    /packages-know-the-contract-alone: .*backend-native\/src\/borrowed\.ts → packages\/backend-vmi\/src\/abi\/calls\.ts/,
  );
  expect(output).toMatch(/everything-resolves: .*backend-native\/src\/borrowed\.ts → @paravane\/backend-xen/);
  expect(status).toBe(1);
});

test("an operation that no conformance case calls fails", () => {
  const { status, output } = edited((copy) =>
    copy.edit(
      TIME_OPERATIONS,
      "  shutdownEvent: op(",
      '  warp: op<[factor: number]>("nobody", "Time passes faster."),\n  shutdownEvent: op(',
    ),
  ).npm("check", "operations");
  expect(output).toContain("time.warp has no conformance case");
  expect(status).toBe(1);
});

test("more than a hundred operations fail, whether they have cases or not", () => {
  const names = Array.from({ length: 60 }, (_, n) => `more${n}`);
  const { status, output } = edited((copy) => {
    copy.edit(
      TIME_OPERATIONS,
      "  shutdownEvent: op(",
      `  ${names.map((name) => `${name}: op("nobody", "Nothing.")`).join(",\n  ")},\n  shutdownEvent: op(`,
    );
    copy.edit(
      "packages/paravirt-ops/src/conformance/samples.ts",
      "    shutdownEvent: NONE,",
      `    ${names.map((name) => `${name}: NONE`).join(",\n    ")},\n    shutdownEvent: NONE,`,
    );
  }).npm("check", "operations");
  expect(output).toMatch(/the contract has 1\d\d operations, and may have 100/);
  expect(status).toBe(1);
});

test("after a release a number that guests see is never gone or different, and a new one needs a minor changeset", () => {
  const copy = edited((copy) => {
    copy.release();
    copy.edit(HYPERCALLS, "hypfs_op: 42,", "hypfs_op: 42,\n  newest_op: 43,");
  });
  copy.npm("abi:update");
  const unannounced = copy.npm("check", "abi");
  expect(unannounced.output).toContain("hypercall __HYPERVISOR_newest_op = 43 is new; that needs a minor changeset, and there is none");
  expect(unannounced.status).toBe(1);
  copy.changeset("@paravane/backend-xen", "minor");
  expect(copy.npm("check", "abi").status).toBe(0);

  copy.changeset("@paravane/backend-xen", "major");
  copy.edit(HYPERCALLS, "  tmem_op: 38,\n", "");
  copy.npm("abi:update");
  const removed = copy.npm("check", "abi");
  expect(removed.output).toContain(
    "hypercall __HYPERVISOR_tmem_op = 38 is gone; it has been released, and a released guest ABI does not change",
  );
  expect(removed.status).toBe(1);
});

test("after a release an exported type that changes needs a changeset that is heavy enough", () => {
  const copy = edited((copy) => {
    copy.release();
    copy.edit("packages/backend-vmi/src/policy.ts", "parsePolicy(text: string)", "parsePolicy(text: string, _mood?: string)");
    copy.edit(
      "packages/backend-vmi/src/policy.ts",
      "/** An answer for every call. */",
      "/** News. */\nexport const news = 1;\n\n/** An answer for every call. */",
    );
    copy.edit("packages/backend-vmi/src/index.ts", "export { describePolicy,", "export { news, describePolicy,");
  });
  const unannounced = copy.npm("check", "api");
  expect(unannounced.output).toContain("its API is not what api/backend-vmi.api.md says");
  expect(unannounced.output).toMatch(
    /@paravane\/backend-vmi: parsePolicy has changed: .*; that needs a major changeset, and there is none/,
  );
  expect(unannounced.output).toContain("@paravane/backend-vmi: news is new; that needs a minor changeset, and there is none");
  expect(unannounced.status).toBe(1);
  copy.changeset("@paravane/backend-vmi", "major");
  copy.npm("api");
  expect(copy.npm("check", "api").status).toBe(0);
});

test("the whole check sees each of several edits, and names the parts that fail", () => {
  const { status, output } = edited((copy) => {
    copy.edit(HYPERCALLS, "mmuext_op: 26", "mmuext_op: 27");
    copy.edit("packages/backend-vmi/src/policy.ts", "parsePolicy(text: string)", "parsePolicy(text: string, _mood?: string)");
  }).npm("check");
  expect(output).toContain("check failed: abi, api");
  expect(status).toBe(1);
});
