#include "dataplane/base/ledger.h"

void ledger_init(struct ledger *l, uint32_t ticks_per_us)
{
    *l = (struct ledger){.ticks_per_us = ticks_per_us};
    if (ticks_per_us)
        l->mark = __rdtsc();
}

void ledger_each(const struct ledger *l, ledger_visit visit, void *arg)
{
#define LEDGER_VISIT(name, unit, text)                                                             \
    visit(arg, #name, unit, text, l->ticks[LEDGER_##name], l->pieces[LEDGER_##name]);
    LEDGER_STAGES(LEDGER_VISIT)
#undef LEDGER_VISIT
}
