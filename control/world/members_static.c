#include "control/world/members.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/base/name_hash.h"
#include "control/config/key.h"
#include "dataplane/world/ring.h"

/* IPv4 as ::ffff:a.b.c.d. What conf_check let pass parses. */
static void put_address(uint8_t out[16], const char *text, size_t len)
{
    char ip[64];

    memset(out, 0, 16);
    snprintf(ip, sizeof(ip), "%.*s", (int)len, text);
    if (strchr(ip, ':')) {
        inet_pton(AF_INET6, ip, out);
    } else {
        out[10] = out[11] = 0xff;
        inet_pton(AF_INET, ip, out + 12);
    }
}

static void name_member(struct world_member *m, const char *name)
{
    snprintf(m->name, sizeof(m->name), "%s", name);
    m->id = name_hash(name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct world_member *)a)->name, ((const struct world_member *)b)->name);
}

/* The list as the configuration has it, or NULL. */
static struct world_member *list_of(const struct conf *conf, uint32_t *count)
{
    const struct conf_cluster *c = conf->cluster;
    struct world_member *out;

    *count = c ? c->members_count : 1;
    out = calloc(*count, sizeof(*out));
    if (!out)
        return NULL;
    if (!c) {
        const char *address = conf->port.addresses[0];

        name_member(&out[0], conf->node);
        put_address(out[0].address, address, strcspn(address, "/"));
        out[0].cores = (uint16_t)conf->cores_count;
        out[0].weight = RING_WEIGHT_ONE;
        out[0].is_operators = true;
        return out;
    }
    for (uint32_t i = 0; i < *count; i++) {
        const struct conf_member *m = &c->members[i];
        bool is_key = key_parse(out[i].public_key, m->key);

        assert(is_key); /* conf_check saw to it */
        name_member(&out[i], m->name);
        put_address(out[i].address, m->address, strlen(m->address));
        out[i].cores = m->cores;
        out[i].port = m->port;
        out[i].weight = m->weight;
        out[i].is_operators = m->role == CONF_ROLE_OPERATOR;
    }
    qsort(out, *count, sizeof(*out), by_name);
    return out;
}

static int follow(struct members *m, const struct conf *conf, char *error, size_t error_bytes)
{
    uint32_t count;
    struct world_member *next = list_of(conf, &count);

    if (!next) {
        snprintf(error, error_bytes, "no memory for the members");
        return -1;
    }
    if (count == m->count && !memcmp(next, m->member, count * sizeof(*next))) {
        free(next);
        return 0;
    }
    free(m->member);
    m->member = next;
    m->count = count;
    if (m->on_change)
        m->on_change(m->arg);
    return 0;
}

static void destroy(struct members *m)
{
    free(m->member);
    free(m);
}

static const struct members_source source_static = {
    .name = "static",
    .follow = follow,
    .destroy = destroy,
};

struct members *members_static_create(const struct conf *conf, void (*on_change)(void *), void *arg)
{
    struct members *m = calloc(1, sizeof(*m));

    if (!m)
        return NULL;
    *m = (struct members){.source = &source_static, .on_change = on_change, .arg = arg};
    m->member = list_of(conf, &m->count);
    if (!m->member) {
        free(m);
        return NULL;
    }
    return m;
}

uint32_t members_find(const struct members *m, const char *name)
{
    for (uint32_t i = 0; i < m->count; i++)
        if (!strcmp(m->member[i].name, name))
            return i;
    return MEMBERS_MAX;
}
