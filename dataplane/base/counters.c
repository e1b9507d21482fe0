#include "dataplane/base/counters.h"

void counters_each(const struct counters *c, counters_visit visit, void *arg)
{
    visit(arg, "rx_frames", "frames received", COUNTER_TOTAL, c->rx_frames);
#define COUNTER_VISIT_D(name, text) visit(arg, #name, text, COUNTER_DISPOSITION, c->name);
#define COUNTER_VISIT_E(name, text) visit(arg, #name, text, COUNTER_EVENT, c->name);
    COUNTER_LIST(COUNTER_VISIT_D, COUNTER_VISIT_E)
#undef COUNTER_VISIT_D
#undef COUNTER_VISIT_E
}
