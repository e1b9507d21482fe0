/* session.h
 *
 * TLS sessions with servers of the world, to be resumed by the next connection of the same account
 * to the same server (pool.h): without the server's certificate and its verification, which were
 * there when the session began.
 *
 * A table of EGRESS_SESSIONS, each at the place of its hash: who comes later takes it over. A
 * session is some 37 KB of wolfSSL's memory. Thread: the core.
 */
#ifndef HEARTH_EGRESS_SESSION_H
#define HEARTH_EGRESS_SESSION_H

#include <stdint.h>

struct tls_resumption;
struct tls_session;

enum { EGRESS_SESSIONS = 64 };

struct session {
    uint64_t account, server;
    struct tls_resumption *resumption; /* NULL: none */
};

struct sessions {
    struct session session[EGRESS_SESSIONS];
};

/* NULL: there is none. */
const struct tls_resumption *sessions_find(const struct sessions *, uint64_t account,
                                           uint64_t server);
/* An open one: what its server gave last for the next. */
void sessions_keep(struct sessions *, uint64_t account, uint64_t server, struct tls_session *);
void sessions_fini(struct sessions *);

#endif
