/* What the data plane's net is given of the configuration, and the host's tap beside it. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "control/base/log.h"
#include "control/daemon/hearthd.h"
#include "dataplane/net/ip.h"

static int parse_address(const char *text, struct net_address *address, char *error,
                         size_t error_bytes)
{
    if (net_parse_address(text, address))
        return 0;
    snprintf(error, error_bytes, "address %s cannot be used", text);
    return -1;
}

/* conf_check has judged the texts, by the same functions or stricter ones. */
static int configure_exception(struct hearthd *h, char *error, size_t error_bytes)
{
    const struct conf *c = h->conf;
    struct exception *e = &h->net.exception;

    for (uint32_t i = 0; i < c->exception.addresses_count; i++)
        if (parse_address(c->exception.addresses[i], &e->address[i], error, error_bytes))
            return -1;
    for (uint32_t i = 0; i < c->exception.pass_count; i++)
        if (!exception_parse_rule(c->exception.pass[i], &e->rule[i])) {
            snprintf(error, error_bytes, "rule %s cannot be used", c->exception.pass[i]);
            return -1;
        }
    e->address_count = c->exception.addresses_count;
    e->rule_count = c->exception.pass_count;
    e->own_tcp[0] = (struct exception_ports){c->listen.https, c->listen.https != 0};
    e->own_tcp[1] = (struct exception_ports){c->listen.http, c->listen.http != 0};
    if (c->cluster)
        e->own_udp[0] = (struct exception_ports){c->cluster->port, (uint16_t)c->cores_count};
    if (c->egress.enabled) {
        e->own_tcp[2] = (struct exception_ports){EGRESS_PORT_FIRST, EGRESS_PORTS};
        e->own_udp[2] = e->own_tcp[2];
    }
    e->own_udp[1] = (struct exception_ports){hearthd_gue_port(c), hearthd_gue_port(c) != 0};
    return 0;
}

static bool decapsulates(const struct conf *c, enum conf_encapsulation kind)
{
    for (uint32_t i = 0; i < c->decapsulate.kinds_count; i++)
        if (c->decapsulate.kinds[i] == kind)
            return true;
    return false;
}

bool hearthd_has_ipip(const struct conf *c)
{
    return decapsulates(c, CONF_IPIP);
}

uint16_t hearthd_gue_port(const struct conf *c)
{
    return decapsulates(c, CONF_GUE) ? c->decapsulate.gue_port : 0;
}

static int configure_decapsulation(struct hearthd *h, char *error, size_t error_bytes)
{
    const struct conf_decapsulate *c = &h->conf->decapsulate;
    struct decapsulation *d = &h->net.decapsulation;

    d->has_ipip = hearthd_has_ipip(h->conf);
    d->gue_port = hearthd_gue_port(h->conf);
    for (uint32_t i = 0; i < c->from_count; i++)
        if (parse_address(c->from[i], &d->from[i], error, error_bytes))
            return -1;
    d->from_count = c->from_count;
    return 0;
}

int hearthd_net_configure(struct hearthd *h, char *error, size_t error_bytes)
{
    const struct conf_port *p = &h->conf->port;
    struct net_address gateway;
    int len;

    memcpy(h->net.mac, h->port->caps.mac, sizeof(h->net.mac));
    h->net.mtu = h->port->caps.mtu;
    h->net.vlan = p->vlan;
    for (uint32_t i = 0; i < p->addresses_count; i++) {
        if (parse_address(p->addresses[i], &h->net.address[i], error, error_bytes))
            return -1;
        h->net.address_count = i + 1;
    }
    len = snprintf(error, error_bytes, "port.device %s: ", h->port->caps.name);
    if (!net_mtu_fits(&h->net, error + len, error_bytes - (size_t)len))
        return -1;
    if (h->conf->cluster && h->net.mtu < NET_MTU6_MIN) {
        snprintf(error + len, error_bytes - (size_t)len,
                 "its MTU is %u: nodes of a cluster need %d at least", h->net.mtu, NET_MTU6_MIN);
        return -1;
    }
    if (p->gateway4[0] && net_parse_address(p->gateway4, &gateway))
        memcpy(h->net.gateway4, gateway.ip, 16);
    if (p->gateway6[0] && net_parse_address(p->gateway6, &gateway))
        memcpy(h->net.gateway6, gateway.ip, 16);
    if (configure_exception(h, error, error_bytes))
        return -1;
    return configure_decapsulation(h, error, error_bytes);
}

/* ---- the tap ---- */

static struct tap_address tap_address_of(const struct net_address *a)
{
    struct tap_address out = {.is_ip6 = !ip_is_ip4(a->ip), .prefix_len = a->prefix_len};

    if (out.is_ip6) {
        memcpy(out.ip, a->ip, 16);
    } else {
        memcpy(out.ip, a->ip + 12, 4);
        out.prefix_len = (uint8_t)(a->prefix_len - 96);
    }
    return out;
}

static void advise(const struct hearthd *h)
{
    /* AF_PACKET copies: what is the tap's the kernel has had from the interface already. */
    if (strstr(h->port->caps.driver, "af_packet"))
        log_line(
            "start",
            "advice=\"exception.tap: with this port the kernel hears the interface itself as "
            "well: set net.ipv4.conf.IFACE.rp_filter=1 and net.ipv6.conf.IFACE.disable_ipv6=1, "
            "or it takes each frame twice, and resets clients of shared addresses\"");
}

int hearthd_tap_start(struct hearthd *h, char *error, size_t error_bytes)
{
    const struct conf_exception *c = &h->conf->exception;
    const struct exception *e = &h->net.exception;
    struct tap_config config = {.name = c->tap, .mtu = h->net.mtu};
    char why[256];

    static_assert((int)TAP_ADDRESSES_MAX >= (int)EXCEPTION_ADDRESSES_MAX, "each has its place");
    if (!c->tap[0])
        return 0;
    memcpy(config.mac, h->net.mac, sizeof(config.mac));
    for (uint32_t i = 0; i < e->address_count; i++)
        config.address[i] = tap_address_of(&e->address[i]);
    config.address_count = e->address_count;
    if (tap_open(&h->tap, &config, why, sizeof(why))) {
        snprintf(error, error_bytes, "exception.tap %s: %s", c->tap, why);
        return -1;
    }
    h->has_tap = h->tap_is_up = true;
    hearthd_tap_follow_link(h);
    advise(h);
    log_line("start", "step=tap name=%s addresses=%u rules=%u rate=%u", c->tap, e->address_count,
             e->rule_count, c->rate);
    return 0;
}

void hearthd_tap_stop(struct hearthd *h)
{
    if (h->has_tap)
        tap_close(&h->tap);
    h->has_tap = false;
}

void hearthd_tap_follow_link(struct hearthd *h)
{
    const bool is_up = port_is_usable(h->port);

    if (!h->has_tap || is_up == h->tap_is_up)
        return;
    h->tap_is_up = is_up;
    if (!tap_set_carrier(&h->tap, is_up))
        log_line("port", "tap=%s carrier=refused", h->conf->exception.tap);
}

void hearthd_tap_follow_mac(struct hearthd *h)
{
    if (h->has_tap && !tap_set_mac(&h->tap, h->net.mac))
        log_line("port", "tap=%s mac=refused", h->conf->exception.tap);
}
