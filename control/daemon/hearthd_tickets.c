#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "control/base/log.h"
#include "control/daemon/hearthd.h"

#define PERIOD_NS ((uint64_t)TLS_TICKET_PERIOD_S * 1000000000)
#define RETRY_NS  ((uint64_t)60 * 1000000000)

static bool make_key(struct tls_ticket_key *key)
{
    return getrandom(key, sizeof(*key), 0) == sizeof(*key);
}

static void rotate(void *arg)
{
    struct hearthd *h = arg;
    struct tls_ticket_key key;
    bool is_made = make_key(&key);

    if (is_made)
        tls_tickets_rotate(&h->tickets, &key);
    explicit_bzero(&key, sizeof(key));
    log_line("tickets", is_made ? "rotated" : "not rotated: no random bytes");
    loop_timer_set(&h->loop, &h->tickets_timer, is_made ? PERIOD_NS : RETRY_NS, rotate, h);
}

int hearthd_tickets_start(struct hearthd *h)
{
    struct tls_ticket_key key;

    if (!make_key(&key))
        return -EIO;
    tls_tickets_init(&h->tickets, &key);
    explicit_bzero(&key, sizeof(key));
    loop_timer_set(&h->loop, &h->tickets_timer, PERIOD_NS, rotate, h);
    return 0;
}

void hearthd_tickets_stop(struct hearthd *h)
{
    if (h->has_loop)
        loop_timer_cancel(&h->loop, &h->tickets_timer);
    tls_tickets_wipe(&h->tickets);
}
