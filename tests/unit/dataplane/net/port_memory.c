#include "port_memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static uint16_t memory_rx(struct port *p, uint16_t queue, struct frame *f, uint16_t count)
{
    return 0;
}

static void memory_free(struct port *p, uint16_t queue, struct frame *f, uint16_t count)
{
    struct port_memory *m = (struct port_memory *)p;

    for (uint16_t i = 0; i < count; i++) {
        free(f[i].handle);
        m->buffers_out--;
    }
}

/* Each frame is its own allocation of exactly the promised room, so that a sanitizer sees a byte
 * too many. */
static bool memory_tx_alloc(struct port *p, uint16_t queue, struct frame *f)
{
    struct port_memory *m = (struct port_memory *)p;

    if (m->buffers_out >= m->buffers_limit)
        return false;
    m->buffers_out++;
    *f = (struct frame){0};
    f->handle = f->bytes = malloc(p->frame_bytes_max);
    assert(f->handle != NULL);
    return true;
}

static void memory_tx(struct port *p, uint16_t queue, struct frame *f, uint16_t count)
{
    struct port_memory *m = (struct port_memory *)p;

    for (uint16_t i = 0; i < count; i++) {
        if (m->sent_count < PORT_MEMORY_FRAMES) {
            struct port_memory_sent *s = &m->sent[m->sent_count++];

            assert(f[i].len <= sizeof(s->bytes));
            memcpy(s->bytes, f[i].bytes, f[i].len);
            s->len = f[i].len;
            s->tx_csum = f[i].tx_csum;
            s->l3_offset = f[i].l3_offset;
            s->l4_offset = f[i].l4_offset;
        }
    }
    memory_free(p, queue, f, count);
}

static int memory_wait_fds(struct port *p, uint16_t queue, int *fds, int max)
{
    return 0;
}

static void memory_stats(struct port *p, uint16_t queue, struct port_stats *out)
{
    *out = (struct port_stats){0};
}

static void memory_close(struct port *p)
{
}

static const struct port_ops memory_ops = {
    .rx = memory_rx,
    .free = memory_free,
    .tx_alloc = memory_tx_alloc,
    .tx = memory_tx,
    .wait_fds = memory_wait_fds,
    .stats = memory_stats,
    .close = memory_close,
};

void port_memory_init(struct port_memory *m, const uint8_t mac[6])
{
    memset(m, 0, sizeof(*m));
    m->port.ops = &memory_ops;
    m->port.caps.mtu = 1500;
    m->port.caps.queues = 1;
    memcpy(m->port.caps.mac, mac, 6);
    m->port.frame_bytes_max = PORT_MEMORY_FRAME_BYTES;
    m->buffers_limit = UINT32_MAX;
}

void port_memory_clear(struct port_memory *m)
{
    m->sent_count = 0;
}
