/* peers_rig.h
 *
 * Whole cores on a lossless switch (tests/sim/model_cluster.h), for tests of what peers do with
 * each other: rig_start, change something, rig_run, look.
 */
#ifndef HEARTH_TEST_PEERS_RIG_H
#define HEARTH_TEST_PEERS_RIG_H

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/call/cells.h"
#include "drivers/aead.h"
#include "runtime/context.h"
#include "runtime/head.h"
#include "tests/sim/model_cluster.h"

const char sim_name[] = "test_peers";

struct rig {
    struct cluster c;
    struct world_member own_list[CLUSTER_NODES_MAX]; /* rig_give_list */
    void *own_ring;
};

static inline struct core *core_of(struct rig *r, uint32_t node)
{
    return r->c.node[node].core;
}

static inline struct peers *peers_of(struct rig *r, uint32_t node)
{
    return r->c.node[node].core->peers;
}

static inline void rig_run(struct rig *r, uint32_t ms)
{
    uint64_t end_ns = sim_now_ns + ms * 1000000ull;
    while (sim_now_ns < end_ns) {
        cluster_work(&r->c);
        cluster_advance(&r->c, end_ns);
    }
}

static inline void rig_settle(struct rig *r)
{
    for (uint32_t ms = 0; ms < 3000 && !cluster_is_settled(&r->c); ms++)
        rig_run(r, 1);
    assert_true(cluster_is_settled(&r->c));
}

/* All nodes are off. channels: of each core; 0: plenty. */
static inline struct rig *rig_make(uint32_t nodes, uint32_t channels)
{
    struct rig *r = calloc(1, sizeof(*r));
    struct cluster_config config = {.nodes = nodes,
                                    .scripts = 20,
                                    .chunks = 4096,
                                    .channels = channels,
                                    .make_us = 3000,
                                    .room = 64,
                                    .mtu = 1500,
                                    .tune = world_tune_default,
                                    .faults = {.delay_ns = 50 * 1000}};
    sim_seed_with(1);
    cluster_init(&r->c, &config);
    return r;
}

/* Nodes 0 to started - 1 are started; if that is all of them, it is settled. */
static inline void rig_up(struct rig *r, uint32_t started)
{
    for (uint32_t i = 0; i < started; i++)
        cluster_start(&r->c, i);
    if (started == r->c.config.nodes)
        rig_settle(r);
}

static inline struct rig *rig_start(uint32_t nodes, uint32_t started)
{
    struct rig *r = rig_make(nodes, 0);
    rig_up(r, started);
    return r;
}

static inline void rig_free(struct rig *r)
{
    cluster_fini(&r->c);
    free(r->own_ring);
    free(r);
}

static inline void rig_publish(struct rig *r, uint32_t node)
{
    r->c.node[node].world.epoch++;
}

/* That node alone has another list of members: the common one without `without` (CLUSTER_NODES_MAX:
 * none). To be changed and published by the test. */
static inline struct world_member *rig_give_list(struct rig *r, uint32_t node, uint32_t without)
{
    struct world_cluster *w = &r->c.node[node].world.cluster;
    struct ring_member ring[CLUSTER_NODES_MAX];
    uint16_t count = 0;
    for (uint32_t i = 0; i < r->c.config.nodes; i++) {
        if (i == without)
            continue;
        if (i == node)
            w->self = count;
        r->own_list[count] = r->c.member[i];
        ring[count] = (struct ring_member){
            .id = r->c.member[i].id, .node = count, .weight = r->c.member[i].weight};
        count++;
    }
    r->own_ring = aligned_alloc(64, (ring_bytes(ring, count) + 63) & ~(size_t)63);
    w->member = r->own_list;
    w->member_count = count;
    w->ring = ring_build(r->own_ring, ring, count, 2);
    return r->own_list;
}

/* The head of a request for that script, as an exchange makes it: other nodes look at its
 * context. */
static inline struct byte_queue rig_make_head(struct core *core, uint32_t script,
                                              const char *method)
{
    static const char url[] = "https://s0.test/0/1/100";
    static const uint8_t span[8] = {1};
    uint8_t bytes[1024], stack[CONTEXT_BYTES_MAX];
    struct context context = {0};
    struct head_writer w;
    struct byte_queue head = {0};
    context_push(&context, core->world->scripts[script].id_hash, span);
    head_write_request(
        &w, bytes, sizeof(bytes), (struct head_view){(char *)stack, context_write(&context, stack)},
        (struct head_view){method, strlen(method)}, (struct head_view){url, strlen(url)});
    size_t len = head_write_end(&w);
    assert_int_equal(byte_queue_append(&head, &core->chunks, bytes, len), len);
    return head;
}

/* The script's cell there; NULL: it has none. */
static inline const struct model_cell *rig_cell(const struct rig *r, uint32_t node, uint32_t script)
{
    const struct model_cells *cells = &r->c.node[node].cells;
    for (uint32_t i = 0; i < MODEL_CELLS; i++) {
        const struct model_cell *cell = &cells->cell[i];
        if (cell->state && cell->script->handle == r->c.scripts[script].handle)
            return cell;
    }
    return NULL;
}

static inline bool rig_is_warm(struct rig *r, uint32_t node, uint32_t script)
{
    return cells_warmth(core_of(r, node), r->c.scripts[script].handle) == WARMTH_WARM;
}

/* All scripts are. */
static inline void rig_warm(struct rig *r, uint32_t node)
{
    for (uint32_t i = 0; i < r->c.config.scripts; i++)
        cells_ask(core_of(r, node), r->c.scripts[i].handle, true);
    for (uint32_t ms = 0; ms < 20; ms++)
        rig_run(r, 1);
    for (uint32_t i = 0; i < r->c.config.scripts; i++)
        assert_true(rig_is_warm(r, node, i));
}

/* What starts there from now on is not ready for a quarter of an hour. */
static inline void rig_delay_starts(struct rig *r, uint32_t node)
{
    r->c.node[node].cells.manner.make_us = 2000000000;
}

static inline int start_engine(void **state)
{
    (void)state;
    return aead_init() < 0 ? -1 : 0;
}

#endif
