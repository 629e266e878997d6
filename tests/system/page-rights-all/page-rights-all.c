// page-rights with many more combinations: fault delivery, INVLPG and page walks as a page-table test suite uses them, some millions of times.
#include "../page-rights/page-rights.c"
