/** The two ways of being a guest of Xen, with what the hypervisor has for each: answers, intercepts, calls. */
import type { GuestMode } from "@paravane/paravirt-ops";
import type { XenConfig } from "../domain/domain.js";
import { guestCalls } from "../hypercalls/table.js";
import { interceptSets } from "../vcpu/instructions.js";
import { pvhInterceptSets } from "../vcpu/pvh-exits.js";
import { pvAnswers } from "./pv.js";
import { pvhAnswers } from "./pvh.js";

/** PV and PVH. */
export const modes: readonly GuestMode<XenConfig>[] = [
  { name: "pv", config: { mode: "pv" }, answers: pvAnswers, intercepts: interceptSets.kernel.instructions, calls: guestCalls("pv") },
  { name: "pvh", config: { mode: "pvh" }, answers: pvhAnswers, intercepts: pvhInterceptSets.kernel.instructions, calls: guestCalls("pvh") },
];
