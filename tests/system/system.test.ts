// The quick system tests, on a machine of ours in this process.
import { allCases } from "./runner/catalogue.js";
import { systemTests } from "./runner/suite.js";

systemTests(
  "paravane",
  allCases().filter(({ suite }) => suite === "quick"),
);
