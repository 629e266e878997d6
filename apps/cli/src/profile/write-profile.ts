// `--profile FILE`: the form follows from the file's name.
import { writeFileSync } from "node:fs";
import { fileError } from "../errors.js";
import { cpuProfile, foldedStacks } from "./cpuprofile.js";
import type { Profile } from "./profile.js";
import { textReport } from "./text-report.js";

/** Writes `.cpuprofile` for DevTools, `.folded` for flame graphs, and text under every other name. */
export function writeProfile(path: string, profile: Profile): void {
  const text = path.endsWith(".cpuprofile") ? cpuProfile(profile) : path.endsWith(".folded") ? foldedStacks(profile) : textReport(profile);
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw fileError(path, error);
  }
}
