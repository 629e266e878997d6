// Where the core's state lies inside the WebAssembly memory. This file is read both as TypeScript and as AssemblyScript, so it holds
// plain integer constants only. Offsets named without a prefix are relative to a vCPU's block, `cpu`.

// -- memory map (bytes from the start of the WebAssembly memory) ---------------------------------------------------------------
export const STATIC_BASE = 0x400; // AssemblyScript's static data
export const VCPU_BASE = 0x40000; // first vCPU block
export const VCPU_STRIDE = 0x210000; // one vCPU: state, then its software TLBs and its jump cache
export const TLB_OFFSET = 0x4000; // within a vCPU block
export const MAX_VCPUS = 8;

// -- the machine: one block for all vCPUs, absolute addresses (memory/physical.ts) ----------------------------------------------
export const RAM_BASE_PTR = 0x38000; // u32: where guest RAM [0, RAM_SIZE) lies in the WebAssembly memory
export const RAM_SIZE_PTR = 0x38004; // u32
export const A20_MASK_PTR = 0x38008; // u64: ANDed with every physical address
export const FRAME_INFO_PTR = 0x38010; // u32: address of one byte of FRAME_* bits for each RAM frame
export const CODE_MAP_PTR = 0x38014; // u32: address of one u64 for each RAM frame; bit n = bytes 64n..64n+63 contain decoded code
export const VCPU_COUNT_PTR = 0x38018; // u32
export const BLOCK_HASH_PTR = 0x38020; // u32: BLOCK_HASH_ENTRIES x u32, heads of chains of block headers
export const PAGE_BLOCKS_PTR = 0x38024; // u32: one u32 for each RAM frame, head of the list of its blocks
export const CODE_POOL_PTR = 0x38028; // u32: first byte of the pool of decoded blocks
export const CODE_END_PTR = 0x3802c; // u32: its end
export const CODE_NEXT_PTR = 0x38030; // u32: where the next block goes
export const CODE_FLUSHES_PTR = 0x38034; // u32: times the pool was full, for statistics
export const CODE_BLOCKS_PTR = 0x38038; // u32: blocks decoded, for statistics
export const CODE_STALE_PTR = 0x3803c; // u32: blocks dropped by stores, for statistics
export const UNIT_RUNS_PTR = 0x38040; // u64 each, for statistics: units entered
export const UNIT_SIDES_PTR = 0x38048; // left for the interpreter to run a block
export const UNIT_LOOKS_PTR = 0x38050; // left for the run loop
export const UNIT_MISSES_PTR = 0x38058; // left for code that is not translated
export const UNIT_INSTRUCTIONS_PTR = 0x38060; // instructions retired in units
export const UNIT_LEAPS_PTR = 0x38068; // u32: entries of units from others until hostGrow is told of one
export const UNIT_LEAPS_START_PTR = 0x3806c; // u32: what that starts with
export const PAUSE_LOOP_PTR = 0x38070; // u32: PAUSEs that are a loop, in which a vCPU yields though it is the only one; 0: it never does
export const FRAME_STORES_PTR = 0x38074; // u32: address of one u32 for each RAM frame: TLB entries with tags for stores to it (memory/tlb.ts)
export const UNIT_MODES = 0x38400; // 256 x u32, by number: mode keys in which something is translated
export const HOT_PTR = 0x38078; // u32: a block is hot when its H_HEAT has come down to this
export const FRAMES_END_PTR = 0x38080; // u32: end of the physical space that has frames: RAM and, behind it, the hypervisor's pool
export const WINDOWS_PTR = 0x38084; // u32: linear windows in force
export const WINDOW_TABLE_PTR = 0x38088; // u32: WINDOW_MAX rows of WINDOW_SIZE bytes
export const STORE_HANDLER_PTR = 0x3808c; // u32: 1 when somebody answers stores to protected frames
export const REHEARSAL_COPY = 0x3d000; // registers of the vCPU whose store is being asked about
export const BLOCK_HASH_ENTRIES = 0x20000;
export const BLOCK_HASH_FACTOR = 0x9e3b; // spreads frames, whose blocks begin at the same few offsets: see findBlock (code-blocks.ts)
export const FRAME_CODE = 1; // contains decoded code: stores take the slow path
export const FRAME_PROTECTED = 2; // a backend protects it: stores raise #PF
export const FRAME_DEVICE = 4; // not RAM (0xa0000-0xbffff)
export const FRAME_ROM = 8; // writes are ignored
export const FRAME_MASK = 32; // holds the event mask of a vCPU that has an event waiting: a store makes the run loop look

