/** All guest-visible numbers of this backend as the contract's manifest: whatever the files beside it export. */
import { type AbiEntry, type AbiManifest, type AbiTable, abiConstants } from "@paravane/paravirt-ops";
import { callNames, callNumber, relocationTypes } from "./calls.js";
import * as vmi from "./vmi.js";

const { apState, AP_STATE_BYTES, ...tables } = vmi;

/** What this backend promises to guests. */
export const manifest: AbiManifest = {
  part: "vmi",
  abi: `${vmi.apiVersion.major}.${vmi.apiVersion.minor}`,
  get entries(): readonly AbiEntry[] {
    return [
      ...callNames.map((name): AbiEntry => ({ kind: "rom-call", name: `VMI_CALL_${name}`, value: callNumber(name) })),
      ...abiConstants("VMI_RELOCATION", relocationTypes),
      ...Object.entries(tables).flatMap(([name, table]) => abiConstants(name, table as AbiTable)),
      { kind: "structure", name: "ap_state", value: 0, size: AP_STATE_BYTES },
      ...Object.entries(apState).map(([name, [value, size]]): AbiEntry => ({ kind: "field", name: `ap_state.${name}`, value, size })),
    ];
  },
};
