/* ctl.h
 *
 * The control socket: hearthctl's requests to hearthd. A unix stream socket, mode 0600: who opens
 * it is the operator. A second one, of mode 0666, may let guests in, who must bring a token
 * (session.h). This is hearthd's side; ctl_reader.h reads requests, ctl_client.h is the other side.
 *
 *   frame     u32 length (little-endian), JSON object
 *   request   {"command":S, ...}          "payload":N announces N raw bytes behind the frame
 *   reply     {"ok":true, ...} | {"ok":false,"error":S}; a tail sends frames until one side closes
 *
 * One request at a time per client; a client that breaks the protocol is answered once and closed.
 * Bounded in clients, frame, nesting, payload and unsent bytes: a tail that is not read loses
 * lines, counted. Bounded in time, for there are few places: a client that does not ask, has not
 * asked in full, or takes none of what is sent for CTL_PATIENCE_MS is closed. Guests have half of
 * the places, and one uid of theirs CTL_GUESTS_OF_UID_MAX, so the operator always gets in. Control
 * thread only.
 */
#ifndef HEARTH_CTL_H
#define HEARTH_CTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/base/loop.h"
#include "dataplane/base/limits.h"

enum {
    CTL_CLIENTS_MAX = 32,
    CTL_GUESTS_MAX = CTL_CLIENTS_MAX / 2,
    CTL_GUESTS_OF_UID_MAX = 8,
    CTL_REPLY_BYTES_MAX = 64 << 20,
    CTL_REFUSAL_BYTES_MAX = 8192,
    CTL_UNSENT_BYTES_MAX = 1 << 20, /* of a tail */
};

struct ctl;
struct ctl_client;

struct session;
struct behalf;
struct tail_wish;

struct ctl_request {
    const struct session *session; /* who asks; the handler's, NULL when it is given the request */
    const char *command;
    const json_t *json;
    const uint8_t *payload;
    size_t payload_bytes;
};

/* Answers with ctl_reply, now or later (ctl_find). */
typedef void (*ctl_handler)(void *arg, struct ctl_client *, const struct ctl_request *);

struct ctl_counts {
    uint32_t clients, guests; /* guests: of the clients */
    uint64_t turned_away;     /* there was no place, or no descriptor */
    uint64_t given_up;        /* for CTL_PATIENCE_MS they did not get on */
    uint64_t bad;             /* they broke the protocol */
};

/* NULL and a sentence. A stale socket file is replaced; one that answers is not. */
struct ctl *ctl_create(struct loop *, const char *path, ctl_handler, void *arg, char *error,
                       size_t error_bytes);
/* Opens the guests' socket too. admit is asked before a guest's payload is awaited: NULL, or why
 * not, a constant. -1: a sentence. */
int ctl_open_to_guests(struct ctl *, const char *path,
                       const char *(*admit)(void *arg, const json_t *request), char *error,
                       size_t error_bytes);
bool ctl_is_guest(const struct ctl_client *);

/* In place of CTL_PATIENCE_MS. */
void ctl_set_patience(struct ctl *, uint32_t ms);
/* Sends what it can at once, closes all clients, removes the socket files. */
void ctl_destroy(struct ctl *);

/* Consumes reply. */
void ctl_reply(struct ctl_client *, json_t *reply);
void ctl_refuse(struct ctl_client *, const char *error);

/* For answering later: a client may be gone by then (NULL). */
uint64_t ctl_client_id(const struct ctl_client *);
struct ctl_client *ctl_find(struct ctl *, uint64_t id);
struct ctl_counts ctl_counts(const struct ctl *);

/* The client reads log lines of these scripts (script_id_is_of) from now on, on that one's
 * behalf. */
void ctl_subscribe(struct ctl_client *, const char *scripts, const struct behalf *);
/* How many do on that account's behalf. */
uint32_t ctl_subscribers_of(const struct ctl *, const char *account);
/* Ends them: who may still read comes back with his token. */
void ctl_unsubscribe(struct ctl *, const char *account);
bool ctl_has_subscribers(const struct ctl *);
/* What is read, each once; views that live until the loop goes on. How many, at most max. */
uint32_t ctl_subscriptions(const struct ctl *, struct tail_wish *, uint32_t max);
/* To all subscribers of that script, or to those that have this very wish. Borrows line. */
void ctl_broadcast(struct ctl *, const char *script, const struct tail_wish *, const json_t *line);

#endif
