/* sim.h
 *
 * What the models of a simulation share: one random stream by seed, the story of a run and its
 * hash, checks that print how to repeat a failure, and the request paths by which a client tells
 * the model of a runtime how to answer: "/<answer>/<id>/<bytes>".
 */
#ifndef HEARTH_SIM_H
#define HEARTH_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum answer {
    ANSWER_GENERATE,   /* 200 and bytes */
    ANSWER_ECHO,       /* 200 and the request body */
    ANSWER_EMPTY,      /* 204 */
    ANSWER_ERROR,      /* an exception: 500 */
    ANSWER_BAD_HEAD,   /* 502 */
    ANSWER_LATE_ERROR, /* an error behind the head: cut */
    ANSWER_SHORT,      /* fewer bytes than promised: cut */
    ANSWER_LONG,       /* more bytes than promised: cut */
    ANSWERS,
};

extern uint64_t sim_seed, sim_now_ns;
extern bool sim_trace;
extern const char sim_name[]; /* the program as one calls it: its main file says */

#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "seed %lu: %s: ", (unsigned long)sim_seed, #condition);                \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fprintf(stderr, "\nrepeat: %s --seed %lu%s --trace\n", sim_name,                       \
                    (unsigned long)sim_seed, sim_arguments);                                       \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#define TRACE(...) sim_tell(__VA_ARGS__)

extern const char *sim_arguments; /* for the line that repeats a failure */

void sim_seed_with(uint64_t seed);
uint64_t rng(void);
uint32_t below(uint32_t n); /* 0..n-1; 0 for 0 */
bool chance(uint32_t percent);
/* A line of the story: always hashed, printed if sim_trace. */
void sim_tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Bytes that belong to the story, such as a frame. */
void sim_hash(const void *bytes, size_t len);
/* Of the story since sim_seed_with: two runs with the same one are the same run. */
uint64_t sim_story_hash(void);
void sim_random(void *arg, void *out, size_t bytes); /* for core_config and channels */
void *sim_take(size_t bytes, int numa_node);         /* the same; given back by free */

/* Bytes of body `id` from `at` on. */
void body_fill(uint8_t *out, uint32_t id, uint32_t at, uint32_t len);
/* How many of these bytes are those of the body from `at` on. */
uint32_t body_compare(const uint8_t *bytes, uint32_t id, uint32_t at, uint32_t len);

/* Padding of heads: the field "x-pad" of request `id`, and of its answer, has so many bytes; 0:
 * there is none. */
extern bool sim_pads; /* in this run */
uint32_t request_pad(uint32_t id);
uint32_t answer_pad(uint32_t id);
void pad_fill(char *out, uint32_t id, uint32_t len);
/* Are these all bytes of the padding of id? */
bool pad_is(const char *bytes, size_t len, uint32_t id, uint32_t want);

enum { PAD_BYTES_MAX = 32 * 1024 };

/* Byte `at` of body `id`: both ends know what must arrive. */
static inline uint8_t body_byte(uint32_t id, uint32_t at)
{
    return (uint8_t)(id * 131 + at * 7 + (at >> 8) * 13);
}

#endif
