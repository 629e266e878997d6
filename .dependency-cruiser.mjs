// Who may import whom: docs/architecture.md. Packages know the contract and themselves, and nothing of Node; only the apps see everything.
const PACKAGES = "^packages/([^/]+)/";

export default {
  forbidden: [
    {
      name: "packages-know-the-contract-alone",
      comment: "a core, a board, a monitor and every backend depend on the contract and on nobody else",
      severity: "error",
      from: { path: `${PACKAGES}src/` },
      to: { path: PACKAGES, pathNot: "^packages/($1|paravirt-ops)/" },
    },
    {
      name: "the-contract-knows-nobody",
      severity: "error",
      from: { path: "^packages/paravirt-ops/src/", pathNot: "\\.test\\.ts$" },
      to: { pathNot: "^packages/paravirt-ops/src/" },
    },
    {
      name: "the-contract-by-its-name",
      comment: "what the contract does not export is nobody's business",
      severity: "error",
      from: { path: `${PACKAGES}src/`, pathNot: "^packages/paravirt-ops/" },
      to: { path: "^packages/paravirt-ops/", dependencyTypes: ["local"] },
    },
    {
      name: "nobody-imports-an-app",
      severity: "error",
      from: { path: "^packages/" },
      to: { path: "^apps/" },
    },
    {
      name: "no-node-in-packages",
      comment: "packages run unchanged in a browser",
      severity: "error",
      from: { path: `${PACKAGES}src/`, pathNot: "\\.test\\.ts$" },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "everything-resolves",
      severity: "error",
      from: { path: `${PACKAGES}src/`, pathNot: "\\.test\\.ts$" },
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "/(dist|assembly)/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.base.json" },
    enhancedResolveOptions: { conditionNames: ["@paravane/source", "import", "types", "default"], exportsFields: ["exports"] },
  },
};
