#include "tests/sim/sim.h"

#include <stdarg.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "drivers/rng.h"

uint64_t sim_seed, sim_now_ns;
bool sim_trace, sim_pads;
const char *sim_arguments = "";
static struct rng random_state;
static uint64_t story;
static uint8_t ramp[512];

void sim_seed_with(uint64_t seed)
{
    sim_seed = seed;
    story = seed;
    sim_now_ns = 0;
    for (uint32_t i = 0; i < sizeof(ramp); i++)
        ramp[i] = (uint8_t)(i * 7);
    random_state.state = seed * 0x2545f4914f6cdd1du + 1;
}

uint64_t rng(void)
{
    return rng_next(&random_state);
}

uint32_t below(uint32_t n)
{
    return n ? (uint32_t)(rng() % n) : 0;
}

bool chance(uint32_t percent)
{
    return below(100) < percent;
}

void sim_random(void *arg, void *out, size_t bytes)
{
    uint8_t *at = out;
    while (bytes > 0) {
        uint64_t word = rng();
        size_t part = bytes < sizeof(word) ? bytes : sizeof(word);
        memcpy(at, &word, part);
        at += part;
        bytes -= part;
    }
}

void *sim_take(size_t bytes, int numa_node)
{
    return aligned_alloc(64, (bytes + 63) & ~(size_t)63);
}

void sim_hash(const void *bytes, size_t len)
{
    story = XXH3_64bits_withSeed(bytes, len, story);
}

void sim_tell(const char *format, ...)
{
    char line[256];
    va_list arguments;
    int head = snprintf(line, sizeof(line), "%9.3f ms ", (double)sim_now_ns / 1e6);
    va_start(arguments, format);
    vsnprintf(line + head, sizeof(line) - (size_t)head, format, arguments);
    va_end(arguments);
    sim_hash(line, strlen(line));
    if (sim_trace)
        puts(line);
}

uint64_t sim_story_hash(void)
{
    return story;
}

/* Up to the next multiple of 256 a byte of a body is the one before plus 7, so that each such run
 * is a piece of the ramp 0, 7, 14... that goes through all bytes: where it begins, the inverse of 7
 * says. */
static const uint8_t *ramp_from(uint8_t first)
{
    return ramp + (uint8_t)(first * 183);
}

static uint32_t run_of(uint32_t at, uint32_t left)
{
    uint32_t run = 256 - at % 256;
    return run < left ? run : left;
}

void body_fill(uint8_t *out, uint32_t id, uint32_t at, uint32_t len)
{
    for (uint32_t run; len > 0; out += run, at += run, len -= run) {
        run = run_of(at, len);
        memcpy(out, ramp_from(body_byte(id, at)), run);
    }
}

uint32_t body_compare(const uint8_t *bytes, uint32_t id, uint32_t at, uint32_t len)
{
    for (uint32_t done = 0, run; done < len; done += run) {
        run = run_of(at + done, len - done);
        const uint8_t *right = ramp_from(body_byte(id, at + done));
        if (memcmp(right, bytes + done, run) == 0)
            continue;
        while (*right++ == bytes[done])
            done++;
        return done;
    }
    return len;
}

/* Half of the heads are as small as most are; the others are of any size up to the most that is
 * allowed. */
static uint32_t pad_of(uint32_t id, uint64_t kind, uint32_t most)
{
    static const uint32_t sizes[] = {1024, 8 * 1024, 16 * 1024, PAD_BYTES_MAX};
    uint64_t draw = XXH3_64bits_withSeed(&id, sizeof(id), sim_seed * 2 + kind);
    uint32_t size = sizes[draw / 2 % 4];
    if (!sim_pads || draw % 2 == 0)
        return 0;
    return 200 + (uint32_t)((draw >> 32) % ((size < most ? size : most) - 200));
}

/* HTTP_HEAD_BYTES_MAX, less what a request says beside. */
uint32_t request_pad(uint32_t id)
{
    return pad_of(id, 0, 24000);
}

/* JOB_HEAD_BYTES_MAX, less what an answer says beside. */
uint32_t answer_pad(uint32_t id)
{
    return pad_of(id, 1, 32600);
}

void pad_fill(char *out, uint32_t id, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        out[i] = (char)('a' + (id + i + i / 26) % 26);
}

bool pad_is(const char *bytes, size_t len, uint32_t id, uint32_t want)
{
    static char right[PAD_BYTES_MAX];
    pad_fill(right, id, want);
    return len == want && memcmp(bytes, right, want) == 0;
}