// -- verification (assembly/verify.ts): one block for all vCPUs, absolute addresses -------------------------------------------------
export const STORE_LOG_PTR = 0x38f00; // u32: where the next note of a store goes
export const STORE_SILENT_PTR = 0x38f04; // u32: STATE_BYTES from here on stores are not noted: the state of the vCPU whose unit is compared
export const VERIFY_LOG_PTR = 0x38f08; // u32: where notes begin
export const VERIFY_BEFORE_PTR = 0x38f0c; // u32: copy of the state before the unit
export const VERIFY_TRANSLATED_PTR = 0x38f10; // u32: and behind it, with all of RFLAGS in EFLAGS
export const VERIFY_MASK_PTR = 0x38f14; // u32: STATE_BYTES: which bits are compared
export const VERIFY_LOW_PTR = 0x38f18; // u32: memory that is compared
export const VERIFY_HIGH_PTR = 0x38f1c; // u32: its end
export const VERIFY_FIRST_PTR = 0x38f20; // u32: the first so many runs of a unit are compared
export const VERIFY_EVERY_PTR = 0x38f24; // u32: then each so many-th
export const VERIFY_MOST_PTR = 0x38f28; // u32: instructions of one comparison, at most
export const VERIFY_PHASE_PTR = 0x38f2c; // u32: VERIFY_UNIT, or VERIFY_INTERPRETER when that is running
export const VERIFY_CALLS_PTR = 0x38f30; // i32: calls of the host that the unit has made and the interpreter has not; VERIFY_OTHER_CALL
export const VERIFY_STORED_PTR = 0x38f34; // u32: where the notes of the unit's stores end,
export const VERIFY_RESULTS_PTR = 0x38f38; // u32: those of what they left in memory, and the interpreter's begin
export const VERIFY_RETIRED_PTR = 0x38f3c; // i32: instructions that the unit retired
export const VERIFY_RUNS_PTR = 0x38f40; // u64: runs of units
export const VERIFY_COMPARED_PTR = 0x38f48; // u64: those that were compared
export const VERIFY_UNIT = 0;
export const VERIFY_INTERPRETER = 1;
export const VERIFY_OTHER_CALL = -0x80000000; // the interpreter has made another call than the unit
export const STATE_BYTES = 0x700; // of a vCPU's block: what verification keeps and compares

// -- software TLB: three arrays (user; supervisor; supervisor with EFLAGS.AC under SMAP) of TLB_ENTRIES entries -----------------
export const TLB_USER = 0;
export const TLB_SUPERVISOR = 1;
export const TLB_SUPERVISOR_AC = 2;
export const TLB_ENTRIES = 16384;
export const TLB_ENTRY_SIZE = 32;
export const TLB_SHIFT = 5;
export const TLB_BYTES = 0x80000; // one array
export const TLB_R = 0; // u64 tag: linear page ^ context, or -1
export const TLB_W = 8; // u64 tag for stores; absent for clean pages, code pages, read-only pages
export const TLB_X = 16; // u64 tag for fetches
export const TLB_ADDEND = 24; // u32: host address = addend + (u32)linear, mod 2^32
export const TLB_INFO = 28; // u32: bit 0 global; bits 8-19 global generation; bits 20-31 context the tags were made with

