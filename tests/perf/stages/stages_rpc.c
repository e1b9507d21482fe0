#include <stdio.h>
#include <stdlib.h>

#include "dataplane/rpc/record.h"
#include "tests/perf/stages/stages.h"
#include "tests/unit/dataplane/rpc/channel_rig.h"

enum { ROUNDS = 16, CALLS = 8, ADVANCE_NS = 20 * 1000 * 1000 };

static struct rig rig;
static uint8_t call[512], head[64];
static size_t call_bytes, head_bytes;
static uint32_t answered;

static void serve(struct rig_end *e, struct stream *s)
{
    size_t len;
    const uint8_t *view = stream_peek(s, 0, &len);

    if (view)
        stream_consume(e->channel, s, (uint32_t)len);
    if (!stream_is_ended(s))
        return;
    stream_write(e->channel, s, head, (uint32_t)head_bytes);
    stream_end(e->channel, s);
    stream_release(e->channel, s);
}

static void collect(struct rig_end *e, struct stream *s)
{
    size_t len;
    const uint8_t *view = stream_peek(s, 0, &len);

    if (view)
        stream_consume(e->channel, s, (uint32_t)len);
    if (!stream_is_ended(s))
        return;
    stream_release(e->channel, s);
    answered++;
}

/* Both ends of a channel, AEAD excluded: streams opened, written, packed, taken in, ended. */
static void run_channel(void)
{
    answered = 0;
    for (uint32_t i = 0; i < CALLS; i++) {
        struct stream *s = NULL;
        MEASURED(s = channel_open_stream(rig.end[0].channel, NULL);
                 stream_write(rig.end[0].channel, s, call, (uint32_t)call_bytes);
                 stream_end(rig.end[0].channel, s));
    }
    MEASURED(rig_settle(&rig));
    rig_advance(&rig, ADVANCE_NS); /* acknowledgements that may wait */
    if (answered != CALLS) {
        fprintf(stderr, "stages: %u answers of calls\n", answered);
        exit(1);
    }
}

static const struct record_call made = {.request_id = 1,
                                        .script = 2,
                                        .version = 3,
                                        .age_us = 40,
                                        .flags = RECORD_CALL_IDEMPOTENT,
                                        .head = (const uint8_t *)"an encoded head, as long as one",
                                        .head_bytes = 31};

/* A CALL and the HEAD that answers it, written and read. */
static void run_records(void)
{
    const struct record_head answer = {.head = made.head, .head_bytes = made.head_bytes};
    struct record_call read_call;
    struct record_head read_head;
    struct record_header header;
    bool is_good = false;

    MEASURED(call_bytes = record_write_call(call, sizeof(call), &made);
             head_bytes = record_write_head(head, sizeof(head), &answer);
             is_good = record_read_header(&header, call) &&
                       record_read_call(&read_call, call + RECORD_HEADER_BYTES,
                                        call_bytes - RECORD_HEADER_BYTES) &&
                       record_read_head(&read_head, head + RECORD_HEADER_BYTES,
                                        head_bytes - RECORD_HEADER_BYTES));
    if (!is_good) {
        fprintf(stderr, "stages: a record is not read\n");
        exit(1);
    }
}

void stages_of_rpc(void)
{
    stage_count("rpc_records_of_a_call", ROUNDS, 1, run_records);
    rig_init(&rig, 1);
    rig.end[1].on_readable = serve;
    rig.end[0].on_readable = collect;
    rig_open(&rig);
    rig_advance(&rig, ADVANCE_NS);
    stage_count("rpc_call_and_answer", ROUNDS, CALLS, run_channel);
    rig_settle(&rig);
    rig_fini(&rig);
}
