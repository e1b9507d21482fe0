#include "control/config/conf_check.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/base/spelling.h"
#include "control/config/conf_numbers.h"
#include "control/config/key.h"
#include "control/config/tune.h"
#include "dataplane/net/exception.h"
#include "dataplane/world/ring.h"

/* ---- shape ---- */

enum { WHERE_BYTES_MAX = 160, CLUSTER_PORT_DEFAULT = 4433 };

static const char *nearest_key(const char *word, const cyaml_schema_field_t *fields)
{
    const char *best = NULL;
    unsigned best_distance = 3; /* more than two slips of the finger is another word */

    if (strlen(word) < best_distance)
        best_distance = (unsigned)strlen(word);
    for (const cyaml_schema_field_t *f = fields; f->key; f++) {
        unsigned d = spelling_distance(word, f->key);

        if (d < best_distance) {
            best_distance = d;
            best = f->key;
        }
    }
    return best;
}

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words; words++)
        if (!strcmp(word, *words))
            return true;
    return false;
}

static const char *kind_name(enum yaml_node_kind kind)
{
    return kind == YAML_SCALAR ? "a value" : kind == YAML_SEQUENCE ? "a list" : "a mapping";
}

static bool expect(const struct yaml_node *n, enum yaml_node_kind kind, const char *where,
                   struct conf_verdict *v)
{
    if (n->kind == kind)
        return true;
    conf_complain(v, n->line, "%s: is %s, must be %s", *where ? where : "the file",
                  kind_name(n->kind), kind_name(kind));
    return false;
}

static void check_value(const struct yaml_node *, const cyaml_schema_value_t *, const char *where,
                        struct conf_verdict *);

static void check_mapping(const struct yaml_node *n, const cyaml_schema_field_t *fields,
                          const char *where, struct conf_verdict *v)
{
    char inner[WHERE_BYTES_MAX];

    for (const struct yaml_node *c = n->child; c; c = c->next) {
        const cyaml_schema_field_t *f = fields;

        snprintf(inner, sizeof(inner), "%s%s%.64s", where, *where ? "." : "", c->key);
        while (f->key && strcmp(f->key, c->key))
            f++;
        if (!f->key) {
            const char *near = nearest_key(c->key, fields);

            if (!*where && !strcmp(c->key, "runtimes"))
                conf_complain(v, c->line,
                              "%s: scripts run in cells, one process each: see \"cells\"", inner);
            else if (near)
                conf_complain(v, c->line, "%s: unknown key, did you mean \"%s\"?", inner, near);
            else
                conf_complain(v, c->line, "%s: unknown key", inner);
            continue;
        }
        if (yaml_tree_child(n, c->key) != c)
            conf_complain(v, c->line, "%s: given twice, first in line %u", inner,
                          yaml_tree_child(n, c->key)->line);
        check_value(c, &f->value, inner, v);
    }
    for (const cyaml_schema_field_t *f = fields; f->key; f++)
        if (!(f->value.flags & CYAML_FLAG_OPTIONAL) && !yaml_tree_child(n, f->key))
            conf_complain(v, n->line, "%s%s%s: is missing", where, *where ? "." : "", f->key);
}

static void check_uint(const char *text, uint32_t data_size, uint32_t line, const char *where,
                       struct conf_verdict *v)
{
    uint64_t max = data_size >= 8 ? UINT64_MAX : (UINT64_C(1) << (8 * data_size)) - 1;
    char *end;
    unsigned long long n;

    errno = 0;
    n = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end)
        conf_complain(v, line, "%s: \"%.40s\" is not a whole number", where, text);
    else if (errno || n > max)
        conf_complain(v, line, "%s: %.40s is too large", where, text);
}

