// What a program may use of the command line: the function itself, its statuses, and the host's block stores.
export { ExitStatus } from "./errors.js";
export { helloImage } from "./guests/hello-image.js";
export { openFileStore } from "./host/file-store.js";
export { OverlayStore } from "./host/overlay-store.js";
export type { ProcessIo } from "./host/process-io.js";
export { main } from "./main.js";
