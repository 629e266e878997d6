#include "pv.h"
void xen_setup(void *info) { (void)info; }