static void check_value(const struct yaml_node *n, const cyaml_schema_value_t *value,
                        const char *where, struct conf_verdict *v)
{
    static const char *const bool_words[] = {"true", "false", "yes", "no", "on", "off", NULL};
    char inner[WHERE_BYTES_MAX];
    uint32_t index = 0;

    switch (value->type) {
    case CYAML_MAPPING:
        if (expect(n, YAML_MAPPING, where, v))
            check_mapping(n, value->mapping.fields, where, v);
        return;
    case CYAML_SEQUENCE:
        if (!expect(n, YAML_SEQUENCE, where, v))
            return;
        for (const struct yaml_node *c = n->child; c; c = c->next, index++) {
            snprintf(inner, sizeof(inner), "%s[%u]", where, index);
            check_value(c, value->sequence.entry, inner, v);
        }
        if (index < value->sequence.min)
            conf_complain(v, n->line, "%s: needs at least %u entry", where, value->sequence.min);
        if (index > value->sequence.max)
            conf_complain(v, n->line, "%s: has %u entries, at most %u are possible", where, index,
                          value->sequence.max);
        return;
    default:
        break;
    }
    if (!expect(n, YAML_SCALAR, where, v))
        return;
    if (value->type == CYAML_UINT) {
        check_uint(n->value, value->data_size, n->line, where, v);
    } else if (value->type == CYAML_BOOL) {
        if (!is_one_of(n->value, bool_words))
            conf_complain(v, n->line, "%s: \"%.40s\" is not true or false", where, n->value);
    } else if (value->type == CYAML_STRING) {
        if (strlen(n->value) < value->string.min)
            conf_complain(v, n->line, "%s: is empty", where);
        else if (strlen(n->value) > value->string.max)
            conf_complain(v, n->line, "%s: longer than %u bytes", where, value->string.max);
    } else if (value->type == CYAML_ENUM) {
        char words[96] = "";

        for (uint32_t i = 0; i < value->enumeration.count; i++) {
            if (!strcmp(n->value, value->enumeration.strings[i].str))
                return;
            snprintf(words + strlen(words), sizeof(words) - strlen(words), "%s%s", i ? ", " : "",
                     value->enumeration.strings[i].str);
        }
        conf_complain(v, n->line, "%s: \"%.40s\" is not one of %s", where, n->value, words);
    }
}

void conf_check_shape(const struct yaml_node *root, const struct cyaml_schema_value *value,
                      struct conf_verdict *v)
{
    check_value(root, value, "", v);
}

/* ---- meaning ---- */

struct meaning {
    struct conf *c;
    const struct yaml_node *root;
    struct conf_verdict *v;
};

static bool is_given(const struct meaning *m, const char *path)
{
    return yaml_tree_find(m->root, path) != NULL;
}

/* The line of a path that is given, or of the nearest one above it. */
static uint32_t line_of(const struct meaning *m, const char *path)
{
    char above[WHERE_BYTES_MAX];
    const struct yaml_node *n = yaml_tree_find(m->root, path);
    char *dot;

    if (n)
        return n->line;
    snprintf(above, sizeof(above), "%s", path);
    dot = strrchr(above, '.');
    if (!dot)
        return 0;
    *dot = 0;
    return line_of(m, above);
}

struct number_row {
    const char *path;
    void *field;
    uint8_t bytes;
    uint32_t value, min, max; /* default and range */
};

/* A number that the file does not say gets its default; then it is held against its range. */
static void check_number(const struct meaning *m, const struct number_row *r)
{
    uint32_t n = 0;

    memcpy(&n, is_given(m, r->path) ? r->field : (const void *)&r->value, r->bytes);
    memcpy(r->field, &n, r->bytes);
    if (n < r->min || n > r->max)
        conf_complain(m->v, line_of(m, r->path), "%s: %u is out of range (%u to %u)", r->path, n,
                      r->min, r->max);
}

