/** The characters of the VGA's built-in font: code page 437 with the pictures that it has in place of control characters. */
const CONTROLS = " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼";
const UPPER_HALF =
  "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»" +
  "░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀" +
  "αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ ";

/** 256 characters by code. */
export const cp437: readonly string[] = [
  ...CONTROLS,
  ...Array.from({ length: 95 }, (_, i) => String.fromCharCode(0x20 + i)),
  "⌂",
  ...UPPER_HALF,
];
