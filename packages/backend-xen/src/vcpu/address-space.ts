/**
 * Where translation starts on one vCPU. A 64-bit guest has two top-level tables, one for its kernel and one for its user; a 32-bit guest's
 * top level hangs in slot 0 of a table of the hypervisor's own.
 */
import type { HypervisorHandle, Mfn, ParavirtOps, Vcpu } from "@paravane/paravirt-ops";
import { errno } from "../abi/errno.js";
import type { DirectPaging } from "../mmu/direct-paging.js";

const DIRECTORY = 7n;

/** The address space of one vCPU. */
export class AddressSpace {
  #kernel: Mfn | undefined;
  #user: Mfn | undefined;
  /** Changes of the domain's tables of which nothing is cached any more. */
  #seen = 0;
  /** What is cached of the user's table may be of an earlier life of it. */
  #userStale = false;
  /** 32 bit: the table above the guest's top level. */
  readonly #above: Mfn | undefined;

  constructor(
    private readonly vcpu: Vcpu,
    private readonly hypervisor: HypervisorHandle,
    private readonly paging: DirectPaging,
    private readonly operations: ParavirtOps,
  ) {
    this.#above = paging.bits === 32 ? hypervisor.frames.allocate(1) : undefined;
  }

  /** The guest kernel's top level. */
  get root(): Mfn | undefined {
    return this.#kernel;
  }

  /** It has a table for user mode. */
  get hasUser(): boolean {
    return this.#user !== undefined;
  }

  /** Physical address at which the processor starts. */
  get startAddress(): bigint {
    return BigInt(this.#above ?? this.#kernel ?? 0) << 12n;
  }

  /** MMUEXT_NEW_BASEPTR, or the first one, when nothing runs yet. 0, or a negative error with nothing changed. */
  setKernel(root: Mfn, running: boolean): number {
    const error = this.paging.frames.get(root, this.paging.rootType);
    if (error !== 0) return error;
    const before = this.#kernel;
    this.#kernel = root;
    if (this.#above !== undefined) {
      const bytes = this.hypervisor.frames.bytes(this.#above);
      new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(0, (BigInt(root) << 12n) | DIRECTORY, true);
    }
    if (running) this.#load(root);
    if (before !== undefined) this.paging.frames.put(before);
    return 0;
  }

  /** MMUEXT_NEW_USER_BASEPTR; undefined: there is none. The guest is in its kernel, so nothing is loaded. */
  setUser(root: Mfn | undefined): number {
    if (this.paging.bits === 32) return -errno.ENOSYS;
    if (root !== undefined) {
      const error = this.paging.frames.get(root, this.paging.rootType);
      if (error !== 0) return error;
    }
    const before = this.#user;
    this.#user = root;
    this.#userStale = this.#seen !== this.paging.validation.stale.changes;
    if (before !== undefined) this.paging.frames.put(before);
    return 0;
  }

  /** Lets go of both tables, of a vCPU that does not run. */
  clear(): void {
    for (const root of [this.#kernel, this.#user]) if (root !== undefined) this.paging.frames.put(root);
    this.#kernel = this.#user = undefined;
  }

  /** To the user's table. There must be one. */
  enterUser(): void {
    if (this.#userStale) this.#load(this.#user!);
    else this.hypervisor.switchRoot(this.vcpu.id, this.#user!);
    this.#userStale = false;
  }

  /** All that is cached has been dropped. */
  flushed(): void {
    this.#seen = this.paging.validation.stale.changes;
    this.#userStale = false;
  }

  /** Back to the kernel's table. */
  enterKernel(): void {
    this.hypervisor.switchRoot(this.vcpu.id, this.#kernel!);
  }

  /**
   * A load of a root drops what is cached. That cannot be told from keeping it while the tables, all of which are known, say what they said:
   * kernels go to and from an address space of their own for each instruction that they patch. So the few pages that changed are dropped.
   */
  #load(root: Mfn): void {
    const pages = this.#above === undefined ? this.paging.validation.stale.since(this.#seen) : undefined;
    if (pages === undefined) {
      this.operations.mmu.writeCr3.run(this.vcpu, BigInt(this.#above ?? root) << 12n);
      this.flushed();
      return;
    }
    for (const page of pages) this.hypervisor.forgetAddress(this.vcpu.id, page);
    this.#seen = this.paging.validation.stale.changes;
    this.hypervisor.switchRoot(this.vcpu.id, root);
  }
}
