/** ACPI tables of the board. */
export { pcAcpiBoard } from "./board.js";
export type { AcpiBoard } from "./board.js";
export { ACPI_AREA, installAcpiTables, layOutTables } from "./install.js";
export type { PlacedTable } from "./install.js";