static void check_numbers(const struct meaning *m)
{
    struct conf_number n;
    char path[64], error[160];
    const struct tune_key *blamed;
    uint32_t before = m->v->count;

    for (uint32_t i = 0; conf_number_at(i, &n); i++) {
        struct number_row row = {.path = path,
                                 .field = (char *)m->c + n.offset,
                                 .bytes = n.bytes,
                                 .value = n.value,
                                 .min = n.min,
                                 .max = n.max};

        snprintf(path, sizeof(path), "%s%s%s", n.block, *n.block ? "." : "", n.key);
        check_number(m, &row);
    }
    if (m->v->count > before)
        return;
    blamed = tune_conflict(&m->c->tune, error, sizeof(error));
    if (blamed) {
        snprintf(path, sizeof(path), "tune.%s", blamed->name);
        conf_complain(m->v, line_of(m, path), "%s: %s", path, error);
    }
}

/* A label is letters, digits and inner hyphens (RFC 1123 2.1); lower case, as the data plane
 * compares. */
static bool is_host_name(const char *s)
{
    size_t label = 0;

    if (!*s || strlen(s) > HOST_BYTES_MAX)
        return false;
    for (const char *p = s;; p++) {
        if (*p == '.' || !*p) {
            if (!label || label > 63 || p[-1] == '-')
                return false;
            if (!*p)
                return true;
            label = 0;
        } else if ((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || (*p == '-' && label)) {
            label++;
        } else {
            return false;
        }
    }
}

static void check_address(const struct meaning *m, const char *path, const char *text, int family,
                          bool has_prefix)
{
    char ip[64];
    uint8_t bytes[16];
    const char *slash = strchr(text, '/');
    uint32_t line = line_of(m, path);
    size_t len = slash ? (size_t)(slash - text) : strlen(text);

    memcpy(ip, text, len);
    ip[len] = 0;
    if (!family)
        family = strchr(ip, ':') ? AF_INET6 : AF_INET;
    if (inet_pton(family, ip, bytes) != 1) {
        conf_complain(m->v, line, "%s: \"%s\" is not an IPv%d address", path, ip,
                      family == AF_INET6 ? 6 : 4);
        return;
    }
    if (!has_prefix) {
        if (slash)
            conf_complain(m->v, line, "%s: an address without a prefix is wanted here", path);
        return;
    }
    if (!slash) {
        conf_complain(m->v, line, "%s: \"%s\" needs a prefix length, like %s/%d", path, text, text,
                      family == AF_INET6 ? 64 : 24);
        return;
    }
    unsigned bits = family == AF_INET6 ? 128 : 32;
    char *end;
    unsigned long prefix = strtoul(slash + 1, &end, 10);

    if (!isdigit((unsigned char)slash[1]) || *end || prefix < 1 || prefix > bits)
        conf_complain(m->v, line, "%s: \"%s\" is not a prefix length (1 to %u)", path, slash + 1,
                      bits);
}

/* What net_mtu_fits says of the device's own, and what a channel to another node takes for granted
 * (RFC 9000 14.1: datagrams of 1,200 bytes). */
static void check_mtu(const struct meaning *m)
{
    const struct conf_port *p = &m->c->port;
    const uint32_t line = line_of(m, "port.mtu");

    if (!p->mtu)
        return;
    if (p->mtu < NET_MTU4_MIN || p->mtu > PORT_MTU_MAX)
        conf_complain(m->v, line, "port.mtu: %u is out of range (%d to %d, or 0: the device's)",
                      p->mtu, NET_MTU4_MIN, PORT_MTU_MAX);
    if (p->mtu < NET_MTU4_MIN || p->mtu >= NET_MTU6_MIN)
        return;
    if (m->c->cluster)
        conf_complain(m->v, line, "port.mtu: %u, but nodes of a cluster need %d at least", p->mtu,
                      NET_MTU6_MIN);
    for (uint32_t i = 0; i < p->addresses_count; i++) {
        if (!strchr(p->addresses[i], ':'))
            continue;
        conf_complain(m->v, line, "port.mtu: %u, but IPv6 needs %d at least (port.addresses[%u])",
                      p->mtu, NET_MTU6_MIN, i);
        return;
    }
}

static void check_device(const struct meaning *m, const char *path, const char *device)
{
    if (!strcmp(device, "auto") || !strcmp(device, "auto:"))
        conf_complain(m->v, line_of(m, path), "%s: name the interface, like auto:eth1", path);
}

static void check_two_devices(const struct meaning *m)
{
    const struct conf_port *p = &m->c->port;
    const uint32_t line = line_of(m, "port.devices");

    if (p->device[0])
        conf_complain(m->v, line, "port.devices: beside port.device; give the one or the other");
    if (p->devices_count != CONF_DEVICES_MAX) {
        conf_complain(m->v, line, "port.devices: names two, or give port.device");
        return;
    }
    check_device(m, "port.devices[0]", p->devices[0]);
    check_device(m, "port.devices[1]", p->devices[1]);
    if (!strcmp(p->devices[0], p->devices[1]))
        conf_complain(m->v, line, "port.devices: both are %.200s", p->devices[0]);
}

static void check_port(const struct meaning *m)
{
    const struct conf_port *p = &m->c->port;
    char path[64];

    if (p->devices_count > 0)
        check_two_devices(m);
    else if (!p->device[0])
        conf_complain(m->v, line_of(m, "port"), "port.device: is missing");
    check_device(m, "port.device", p->device);
    if (p->devices_count == 0 && p->mode == CONF_PORT_LACP)
        conf_complain(m->v, line_of(m, "port.mode"), "port.mode: lacp is of two, port.devices");
    for (uint32_t i = 0; i < p->addresses_count; i++) {
        snprintf(path, sizeof(path), "port.addresses[%u]", i);
        check_address(m, path, p->addresses[i], 0, true);
    }
    check_mtu(m);
    if (p->gateway4[0])
        check_address(m, "port.gateway4", p->gateway4, AF_INET, false);
    if (p->gateway6[0])
        check_address(m, "port.gateway6", p->gateway6, AF_INET6, false);
}

/* ---- exception, decapsulate ---- */

/* Of an address with a prefix. */
static bool is_same_host(const char *a, const char *b)
{
    size_t n = strcspn(a, "/");

    return n == strcspn(b, "/") && !strncmp(a, b, n);
}

static bool is_shared_by_any(const struct conf *c)
{
    for (uint32_t i = 0; i < c->exception.addresses_count; i++)
        for (uint32_t k = 0; k < c->port.addresses_count; k++)
            if (is_same_host(c->exception.addresses[i], c->port.addresses[k]))
                return true;
    return false;
}

/* The key that has the port for hearth; NULL: none has. */
static const char *owner_of_port(const struct conf *c, const struct exception_rule *rule)
{
    const struct conf_cluster *k = c->cluster;
    const uint32_t rpc_port = !k ? 0 : k->port ? k->port : CLUSTER_PORT_DEFAULT;

    if (rule->protocol == IPPROTO_TCP && rule->port == c->listen.https)
        return "listen.https";
    if (rule->protocol == IPPROTO_TCP && rule->port == c->listen.http)
        return "listen.http";
    if (rule->protocol == IPPROTO_UDP && k && rule->port >= rpc_port &&
        rule->port < rpc_port + c->cores_count)
        return "cluster.port";
    for (uint32_t i = 0; i < c->decapsulate.kinds_count; i++) {
        bool is_gue = c->decapsulate.kinds[i] == CONF_GUE;

        if (is_gue ? rule->protocol == IPPROTO_UDP && rule->port == c->decapsulate.gue_port
                   : rule->protocol == IPPROTO_IPIP || rule->protocol == IPPROTO_IPV6)
            return "decapsulate";
    }
    return NULL;
}

static void check_rule(const struct meaning *m, uint32_t index)
{
    const char *text = m->c->exception.pass[index], *owner;
    struct exception_rule rule;
    char path[64];

    snprintf(path, sizeof(path), "exception.pass[%u]", index);
    if (!exception_parse_rule(text, &rule)) {
        conf_complain(m->v, line_of(m, path),
                      "%s: \"%s\" is none of tcp/PORT, udp/PORT, icmp and proto/NUMBER", path,
                      text);
        return;
    }
    owner = owner_of_port(m->c, &rule);
    if (owner)
        conf_complain(m->v, line_of(m, path), "%s: %s is hearth's own (%s)", path, text, owner);
}

static void check_exception(const struct meaning *m)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    const struct conf_exception *e = &m->c->exception;
    char path[64];

    if (e->tap[strspn(e->tap, letters)])
        conf_complain(m->v, line_of(m, "exception.tap"),
                      "exception.tap: \"%s\" is not a name of letters, digits, '_' and '-'",
                      e->tap);
    if (!e->tap[0] != !e->addresses_count)
        conf_complain(m->v, line_of(m, e->tap[0] ? "exception.tap" : "exception.addresses"),
                      e->tap[0] ? "exception.addresses: the host needs one on its tap"
                                : "exception.tap: addresses without a tap lead nowhere");
    for (uint32_t i = 0; i < e->addresses_count; i++) {
        snprintf(path, sizeof(path), "exception.addresses[%u]", i);
        check_address(m, path, e->addresses[i], 0, true);
    }
    for (uint32_t i = 0; i < e->pass_count; i++)
        check_rule(m, i);
    if (e->pass_count && !is_shared_by_any(m->c))
        conf_complain(m->v, line_of(m, "exception.pass"),
                      "exception.pass: says what the host gets of an address that is hearth's too, "
                      "and none of exception.addresses is in port.addresses");
}

