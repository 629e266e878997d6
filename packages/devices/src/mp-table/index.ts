/** The MultiProcessor tables: how a kernel without ACPI finds processors and interrupt wiring. */
export { installMpTable, MP_AREA, mpTable } from "./mp-table.js";
