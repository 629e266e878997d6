// The matrix as one file that a browser opens: no scripts, nothing to fetch.
import { asked, type Cell, type Matrix } from "./matrix.js";
import { KIND_MEANINGS, KIND_WORDS, KINDS } from "./columns.js";

const STYLE = `
:root { color-scheme: light dark; --line: #8884; --paravirtual: #2a7; --emulated: #c73; --memory: #37c; --native: #8886; --none: transparent; }
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .6rem; text-align: left; vertical-align: top; }
thead th.number { text-align: right; }
thead th { position: sticky; top: 0; background: Canvas; }
code { font-size: .92em; } small { display: block; font-weight: normal; opacity: .75; }
td.cell { border-left: .35rem solid var(--line); }
${KINDS.map((kind) => `td.${kind} { border-left-color: var(--${kind}); }`).join("\n")}
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.count { float: right; margin-left: .8rem; font-variant-numeric: tabular-nums; }
`;

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const text = (value: string | number): string => String(value).replace(/[&<>"]/g, (character) => ENTITIES[character]!);

/** A sentence of the contract, with its code as code. */
const prose = (value: string): string => text(value).replace(/`([^`]*)`/g, "<code>$1</code>");

function cell(of: Cell): string {
  const { count } = of;
  const counted =
    count === undefined
      ? ""
      : `<span class="count" title="calls ${count.calls}, instructions ${count.instructions}, functions ${count.functions}, call sites ${count.sites}">${asked(of)}</span>`;
  const details = [...of.calls.map((call) => `<code>${text(call)}</code>`), ...(of.note === "" ? [] : [text(of.note)])].join(", ");
  const also = of.alsoEmulated ? " and emulated" : "";
  return `<td class="cell ${of.kind}">${counted}${text(KIND_WORDS[of.kind].replace("-", "–"))}${also}${details === "" ? "" : `<small>${details}</small>`}</td>`;
}

/** The page. */
export function formatHtml({ columns, rows }: Matrix): string {
  const head = (align: string): string =>
    `<tr><th></th>${columns.map(({ title, abi }) => `<th${align}>${text(title)}<small>ABI ${text(abi)}</small></th>`).join("")}</tr>`;
  const sum = (title: string, value: (column: (typeof columns)[number]) => string | number): string =>
    `<tr><th>${text(title)}</th>${columns.map((column) => `<td class="number">${text(value(column))}</td>`).join("")}</tr>`;
  const ran = columns.some(({ run }) => run !== undefined);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Operations and hypervisors</title>
<style>${STYLE}</style>
<h1>Operations and hypervisors</h1>
<p>How a guest of each hypervisor gets what the operations of the contract promise.${ran ? " Numbers are how often the guest asked in one run; a call that serves several operations counts for each." : ""}</p>
<div class="wide"><table>
<thead>${head(' class="number"')}</thead>
<tbody>
${KINDS.map((kind) => sum(kind === "none" ? "not applicable" : KIND_WORDS[kind], ({ totals }) => totals[kind])).join("\n")}
${sum("hooks", ({ hooks }) => hooks)}
${ran ? `${sum("call sites", ({ run }) => run?.callSites ?? "not run")}\n${sum("ended", ({ run }) => run?.end ?? "not run")}` : ""}
</tbody></table></div>
<dl>${KINDS.map((kind) => `<dt><b>${text(KIND_WORDS[kind].replace("-", "–"))}</b></dt><dd>${text(KIND_MEANINGS[kind])}</dd>`).join("")}
<dt><b>hooks</b></dt><dd>operations for which the backend has an answer of its own: paravirtual, emulated or in memory</dd>
${ran ? "<dt><b>call sites</b></dt><dd>distinct places in the guest that asked</dd>" : ""}</dl>
<h2>Every operation</h2>
<div class="wide"><table>
<thead>${head("")}</thead>
<tbody>
${rows.map(({ operation, holds, cells }) => `<tr><th><code>${text(operation)}</code><small>${prose(holds)}</small></th>${cells.map(cell).join("")}</tr>`).join("\n")}
</tbody></table></div>
</html>
`;
}
