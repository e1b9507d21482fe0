/* why.h
 *
 * The story of one request, from the flight recorders (dataplane/base/trace.h): collected here, or
 * asked of the other nodes if this one was not where the request entered.
 *
 *   why_collect (every core) --> struct why_story --why_json--> events with sentences
 *                                                               (why_tell.h), oldest first
 *
 *   asker --"why" {request, ticket}--> every node
 *   a node --"because" {ticket, events, is_last}*--> asker
 *
 * Times are of the clock of the node that recorded them; no two nodes' clocks agree, so a story is
 * one node's: of several, the one that saw the client's request, else the longest. What homes saw
 * is in it already, on that clock (trace_take), as well as the channel knew the distance; where the
 * story has a call's sending and its reply too, they say it better.
 *
 * Bounded: WHY_EVENTS_MAX events of a story, WHY_ASKING_MAX questions at once, each WHY_WAIT_MS
 * long. Pure but for memory. Control thread only.
 */
#ifndef HEARTH_WHY_H
#define HEARTH_WHY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/daemon/why_tell.h"
#include "dataplane/base/limits.h"
#include "dataplane/base/trace.h"

enum {
    WHY_EVENTS_MAX = 1024,
    WHY_ASKING_MAX = 8,
    WHY_WAIT_MS = 1000,
    WHY_NOTE_EVENTS = 64, /* of one note: at most 110 bytes each */
    WHY_SPANS_MAX = 64,   /* nested calls that are told apart */
    WHY_FROM_SELF = UINT16_MAX,
    WHY_PARTS_MAX = 4, /* nodes that know something of one request */
};

struct why_story {
    uint64_t request;
    uint32_t count;
    bool is_cut; /* there was more */
    struct trace_event event[WHY_EVENTS_MAX];
};

void why_begin(struct why_story *, uint64_t request);
/* Adds what that core recorded; then why_sort. */
void why_collect(struct why_story *, const struct trace *);
/* By time; what other nodes saw of a call comes to lie between its sending and its reply. */
void why_sort(struct why_story *);
/* Did the request enter here? */
bool why_has_entry(const struct why_story *);

/* Takes out what happened in scripts that are not wanted (script_id_is_of; "": all are), and all
 * else that tells of them. */
void why_keep(struct why_story *, const struct why_names *, const char *wanted);

/* {"request":S, "cut":B, "events":[{"us":R, "node":S, "core":N or null, "kind":S, "span":S,
 * "depth":N, "code":N, "value":N, "text":S}..]} */
json_t *why_json(const struct why_story *, const struct why_names *);

/* "0123456789abcdef". False: not a request id. */
bool why_parse_id(uint64_t *id, const char *text);

/* ---- asking ---- */

struct why_part { /* of the answer: what one node knows */
    bool is_used;
    uint16_t from;
    struct why_story story;
};

struct why_question {
    uint64_t ticket;                       /* random; 0: free */
    uint64_t client;                       /* of ctl */
    char scripts[SCRIPT_ID_BYTES_MAX + 1]; /* of which the client may know: script_id_is_of */
    uint64_t request, deadline_ns;
    uint32_t answers, wanted; /* nodes that said all they know */
    struct why_part *part;    /* WHY_PARTS_MAX, the caller's */
};

/* The notes of an answer: calls send for each. At least one, even of an empty story. */
void why_answer(const struct why_story *, uint64_t ticket, void (*send)(void *arg, json_t *note),
                void *arg);
/* Takes one. False: it makes no sense. */
bool why_take_answer(struct why_question *, uint16_t from, const json_t *note);
/* Of what came the story of the node where the request entered, else the longest, sorted. NULL:
 * nobody knows anything. */
struct why_story *why_best(struct why_question *);

#endif
