/* fuzz_head: any bytes as a request head and as a response head: views stay inside, and what reads
 * well is written back as the same bytes. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/head.h"
#include "runtime/job.h"

static void check_fields(struct head_reader *r, struct head_writer *w, const uint8_t *bytes,
                         size_t len)
{
    struct head_field f;
    while (head_read_field(r, &f)) {
        assert((const uint8_t *)f.name.p >= bytes &&
               (const uint8_t *)f.name.p + f.name.len <= bytes + len);
        assert((const uint8_t *)f.value.p >= bytes &&
               (const uint8_t *)f.value.p + f.value.len <= bytes + len);
        head_write_field(w, f.name, f.value);
    }
}

static void check_same(struct head_reader *r, struct head_writer *w, const uint8_t *bytes,
                       size_t len)
{
    size_t written = head_write_end(w);
    if (head_read_end(r) && len <= JOB_HEAD_BYTES_MAX)
        assert(written == len && memcmp(w->start, bytes, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static uint8_t buf[JOB_HEAD_BYTES_MAX];
    struct head_reader r;
    struct head_writer w;

    struct head_request request = head_read_request(&r, bytes, len);
    head_write_request(&w, buf, sizeof(buf), request.context, request.method, request.url);
    check_fields(&r, &w, bytes, len);
    check_same(&r, &w, bytes, len);

    uint16_t status = head_read_response(&r, bytes, len);
    head_write_response(&w, buf, sizeof(buf), status);
    check_fields(&r, &w, bytes, len);
    check_same(&r, &w, bytes, len);
    return 0;
}