// -- jump cache: where in which unit the code at a linear address begins (assembly/jumps.ts); 64 groups of 512 entries, a page's in one group --
export const JUMP_OFFSET = 0x184000; // within a vCPU block
export const JUMP_BYTES = 0x80000;
export const JUMP_ENTRY_SIZE = 16;
export const JUMP_TAG = 0; // u64: linear address ^ context << CTX_TO_JUMP, or -1
export const JUMP_UNIT = 8; // u32: as H_UNIT; 0 for a block that has no translation
export const JUMP_DELTA = 12; // i32: as H_UNIT_DELTA, or that block's header
export const CTX_TO_JUMP = 48;
// Offset of an entry: (linear << 1 ^ ((linear << JUMP_FOLD_LEFT ^ linear >>> JUMP_FOLD_RIGHT) & JUMP_FOLD_MASK)) & JUMP_MASK. Function entries, which
// are aligned, spread over their page's group.
export const JUMP_FOLD_LEFT = 10;
export const JUMP_FOLD_RIGHT = 9;
export const JUMP_FOLD_MASK = 0x1ff0;
export const JUMP_MASK = 0x7fff0;
export const JUMP_GROUP_MASK = 0x7e000; // of linear << 1: offset of the page's group
export const JUMP_GROUP_BYTES = 0x2000;

// Which pages it may know something of: one bit each by hash, a group's together.
export const JUMP_PAGES = 0x204000; // within a vCPU block
export const JUMP_PAGES_BYTES = 0x2000;
export const JUMP_PAGES_GROUP = 0x80; // bytes of a group

// -- supervisor entries of the TLB that do not outlive the address space (assembly/memory/supervisor.ts) ---------------------------------------
export const SUPER_LIST = 0x206000; // within a vCPU block: addresses, u32 each
export const SUPER_LIST_MAX = 512;

// -- general state --------------------------------------------------------------------------------------------------------------
export const GPR = 0x000; // 16 x u64: rax rcx rdx rbx rsp rbp rsi rdi r8-r15
export const ZERO = 0x080; // u64, always 0: the slot of an absent base or index
export const RIP_BASE = 0x088; // u64: rip (not linear) of the running block's first byte
export const RIP = 0x090; // u64: architectural rip, exact whenever compiled code has returned to a slow path
export const FR = 0x098; // i64: flag result  (assembly/flags.ts: ZF, SF, PF derive from it)
export const FV = 0x0a0; // i64: flag vector: CF = bit 63, OF = bit 63 ^ bit 62, bit 0 = AF, bit 1 inverts SF, bit 2 inverts PF
export const EFLAGS = 0x0a8; // u32: every bit but CF PF AF ZF SF OF (those six are in FR and FV and zero here); bit 1 set
export const CPL = 0x0ac; // u32
export const MODE = 0x0b0; // u32: the mode key, see MODE_*
export const LIN_MASK = 0x0b8; // u64: 0xffffffff outside 64-bit code, else all ones
export const COUNT = 0x0c0; // i64: instructions left in this run
export const CTX = 0x0c8; // u64: value to XOR into TLB tags for the current address space and privilege array
export const TLB = 0x0d0; // u32: address of the TLB array in use
export const GLOBAL_GEN = 0x0d4; // u32: generation of global translations
export const NEXT_CTX = 0x0d8; // u32: next unused 12-bit context number
export const RETIRED = 0x0e0; // u64: instructions retired, plus COUNT
export const ID = 0x0e8; // u32: vCPU number

// -- faults: set by any slow path; the interpreter then abandons the instruction ------------------------------------------------
export const FAULT = 0x0f0; // i32: vector of the pending exception, -1 for none
export const FAULT_ERROR = 0x0f4; // u32: error code
export const FAULT_HAS_ERROR = 0x0f8; // u32: 1 when the vector pushes one
export const FAULT_SHADOW = 0x0fc; // u32: 1 while delivering an exception (for double-fault rules), see system/exceptions

// -- segments: es cs ss ds fs gs ldtr tr, 32 bytes each ---------------------------------------------------------------------------
export const SEG = 0x100;
export const SEG_SIZE = 32;
export const SEG_BASE = 0; // u64
export const SEG_LIMIT = 8; // u32, byte granular
export const SEG_ACCESS = 12; // u32: descriptor bytes 5-6: type/S/DPL/P in 0-7, AVL/L/DB/G in 12-15
export const SEG_SELECTOR = 16; // u32
export const ES = 0;
export const CS = 1;
export const SS = 2;
export const DS = 3;
export const FS = 4;
export const GS = 5;
export const LDTR = 6;
export const TR = 7;

