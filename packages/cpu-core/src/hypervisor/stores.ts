/** Guest stores to protected frames: each piece of a store is put to the backend with its value; none is written when one is refused. */
import type { Mfn, ProtectedStore, StoreAnswer, StoreHandler } from "@paravane/paravirt-ops";
import * as L from "../layout.js";
import type { HypervisorMemory } from "./frames.js";
import { idOf, type LentState, levelOf } from "./state.js";

const SIZES = [16, 8, 4, 2, 1] as const;

export class ProtectedStores {
  #handler: StoreHandler | undefined;

  constructor(
    private readonly state: LentState,
    private readonly frames: HypervisorMemory,
  ) {}

  setHandler(handler: StoreHandler): void {
    this.#handler = handler;
    this.state.view.setUint32(L.STORE_HANDLER_PTR, 1, true);
  }

  protect(frame: Mfn, on: boolean): void {
    const { bytes, plan, engine } = this.state;
    this.frames.hostOf(frame);
    const at = plan.frameInfo + frame;
    if (on) {
      bytes[at]! |= L.FRAME_PROTECTED;
      engine.tlbProtectFrame(frame);
    } else bytes[at]! &= ~L.FRAME_PROTECTED;
  }

  /** The engine's question about `size` bytes at host address `from`; 0 when the store is a #PF. */
  run(cpu: number, physical: number, from: number, size: number, writable: boolean): number {
    const { view, bytes, plan, engine } = this.state;
    const vcpu = idOf(cpu);
    const address = view.getBigUint64(cpu + L.REFUSED_ADDRESS, true);
    const level = levelOf(view, cpu);
    const stores: [offset: number, size: number][] = [];
    for (let offset = 0; offset < size; ) {
      const pieceSize = SIZES.find((s) => s <= size - offset)!;
      const piece = { address: address + BigInt(offset), physical: physical + offset, size: pieceSize, level, writable };
      const answer = this.#ask(vcpu, { ...piece, value: this.#value(from + offset, pieceSize) });
      if (answer === "fault") {
        view.setBigUint64(cpu + L.REFUSED_ADDRESS, piece.address, true);
        return 0;
      }
      if (answer === "store") stores.push([offset, pieceSize]);
      offset += pieceSize;
    }
    for (const [offset, pieceSize] of stores) {
      bytes.copyWithin(plan.ramBase + physical + offset, from + offset, from + offset + pieceSize);
      engine.dmaInvalidate(physical + offset, pieceSize);
    }
    return 1;
  }

  #ask(vcpu: number, store: ProtectedStore): StoreAnswer {
    return this.#handler?.(vcpu, store) ?? "fault";
  }

  #value(at: number, size: number): bigint {
    const { view } = this.state;
    if (size === 16) return view.getBigUint64(at, true) | (view.getBigUint64(at + 8, true) << 64n);
    if (size === 8) return view.getBigUint64(at, true);
    return BigInt(size === 4 ? view.getUint32(at, true) : size === 2 ? view.getUint16(at, true) : view.getUint8(at));
  }
}
