// Where the files of this package are. In src/ and in dist/ alike this module is one directory below the package's root.
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

/** Path of a file of the package, by its path from the root. */
export const packageFile = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** Path of an entry point (as `cli` or `bench/v86-console`): the source where this runs from sources, else what was built. */
export const entryPoint = (name: string): string => fileURLToPath(new URL(`./${name}${extname(import.meta.url)}`, import.meta.url));