export const GDTR_BASE = 0x200; // u64
export const GDTR_LIMIT = 0x208; // u32
export const IDTR_BASE = 0x210; // u64
export const IDTR_LIMIT = 0x218; // u32
export const CR0 = 0x220; // u64 each
export const CR2 = 0x228;
export const CR3 = 0x230;
export const CR4 = 0x238;
export const EFER = 0x240;
export const XCR0 = 0x248;
export const PDPTE = 0x250; // 4 x u64: PAE's loaded page-directory pointers
export const DR = 0x270; // 8 x u64
export const MSR_STAR = 0x2b0; // u64 each
export const MSR_LSTAR = 0x2b8;
export const MSR_CSTAR = 0x2c0;
export const MSR_SFMASK = 0x2c8;
export const MSR_KERNEL_GS_BASE = 0x2d0;
export const MSR_SYSENTER_CS = 0x2d8;
export const MSR_SYSENTER_ESP = 0x2e0;
export const MSR_SYSENTER_EIP = 0x2e8;
export const MSR_TSC_AUX = 0x2f0;
export const MSR_PAT = 0x2f8;
export const MSR_APIC_BASE = 0x300;
export const MSR_MISC_ENABLE = 0x308;
export const MSR_SPEC_CTRL = 0x310;
export const TSC_OFFSET = 0x318;
export const MSR_TSC_ADJUST = 0x320;
export const MSR_DEBUGCTL = 0x328;
export const MSR_MTRR_DEF_TYPE = 0x330;
export const MSR_MTRR_PHYS = 0x340; // 16 x u64: base, mask
export const MSR_MTRR_FIX = 0x3c0; // 11 x u64
export const PHYS_MASK = 0x418; // u64: implemented physical-address bits

// -- run control ------------------------------------------------------------------------------------------------------------------
export const INTR = 0x420; // u32: INTR pin
export const NMI = 0x424; // u32: NMIs that wait: one while NMIs are blocked, otherwise two, since the first is as good as begun
export const NMI_BLOCKED = 0x428; // u32: until IRET
export const SHADOW = 0x42c; // u32: SHADOW_* bits, cleared after one instruction
export const HALTED = 0x430; // u32: 0 running, 1 HLT, 2 wait for SIPI, 3 shutdown
export const STOP = 0x434; // u32: the host asks run() to return
export const EXIT = 0x438; // u32: EXIT_* reason
export const APART_WHY = 0x43c; // u32: what the last UNIT_APART was for: APART_*, or 0 for what is known of numbers
export const APART_BYTES = 1; // a range of bytes in two pages
export const APART_STACK = 2; // stack that is not in the page it was in
export const EXIT_ARG = 0x440; // u64
export const VENDOR = 0x448; // u32: 0 Intel, 1 AMD
export const FEATURES = 0x450; // u64: FEATURE_* bits that gate instructions and control-register bits
export const RESTART = 0x458; // u32: set by a slow path when the mode, the mapping or the code under the interpreter may have changed
export const FLAG_KIND = 0x45c; // u32: 0, or by which rule FR and FV wait to become words (isa/flag-words.ts); 0 outside translations
export const TSC_BASE = 0x460; // u64: what the host's time-stamp counter was when it was asked last
export const TSC_AT = 0x468; // u64: instructions retired then
export const TSC_SPAN = 0x470; // u32: for so many instructions more it is guessed instead; 0 when it is to be asked
export const TSC_PACE = 0x474; // u32: by this many 1/256 of a tick each
export const PROVEN = 0x478; // u32: pages of the running unit that are mapped as they were when it was made, one bit each
export const PAUSES = 0x47c; // u32: PAUSEs of late, each soon after the one before
export const PAUSED_AT = 0x6f0; // u32: low half of the instructions retired at the last one
export const PAUSE_LOOP = 96; // as many of them are a loop,
export const PAUSE_GAP = 128; // if no more instructions than this lie between two
export const RESTART_AGAIN = 2; // RESTART: and the instruction under way is to be executed again
export const SHADOW_STI = 1;
export const SHADOW_MOV_SS = 2;
export const EXIT_NONE = 0;
export const EXIT_BUDGET = 1;
export const EXIT_HALT = 2;
export const EXIT_YIELD = 3;
export const EXIT_SHUTDOWN = 4;
export const EXIT_STOP = 5;
export const EXIT_UNMODELLED = 6;

