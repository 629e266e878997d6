/** The device that multiboot kernel test suites expect. */
export { TestDevice, type TestDeviceState } from "./test-device.js";
