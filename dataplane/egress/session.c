#include "dataplane/egress/session.h"

#include "dataplane/tls/tls.h"

static uint32_t place_of(uint64_t account, uint64_t server)
{
    return (uint32_t)((account ^ server) % EGRESS_SESSIONS); /* both are hashes */
}

const struct tls_resumption *sessions_find(const struct sessions *t, uint64_t account,
                                           uint64_t server)
{
    const struct session *s = &t->session[place_of(account, server)];
    return s->account == account && s->server == server ? s->resumption : NULL;
}

void sessions_keep(struct sessions *t, uint64_t account, uint64_t server, struct tls_session *tls)
{
    struct session *s = &t->session[place_of(account, server)];
    struct tls_resumption *resumption = tls_session_resumption(tls);
    if (!resumption)
        return;
    if (s->resumption)
        tls_resumption_free(s->resumption);
    *s = (struct session){account, server, resumption};
}

void sessions_fini(struct sessions *t)
{
    for (uint32_t i = 0; i < EGRESS_SESSIONS; i++) {
        if (t->session[i].resumption)
            tls_resumption_free(t->session[i].resumption);
    }
}
