/** Firmware configuration: facts about the machine for guests that ask by QEMU's fw_cfg. */
export { FW_CFG_FILE_DIR, FW_CFG_ID, FW_CFG_MAX_CPUS, FW_CFG_NB_CPUS, FW_CFG_RAM_SIZE, FW_CFG_SIGNATURE, FwCfg } from "./fw-cfg.js";
export type { FwCfgState } from "./fw-cfg.js";
export { attachFwCfg } from "./port-fw-cfg.js";