// -- scratch for accesses that cross pages or touch devices -------------------------------------------------------------------------
export const SCRATCH = 0x480; // 64 bytes: data of the access in flight
export const SCRATCH_LIN = 0x4c0; // u64: linear address of the access to commit
export const SCRATCH_PA0 = 0x4c8; // u64: physical address of its first byte
export const SCRATCH_PA1 = 0x4d0; // u64: physical address of the first byte in the second page
export const SCRATCH_SIZE = 0x4d8; // u32
export const SCRATCH_SPLIT = 0x4dc; // u32: bytes in the first page

// -- floating point and vectors -----------------------------------------------------------------------------------------------------
export const FCW = 0x500; // u32
export const FSW = 0x504; // u32, TOP in bits 11-13
export const FTW = 0x508; // u32, abridged: bit n = physical register n is not empty
export const FOP = 0x50c; // u32
export const FIP = 0x510; // u64
export const FDP = 0x518; // u64
export const FCS = 0x520; // u32
export const FDS = 0x524; // u32
export const MXCSR = 0x528; // u32
export const FPU_UOP = 0x52c; // u32: x87 operation under way, for FOP, FDP and FDS when it raises an unmasked exception
export const FPR = 0x540; // 8 physical registers R0-R7, 16 bytes each: u64 mantissa (MMn), u16 sign and exponent
export const XMM = 0x5c0; // 16 x 16 bytes, to 0x6bf

// -- address translation and debugging (0x6c0-0x6ff, 0x1800-0x3fff) -----------------------------------------------------------------
export const STEP_TF = 0x6c0; // u32: EFLAGS.TF when the present instruction began; RF when the instruction itself loaded RF
export const DEBUG_PENDING = 0x6c4; // u32: DR6 bits of debug traps to be delivered before the next instruction
export const WATCH = 0x6c8; // u32: data breakpoints enabled in DR7, one bit each
export const FETCH_WATCH = 0x6cc; // u32: instruction breakpoints enabled in DR7, one bit each
export const PCID_USED = 0x6d0; // u32: 1 when PCID_CONTEXT holds anything but entry 0
export const SUPER_CTX = 0x6d4; // u32: context of supervisor accesses under any CR3, 0: that of the PCID (assembly/memory/supervisor.ts)
export const SUPER_FLAW = 0x6d8; // u32: what becomes of it when the address space is left
export const SUPER_NOTED = 0x6dc; // u32: entries of SUPER_LIST
export const CTX_USER = 0x6e0; // u64: what CTX is, or would be, for accesses with the rights of CPL 3
export const CTX_SUPER = 0x6e8; // u64: and for those of supervisors
export const LARGE_MAP = 0x1800; // 512 x u16, by hash of a 4 MiB region: which of its 16 parts may have pieces of large pages in the TLB
export const HUGE_MAP = 0x1c00; // 64 bytes: one bit by hash of a 1 GiB region that may have pieces of 1 GiB pages
export const PCID_CONTEXT = 0x2000; // 4096 x u16: context number of each PCID, 0 for none
export const CONTEXT_NONE = 0xffe; // context under which nothing is cached (alignment checking)

export const CPUID_COUNT = 0x700; // u32
export const CPUID_TABLE = 0x710; // rows of 24 bytes: leaf, subleaf (-1: any), eax, ebx, ecx, edx
export const CPUID_MAX = 96;

// -- what the model allows (0x14c0-0x14ff), and registers of system/msr (0x1500-0x152f, 0x1040-0x17ff) ---------------------------------------
export const MODEL_FIXED = 0x14c0; // first of what fillCpuid writes
export const CR4_MASK = 0x14c0; // u64: CR4 bits that may be set
export const EFER_MASK = 0x14c8; // u64: EFER bits that may be set
export const MISC_ENABLE_MASK = 0x14d0; // u64: IA32_MISC_ENABLE bits that can be written
export const MSR_MTRR_CAP = 0x14d8; // u64
export const MSR_MCG_CAP = 0x14e0; // u64: low byte = number of banks in use
export const MSR_ARCH_CAPABILITIES = 0x14e8; // u64
export const MSR_BIOS_SIGN_ID = 0x14f0; // u64: microcode revision as RDMSR reads it
export const MSR_PLATFORM_INFO = 0x14f8; // u64 (Intel)
export const MODEL_FIXED_END = 0x1500;
export const MSR_MCG_STATUS = 0x1500; // u64
export const MSR_MCG_CTL = 0x1508; // u64
export const MSR_DE_CFG = 0x1510; // u64: AMD C001_1029
export const MSR_HWCR = 0x1518; // u64: AMD C001_0015
export const MSR_NB_CFG = 0x1520; // u64: AMD C001_001F
export const MODEL_STATE_END = 0x1528; // end of the registers that power-on sets by the model
export const MC_BANKS = 0x1040; // 8 banks x 4 u64: CTL, STATUS, ADDR, MISC
export const MC_BANK_MAX = 8;
export const STAGE = 0x1200; // 576 bytes: an FXSAVE or XSAVE image on its way to or from memory

