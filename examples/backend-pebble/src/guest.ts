/** A guest: looks for Pebble, greets, sleeps, sees that time has passed, and powers off. A multiboot 1 image of 32-bit code at 1 MiB. */
const BASE = 0x100000;
const CODE = 0x20;
const TEXT = 0x80;

const code = [
  [0xb8, 0x00, 0x00, 0x00, 0x40], // start: mov eax, 0x40000000
  [0x0f, 0xa2], //                        cpuid
  [0x81, 0xfb, 0x50, 0x65, 0x62, 0x62], // cmp ebx, "Pebb"
  [0x75, 0x47], //                        jne other
  [0xbe, 0x80, 0x00, 0x10, 0x00], //      mov esi, TEXT
  [0x0f, 0xb6, 0x1e], //            next: movzx ebx, byte ptr [esi]
  [0x85, 0xdb], //                        test ebx, ebx
  [0x74, 0x0b], //                        jz done
  [0xb8, 0x00, 0x00, 0x00, 0x00], //      mov eax, putc
  [0x0f, 0x01, 0xc1], //                  vmcall
  [0x46], //                              inc esi
  [0xeb, 0xee], //                        jmp next
  [0xb8, 0x01, 0x00, 0x00, 0x00], // done: mov eax, now
  [0x0f, 0x01, 0xc1], //                  vmcall
  [0x89, 0xc7], //                        mov edi, eax
  [0xb8, 0x02, 0x00, 0x00, 0x00], //      mov eax, sleep
  [0xbb, 0x88, 0x13, 0x00, 0x00], //      mov ebx, 5000
  [0x0f, 0x01, 0xc1], //                  vmcall
  [0xb8, 0x01, 0x00, 0x00, 0x00], //      mov eax, now
  [0x0f, 0x01, 0xc1], //                  vmcall
  [0x29, 0xf8], //                        sub eax, edi
  [0x3d, 0x88, 0x13, 0x00, 0x00], //      cmp eax, 5000
  [0x72, 0x08], //                        jb other
  [0xb8, 0x03, 0x00, 0x00, 0x00], //      mov eax, powerOff
  [0x0f, 0x01, 0xc1], //                  vmcall
  [0xf4], //                       other: hlt
  [0xeb, 0xfd], //                        jmp other
].flat();

export function pebbleGuest(text = "hello from Pebble\n"): Uint8Array {
  const file = new Uint8Array(TEXT + text.length + 1);
  const flags = 1 << 16; // the header says where the file goes
  const header = [0x1badb002, flags, -(0x1badb002 + flags), BASE, BASE, 0, 0, BASE + CODE];
  for (const [index, word] of header.entries()) new DataView(file.buffer).setUint32(index * 4, word >>> 0, true);
  file.set(code, CODE);
  file.set(new TextEncoder().encode(text), TEXT);
  return file;
}
