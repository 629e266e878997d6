// Where downloads and built images live: XDG Base Directory Specification, or the platform's own place.
import { homedir } from "node:os";
import { join } from "node:path";

/** The user's cache directory for paravane; it may not exist yet. */
export function cacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  if (env["XDG_CACHE_HOME"]) return join(env["XDG_CACHE_HOME"], "paravane");
  if (process.platform === "darwin") return join(homedir(), "Library", "Caches", "paravane");
  if (process.platform === "win32") return join(env["LOCALAPPDATA"] ?? join(homedir(), "AppData", "Local"), "paravane");
  return join(homedir(), ".cache", "paravane");
}
