// Lines of a changelog as a person reads them: the sentences of the changeset, and for a part that follows the contract which one it needs.
module.exports = {
  getReleaseLine({ summary }) {
    const [first, ...rest] = summary.trim().split("\n");
    return Promise.resolve([`- ${first}`, ...rest.map((line) => (line === "" ? "" : `  ${line}`))].join("\n"));
  },
  getDependencyReleaseLine(_changesets, dependencies) {
    if (dependencies.length === 0) return Promise.resolve("");
    return Promise.resolve(`- Goes with ${dependencies.map(({ name, newVersion }) => `${name} ${newVersion}`).join(", ")}.`);
  },
};