// -- what is lent to a backend (0x1600-0x17ff); survives resets ---------------------------------------------------------------------------------
export const LENT = 0x1600;
export const VIRTUAL_LEVEL = 0x1600; // u32: 0: the CPL is the level; otherwise level + 1
export const INTERCEPT_UOP = 0x1604; // u32: the operation that FAULT_INTERCEPT is about
export const FAULT_ADDRESS = 0x1608; // u64: linear address of the pending #PF, which becomes CR2 when it is delivered
export const LEVEL_MODE = 0x1610; // 4 x u32 by level: intercept set's number, where it stands in the mode key
export const LEVEL_INTERRUPTS = 0x1620; // 4 x u32 by level: 1 when interrupts and NMIs come to delivery
export const EVENT = 0x1630; // u32: the pending-event word
export const EVENT_MASK = 0x1634; // u32: host address of the field that masks events, 0: EFLAGS.IF does
export const EVENT_MASK_BITS = 0x1638; // u32: its width
export const EVENT_TAKES = 0x163c; // u32: events are taken while the field is zero (0) or not (1)
export const LEVEL_EXCEPTIONS = 0x1640; // 4 x 32 bytes by level: one bit for each vector that comes to delivery
export const INTERRUPT_WINDOW = 0x16c0; // u32: somebody waits for the moment at which an interrupt can be taken
export const REHEARSAL = 0x16c4; // u32: 1 while the instruction runs whose stores to protected frames are asked about; 2 once one was refused
export const REFUSED = 2;
export const REFUSED_ADDRESS = 0x16c8; // u64: linear address of the store asked about last
export const ROOT_CONTEXTS = 0x16d0; // ROOT_CONTEXT_MAX rows of 16 bytes: u64 root, u32 context number, 0 for a free row
export const ROOT_CONTEXT_MAX = 4;
export const ROOT_NEXT = 0x1710; // u32: row to be used next
export const EXECUTE_SLOT = 0x1718; // u64: register operand of an instruction that a backend has executed
export const EXECUTE_UOP = 0x1720; // UOP_SIZE bytes: that instruction
export const RECORDS = 0x1740; // RECORD_MAX x u32: host address of each named record, 0 when there is none
export const RECORD_MAX = 16;
export const LENT_END = 0x1780;
export const FAULT_INTERCEPT = 256; // in FAULT: an intercepted instruction, nothing of which has happened
export const FAULT_PROTECTED = 257; // in FAULT: an instruction that stores to a protected frame, likewise

// -- modes: the key under which decoded code is cached --------------------------------------------------------------------------------
export const MODE_64 = 1; // CS.L in long mode
export const MODE_CS32 = 2; // CS.D
export const MODE_SS32 = 4; // SS.B
export const MODE_FLAT = 8; // CS, DS, ES, SS have base 0 and limit 4 GiB, writable where they should be (always set with MODE_64)
export const MODE_PE = 16; // protected mode and not virtual-8086
export const MODE_V86 = 32;
export const MODE_CPL0 = 64;
export const MODE_CPL3 = 128;
export const MODE_PG = 256;
export const MODE_NO_FPU = 512; // CR0.TS or CR0.EM: x87 and MMX raise #NM (or #UD)
export const MODE_NO_SSE = 1024; // CR4.OSFXSR clear or CR0.EM: SSE raises #UD; CR0.TS: #NM (see MODE_NO_FPU)
export const MODE_LMA = 2048; // long mode active (64-bit or compatibility)
export const MODE_SINGLE = 4096; // blocks of one instruction: single step, shadows, exact budgets
export const MODE_PLAIN = 8192; // blocks that are never translated: what verification compares units with
export const MODE_SMAP = 16384; // CR4.SMAP below CPL 3: EFLAGS.AC says which TLB array is in use
export const MODE_INTERCEPT_SHIFT = 16; // bits 16-31: number of the intercept set in force

