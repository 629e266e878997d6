/**
 * The core's handle as backends get it: what makes a vCPU runnable also tells the run loop, so that a sleeping machine wakes at once, and a
 * vCPU that another one signals has its turn soon. Everything else passes through.
 */
import type {
  ArchitecturalRequest,
  DeliveryHandler,
  GuestFault,
  HypervisorFrames,
  HypervisorHandle,
  InterceptHandler,
  InterceptSet,
  LinearMemory,
  LinearWindow,
  Mfn,
  OpenWindow,
  PrivilegeLevel,
  SegmentName,
  StoreHandler,
} from "@paravane/paravirt-ops";

/** Passes everything through; `setPending` and `wake` also call `signalled`. */
export class WakingHypervisor implements HypervisorHandle {
  readonly linear: LinearMemory;
  readonly frames: HypervisorFrames;

  constructor(
    private readonly handle: HypervisorHandle,
    private readonly signalled: (vcpu: number) => void,
  ) {
    this.linear = handle.linear;
    this.frames = handle.frames;
  }

  execute(vcpu: number, request: ArchitecturalRequest): bigint | undefined | GuestFault {
    return this.handle.execute(vcpu, request);
  }

  loadSegment(vcpu: number, name: SegmentName, selector: number): GuestFault | undefined {
    return this.handle.loadSegment(vcpu, name, selector);
  }

  setIntercepts(vcpu: number, level: PrivilegeLevel, set: InterceptSet): void {
    this.handle.setIntercepts(vcpu, level, set);
  }

  setInterceptHandler(handler: InterceptHandler): void {
    this.handle.setInterceptHandler(handler);
  }

  setDeliveryHandler(handler: DeliveryHandler): void {
    this.handle.setDeliveryHandler(handler);
  }

  setVirtualLevel(vcpu: number, level: PrivilegeLevel | undefined): void {
    this.handle.setVirtualLevel(vcpu, level);
  }

  openWindow(window: LinearWindow): OpenWindow {
    return this.handle.openWindow(window);
  }

  protectFrame(frame: Mfn, on: boolean): void {
    this.handle.protectFrame(frame, on);
  }

  setStoreHandler(handler: StoreHandler): void {
    this.handle.setStoreHandler(handler);
  }

  switchRoot(vcpu: number, root: Mfn): void {
    this.handle.switchRoot(vcpu, root);
  }

  forgetFrame(frame: Mfn): void {
    this.handle.forgetFrame(frame);
  }

  forgetAddress(vcpu: number, address: bigint | undefined): void {
    this.handle.forgetAddress(vcpu, address);
  }

  setPending(vcpu: number, pending: boolean): void {
    this.handle.setPending(vcpu, pending);
    if (pending) this.signalled(vcpu);
  }

  setEventMask(vcpu: number, mask: Parameters<HypervisorHandle["setEventMask"]>[1]): void {
    this.handle.setEventMask(vcpu, mask);
  }

  onInterruptWindow(vcpu: number, listener: () => void): void {
    this.handle.onInterruptWindow(vcpu, listener);
  }

  park(vcpu: number): void {
    this.handle.park(vcpu);
  }

  wake(vcpu: number): void {
    this.handle.wake(vcpu);
    this.signalled(vcpu);
  }

  yield(vcpu: number): void {
    this.handle.yield(vcpu);
  }
}
