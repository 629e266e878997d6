/** What a kernel's notes say to a person who asks whether it can be a guest: public/elfnote.h. */
import { type BootWay, type ElfImage, type GuestNote, isHvError } from "@paravane/paravirt-ops";
import { elfNotes, NOTE_OWNER } from "../abi/elfnote.js";
import { checkClass, noteNumber, noteText, readNotes, type XenNotes } from "./notes.js";

type NoteName = keyof typeof elfNotes;

const TEXTS: readonly NoteName[] = ["GUEST_OS", "GUEST_VERSION", "XEN_VERSION", "LOADER", "PAE_MODE", "FEATURES", "BSD_SYMTAB"];
/** Notes that only a PV guest is asked for, in the order of their numbers. */
const FOR_PV: readonly NoteName[] = [
  "ENTRY",
  "HYPERCALL_PAGE",
  "VIRT_BASE",
  "PADDR_OFFSET",
  "XEN_VERSION",
  "GUEST_OS",
  "GUEST_VERSION",
  "PAE_MODE",
  "FEATURES",
  "HV_START_LOW",
  "SUSPEND_CANCEL",
  "INIT_P2M",
  "MOD_START_PFN",
  "SUPPORTED_FEATURES",
];

function show(name: NoteName, note: GuestNote): string {
  const value = TEXTS.includes(name) ? `"${noteText(note)}"` : `0x${(noteNumber(note) ?? 0n).toString(16)}`;
  return `XEN_ELFNOTE_${name} ${value}`;
}

/** Why a kernel with a PV guest's notes cannot be one all the same; undefined when it can. */
function refusal(notes: XenNotes): string | undefined {
  try {
    checkClass(notes);
    return undefined;
  } catch (error) {
    if (!isHvError(error)) throw error;
    return error.message;
  }
}

/** Both ways of being a guest of Xen, each with the notes that open it or the one that is missing. */
export function bootWays(elf: ElfImage | undefined): BootWay[] {
  const closed = (why: string): BootWay[] => ["pv", "pvh"].map((name) => ({ name, open: false, why: [why] }));
  if (elf === undefined) return closed("no ELF image, so no notes");
  const notes = new Map(elf.notes.filter(({ owner }) => owner === NOTE_OWNER).map((note) => [note.type, note]));
  if (notes.size === 0) return closed("no ELF note of Xen's");
  const shown = (names: readonly NoteName[]): string[] =>
    names.flatMap((name) => {
      const note = notes.get(elfNotes[name]);
      return note === undefined ? [] : [show(name, note)];
    });
  try {
    const read = readNotes(elf);
    if (read === undefined) return closed("it is not for an x86");
    const refused = read.pv ? refusal(read) : "no notes of a PV guest (XEN_VERSION with an ENTRY)";
    return [
      { name: "pv", open: refused === undefined, why: [...(refused === undefined ? [`${read.bits}-bit`] : [refused]), ...shown(FOR_PV)] },
      {
        name: "pvh",
        open: read.phys32Entry !== undefined,
        why: read.phys32Entry === undefined ? ["no note XEN_ELFNOTE_PHYS32_ENTRY"] : shown(["PHYS32_ENTRY"]),
      },
    ];
  } catch (error) {
    if (!isHvError(error)) throw error;
    return closed(error.message);
  }
}
