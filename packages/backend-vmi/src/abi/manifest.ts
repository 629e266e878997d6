/** All guest-visible numbers of this backend as the contract's manifest. */
import type { AbiEntry, AbiManifest } from "@paravane/paravirt-ops";
import { callNames, callNumber, relocationTypes } from "./calls.js";
import * as vmi from "./vmi.js";

const fields = (prefix: string, table: Readonly<Record<string, number>>): AbiEntry[] =>
  Object.entries(table).map(([name, value]) => ({ kind: "field", name: `${prefix}.${name}`, value }));

/** What this backend promises to guests. */
export const manifest: AbiManifest = {
  part: "vmi",
  abi: `${vmi.apiVersion.major}.${vmi.apiVersion.minor}`,
  entries: [
    ...callNames.map((name): AbiEntry => ({ kind: "rom-call", name: `VMI_CALL_${name}`, value: callNumber(name) })),
    ...fields("relocation", relocationTypes),
    ...fields("rom", vmi.romHeader),
    ...fields("pci", { ...vmi.pciFields, vendorId: vmi.pciIdentity.vendor, deviceId: vmi.pciIdentity.device }),
    ...fields("pnp", vmi.pnpFields),
    ...fields("page", vmi.pageFlags),
    ...fields("table", vmi.tableFlags),
    ...fields("flush", vmi.flushFlags),
    ...fields("lazy", vmi.lazyModes),
    ...fields("alarm", vmi.alarmFlags),
    ...fields("counter", vmi.counters),
    ...Object.entries(vmi.apState).map(([name, [value, size]]): AbiEntry => ({ kind: "field", name: `ap_state.${name}`, value, size })),
  ],
};