static void check_decapsulate(const struct meaning *m)
{
    const struct conf_decapsulate *d = &m->c->decapsulate;
    char path[64];

    if (d->kinds_count == 2 && d->kinds[0] == d->kinds[1])
        conf_complain(m->v, line_of(m, "decapsulate.kinds[1]"),
                      "decapsulate.kinds[1]: given twice");
    if (!d->kinds_count != !d->from_count)
        conf_complain(m->v, line_of(m, d->from_count ? "decapsulate.from" : "decapsulate.kinds"),
                      d->from_count ? "decapsulate.kinds: none of ipip, gue is given"
                                    : "decapsulate.from: name the balancers' addresses: whoever "
                                      "can encapsulate can send as anybody");
    for (uint32_t i = 0; i < d->from_count; i++) {
        snprintf(path, sizeof(path), "decapsulate.from[%u]", i);
        check_address(m, path, d->from[i], 0, true);
    }
}

static void check_addresses(const struct meaning *m, const char *list, char (*text)[64],
                            uint32_t count, bool has_prefix)
{
    char path[64];

    for (uint32_t i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%s[%u]", list, i);
        check_address(m, path, text[i], 0, has_prefix);
    }
}

static void check_cpus(const struct meaning *m, const char *list, const uint16_t *cpu,
                       uint32_t count)
{
    char path[64];

    for (uint32_t i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%s[%u]", list, i);
        if (cpu[i] > CONF_CPU_MAX)
            conf_complain(m->v, line_of(m, path), "%s: CPU %u is out of range (0 to %d)", path,
                          cpu[i], CONF_CPU_MAX);
    }
}

