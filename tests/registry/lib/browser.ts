// Files of a folder in headless Chromium: what the page prints on its console, until it says that it is over.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { chromium } from "playwright-core";

const TYPES: Readonly<Record<string, string>> = { ".html": "text/html", ".js": "text/javascript" };
const BROWSERS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const QUIET =
  "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync --disable-dev-shm-usage".split(
    " ",
  );

/** The browser on this host. */
export const browser = BROWSERS.find((path) => existsSync(path));

/** What `index.html` in the folder prints, up to and with the line "over". Requests for what is not there are named, too. */
export async function visit(folder: string, limitMs = 60_000): Promise<string> {
  if (browser === undefined) throw new Error("no Chromium is installed: apt-get install chromium");
  const lines: string[] = [];
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url!, "http://localhost").pathname);
    const file = join(folder, path === "/" ? "index.html" : path);
    if (!existsSync(file)) {
      if (path !== "/favicon.ico") lines.push(`not found: ${path}`);
      response.writeHead(404).end();
    } else response.setHeader("content-type", TYPES[extname(file)] ?? "application/octet-stream").end(readFileSync(file));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const profile = mkdtempSync(join(tmpdir(), "paravane-registry-browser-"));
  const context = await chromium.launchPersistentContext(profile, { executablePath: browser, args: QUIET, headless: true });
  try {
    const page = await context.newPage();
    const over = new Promise<void>((resolve) => {
      page.on("console", (message) => {
        lines.push(message.text());
        if (message.text() === "over") resolve();
      });
      page.on("pageerror", (error) => {
        lines.push(`${error.name}: ${error.message}`);
        resolve();
      });
      setTimeout(resolve, limitMs).unref();
    });
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await over;
    return lines.join("\n");
  } finally {
    await context.close();
    server.closeAllConnections();
    server.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}
