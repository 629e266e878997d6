// A child process of the bench: one boot, told by its first argument, answered by one line of JSON. It ends itself, since v86 keeps timers.
import type { BootJob, BootSample } from "./boot-job.js";
import { bootParavane } from "./boot-paravane.js";
import { bootV86 } from "./boot-v86.js";

async function answer(): Promise<{ sample: BootSample } | { error: string }> {
  try {
    const job = JSON.parse(process.argv[2] ?? "") as BootJob;
    return { sample: await (job.emulator === "v86" ? bootV86(job) : bootParavane(job)) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

process.stdout.write(`${JSON.stringify(await answer())}\n`, () => process.exit(0));