/* A path that is given must be absolute: a daemon's working directory is nobody's business. */
static void check_path(const struct meaning *m, const char *path, const char *value)
{
    if (value[0] && value[0] != '/')
        conf_complain(m->v, line_of(m, path), "%s: \"%.100s\" must be an absolute path", path,
                      value);
}

static void check_certificates(const struct meaning *m)
{
    const struct conf *c = m->c;
    char path[64];
    uint32_t defaults = 0;

    for (uint32_t i = 0; i < c->certificates_count; i++) {
        snprintf(path, sizeof(path), "certificates[%u].chain", i);
        check_path(m, path, c->certificates[i].chain);
        snprintf(path, sizeof(path), "certificates[%u].key", i);
        check_path(m, path, c->certificates[i].key);
        snprintf(path, sizeof(path), "certificates[%u].default", i);
        if (c->certificates[i].is_default && ++defaults > 1)
            conf_complain(m->v, line_of(m, path), "%s: another certificate is the default already",
                          path);
    }
    if (c->listen.https && !c->certificates_count)
        conf_complain(m->v, line_of(m, "listen.https"),
                      "certificates: one is needed to listen on https (or set listen.https: 0)");
}

static void check_names(const struct meaning *m)
{
    const struct conf *c = m->c;
    char path[64];

    if (!is_host_name(c->node))
        conf_complain(m->v, line_of(m, "node"),
                      "node: \"%s\" is not a name of lower-case letters, digits, '-' and '.'",
                      c->node);
    for (uint32_t i = 0; i < c->zones_count; i++) {
        snprintf(path, sizeof(path), "zones[%u]", i);
        if (!is_host_name(c->zones[i]))
            conf_complain(m->v, line_of(m, path), "%s: \"%.100s\" is not a domain in lower case",
                          path, c->zones[i]);
    }
}

