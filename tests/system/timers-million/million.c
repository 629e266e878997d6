// The same for a million ticks: half of them in one-shot mode, half in TSC-deadline mode.
#define TICKS 1000000
#include "../timers/timers.c"
