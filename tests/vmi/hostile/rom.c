// The ROM as the other guest finds it.
#include "../calls/rom.c"