static void check_user(const struct meaning *m)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-.";
    const char *user = m->c->user;

    if (user[strspn(user, letters)] || user[0] == '-')
        conf_complain(m->v, line_of(m, "user"),
                      "user: \"%s\" is not a name of lower-case letters, digits, '_', '-' and '.'",
                      user);
}

#ifdef HEARTH_BENCH_MODE
static const bool has_bench_mode = true;
#else
static const bool has_bench_mode = false;
#endif

static void check_bench(const struct meaning *m)
{
    static const char name[] = "bench_cookie_secret";
    const char *secret = m->c->bench_cookie_secret;

    if (!secret[0])
        return;
    if (!has_bench_mode)
        conf_complain(m->v, line_of(m, name),
                      "%s: only builds with -Dbench_mode=true take it: whoever knows it opens "
                      "connections without having had an answer",
                      name);
    else if (strspn(secret, "0123456789abcdef") != CONF_COOKIE_SECRET_DIGITS)
        conf_complain(m->v, line_of(m, name), "%s: must be %d digits of 0-9 and a-f", name,
                      CONF_COOKIE_SECRET_DIGITS);
}

static void default_path(conf_path out, const char *dir, const char *leaf)
{
    if (!out[0])
        snprintf(out, CONF_PATH_BYTES_MAX, "%s%s", dir, leaf);
}

static void check_paths(const struct meaning *m)
{
    struct conf *c = m->c;

    default_path(c->store, "/var/lib/hearth", "");
    default_path(c->run, "/run/hearth", "");
    if (!c->ctl[0] && strlen(c->run) + sizeof("/ctl.sock") > sizeof(c->ctl))
        conf_complain(m->v, line_of(m, "run"), "run: too long");
    else if (!c->ctl[0])
        snprintf(c->ctl, sizeof(c->ctl), "%.200s/ctl.sock", c->run);
    check_path(m, "store", c->store);
    check_path(m, "run", c->run);
    check_path(m, "ctl", c->ctl);
    check_path(m, "cells.node_exe", c->cells.node_exe);
    check_path(m, "cells.program", c->cells.program);
    check_path(m, "cells.blob", c->cells.blob);
    check_path(m, "control.accounts_socket", c->control.accounts_socket);
    if (strlen(c->control.accounts_socket) > 107)
        conf_complain(m->v, line_of(m, "control.accounts_socket"),
                      "control.accounts_socket: a socket's path has at most 107 bytes");
    else if (!strcmp(c->control.accounts_socket, c->ctl))
        conf_complain(m->v, line_of(m, "control.accounts_socket"),
                      "control.accounts_socket: it is the operator's own (ctl)");
    if (strlen(c->ctl) > 107) /* sockaddr_un */
        conf_complain(m->v, line_of(m, is_given(m, "ctl") ? "ctl" : "run"),
                      "ctl: a socket's path has at most 107 bytes");
}

/* ---- cluster ---- */

