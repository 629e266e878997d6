// The memory side of the engine: what the other slow paths, the interpreter and the host use.
export { dmaInvalidate, machineInit } from "./physical";
export {
  pagingChanged, setA20, setCr3, switchRoot, tlbFlushAll, tlbFlushNonGlobal, tlbFlushPage, tlbForgetFrame, tlbProtectFrame, tlbSelect, tlbWipe,
} from "./tlb";
export * from "./access";
export { segAddress, uopAddress } from "./segmentation";
