// MMX, SSE to SSE4.2, AES-NI, PCLMULQDQ and SHA: everything that the decode table names. The floating-point core stays inside.
export * from "./aes";
export * from "./approximate";
export * from "./arith";
export * from "./compare";
export * from "./convert";
export * from "./mmx";
export * from "./moves";
export * from "./round";
export * from "./sha";
export * from "./sse41";
export * from "./ssse3";
export * from "./strings";
export * from "./system";
