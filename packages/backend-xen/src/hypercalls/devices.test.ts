import { expect, test } from "vitest";
import { Calls, SCRATCH } from "../../test/calls.js";
import { testDomain } from "../../test/frontend.js";
import { errno } from "../abi/errno.js";
import { interfaceVersions } from "../abi/services.js";

test.each([
  ["sysctl", interfaceVersions.XEN_SYSCTL_INTERFACE_VERSION],
  ["domctl", interfaceVersions.XEN_DOMCTL_INTERFACE_VERSION],
  ["platform_op", interfaceVersions.XENPF_INTERFACE_VERSION],
] as const)("%s is for the owner of the machine, and for callers of its own version", async (name, version) => {
  const calls = new Calls(await testDomain(64));
  calls.memory.writeU32(SCRATCH, version);
  expect(calls.call(name, SCRATCH)).toBe(-errno.EPERM);
  calls.memory.writeU32(SCRATCH, version - 1);
  expect(calls.call(name, SCRATCH)).toBe(-errno.EACCES);
  expect(calls.call(name, 0xf000_0000)).toBe(-errno.EFAULT);
});