static void check_member_numbers(const struct meaning *m, struct conf_member *member,
                                 const char *entry)
{
    char path[WHERE_BYTES_MAX];
    uint32_t before = m->v->count;
    struct number_row row = {.path = path};

#define CHECK(name, target, default_value, least, most)                                            \
    do {                                                                                           \
        snprintf(path, sizeof(path), "%s." name, entry);                                           \
        row.field = &(target);                                                                     \
        row.bytes = sizeof(target);                                                                \
        row.value = default_value;                                                                 \
        row.min = least;                                                                           \
        row.max = most;                                                                            \
        check_number(m, &row);                                                                     \
    } while (0)
    CHECK("weight", member->weight, RING_WEIGHT_ONE, 0, RING_WEIGHT_MAX);
    CHECK("cores", member->cores, 1, 1, CONF_CORES_MAX);
    CHECK("port", member->port, m->c->cluster->port, 1, 65535);
#undef CHECK
    if (m->v->count == before && member->port + member->cores - 1 > 65535)
        conf_complain(m->v, line_of(m, path), "%s: %u and one more for each core pass 65535", path,
                      member->port);
}

static bool is_same_address(const char *a, const char *b)
{
    uint8_t x[16], y[16];
    int family = strchr(a, ':') ? AF_INET6 : AF_INET;

    if (family != (strchr(b, ':') ? AF_INET6 : AF_INET))
        return false;
    return inet_pton(family, a, x) == 1 && inet_pton(family, b, y) == 1 &&
           !memcmp(x, y, family == AF_INET6 ? 16 : 4);
}

static void check_member(const struct meaning *m, uint32_t index)
{
    struct conf_member *all = m->c->cluster->members, *member = &all[index];
    char entry[64], path[WHERE_BYTES_MAX];
    uint8_t key[KEY_BYTES];

    snprintf(entry, sizeof(entry), "cluster.members[%u]", index);
    check_member_numbers(m, member, entry);
    snprintf(path, sizeof(path), "%s.name", entry);
    if (!is_host_name(member->name))
        conf_complain(m->v, line_of(m, path),
                      "%s: \"%s\" is not a name of lower-case letters, digits, '-' and '.'", path,
                      member->name);
    for (uint32_t i = 0; i < index; i++)
        if (!strcmp(all[i].name, member->name)) {
            conf_complain(m->v, line_of(m, path), "%s: \"%s\" is the name of members[%u] too", path,
                          member->name, i);
            break;
        }
    snprintf(path, sizeof(path), "%s.address", entry);
    check_address(m, path, member->address, 0, false);
    for (uint32_t i = 0; i < index; i++)
        if (is_same_address(all[i].address, member->address)) {
            conf_complain(m->v, line_of(m, path), "%s: %s is the address of members[%u] too", path,
                          member->address, i);
            break;
        }
    snprintf(path, sizeof(path), "%s.key", entry);
    if (!key_parse(key, member->key))
        conf_complain(m->v, line_of(m, path),
                      "%s: is not the base64 of a public key (hearthctl key show)", path);
    else
        for (uint32_t i = 0; i < index; i++)
            if (!strcmp(all[i].key, member->key)) {
                conf_complain(m->v, line_of(m, path), "%s: is the key of members[%u] too", path, i);
                break;
            }
}

/* What the list says of this node must be what the rest of the file says. */
static void check_self(const struct meaning *m)
{
    const struct conf *c = m->c;
    const struct conf_cluster *k = c->cluster;
    const struct conf_member *self = NULL;
    char entry[64], path[WHERE_BYTES_MAX];
    bool is_own_address = false;

    for (uint32_t i = 0; i < k->members_count; i++) {
        if (strcmp(k->members[i].name, c->node))
            continue;
        self = &k->members[i];
        snprintf(entry, sizeof(entry), "cluster.members[%u]", i);
        break;
    }
    if (!self) {
        conf_complain(m->v, line_of(m, "cluster.members"),
                      "cluster.members: this node, \"%s\", is not among them", c->node);
        return;
    }
    for (uint32_t i = 0; i < c->port.addresses_count; i++) {
        char ip[64];

        snprintf(ip, sizeof(ip), "%.*s", (int)strcspn(c->port.addresses[i], "/"),
                 c->port.addresses[i]);
        is_own_address |= is_same_address(ip, self->address);
    }
    snprintf(path, sizeof(path), "%s.address", entry);
    if (!is_own_address)
        conf_complain(m->v, line_of(m, path),
                      "%s: %s is this node, but port.addresses has no such address", path,
                      self->address);
    snprintf(path, sizeof(path), "%s.cores", entry);
    if (self->cores != c->cores_count)
        conf_complain(m->v, line_of(m, path), "%s: %u, but this node has %u (cores)", path,
                      self->cores, c->cores_count);
    snprintf(path, sizeof(path), "%s.port", entry);
    if (self->port != k->port)
        conf_complain(m->v, line_of(m, path), "%s: %u, but this node's is %u (cluster.port)", path,
                      self->port, k->port);
}

