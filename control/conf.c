#include "control/conf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "control/conf_check.h"
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

static const cyaml_schema_value_t address_value = {CYAML_VALUE_STRING(0, char[64], 1, 63)};
static const cyaml_schema_value_t cpu_value = {CYAML_VALUE_UINT(0, uint16_t)};
static const cyaml_schema_value_t name_value = {CYAML_VALUE_STRING(0, conf_name, 1, 255)};

static const cyaml_schema_field_t port_fields[] = {
    CYAML_FIELD_STRING("device", 0, struct conf_port, device, 1),
    CYAML_FIELD_SEQUENCE("addresses", 0, struct conf_port, addresses, &address_value, 1,
                         NET_ADDRESSES_MAX),
    CYAML_FIELD_STRING("gateway4", OPT, struct conf_port, gateway4, 0),
    CYAML_FIELD_STRING("gateway6", OPT, struct conf_port, gateway6, 0),
    CYAML_FIELD_UINT("vlan", OPT, struct conf_port, vlan),
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

static const cyaml_schema_field_t runtimes_fields[] = {
    CYAML_FIELD_UINT("count", OPT, struct conf_runtimes, count),
    CYAML_FIELD_SEQUENCE("cpus", OPT, struct conf_runtimes, cpus, &cpu_value, 0, CONF_CORES_MAX),
    CYAML_FIELD_UINT("memory_mb", OPT, struct conf_runtimes, memory_mb),
    CYAML_FIELD_STRING("node_exe", OPT, struct conf_runtimes, node_exe, 0),
    CYAML_FIELD_STRING("program", OPT, struct conf_runtimes, program, 0),
    CYAML_FIELD_STRING("blob", OPT, struct conf_runtimes, blob, 0),
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

static const cyaml_schema_field_t member_fields[] = {
    CYAML_FIELD_STRING("name", 0, struct conf_member, name, 1),
    CYAML_FIELD_STRING("address", 0, struct conf_member, address, 1),
    CYAML_FIELD_STRING("key", 0, struct conf_member, key, 1),
    CYAML_FIELD_UINT("weight", OPT, struct conf_member, weight),
    CYAML_FIELD_UINT("cores", OPT, struct conf_member, cores),
    CYAML_FIELD_UINT("port", OPT, struct conf_member, port),
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

static const cyaml_schema_field_t conf_fields[] = {
    CYAML_FIELD_STRING("node", 0, struct conf, node, 1),
    CYAML_FIELD_MAPPING("port", 0, struct conf, port, port_fields),
    CYAML_FIELD_SEQUENCE("cores", 0, struct conf, cores, &cpu_value, 1, CONF_CORES_MAX),
    CYAML_FIELD_UINT("control_cpu", OPT, struct conf, control_cpu),
    CYAML_FIELD_UINT("memory_mb", OPT, struct conf, memory_mb),
    CYAML_FIELD_ENUM("huge", OPT | CYAML_FLAG_STRICT, struct conf, huge, switch_words, 3),
    CYAML_FIELD_ENUM("idle", OPT | CYAML_FLAG_STRICT, struct conf, idle, idle_words, 2),
    CYAML_FIELD_MAPPING("listen", OPT, struct conf, listen, listen_fields),
    CYAML_FIELD_SEQUENCE("certificates", OPT | CYAML_FLAG_POINTER, struct conf, certificates,
                         &certificate_value, 0, CERTS_MAX),
    CYAML_FIELD_SEQUENCE("zones", OPT, struct conf, zones, &name_value, 0, CONF_ZONES_MAX),
    CYAML_FIELD_MAPPING("runtimes", OPT, struct conf, runtimes, runtimes_fields),
    CYAML_FIELD_MAPPING("limits", OPT, struct conf, limits, limits_fields),
    CYAML_FIELD_MAPPING_PTR("cluster", OPT | CYAML_FLAG_POINTER, struct conf, cluster,
                            cluster_fields),
    CYAML_FIELD_MAPPING("tune", OPT, struct conf, tune, tune_fields),
    CYAML_FIELD_STRING("store", OPT, struct conf, store, 0),
    CYAML_FIELD_STRING("run", OPT, struct conf, run, 0),
    CYAML_FIELD_STRING("ctl", OPT, struct conf, ctl, 0),
    CYAML_FIELD_BOOL("debug_headers", OPT, struct conf, debug_headers),
    CYAML_FIELD_UINT("drain_ms", OPT, struct conf, drain_ms),
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

static int by_line(const void *a, const void *b)
{
    const struct conf_error *x = a, *y = b;

    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return strcmp(x->text, y->text);
}

/* ---- read ---- */

/* libcyaml reports an error and then a backtrace of where it stood; the first line is the reason.
 */
struct cyaml_words {
    char first[256];
};

static void keep_first(cyaml_log_t level, void *arg, const char *format, va_list args)
{
    struct cyaml_words *words = arg;

    if (level < CYAML_LOG_ERROR || words->first[0])
        return;
    vsnprintf(words->first, sizeof(words->first), format, args);
    words->first[strcspn(words->first, "\n")] = 0;
}

static struct conf *load(const char *text, size_t bytes, struct conf_verdict *v)
{
    struct cyaml_words words = {0};
    const cyaml_config_t config = {
        .log_fn = keep_first,
        .log_ctx = &words,
        .mem_fn = cyaml_mem,
        .log_level = CYAML_LOG_ERROR,
        .flags = CYAML_CFG_NO_ALIAS,
    };
    struct conf *c = NULL;
    cyaml_err_t err = cyaml_load_data((const uint8_t *)text, bytes, &config, &conf_schema,
                                      (cyaml_data_t **)&c, NULL);

    if (err != CYAML_OK)
        conf_complain(v, 0, "%s", words.first[0] ? words.first : cyaml_strerror(err));
    return c;
}

static uint32_t line_of(const struct yaml_node *root, const char *path)
{
    const struct yaml_node *n = yaml_tree_find(root, path);

    return n ? n->line : 0;
}

/* For who loads the files later. */
static void keep_lines(struct conf *c, const struct yaml_node *root)
{
    char path[64];

    for (uint32_t i = 0; i < c->certificates_count; i++) {
        snprintf(path, sizeof(path), "certificates[%u]", i);
        c->certificates[i].line = line_of(root, path);
    }
    c->runtimes.node_exe_line = line_of(root, "runtimes.node_exe");
    c->runtimes.program_line = line_of(root, "runtimes.program");
    c->runtimes.blob_line = line_of(root, "runtimes.blob");
    if (c->cluster) {
        c->cluster->key_line = line_of(root, "cluster.key");
        c->cluster->secret_line = line_of(root, "cluster.secret");
        c->cluster->members_line = line_of(root, "cluster.members");
    }
}

struct conf *conf_parse(const char *text, size_t bytes, struct conf_verdict *v)
{
    char error[200] = "";
    uint32_t line;
    struct yaml_node *root;
    struct conf *c = NULL;

    v->count = 0;
    if (bytes > CONF_FILE_BYTES_MAX) {
        conf_complain(v, 0, "larger than %d bytes", CONF_FILE_BYTES_MAX);
        return NULL;
    }
    root = yaml_tree_parse(text, bytes, &line, error, sizeof(error));
    if (!root) {
        conf_complain(v, line, "%s", error);
        return NULL;
    }
    conf_check_shape(root, &conf_schema, v);
    if (!v->count)
        c = load(text, bytes, v);
    if (c) {
        keep_lines(c, root);
        conf_check_meaning(c, root, v);
    }
    yaml_tree_free(root);
    if (v->count) {
        uint32_t kept = v->count < CONF_ERRORS_MAX ? v->count : CONF_ERRORS_MAX;

        qsort(v->error, kept, sizeof(v->error[0]), by_line);
        conf_free(c);
        c = NULL;
    }
    return c;
}

struct conf *conf_read(const char *file, struct conf_verdict *v)
{
    struct conf *c = NULL;
    FILE *f = fopen(file, "re");
    char *text = NULL;
    size_t bytes = 0;

    v->count = 0;
    if (!f) {
        conf_complain(v, 0, "%s", strerror(errno));
        return NULL;
    }
    text = malloc(CONF_FILE_BYTES_MAX + 1);
    if (text)
        bytes = fread(text, 1, CONF_FILE_BYTES_MAX + 1, f);
    if (!text)
        conf_complain(v, 0, "no memory");
    else if (ferror(f))
        conf_complain(v, 0, "%s", strerror(EIO));
    else
        c = conf_parse(text, bytes, v);
    free(text);
    fclose(f);
    return c;
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
