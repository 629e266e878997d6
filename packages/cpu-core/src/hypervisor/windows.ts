/** Linear windows: ranges of linear addresses that the engine translates by a table of its own, before it looks at the guest's. */
import { HvError, type LinearWindow, type Mfn, type OpenWindow } from "@paravane/paravirt-ops";
import * as L from "../layout.js";
import type { HypervisorMemory } from "./frames.js";
import { blockOf, type LentState } from "./state.js";

const PAGE = 0x1000n;
const NO_FRAME = 0xffffffff;

interface Row {
  readonly window: LinearWindow;
  /** Host address of its pages' frames. */
  readonly pages: number;
}

export class Windows {
  readonly #rows: Row[] = [];
  readonly #pagesStart: number;

  constructor(
    private readonly state: LentState,
    private readonly frames: HypervisorMemory,
  ) {
    this.#pagesStart = state.plan.windows + L.WINDOW_MAX * L.WINDOW_SIZE;
    state.view.setUint32(L.WINDOW_TABLE_PTR, state.plan.windows, true);
  }

  open(window: LinearWindow): OpenWindow {
    this.#check(window);
    const pages = this.#place(window.frames.length);
    const row: Row = { window: { ...window, address: BigInt.asUintN(64, window.address), frames: [...window.frames] }, pages };
    for (const [index, frame] of window.frames.entries()) this.#setFrame(row, index, frame);
    this.#rows.push(row);
    this.#write();
    this.#forget(row);
    return {
      setFrame: (index, frame) => {
        this.#setFrame(row, index, frame);
        this.#forgetPage(row, index);
      },
      close: () => {
        const at = this.#rows.indexOf(row);
        if (at < 0) return;
        this.#rows.splice(at, 1);
        this.#write();
        this.#forget(row);
      },
    };
  }

  #check({ address, frames, scope }: LinearWindow): void {
    const start = BigInt.asUintN(64, address);
    if (start % PAGE !== 0n || frames.length === 0) throw new HvError("core/windows", "a window begins at a page and has at least one");
    if (this.#rows.length === L.WINDOW_MAX) throw new HvError("core/windows", `more than ${L.WINDOW_MAX} linear windows`);
    const end = start + BigInt(frames.length) * PAGE;
    for (const { window } of this.#rows) {
      const meets = start < window.address + BigInt(window.frames.length) * PAGE && window.address < end;
      if (meets && together(scope, window.scope))
        throw new HvError("core/windows", `the window at 0x${start.toString(16)} overlaps the one at 0x${window.address.toString(16)}`);
    }
  }

  /** First fit among the pages of the windows that are open. */
  #place(count: number): number {
    let at = this.#pagesStart;
    for (const { pages, window } of [...this.#rows].sort((a, b) => a.pages - b.pages)) {
      if (pages - at >= count * 4) return at;
      at = pages + window.frames.length * 4;
    }
    if (this.#pagesStart + this.state.plan.windowPages * 4 - at < count * 4)
      throw new HvError("core/windows", `linear windows have ${this.state.plan.windowPages} pages together; ${count} more do not fit`);
    return at;
  }

  #setFrame({ pages, window }: Row, index: number, frame: Mfn | undefined): void {
    if (!Number.isInteger(index) || index < 0 || index >= window.frames.length)
      throw new HvError("core/windows", `the window has no page ${index}`);
    if (frame !== undefined) this.frames.hostOf(frame);
    this.state.view.setUint32(pages + index * 4, frame ?? NO_FRAME, true);
  }

  #write(): void {
    const { view, plan } = this.state;
    for (const [index, { window, pages }] of this.#rows.entries()) {
      const at = plan.windows + index * L.WINDOW_SIZE;
      const { scope } = window;
      view.setBigUint64(at + L.W_ADDRESS, window.address, true);
      view.setUint32(at + L.W_PAGES, window.frames.length, true);
      view.setUint32(at + L.W_FRAMES, pages, true);
      view.setUint32(at + L.W_ALLOWED, 1 | (window.write ? 2 : 0) | (window.execute ? 16 : 0), true);
      view.setUint32(at + L.W_LEVEL, window.level, true);
      view.setUint32(at + L.W_SCOPE, scope === "all" ? L.WINDOW_ALL : "vcpu" in scope ? L.WINDOW_VCPU : L.WINDOW_ROOT, true);
      view.setUint32(at + L.W_SCOPE_VALUE, scope === "all" ? 0 : "vcpu" in scope ? scope.vcpu : scope.root, true);
    }
    view.setUint32(L.WINDOWS_PTR, this.#rows.length, true);
  }

  #forget(row: Row): void {
    if (row.window.frames.length > 64) for (const { id } of this.state.vcpus) this.state.engine.tlbFlushAll(blockOf(id));
    else for (const index of row.window.frames.keys()) this.#forgetPage(row, index);
  }

  #forgetPage({ window }: Row, index: number): void {
    for (const { id } of this.state.vcpus) this.state.engine.tlbFlushPage(blockOf(id), window.address + BigInt(index) * PAGE);
  }
}

/** Can both be seen from one place? */
function together(a: LinearWindow["scope"], b: LinearWindow["scope"]): boolean {
  if (a === "all" || b === "all") return true;
  if ("vcpu" in a) return !("vcpu" in b) || a.vcpu === b.vcpu;
  return !("root" in b) || a.root === b.root;
}
