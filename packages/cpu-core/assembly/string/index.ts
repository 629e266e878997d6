// The string instructions, as the decode table names them.
export { cmpsByte, cmpsWide, scasByte, scasWide } from "./compare";
export { lodsByte, lodsWide, movsByte, movsWide, stosByte, stosWide } from "./move";