// -- a decoded block: this header, then its operations, the last of which leaves the block -----------------------------------------------
export const H_HOST = 0; // u32: host address of the first byte; with H_MODE the key
export const H_MODE = 4; // u32: mode key
export const H_COUNT = 8; // u32: instructions; HEADER_SPECIAL when entering needs a look first (stale, or crossing a page)
export const H_REAL = 12; // u32: instructions, always
export const H_NEXT = 16; // u32: next header of the hash chain
export const H_PAGE_NEXT = 20; // u32: next header of the same frame
export const H_STATE = 24; // u32: BLOCK_*
export const H_BYTES = 28; // u32: length in bytes
export const H_HEAT = 32; // u32: runs in the interpreter until it is 0; the translator is asked when it comes down to HOT_PTR, never when it begins with 0
export const H_UNIT = 36; // u32: 0, or (number of the mode) << UNIT_MODE_SHIFT | (table index of the translation) << UNIT_SHIFT | its entry here
export const H_UNIT_DELTA = 40; // i32: offset of this block from that translation's base
export const UNIT_SHIFT = 8;
export const UNIT_MODE_SHIFT = 24; // modes in which something is translated have a number from 1 to 255
export const UNIT_SLOTS = 0x10000;
export const HEADER_SIZE = 48;
export const HEADER_SPECIAL = 0x7fffffff;
export const BLOCK_STALE = 1; // its bytes have changed
export const BLOCK_CROSSING = 2; // one instruction that crosses into another page; its bytes follow the operations, and are compared on entry
export const BLOCK_INSTRUCTIONS = 48; // at most
export const BLOCK_TRANSLATED = 4; // some translation contains it: the translator is told when it is dropped
export const CROSSING_BYTES = 112; // offset of those bytes from the header

// -- how a translation ends --------------------------------------------------------------------------------------------------------------------
export const UNIT_GO = 0; // RIP is where to go on, perhaps in another unit
export const UNIT_SIDE = 1; // the interpreter must run the block at RIP
export const UNIT_LOOK = 2; // a fault is pending, or code or mode may have changed
export const UNIT_APART = 3; // as UNIT_SIDE: something is not as the unit takes it to be (translate/assumptions.ts)

// -- one pre-decoded operation, 32 bytes ------------------------------------------------------------------------------------------------
export const UOP_SIZE = 32;
export const U_OP = 0; // u16: handler number
export const U_LEN = 2; // u8: instruction length
export const U_LEFT = 3; // u8: instructions of the block from this one on, itself included
export const U_DST = 4; // u16: byte offset in the vCPU block of the first register operand
export const U_SRC = 6; // u16: likewise the second
export const U_BASE = 8; // u16: offset of the base register's slot (ZERO when absent, RIP_BASE for rip-relative)
export const U_INDEX = 10; // u16: offset of the index register's slot
export const U_SCALE = 12; // u8: 0-3
export const U_SEG = 13; // u8: bits 0-2 segment; bit 3: not flat, take the slow address path; bits 4-5: address size (0: 16, 1: 32, 2: 64)
export const U_DELTA = 14; // u16: offset of this instruction from the block's first byte
export const U_IMM = 16; // i64: immediate; direct branches keep the offset of the target from RIP_BASE here
export const U_DISP = 24; // i32: displacement (rip-relative ones count from RIP_BASE)
export const U_AUX = 28; // u32: third register offset, prefixes (AUX_*), second immediate, or link to the next block

