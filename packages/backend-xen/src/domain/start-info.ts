/** The first page of a PV domain, as public/xen.h's start_info. */
import { StructView } from "../abi/struct.js";
import { start_info, startInfoFlags } from "../abi/xen.js";
import type { XenNotes } from "./notes.js";
import type { PvLayout } from "./pv-layout.js";

/** Event channels that the toolstack makes for every domain. */
export const STORE_PORT = 1;
export const CONSOLE_PORT = 2;
const MAX_COMMAND_LINE = 1024;

/** What the page says beyond the layout. */
export interface StartInfoContent {
  readonly notes: XenNotes;
  readonly layout: PvLayout;
  /** Machine frames by pseudo-physical frame. */
  readonly p2m: Uint32Array;
  /** Machine frame of shared_info. */
  readonly sharedInfo: number;
  /** Bytes of the ramdisk as it lies in memory. */
  readonly ramdiskBytes: number;
  readonly commandLine: string;
}

/** The bytes of start_info. */
export function startInfo({ notes, layout, p2m, sharedInfo, ramdiskBytes, commandLine }: StartInfoContent): Uint8Array {
  const { bits, virtBase } = notes;
  const info = StructView.empty(start_info[bits]);
  const linear = (pfn: number): bigint => virtBase + BigInt(pfn) * 4096n;
  info.field("magic").set(latin1(bits === 64 ? "xen-3.0-x86_64" : "xen-3.0-x86_32p"));
  info.set("nr_pages", p2m.length);
  info.set("shared_info", BigInt(sharedInfo) * 4096n);
  const byFrame = layout.ramdisk !== undefined && !layout.ramdiskMapped;
  info.set("flags", startInfoFlags.VIRT_P2M_4TOOLS | (byFrame ? startInfoFlags.MOD_START_PFN : 0));
  info.set("store_mfn", p2m[layout.xenstore]!);
  info.set("store_evtchn", STORE_PORT);
  info.set("console.domU.mfn", p2m[layout.console]!);
  info.set("console.domU.evtchn", CONSOLE_PORT);
  info.set("pt_base", linear(layout.tables.first));
  info.set("nr_pt_frames", layout.tables.count);
  info.set("mfn_list", layout.p2mAddress);
  if (layout.ramdisk !== undefined) {
    info.set("mod_start", byFrame ? BigInt(layout.ramdisk.first) : linear(layout.ramdisk.first));
    info.set("mod_len", ramdiskBytes);
  }
  info.field("cmd_line").set(latin1(commandLine.slice(0, MAX_COMMAND_LINE - 1)));
  if (notes.initP2m !== undefined) {
    info.set("first_p2m_pfn", layout.p2m.first);
    info.set("nr_p2m_frames", layout.p2m.count + layout.p2mTables.count);
  }
  return info.bytes;
}

/** Text as bytes, without a closing zero. */
export function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}
