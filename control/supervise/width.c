#include "control/supervise/width.h"

int width_judge(struct width *w, uint32_t cells, uint64_t used, bool has_idle, uint32_t cells_max)
{
    const uint64_t full = (uint64_t)cells * WIDTH_FULL_PERCENT * 10;

    w->calm_s = cells > 1 && used < full / 2 ? w->calm_s + 1 : 0;
    if (cells && cells < cells_max && has_idle && used > full)
        return 1;
    if (w->calm_s < WIDTH_NARROW_S)
        return 0;
    w->calm_s = 0;
    return -1;
}
