#include "control/world/certs_part.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/tls/cert.h"

enum { CERT_NAMES_MAX = 128 }; /* of one certificate */

static void certs_part_destroy(struct part *part)
{
    struct certs_part *p = (struct certs_part *)part;

    if (p->certs)
        certs_destroy(p->certs);
    for (uint32_t i = 0; i < p->context_count; i++)
        tls_context_destroy(p->contexts[i]);
    free(p->contexts);
    free(p);
}

struct names {
    struct cert_source *source;
    uint32_t count, room;
};

static bool add_name(struct names *n, const char *name, uint32_t context)
{
    for (uint32_t i = 0; i < n->count; i++)
        if (!strcmp(n->source[i].name, name) && n->source[i].context == context)
            return true;
    if (n->count == n->room) {
        uint32_t room = n->room ? 2 * n->room : 64;
        struct cert_source *more = realloc(n->source, room * sizeof(*more));

        if (!more)
            return false;
        n->source = more;
        n->room = room;
    }
    n->source[n->count].name = strdup(name);
    n->source[n->count].context = context;
    return n->source[n->count++].name != NULL;
}

static void free_names(struct names *n)
{
    for (uint32_t i = 0; i < n->count; i++)
        free((char *)n->source[i].name);
    free(n->source);
}

static bool load_contexts(struct certs_part *p, const struct conf *conf,
                          const struct tls_tickets *tickets, struct names *names, char *error,
                          size_t error_bytes)
{
    char(*dns)[256] = malloc(CERT_NAMES_MAX * sizeof(*dns));
    bool ok = dns != NULL;

    for (uint32_t i = 0; ok && i < conf->certificates_count; i++) {
        const struct conf_certificate *c = &conf->certificates[i];
        size_t count;

        p->contexts[i] = tls_context_create(c->chain, c->key, tickets, error, error_bytes);
        if (!p->contexts[i]) {
            char why[512];

            snprintf(why, sizeof(why), "%s", error);
            snprintf(error, error_bytes, "certificates[%u], line %u: %s", i, c->line, why);
            ok = false;
            break;
        }
        p->context_count = i + 1;
        count = tls_context_names(p->contexts[i], dns, CERT_NAMES_MAX);
        for (size_t k = 0; ok && k < count; k++)
            ok = add_name(names, dns[k], i);
        if (!ok)
            snprintf(error, error_bytes, "no memory for the certificates");
    }
    free(dns);
    return ok;
}

struct certs_part *certs_part_build(const struct conf *conf, const struct tls_tickets *tickets,
                                    char *error, size_t error_bytes)
{
    struct certs_part *p = calloc(1, sizeof(*p));
    struct names names = {0};
    uint32_t default_context = UINT32_MAX;

    snprintf(error, error_bytes, "no memory for the certificates");
    if (!p)
        return NULL;
    part_init(&p->part, certs_part_destroy);
    p->contexts = calloc(conf->certificates_count + 1, sizeof(*p->contexts));
    if (p->contexts && load_contexts(p, conf, tickets, &names, error, error_bytes)) {
        for (uint32_t i = 0; i < conf->certificates_count; i++)
            if (conf->certificates[i].is_default)
                default_context = i;
        p->certs =
            certs_build(p->contexts, p->context_count, names.source, names.count, default_context);
        if (!p->certs)
            snprintf(error, error_bytes, "no memory for the certificates");
    }
    free_names(&names);
    if (!p->certs) {
        part_release(&p->part);
        return NULL;
    }
    return p;
}
