/**
 * VGA register files as an 80×25 colour text mode leaves them, and the sizes and masks of the indexed groups.
 * IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem", mode 3 (9×16 characters, 720×400, 28.322 MHz).
 */

/** Indexed groups: how many registers each has. */
export const CRTC_REGISTERS = 25,
  SEQUENCER_REGISTERS = 5,
  GRAPHICS_REGISTERS = 9,
  ATTRIBUTE_REGISTERS = 21,
  DAC_BYTES = 768;

/** CRT controller, by index. */
export const CRTC_HORIZONTAL_END = 0x01,
  CRTC_OVERFLOW = 0x07,
  CRTC_MAX_SCAN_LINE = 0x09,
  CRTC_CURSOR_START = 0x0a,
  CRTC_CURSOR_END = 0x0b,
  CRTC_START_HIGH = 0x0c,
  CRTC_START_LOW = 0x0d,
  CRTC_CURSOR_HIGH = 0x0e,
  CRTC_CURSOR_LOW = 0x0f,
  CRTC_VERTICAL_SYNC_END = 0x11,
  CRTC_VERTICAL_END = 0x12,
  CRTC_OFFSET = 0x13;
/** Miscellaneous output: colour ports at 0x3dx, 28 MHz clock, RAM enabled. */
export const MISC_MODE_3 = 0x67;

/** CRT controller in mode 3. */
export const CRTC_MODE_3 = [
  0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9,
  0xa3, 0xff,
];
/** Sequencer in mode 3. */
export const SEQUENCER_MODE_3 = [0x03, 0x00, 0x03, 0x00, 0x02];
/** Graphics controller in mode 3: odd/even addressing of the 32 KiB at 0xb8000. */
export const GRAPHICS_MODE_3 = [0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff];
/** Attribute controller in mode 3: the 16 colours, then mode control with blinking, overscan, plane enable, panning, colour select. */
export const ATTRIBUTE_MODE_3 = [
  0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0x00, 0x0f, 0x08, 0x00,
];

/** The 64 colours of the default palette: two bits of each of red, green and blue, 6 bits a component; the rest of the DAC is black. */
export function defaultDac(): Uint8Array {
  const dac = new Uint8Array(DAC_BYTES);
  for (let color = 0; color < 64; color++) {
    for (let component = 0; component < 3; component++) {
      const full = (color >> (2 - component)) & 1,
        third = (color >> (5 - component)) & 1;
      dac[3 * color + component] = full * 0x2a + third * 0x15;
    }
  }
  return dac;
}
