// Adds up vitest's JSON reports and prints, last, "N passed, N failed". A report that is missing or empty is a failure, and so is a
// test that did not run: on CI a missing tool must not look like success. `NAME=STATUS` is one more item, passed when the status is 0.
import { readFileSync } from "node:fs";

let passed = 0;
let failed = 0;
for (const path of process.argv.slice(2)) {
  const item = /^([a-z]+)=(\d+)$/.exec(path);
  if (item) {
    if (item[2] === "0") passed++;
    else {
      console.log(`failed: ${item[1]}, with status ${item[2]}`);
      failed++;
    }
    continue;
  }
  let report;
  try {
    report = JSON.parse(readFileSync(path, "utf8"));
  } catch {
    console.log(`no report at ${path}: that suite did not finish`);
    failed++;
    continue;
  }
  let ran = 0;
  for (const file of report.testResults) {
    // A file that could not be loaded has no tests to count.
    if (file.status === "failed" && file.assertionResults.length === 0) {
      console.log(`could not be loaded: ${file.name}`);
      failed++;
    }
    for (const { status, fullName } of file.assertionResults) {
      ran++;
      if (status === "passed") passed++;
      else {
        console.log(`${status}: ${fullName}`);
        failed++;
      }
    }
  }
  if (ran === 0) {
    console.log(`${path}: no test ran`);
    failed++;
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
