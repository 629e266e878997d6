/** Finding the guest's own return: the CALL by which it came to the ROM's IRET, from the return address that is still on the stack. */
import type { HypervisorHandle, Vcpu } from "@paravane/paravirt-ops";

const CALL_REL = 0xe8;
const CALL_REL_BYTES = 5;
const SUPERVISOR = { level: 0, implicit: true } as const;

/** EIP of the call whose return address lies at ESP + `offset`; undefined when that is no relative call. */
export function returnSite(hypervisor: HypervisorHandle, { id, registers }: Vcpu, offset: number): bigint | undefined {
  const word = new Uint8Array(4);
  const at = BigInt.asUintN(32, registers.segment("ss").base + registers.get("rsp") + BigInt(offset));
  if (hypervisor.linear.read(id, at, word, SUPERVISOR) !== undefined) return undefined;
  const site = BigInt.asUintN(32, BigInt(new DataView(word.buffer).getUint32(0, true) - CALL_REL_BYTES));
  const opcode = new Uint8Array(1);
  const code = BigInt.asUintN(32, registers.segment("cs").base + site);
  return hypervisor.linear.read(id, code, opcode, SUPERVISOR) === undefined && opcode[0] === CALL_REL ? site : undefined;
}
