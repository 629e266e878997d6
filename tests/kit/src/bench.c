#include "pv.h"
void benchmarks(void) {}