export const AUX_REP = 1; // F3
export const AUX_REPNE = 2; // F2
export const AUX_LOCK = 4;
export const AUX_OP16 = 8; // operand size 16
export const AUX_OP32 = 16;
export const AUX_OP64 = 32;
export const AUX_AD16 = 64; // address size 16
export const AUX_AD32 = 128;
export const AUX_AD64 = 256;
export const AUX_MEM = 512; // the E operand is memory
export const AUX_IMM = 1024; // the operand is U_IMM
export const AUX_REG_SHIFT = 16; // bits 16-23: ModRM.reg with REX.R (for groups that need the number)

// -- features ------------------------------------------------------------------------------------------------------------------------------
export const FEATURE_NX = 1;
export const FEATURE_LM = 2;
export const FEATURE_1G = 4;
export const FEATURE_SMEP = 8;
export const FEATURE_SMAP = 16;
export const FEATURE_UMIP = 32;
export const FEATURE_PCID = 64;
export const FEATURE_FSGSBASE = 128;
export const FEATURE_XSAVE = 256;
export const FEATURE_RDTSCP = 512;
export const FEATURE_SYSCALL = 1024;
export const FEATURE_AIBRS = 2048;
export const FEATURE_INVPCID = 4096;
export const FEATURE_RDPID = 8192;
export const FEATURE_XSAVEOPT = 16384;
export const FEATURE_XSAVEC = 32768;
export const FEATURE_FXSR = 65536;
export const FEATURE_TSC_ADJUST = 131072;
export const FEATURE_ARCH_CAPABILITIES = 262144;
export const FEATURE_SPEC_CTRL = 524288;
export const FEATURE_SEP = 1048576;
export const FEATURE_MTRR = 2097152;
export const FEATURE_PAT = 4194304;
export const FEATURE_MCA = 8388608;
export const FEATURE_TSC = 16777216;
export const FEATURE_APIC = 33554432;
export const FEATURE_X2APIC = 67108864;
export const FEATURE_TSC_DEADLINE = 134217728;
export const FEATURE_NULL_CLEARS = 268435456; // a null selector clears the base (AMD tells; on Intel always)
export const FEATURE_XGETBV1 = 536870912;

// -- deliveries: what hostDeliver is told (its `kind`), and its answers ------------------------------------------------------------------------
export const DELIVER_EXCEPTION = 0;
export const DELIVER_INTERRUPT = 1;
export const DELIVER_NMI = 2;
export const DELIVER_SOFTWARE = 3;
export const DELIVER_EVENT = 4;
export const ANSWER_ARCHITECTURAL = 0;
export const ANSWER_DONE = 1; // nothing is left to do
export const ANSWER_NEXT = 2; // go on behind the instruction
export const ANSWER_FAULT = 3; // a fault is pending

// -- inline forms of operations (assembly/hypervisor/inline-form.ts) --------------------------------------------------------------------------
export const FORM_NOP = 1; // U_SCALE: what is done
export const FORM_FAULT = 2;
export const FORM_LOAD = 3;
export const FORM_STORE = 4; // the constant in the low half of U_IMM
export const FORM_STORE_OPERAND = 5;
export const FORM_NOWHERE = 0; // U_SEG: where the result goes, or the operand is
export const FORM_REGISTER = 1;
export const FORM_PAIR = 2; // EDX:EAX
export const FORM_PUSH = 3; // PUSHF
export const FORM_POP = 4; // POPF
export const MEANING_VALUE = 0;
export const MEANING_FLAG = 1; // not zero: EFLAGS.IF
export const MEANING_MASK = 2; // zero: EFLAGS.IF

// -- linear windows: rows of a table (assembly/memory/walk.ts) -----------------------------------------------------------------------------
export const WINDOW_MAX = 64;
export const WINDOW_SIZE = 40;
export const W_ADDRESS = 0; // u64: first linear address
export const W_PAGES = 8; // u32
export const W_FRAMES = 12; // u32: host address of one u32 for each page: its frame, all ones for none
export const W_ALLOWED = 16; // u32: bits as in a #PF error code: 1 read, 2 write, 16 execute
export const W_LEVEL = 20; // u32: least privileged level that may use it
export const W_SCOPE = 24; // u32: WINDOW_*
export const W_SCOPE_VALUE = 28; // u32: vCPU number, or frame of the root
export const WINDOW_ALL = 0;
export const WINDOW_VCPU = 1;
export const WINDOW_ROOT = 2;
