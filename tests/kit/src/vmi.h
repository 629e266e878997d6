// The ROM as a guest sees it: numbers of calls, the header, where calls go.
#pragma once
#include "pv.h"

enum {
  CPUID, WRMSR, RDMSR, SetGDT, SetLDT, SetIDT, SetTR, GetGDT, GetLDT, GetIDT, GetTR, WriteGDTEntry, WriteLDTEntry, WriteIDTEntry, UpdateKernelStack,
  SetCR0, SetCR2, SetCR3, SetCR4, GetCR0, GetCR2, GetCR3, GetCR4, WBINVD, SetDR, GetDR, RDPMC, RDTSC, CLTS,
  EnableInterrupts, DisableInterrupts, GetInterruptMask, SetInterruptMask, IRET, SYSEXIT, Halt, Reboot, Shutdown,
  SetPxE, SetPxELong, UpdatePxE, UpdatePxELong, MachineToPhysical, PhysicalToMachine, AllocatePage, ReleasePage, InvalPage, FlushTLB, SetLinearMapping,
  SetIOPLMask = 61, SetInitialAPState, APICWrite, APICRead, IODelay, GetCycleFrequency, GetCycleCounter, SetAlarm, CancelAlarm, GetWallclockTime,
  WallclockUpdated, SetLazyMode = 73, CALLS
};
/** What GetRelocationInfo says: the native code stays; call; jump; there is nothing to do. */
enum { STAYS, CALLED, JUMPED, NOTHING_TO_DO };
struct relocation { u32 target; u8 type; };

struct rom {
  u16 signature; u8 blocks; u8 bios_init[4]; u8 pad; u32 vrom; u8 minor, major, slots, reserved0; u32 virtual_top; u16 reserved1, license, pci, pnp;
  u8 reserved2[0x62]; u8 init[8], relocation[8];
} __attribute__((packed));
/** Null when there is none. */
extern const struct rom *rom;
/** Where the code of a call is; 0 for what is native or nothing. */
extern u32 targets[CALLS];
struct relocation relocation(u32 call);
#define REGPARM __attribute__((regparm(3)))
/** A call as a function: its result, its number, its parameters. */
#define ROM_CALL(result, number, ...) ((REGPARM result (*)(__VA_ARGS__))targets[number])

/** Alarms: the counter in the low byte, and these. */
enum { ALARM_PERIODIC = 0x100, ALARM_LVTT = 0x10000 };
