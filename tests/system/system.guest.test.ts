// The slow system tests on a machine of ours, and all of them on QEMU: a test that another implementation passes is no opinion of ours.
import { allCases } from "./runner/catalogue.js";
import { systemTests } from "./runner/suite.js";

const cases = allCases();
systemTests(
  "paravane",
  cases.filter(({ suite }) => suite === "guests"),
);
systemTests(
  "qemu",
  cases.filter(({ settings }) => settings.qemu?.skip === undefined),
);
