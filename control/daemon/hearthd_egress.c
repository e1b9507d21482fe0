/* What the cores are given for requests of scripts to the world: addresses that are forbidden, DNS
 * servers, /etc/hosts, authorities. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/base/log.h"
#include "control/daemon/hearthd.h"
#include "dataplane/base/host.h"
#include "dataplane/tls/tls.h"

static const char resolv_conf[] = "/etc/resolv.conf", hosts_file[] = "/etc/hosts",
                  system_authorities[] = "/etc/ssl/certs/ca-certificates.crt";

enum { LINE_BYTES = 1024 };

/* ---- addresses ---- */

/* conf_check has judged the texts. */
static void take_prefixes(struct net_address *out, uint32_t *count, const char (*text)[64],
                          uint32_t texts)
{
    for (uint32_t i = 0; i < texts; i++)
        if (net_parse_address(text[i], &out[*count]))
            (*count)++;
}

static uint8_t mask_bits(const uint8_t *mask, size_t bytes)
{
    uint8_t bits = 0;

    for (size_t i = 0; i < bytes; i++)
        bits = (uint8_t)(bits + __builtin_popcount(mask[i]));
    return bits;
}

/* Networks of the kernel's interfaces: what listens there does not count on visitors from inside.
 */
static bool add_kernels(struct address_rules *rules)
{
    struct ifaddrs *all;
    bool has_room = true;

    if (getifaddrs(&all))
        return true; /* no network of the kernel's */
    for (const struct ifaddrs *i = all; i && has_room; i = i->ifa_next) {
        uint8_t ip[16];

        if (!i->ifa_addr || !i->ifa_netmask || (i->ifa_flags & IFF_LOOPBACK))
            continue;
        if (i->ifa_addr->sa_family == AF_INET) {
            const struct sockaddr_in *a = (const void *)i->ifa_addr, *m = (void *)i->ifa_netmask;

            ip_from_ip4(ip, (const uint8_t *)&a->sin_addr);
            has_room = address_rules_own(
                rules, ip, (uint8_t)(96 + mask_bits((const uint8_t *)&m->sin_addr, 4)));
        } else if (i->ifa_addr->sa_family == AF_INET6) {
            const struct sockaddr_in6 *a = (const void *)i->ifa_addr, *m = (void *)i->ifa_netmask;

            has_room =
                address_rules_own(rules, a->sin6_addr.s6_addr, mask_bits(m->sin6_addr.s6_addr, 16));
        }
    }
    freeifaddrs(all);
    return has_room;
}

static bool add_own(struct hearthd *h)
{
    struct address_rules *rules = &h->egress.rules;
    const struct net_config *net = &h->net;
    bool has_room = true;

    for (uint32_t i = 0; i < net->address_count; i++) {
        memcpy(rules->self[rules->self_count++], net->address[i].ip, 16);
        has_room &= address_rules_own(rules, net->address[i].ip, net->address[i].prefix_len);
    }
    for (uint32_t i = 0; i < net->exception.address_count; i++) {
        const struct net_address *a = &net->exception.address[i];

        has_room &= address_rules_own(rules, a->ip, a->prefix_len);
    }
    for (uint32_t i = 0; i < net->decapsulation.from_count; i++) {
        const struct net_address *a = &net->decapsulation.from[i];

        has_room &= address_rules_own(rules, a->ip, a->prefix_len);
    }
    for (uint32_t i = 0; i < h->egress.resolver_count; i++)
        has_room &= address_rules_own(rules, h->egress.resolver[i], 128);
    has_room &= address_rules_own(rules, net->gateway4, 128);
    has_room &= address_rules_own(rules, net->gateway6, 128);
    return has_room && add_kernels(rules);
}

/* ---- names ---- */

/* The port does not lead to what listens on the kernel's loopback. */
static bool is_loopback(const uint8_t ip[16])
{
    static const uint8_t one[16] = {[15] = 1};

    return (ip_is_ip4(ip) && ip[12] == 127) || ip_equal(ip, one);
}

static void add_resolver(struct egress_config *e, const char *text)
{
    struct net_address address;

    if (e->resolver_count < EGRESS_RESOLVERS_MAX && !strchr(text, '/') &&
        net_parse_address(text, &address) && !is_loopback(address.ip))
        memcpy(e->resolver[e->resolver_count++], address.ip, 16);
}