/* Each core of theirs keeps a channel to one of ours; they are spread evenly (peers.h). */
static void check_channels(const struct meaning *m)
{
    const struct conf_cluster *k = m->c->cluster;
    uint32_t own = m->c->cores_count ? m->c->cores_count : 1, channels = 0;

    for (uint32_t i = 0; i < k->members_count; i++) {
        if (strcmp(k->members[i].name, m->c->node))
            channels += (k->members[i].cores + own - 1) / own;
    }
    if (channels > PEERS_CHANNELS_MAX)
        conf_complain(m->v, line_of(m, "cluster.members"),
                      "cluster.members: their cores need %u channels of each core here, at most %d "
                      "are possible: give this node more cores, or them fewer",
                      channels, PEERS_CHANNELS_MAX);
}

static void check_egress(const struct meaning *m)
{
    struct conf_egress *e = &m->c->egress;

    if (!is_given(m, "egress.enabled"))
        e->enabled = true;
    e->ca_file_line = line_of(m, "egress.ca_file");
    check_addresses(m, "egress.allow", e->allow, e->allow_count, true);
    check_addresses(m, "egress.deny", e->deny, e->deny_count, true);
    check_addresses(m, "egress.resolvers", e->resolvers, e->resolvers_count, false);
    if (e->ca_file[0])
        check_path(m, "egress.ca_file", e->ca_file);
}

static void check_cluster(const struct meaning *m)
{
    struct conf_cluster *k = m->c->cluster;
    struct number_row port = {.path = "cluster.port",
                              .value = CLUSTER_PORT_DEFAULT,
                              .min = 1,
                              .max = 65535,
                              .bytes = sizeof(uint16_t)};

    if (!k)
        return;
    port.field = &k->port;
    check_number(m, &port);
    check_path(m, "cluster.key", k->key);
    check_path(m, "cluster.secret", k->secret);
    for (uint32_t i = 0; i < k->members_count; i++)
        check_member(m, i);
    check_self(m);
    check_channels(m);
}

void conf_check_meaning(struct conf *c, const struct yaml_node *root, struct conf_verdict *v)
{
    const struct meaning m = {.c = c, .root = root, .v = v};

    check_numbers(&m);
    check_names(&m);
    check_port(&m);
    check_exception(&m);
    check_decapsulate(&m);
    check_egress(&m);
    check_cpus(&m, "cores", c->cores, c->cores_count);
    check_cpus(&m, "cells.cpus", c->cells.cpus, c->cells.cpus_count);
    check_certificates(&m);
    check_paths(&m);
    check_user(&m);
    check_bench(&m);
    check_cluster(&m);
    if (!c->listen.https && !c->listen.http)
        conf_complain(v, line_of(&m, "listen"), "listen: https and http are both off");
    if (c->listen.https && c->listen.https == c->listen.http)
        conf_complain(v, line_of(&m, "listen.http"), "listen.http: the same port as https");
    if (c->limits.wall_ms < c->limits.cpu_ms)
        conf_complain(v, line_of(&m, "limits.wall_ms"),
                      "limits.wall_ms: %u is less than limits.cpu_ms, %u", c->limits.wall_ms,
                      c->limits.cpu_ms);
}
