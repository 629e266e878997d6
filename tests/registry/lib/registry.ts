// A registry of our own on loopback: verdaccio, with its packages in a temporary folder. What is not ours comes from the registry that npm
// is set up for on this machine.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { must } from "./processes.js";

/** A registry at work. */
export interface Registry {
  readonly url: string;
  /** Lines of an .npmrc with which npm and pnpm use it and may publish. */
  readonly npmrc: string;
  stop(): void;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return port;
}

/** Starts a registry whose files are in `folder`. */
export async function startRegistry(folder: string): Promise<Registry> {
  const port = await freePort();
  const uplink = (await must("npm", ["config", "get", "registry"], folder)).trim();
  const config = {
    storage: join(folder, "storage"),
    auth: { htpasswd: { file: join(folder, "htpasswd") } },
    uplinks: { npm: { url: uplink } },
    packages: {
      "@paravane/*": { access: "$all", publish: "$all" },
      "**": { access: "$all", proxy: "npm" },
    },
    log: { type: "file", path: join(folder, "log"), level: "warn" },
  };
  writeFileSync(join(folder, "config.yaml"), JSON.stringify(config));
  const verdaccio = join(createRequire(import.meta.url).resolve("verdaccio/package.json"), "../bin/verdaccio");
  const { NODE_OPTIONS: _options, ...env } = process.env;
  const child = spawn(process.execPath, [verdaccio, "-c", join(folder, "config.yaml"), "-l", `127.0.0.1:${port}`], {
    cwd: folder,
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let complaint = "";
  child.stderr.on("data", (bytes) => {
    complaint = (complaint + String(bytes)).slice(-2000);
  });
  const url = `http://127.0.0.1:${port}/`;
  for (let tries = 0; ; tries++) {
    if (child.exitCode !== null || tries === 300) throw new Error(`the registry does not start: ${complaint}`);
    const answer = await fetch(`${url}-/ping`).catch(() => undefined);
    if (answer?.ok) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return {
    url,
    npmrc: `registry=${url}\n//127.0.0.1:${port}/:_authToken=anybody\n`,
    stop: () => void child.kill("SIGKILL"),
  };
}
