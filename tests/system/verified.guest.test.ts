// The quick system tests again with everything translated, each run of a translation compared with the interpreter (docs/verify.md).
import { allCases } from "./runner/catalogue.js";
import { systemTests } from "./runner/suite.js";

systemTests(
  "paravane verified",
  allCases().filter(({ suite }) => suite === "quick"),
);
