#include "control/config/conf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "control/config/conf_schema.h"
#include "dataplane/base/limits.h"

/* ---- the schema: one table for libcyaml, for the shape check and for printing ---- */

#define OPT CYAML_FLAG_OPTIONAL

static const cyaml_strval_t switch_words[] = {
    {"auto", CONF_AUTO},
    {"on", CONF_ON},
    {"off", CONF_OFF},
};
static const cyaml_strval_t idle_words[] = {
    {"adaptive", CONF_IDLE_ADAPTIVE},
    {"poll", CONF_IDLE_POLL},
};

static const cyaml_strval_t mode_words[] = {
    {"failover", CONF_PORT_FAILOVER},
    {"lacp", CONF_PORT_LACP},
};

static const cyaml_strval_t sandbox_words[] = {
    {"strict", CONF_SANDBOX_STRICT},
    {"weaker", CONF_SANDBOX_WEAKER},
};

static const cyaml_strval_t role_words[] = {
    {"operator", CONF_ROLE_OPERATOR},
    {"edge", CONF_ROLE_EDGE},
};

static const cyaml_schema_value_t address_value = {CYAML_VALUE_STRING(0, char[64], 1, 63)};
static const cyaml_schema_value_t cpu_value = {CYAML_VALUE_UINT(0, uint16_t)};
static const cyaml_schema_value_t name_value = {CYAML_VALUE_STRING(0, conf_name, 1, 255)};

