// The packages in a browser: bundled by esbuild, served without special headers, `hello` boots in headless Chromium and answers.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { describe, expect, test } from "vitest";

const PAGE = `
import { native } from "@paravane/backend-native";
import { cpuCore } from "@paravane/cpu-core";
import { pcBoard } from "@paravane/devices/board";
import { createMachine } from "@paravane/vmm";
import { helloImage } from "../src/guests/hello-image.js";

const report = (result) => fetch("/result", { method: "POST", body: JSON.stringify(result) });
try {
  const machine = await createMachine({ core: cpuCore, board: pcBoard, backends: [native], guest: { kernel: helloImage(), commandLine: "hello" }, memory: "32M" });
  const writer = machine.serial.writable.getWriter();
  const type = (text) => writer.write(new TextEncoder().encode(text));
  let text = "";
  let prompts = 0;
  const shown = machine.serial.readable.pipeTo(new WritableStream({
    write(bytes) {
      text += new TextDecoder("latin1").decode(bytes);
      const seen = text.split("hello> ").length - 1;
      if (seen === prompts) return;
      prompts = seen;
      type(prompts === 1 ? "browser\\r" : "poweroff\\r");
    },
  })).catch(() => {});
  const result = await machine.run();
  await machine.close();
  await shown;
  await report({ text, kind: result.kind, isolated: crossOriginIsolated });
} catch (error) {
  await report({ error: String(error?.stack ?? error) });
}
`;

const browser = ["chromium", "chromium-browser", "google-chrome"].find(
  (name) => spawnSync(name, ["--version"], { stdio: "ignore" }).status === 0,
);

interface Report {
  readonly text?: string;
  readonly kind?: string;
  readonly isolated?: boolean;
  readonly error?: string;
}

const body = async (request: IncomingMessage): Promise<string> => {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text;
};

/** Opens the script in the browser and waits for what it reports. */
async function inBrowser(command: string, script: string, limitMs: number): Promise<Report> {
  const profile = mkdtempSync(join(tmpdir(), "paravane-browser-"));
  let settle: (report: Report) => void = () => {};
  const reported = new Promise<Report>((resolve) => {
    settle = resolve;
  });
  const server = createServer((request, response) => {
    if (request.url === "/result") {
      void body(request).then((text) => settle(JSON.parse(text) as Report));
      response.end();
    } else if (request.url === "/page.js") response.setHeader("content-type", "text/javascript").end(script);
    else if (request.url === "/")
      response.setHeader("content-type", "text/html").end('<!doctype html><script type="module" src="/page.js"></script>');
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  const child = spawn(
    command,
    ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", `--user-data-dir=${profile}`, `http://127.0.0.1:${port}/`],
    {
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    stderr = (stderr + String(chunk)).slice(-4000);
  });
  const closed = new Promise<void>((resolve) => {
    child.on("close", () => resolve());
  });
  const timer = setTimeout(() => settle({ error: `no report in ${limitMs / 1000} s; the browser said:\n${stderr}` }), limitMs);
  try {
    return await reported;
  } finally {
    clearTimeout(timer);
    child.kill("SIGKILL");
    await closed;
    server.closeAllConnections();
    server.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

describe.skipIf(browser === undefined && process.env["CI"] === undefined)("in a browser", () => {
  test("hello boots, echoes and powers off, on a page without cross-origin isolation", async () => {
    if (browser === undefined) throw new Error("no Chromium is installed");
    const bundle = await build({
      stdin: { contents: PAGE, resolveDir: import.meta.dirname, loader: "js" },
      bundle: true,
      write: false,
      format: "esm",
      platform: "browser",
      target: "es2022",
      conditions: ["@paravane/source"],
    });
    const report = await inBrowser(browser, bundle.outputFiles[0]!.text, 120_000);
    expect(report.error).toBeUndefined();
    expect(report.text).toContain("you said: browser");
    expect(report).toMatchObject({ kind: "poweroff", isolated: false });
  });
});