static void read_resolvers(struct hearthd *h)
{
    const struct conf_egress *c = &h->conf->egress;
    char line[LINE_BYTES], text[64];
    FILE *file;

    for (uint32_t i = 0; i < c->resolvers_count; i++)
        add_resolver(&h->egress, c->resolvers[i]);
    file = c->resolvers_count ? NULL : fopen(resolv_conf, "re");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, " nameserver %63s", text) == 1)
            add_resolver(&h->egress, text);
    if (file)
        fclose(file);
}

/* address name name...   # remark */
static void read_hosts_line(struct egress_config *e, char *line)
{
    struct net_address address;
    char *rest = line, *word;

    line[strcspn(line, "#\n")] = 0;
    word = strtok_r(rest, " \t", &rest);
    if (!word || strchr(word, '/') || !net_parse_address(word, &address))
        return;
    while ((word = strtok_r(rest, " \t", &rest)) && e->host_count < EGRESS_HOSTS_MAX) {
        struct egress_host *host = &e->host[e->host_count];

        if (host_canonical(host->name, word, strlen(word)) == 0)
            continue;
        memcpy(host->ip, address.ip, 16);
        e->host_count++;
    }
}

static void read_hosts(struct egress_config *e)
{
    FILE *file = fopen(hosts_file, "re");
    char line[LINE_BYTES];

    while (file && fgets(line, sizeof(line), file))
        read_hosts_line(e, line);
    if (file)
        fclose(file);
}

/* ---- start and stop ---- */

/* One that the file names must be good; the system's may be absent. */
static int read_authorities(struct hearthd *h, char *error, size_t error_bytes)
{
    const char *named = h->conf->egress.ca_file;
    char why[512];

    h->egress.tls =
        tls_context_create_client(*named ? named : system_authorities, why, sizeof(why));
    if (h->egress.tls)
        return 0;
    if (*named) {
        snprintf(error, error_bytes, "egress.ca_file %s", why);
        return -1;
    }
    log_line("start",
             "advice=\"%s: scripts cannot fetch https: name a file of authorities in "
             "egress.ca_file\"",
             why);
    return 0;
}

int hearthd_egress_start(struct hearthd *h, char *error, size_t error_bytes)
{
    const struct conf_egress *c = &h->conf->egress;
    struct egress_config *e = &h->egress;

    if (!c->enabled)
        return 0;
    *e = (struct egress_config){.is_on = true,
                                .account_fetches = c->fetches,
                                .account_kept = c->kept,
                                .connect_ms = c->connect_ms,
                                .answer_ms = c->answer_ms,
                                .stall_ms = c->stall_ms,
                                .keep_ms = c->keep_ms};
    e->host = calloc(EGRESS_HOSTS_MAX, sizeof(*e->host));
    if (!e->host) {
        snprintf(error, error_bytes, "no memory");
        return -1;
    }
    take_prefixes(e->rules.allow, &e->rules.allow_count, c->allow, c->allow_count);
    take_prefixes(e->rules.deny, &e->rules.deny_count, c->deny, c->deny_count);
    read_resolvers(h);
    read_hosts(e);
    if (!add_own(h)) {
        snprintf(error, error_bytes,
                 "egress: this machine has more than %d networks, and scripts must not reach them: "
                 "set egress.enabled to false",
                 EGRESS_OWN_MAX);
        return -1;
    }
    if (read_authorities(h, error, error_bytes))
        return -1;
    if (e->resolver_count == 0)
        log_line("start", "advice=\"egress: no DNS server that the port leads to: name some in "
                          "egress.resolvers, or scripts reach addresses and /etc/hosts only\"");
    log_line("start", "step=egress resolvers=%u hosts=%u allow=%u deny=%u own=%u https=%s",
             e->resolver_count, e->host_count, e->rules.allow_count, e->rules.deny_count,
             e->rules.own_count, e->tls ? "yes" : "no");
    return 0;
}

void hearthd_egress_stop(struct hearthd *h)
{
    if (h->egress.tls)
        tls_context_destroy(h->egress.tls);
    free(h->egress.host);
    h->egress = (struct egress_config){0};
}
