// The guest's side of VMI as Linux 2.6.32 has it: find the ROM, initialise, ask for every call, call by the i386 convention (regparm 3).
#ifndef ROM_H
#define ROM_H
#include "system.h"

enum {
  CPUID, WRMSR, RDMSR, SetGDT, SetLDT, SetIDT, SetTR, GetGDT, GetLDT, GetIDT, GetTR, WriteGDTEntry, WriteLDTEntry, WriteIDTEntry, UpdateKernelStack,
  SetCR0, SetCR2, SetCR3, SetCR4, GetCR0, GetCR2, GetCR3, GetCR4, WBINVD, SetDR, GetDR, RDPMC, RDTSC, CLTS,
  EnableInterrupts, DisableInterrupts, GetInterruptMask, SetInterruptMask, IRET, SYSEXIT, Halt, Reboot, Shutdown,
  SetPxE, SetPxELong, UpdatePxE, UpdatePxELong, MachineToPhysical, PhysicalToMachine, AllocatePage, ReleasePage, InvalPage, FlushTLB, SetLinearMapping,
  SetIOPLMask = 61, SetInitialAPState, APICWrite, APICRead, IODelay, GetCycleFrequency, GetCycleCounter, SetAlarm, CancelAlarm, GetWallclockTime,
  WallclockUpdated, SetLazyMode = 73, CALLS,
};
enum { NONE, CALL_REL, JUMP_REL, NOP };

struct rom {
  u16 signature; u8 blocks; u8 bios_init[4]; u8 pad; u32 vrom; u8 minor, major, slots, reserved0; u32 virtual_top; u16 reserved1, license, pci, pnp;
  u8 reserved2[0x62]; u8 init[8], relocation[8];
} __attribute__((packed));
struct relocation { u32 eip; u8 type; };

extern struct rom *rom;
/** The first ROM with the signatures of VMI 3 and a free license; null without one. */
struct rom *find_rom(void);
/** VMI_Init; then all calls are asked for in the order of Linux. */
u32 rom_init(void);
struct relocation relocation(unsigned call);
/** Where calls go; 0 for what the ROM does not do. */
extern u32 target[CALLS];
/** A call with three arguments in registers and two on the stack; EDX:EAX. */
u64 rom_call(unsigned call, u32 eax, u32 edx, u32 ecx, u32 stack0, u32 stack1);
#define CALL(n, ...) CALL_(n, ##__VA_ARGS__, 0, 0, 0, 0, 0)
#define CALL_(n, a, d, c, s0, s1, ...) rom_call(n, (u32)(a), (u32)(d), (u32)(c), (u32)(s0), (u32)(s1))
/** All general registers around a call: eax ecx edx ebx esp ebp esi edi. */
void rom_call_registers(u32 target, u32 registers[8]);

/** A page that nothing is mapped to. */
#define NOWHERE 0x71000000ul

void test_state(void);
void test_flags(void);
void test_returns(void);
void test_memory(void);
void test_time(void);
void test_smp(void);
void test_raw(void);
#endif
