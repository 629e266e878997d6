/**
 * How an operation's inline form is written into a decoded operation, in fields that the instructions which are operations do not use
 * (assembly/hypervisor/inline-form.ts reads them). A form that does not fit there is carried out by calling.
 */
import type { FieldMeaning, FieldReference, InlineForm } from "@paravane/paravirt-ops";
import * as L from "../layout.js";

/** Where an instruction's operand is, or its result goes, as far as inline forms can reach. */
export type FormPlace = "nowhere" | "register" | "pair" | "push" | "pop";

const PLACES: Readonly<Record<FormPlace, number>> = {
  nowhere: L.FORM_NOWHERE,
  register: L.FORM_REGISTER,
  pair: L.FORM_PAIR,
  push: L.FORM_PUSH,
  pop: L.FORM_POP,
};
/** What fields mean, by number. */
export const MEANINGS: Readonly<Record<FieldMeaning, number>> = {
  value: L.MEANING_VALUE,
  "interrupt-flag": L.MEANING_FLAG,
  "interrupt-mask": L.MEANING_MASK,
};
const LONGEST_OFFSET = 0xffffff;

/** Gives a record's row in the vCPUs' tables by its name. */
export type RecordRow = (name: string) => number;

/** Writes `form` into the operation at `u`; false when it must be carried out by calling. */
export function writeInlineForm(view: DataView, u: number, form: InlineForm, place: FormPlace | undefined, row: RecordRow): boolean {
  const header = (kind: number, where: FormPlace): void => {
    view.setUint8(u + L.U_SCALE, kind);
    view.setUint8(u + L.U_SEG, PLACES[where]);
  };
  const field = ({ record, offset, bits }: FieldReference, meaning: FieldMeaning): void => {
    view.setUint16(u + L.U_SRC, bits | (MEANINGS[meaning] << 8), true);
    view.setUint16(u + L.U_BASE, row(record), true);
    view.setUint32(u + L.U_DISP, offset, true);
  };
  switch (form.kind) {
    case "nop":
      header(L.FORM_NOP, "nowhere");
      return true;
    case "fault": {
      const { fault, errorCode } = form.fault;
      if (form.fault.address !== undefined || (errorCode ?? 0) > 0xffff) return false;
      header(L.FORM_FAULT, "nowhere");
      view.setUint32(u + L.U_IMM, fault | (errorCode === undefined ? 0 : 0x100 | (errorCode << 16)), true);
      return true;
    }
    case "load-field":
      if (place === undefined || place === "pop") return false;
      header(L.FORM_LOAD, place);
      field(form.field, form.meaning);
      return true;
    case "store-field": {
      const { value, unlessZero } = form;
      const operand = value === "operand";
      if (operand ? place === undefined || place === "nowhere" || place === "push" : value !== (value | 0) || place === "pop") return false;
      if (unlessZero !== undefined && unlessZero.offset > LONGEST_OFFSET) return false;
      header(operand ? L.FORM_STORE_OPERAND : L.FORM_STORE, operand ? place! : "nowhere");
      field(form.field, form.meaning);
      view.setInt32(u + L.U_IMM, operand ? 0 : value, true);
      view.setUint32(u + L.U_IMM + 4, unlessZero === undefined ? 0 : unlessZero.offset | (unlessZero.bits << 24), true);
      if (unlessZero !== undefined) view.setUint16(u + L.U_INDEX, row(unlessZero.record), true);
      return true;
    }
    default:
      return false;
  }
}