static const cyaml_schema_field_t port_fields[] = {
    CYAML_FIELD_STRING("device", OPT, struct conf_port, device, 0),
    CYAML_FIELD_SEQUENCE("devices", OPT, struct conf_port, devices, &name_value, 0,
                         CONF_DEVICES_MAX),
    CYAML_FIELD_ENUM("mode", OPT | CYAML_FLAG_STRICT, struct conf_port, mode, mode_words, 2),
    CYAML_FIELD_UINT("failback_s", OPT, struct conf_port, failback_s),
    CYAML_FIELD_SEQUENCE("addresses", 0, struct conf_port, addresses, &address_value, 1,
                         NET_ADDRESSES_MAX),
    CYAML_FIELD_STRING("gateway4", OPT, struct conf_port, gateway4, 0),
    CYAML_FIELD_STRING("gateway6", OPT, struct conf_port, gateway6, 0),
    CYAML_FIELD_UINT("vlan", OPT, struct conf_port, vlan),
    CYAML_FIELD_UINT("mtu", OPT, struct conf_port, mtu),
    CYAML_FIELD_UINT("rx_descriptors", OPT, struct conf_port, rx_descriptors),
    CYAML_FIELD_UINT("tx_descriptors", OPT, struct conf_port, tx_descriptors),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t rule_value = {
    CYAML_VALUE_STRING(0, char[CONF_RULE_BYTES_MAX], 1, CONF_RULE_BYTES_MAX - 1)};

static const cyaml_schema_field_t exception_fields[] = {
    CYAML_FIELD_STRING("tap", OPT, struct conf_exception, tap, 0),
    CYAML_FIELD_SEQUENCE("addresses", OPT, struct conf_exception, addresses, &address_value, 0,
                         EXCEPTION_ADDRESSES_MAX),
    CYAML_FIELD_SEQUENCE("pass", OPT, struct conf_exception, pass, &rule_value, 0,
                         EXCEPTION_RULES_MAX),
    CYAML_FIELD_UINT("rate", OPT, struct conf_exception, rate),
    CYAML_FIELD_END,
};

static const cyaml_strval_t encapsulation_words[] = {
    {"ipip", CONF_IPIP},
    {"gue", CONF_GUE},
};
static const cyaml_schema_value_t encapsulation_value = {CYAML_VALUE_ENUM(
    CYAML_FLAG_STRICT, enum conf_encapsulation, encapsulation_words, CONF_ENCAPSULATIONS)};

static const cyaml_schema_field_t decapsulate_fields[] = {
    CYAML_FIELD_SEQUENCE("kinds", OPT, struct conf_decapsulate, kinds, &encapsulation_value, 0,
                         CONF_ENCAPSULATIONS),
    CYAML_FIELD_SEQUENCE("from", OPT, struct conf_decapsulate, from, &address_value, 0,
                         DECAPSULATION_SOURCES_MAX),
    CYAML_FIELD_UINT("gue_port", OPT, struct conf_decapsulate, gue_port),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t listen_fields[] = {
    CYAML_FIELD_UINT("https", OPT, struct conf_listen, https),
    CYAML_FIELD_UINT("http", OPT, struct conf_listen, http),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t certificate_fields[] = {
    CYAML_FIELD_STRING("chain", 0, struct conf_certificate, chain, 1),
    CYAML_FIELD_STRING("key", 0, struct conf_certificate, key, 1),
    CYAML_FIELD_BOOL("default", OPT, struct conf_certificate, is_default),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t certificate_value = {
    CYAML_VALUE_MAPPING(0, struct conf_certificate, certificate_fields)};

static const cyaml_schema_field_t cells_fields[] = {
    CYAML_FIELD_UINT("max", OPT, struct conf_cells, max),
    CYAML_FIELD_UINT("spares", OPT, struct conf_cells, spares),
    CYAML_FIELD_UINT("larges", OPT, struct conf_cells, larges),
    CYAML_FIELD_UINT("per_script", OPT, struct conf_cells, per_script),
    CYAML_FIELD_UINT("renew_s", OPT, struct conf_cells, renew_s),
    CYAML_FIELD_SEQUENCE("cpus", OPT, struct conf_cells, cpus, &cpu_value, 0, CONF_CORES_MAX),
    CYAML_FIELD_UINT("memory_mb", OPT, struct conf_cells, memory_mb),
    CYAML_FIELD_ENUM("sandbox", OPT | CYAML_FLAG_STRICT, struct conf_cells, sandbox, sandbox_words,
                     2),
    CYAML_FIELD_BOOL("limit_speculation", OPT, struct conf_cells, limits_speculation),
    CYAML_FIELD_STRING("node_exe", OPT, struct conf_cells, node_exe, 0),
    CYAML_FIELD_STRING("program", OPT, struct conf_cells, program, 0),
    CYAML_FIELD_STRING("blob", OPT, struct conf_cells, blob, 0),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t limits_fields[] = {
    CYAML_FIELD_UINT("cpu_ms", OPT, struct conf_limits, cpu_ms),
    CYAML_FIELD_UINT("wall_ms", OPT, struct conf_limits, wall_ms),
    CYAML_FIELD_UINT("heap_mb", OPT, struct conf_limits, heap_mb),
    CYAML_FIELD_UINT("subrequests", OPT, struct conf_limits, subrequests),
    CYAML_FIELD_UINT("conns", OPT, struct conf_limits, conns),
    CYAML_FIELD_UINT("chunks", OPT, struct conf_limits, chunks),
    CYAML_FIELD_UINT("jobs", OPT, struct conf_limits, jobs),
    CYAML_FIELD_UINT("calls", OPT, struct conf_limits, calls),
    CYAML_FIELD_UINT("served", OPT, struct conf_limits, served),
    CYAML_FIELD_UINT("streams", OPT, struct conf_limits, streams),
    CYAML_FIELD_UINT("hello_timeout_ms", OPT, struct conf_limits, hello_timeout_ms),
    CYAML_FIELD_UINT("head_timeout_ms", OPT, struct conf_limits, head_timeout_ms),
    CYAML_FIELD_UINT("idle_timeout_ms", OPT, struct conf_limits, idle_timeout_ms),
    CYAML_FIELD_UINT("stall_timeout_ms", OPT, struct conf_limits, stall_timeout_ms),
    CYAML_FIELD_UINT("min_rate", OPT, struct conf_limits, min_rate),
    CYAML_FIELD_UINT("request_body_mb", OPT, struct conf_limits, request_body_mb),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t egress_fields[] = {
    CYAML_FIELD_BOOL("enabled", OPT, struct conf_egress, enabled),
    CYAML_FIELD_SEQUENCE("allow", OPT, struct conf_egress, allow, &address_value, 0,
                         EGRESS_PREFIXES_MAX),
    CYAML_FIELD_SEQUENCE("deny", OPT, struct conf_egress, deny, &address_value, 0,
                         EGRESS_PREFIXES_MAX),
    CYAML_FIELD_SEQUENCE("resolvers", OPT, struct conf_egress, resolvers, &address_value, 0,
                         EGRESS_RESOLVERS_MAX),
    CYAML_FIELD_STRING("ca_file", OPT, struct conf_egress, ca_file, 0),
    CYAML_FIELD_UINT("fetches", OPT, struct conf_egress, fetches),
    CYAML_FIELD_UINT("kept", OPT, struct conf_egress, kept),
    CYAML_FIELD_UINT("connect_ms", OPT, struct conf_egress, connect_ms),
    CYAML_FIELD_UINT("answer_ms", OPT, struct conf_egress, answer_ms),
    CYAML_FIELD_UINT("stall_ms", OPT, struct conf_egress, stall_ms),
    CYAML_FIELD_UINT("keep_ms", OPT, struct conf_egress, keep_ms),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t member_fields[] = {
    CYAML_FIELD_STRING("name", 0, struct conf_member, name, 1),
    CYAML_FIELD_STRING("address", 0, struct conf_member, address, 1),
    CYAML_FIELD_STRING("key", 0, struct conf_member, key, 1),
    CYAML_FIELD_UINT("weight", OPT, struct conf_member, weight),
    CYAML_FIELD_UINT("cores", OPT, struct conf_member, cores),
    CYAML_FIELD_UINT("port", OPT, struct conf_member, port),
    CYAML_FIELD_ENUM("role", OPT | CYAML_FLAG_STRICT, struct conf_member, role, role_words, 2),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t member_value = {
    CYAML_VALUE_MAPPING(0, struct conf_member, member_fields)};

static const cyaml_schema_field_t cluster_fields[] = {
    CYAML_FIELD_STRING("key", 0, struct conf_cluster, key, 1),
    CYAML_FIELD_STRING("secret", 0, struct conf_cluster, secret, 1),
    CYAML_FIELD_UINT("port", OPT, struct conf_cluster, port),
    CYAML_FIELD_SEQUENCE("members", CYAML_FLAG_POINTER, struct conf_cluster, members, &member_value,
                         1, MEMBERS_MAX),
    CYAML_FIELD_END,
};

#define TUNE(name) CYAML_FIELD_UINT(#name, OPT, struct world_tune, name)
static const cyaml_schema_field_t tune_fields[] = {
    TUNE(hot_enter_rpm),      TUNE(hot_leave_rpm),        TUNE(widen_rps),
    TUNE(narrow_rps),         TUNE(bound_percent),        TUNE(shed_target_us),
    TUNE(shed_interval_ms),   TUNE(shed_jobs_percent),    TUNE(shed_chunks_percent),
    TUNE(shed_share_percent), TUNE(source_share_percent), TUNE(warm_per_s),
    TUNE(optimistic_bytes),   TUNE(trace_one_in),         CYAML_FIELD_END,
};
#undef TUNE

static const cyaml_schema_field_t control_fields[] = {
    CYAML_FIELD_STRING("accounts_socket", OPT, struct conf_control, accounts_socket, 0),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t conf_fields[] = {
    CYAML_FIELD_STRING("node", 0, struct conf, node, 1),
    CYAML_FIELD_MAPPING("port", 0, struct conf, port, port_fields),
    CYAML_FIELD_MAPPING("exception", OPT, struct conf, exception, exception_fields),
    CYAML_FIELD_MAPPING("decapsulate", OPT, struct conf, decapsulate, decapsulate_fields),
    CYAML_FIELD_SEQUENCE("cores", 0, struct conf, cores, &cpu_value, 1, CONF_CORES_MAX),
    CYAML_FIELD_UINT("control_cpu", OPT, struct conf, control_cpu),
    CYAML_FIELD_UINT("memory_mb", OPT, struct conf, memory_mb),
    CYAML_FIELD_ENUM("huge", OPT | CYAML_FLAG_STRICT, struct conf, huge, switch_words, 3),
    CYAML_FIELD_ENUM("idle", OPT | CYAML_FLAG_STRICT, struct conf, idle, idle_words, 2),
    CYAML_FIELD_MAPPING("listen", OPT, struct conf, listen, listen_fields),
    CYAML_FIELD_SEQUENCE("certificates", OPT | CYAML_FLAG_POINTER, struct conf, certificates,
                         &certificate_value, 0, CERTS_MAX),
    CYAML_FIELD_SEQUENCE("zones", OPT, struct conf, zones, &name_value, 0, CONF_ZONES_MAX),
    CYAML_FIELD_MAPPING("cells", OPT, struct conf, cells, cells_fields),
    CYAML_FIELD_MAPPING("limits", OPT, struct conf, limits, limits_fields),
    CYAML_FIELD_MAPPING("egress", OPT, struct conf, egress, egress_fields),
    CYAML_FIELD_MAPPING_PTR("cluster", OPT | CYAML_FLAG_POINTER, struct conf, cluster,
                            cluster_fields),
    CYAML_FIELD_MAPPING("tune", OPT, struct conf, tune, tune_fields),
    CYAML_FIELD_STRING("store", OPT, struct conf, store, 0),
    CYAML_FIELD_STRING("run", OPT, struct conf, run, 0),
    CYAML_FIELD_STRING("ctl", OPT, struct conf, ctl, 0),
    CYAML_FIELD_MAPPING("control", OPT, struct conf, control, control_fields),
    CYAML_FIELD_STRING("user", OPT, struct conf, user, 0),
    CYAML_FIELD_BOOL("debug_headers", OPT, struct conf, debug_headers),
    CYAML_FIELD_UINT("drain_ms", OPT, struct conf, drain_ms),
    CYAML_FIELD_STRING("bench_cookie_secret", OPT, struct conf, bench_cookie_secret, 0),
    CYAML_FIELD_END,
};

const cyaml_schema_value_t conf_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct conf, conf_fields)};

/* ---- verdict ---- */

void conf_complain(struct conf_verdict *v, uint32_t line, const char *format, ...)
{
    va_list args;

    if (v->count < CONF_ERRORS_MAX) {
        struct conf_error *e = &v->error[v->count];

        e->line = line;
        va_start(args, format);
        vsnprintf(e->text, sizeof(e->text), format, args);
        va_end(args);
    }
    v->count++;
}

void conf_free(struct conf *c)
{
    const cyaml_config_t config = {.mem_fn = cyaml_mem};

    if (c)
        cyaml_free(&config, &conf_schema, c, 0);
}

int conf_print(const struct conf *c, FILE *out)
{
    const cyaml_config_t config = {
        .mem_fn = cyaml_mem,
        .flags = CYAML_CFG_STYLE_BLOCK,
    };
    char *text = NULL;
    size_t len = 0;
    int rc = 0;

    if (cyaml_save_data(&text, &len, &config, &conf_schema, c, 0) != CYAML_OK)
        return -ENOMEM;
    if (fwrite(text, 1, len, out) != len)
        rc = -EIO;
    free(text);
    return rc;
}

uint32_t conf_devices(const struct conf_port *p, const char *device[CONF_DEVICES_MAX])
{
    device[0] = p->device;
    for (uint32_t i = 0; i < p->devices_count; i++)
        device[i] = p->devices[i];
    return p->devices_count ? p->devices_count : 1;
}
