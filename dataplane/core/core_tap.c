#include "dataplane/core/core_tap.h"

#include <string.h>

#include "dataplane/core_state.h"
#include "drivers/tap.h"

enum { MACS_BYTES = 12, TAG_BYTES = 4, TYPE_AT = 12, TYPE_VLAN = 0x8100 };

void core_tap_init(struct core *core)
{
    const struct core_config *config = &core->config;

    for (int i = 0; i < 2; i++)
        token_bucket_init(&core->tap.bucket[i], config->tap ? config->tap_rate : 0, EXCEPTION_BURST,
                          core->now_ns);
}

static bool write_frame(const struct core *core, const struct frame *f)
{
    const uint8_t *p = f->bytes;
    bool is_tagged =
        f->len >= MACS_BYTES + TAG_BYTES && (p[TYPE_AT] << 8 | p[TYPE_AT + 1]) == TYPE_VLAN;
    uint32_t rest = MACS_BYTES + (is_tagged ? TAG_BYTES : 0);

    return tap_write(core->config.tap, p, MACS_BYTES, p + rest, f->len - rest);
}

void core_tap_give(struct core *core, const struct frame *f, bool is_near)
{
    struct counters *c = &core->counters;

    if (!token_bucket_take(&core->tap.bucket[is_near], core->now_ns))
        c->tap_limited++;
    else if (write_frame(core, f))
        c->tap_tx++;
    else
        c->tap_dropped++;
}

void core_tap_show(struct core *core, const struct frame *f)
{
    if (token_bucket_take(&core->tap.bucket[true], core->now_ns) && write_frame(core, f))
        core->counters.tap_shown++;
    else
        core->counters.tap_unshown++;
}

/* Where the tag goes when there is one. */
static void put_tag(uint8_t *bytes, uint16_t vlan)
{
    const uint8_t tag[TAG_BYTES] = {TYPE_VLAN >> 8, TYPE_VLAN & 0xff, (uint8_t)(vlan >> 8),
                                    (uint8_t)vlan};

    memmove(bytes, bytes + TAG_BYTES, MACS_BYTES);
    memcpy(bytes + MACS_BYTES, tag, TAG_BYTES);
}

static bool send_one(struct core *core)
{
    const uint16_t vlan = core->net.config.vlan;
    const uint32_t tag_bytes = vlan ? TAG_BYTES : 0;
    struct frame *f = tx_next(&core->tx);
    size_t n;

    if (!f)
        return false;
    n = tap_read(core->config.tap, f->bytes + tag_bytes,
                 core->config.port->frame_bytes_max - TAG_BYTES);
    if (n < MACS_BYTES)
        return false;
    if (vlan)
        put_tag(f->bytes, vlan);
    f->len = (uint32_t)n + tag_bytes;
    tx_commit(&core->tx);
    core->counters.tap_rx++;
    return true;
}

uint32_t core_tap_run(struct core *core)
{
    uint32_t count = 0;

    if (core_tap_fd(core) < 0 || (!core->tap.is_readable && core->now_ns < core->tap.look_ns))
        return 0;
    while (count < EXCEPTION_FRAMES_PER_LOOK && send_one(core))
        count++;
    core->tap.is_readable = count == EXCEPTION_FRAMES_PER_LOOK; /* there may be more */
    core->tap.look_ns = core->now_ns + EXCEPTION_LOOK_US * 1000ull;
    return count;
}

int core_tap_fd(const struct core *core)
{
    return core->config.tap && core->config.index == 0 ? core->config.tap->fd : -1;
}

void core_tap_woke(struct core *core)
{
    core->tap.is_readable = true;
}
