/* conf.h
 *
 * hearth.yaml as a struct: read, judged, and printed back. deploy/hearth.yaml explains every key.
 *
 *   text --yaml_tree--> tree with lines --conf_check--> every error with its line
 *     \---- libcyaml, of the same conf_schema ----> struct conf ----> conf_print
 *
 * Nothing here looks at the machine: the same text gives the same verdict everywhere. A file that
 * has an error gives no struct, so a bad configuration cannot touch a running one.
 *
 * Optional keys that are absent get the defaults of conf_numbers.c's table; every number has a
 * range there. Single thread: the control thread's, or hearthctl's.
 *
 * Rejected: libcyaml's own errors; it stops at the first and knows few positions.
 */
#ifndef HEARTH_CONF_H
#define HEARTH_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "dataplane/base/limits.h"
#include "dataplane/world/world.h"

enum {
    CONF_FILE_BYTES_MAX = 1 << 20,
    CONF_PATH_BYTES_MAX = 256,
    CONF_CORES_MAX = 32,
    CONF_CPU_MAX = 1023,
    CONF_ZONES_MAX = 16,
    CONF_USER_BYTES_MAX = 33, /* useradd's limit */
    CONF_COOKIE_SECRET_DIGITS = 32,
    CONF_ERRORS_MAX = 64,
    CONF_INTERFACE_BYTES_MAX = 16, /* IFNAMSIZ */
    CONF_RULE_BYTES_MAX = 16,
    CONF_DEVICES_MAX = 2,
};

enum conf_switch { CONF_AUTO, CONF_ON, CONF_OFF };
enum conf_idle { CONF_IDLE_ADAPTIVE, CONF_IDLE_POLL };

typedef char conf_name[256];
typedef char conf_path[CONF_PATH_BYTES_MAX];

/* Of two devices. */
enum conf_port_mode { CONF_PORT_FAILOVER, CONF_PORT_LACP };

struct conf_port {
    conf_name device; /* DPDK device string, or "auto:IFACE"; empty: there are two */
    uint32_t devices_count;
    conf_name devices[CONF_DEVICES_MAX];
    enum conf_port_mode mode;
    uint16_t failback_s; /* 0: never */
    uint32_t addresses_count;
    char addresses[NET_ADDRESSES_MAX][64]; /* "10.77.0.1/24" */
    char gateway4[64], gateway6[64];       /* empty: none */
    uint16_t vlan;                         /* 0: untagged */
    uint16_t mtu;                          /* 0: the device's; conf_check.c has its range */
    uint16_t rx_descriptors, tx_descriptors;
};

/* What of the port's frames is the host's kernel's: dataplane/net/exception.h. */
struct conf_exception {
    char tap[CONF_INTERFACE_BYTES_MAX]; /* empty: none */
    uint32_t addresses_count, pass_count;
    char addresses[EXCEPTION_ADDRESSES_MAX][64]; /* "192.0.2.11/24" */
    char pass[EXCEPTION_RULES_MAX][CONF_RULE_BYTES_MAX];
    uint32_t rate;
};

enum conf_encapsulation { CONF_IPIP, CONF_GUE, CONF_ENCAPSULATIONS };

/* What balancers send: dataplane/net/decapsulation.h. */
struct conf_decapsulate {
    uint32_t kinds_count, from_count; /* no kinds: off */
    enum conf_encapsulation kinds[CONF_ENCAPSULATIONS];
    char from[DECAPSULATION_SOURCES_MAX][64]; /* "10.0.0.0/8" */
    uint16_t gue_port;
};

struct conf_listen {
    uint16_t https, http; /* 0: off */
};

struct conf_certificate {
    conf_path chain, key;
    bool is_default;
    uint32_t line; /* of the entry; 0 if it was not read from a text */
};

/* Without namespaces or an empty root: STRICT starts no cell. */
enum conf_sandbox { CONF_SANDBOX_STRICT, CONF_SANDBOX_WEAKER };

struct conf_cells {
    uint32_t max;        /* processes, spare ones too */
    uint32_t memory_mb;  /* of all that have a script */
    uint32_t spares;     /* one less than max at most */
    uint32_t larges;     /* of them with a large region at a time */
    uint32_t per_script; /* 0: one for each CPU */
    uint32_t renew_s;    /* the zygote's age */
    enum conf_sandbox sandbox;
    bool limits_speculation; /* switches of the CPU against Spectre, for all cells */
    uint32_t cpus_count;
    uint16_t cpus[CONF_CORES_MAX];     /* they run on these; none: wherever the kernel likes */
    conf_path node_exe, program, blob; /* empty: found beside hearthd (install.h) */
    uint32_t node_exe_line, program_line, blob_line;
};

struct conf_limits {
    uint32_t cpu_ms, wall_ms, heap_mb; /* of a request, of a request, of a cell */
    uint32_t subrequests;              /* of a request to other scripts */
    uint32_t conns, chunks, jobs;      /* of one dp core */
    uint32_t calls, served,
        streams; /* of one dp core: requests under way, those of other nodes, streams to them */
    uint32_t hello_timeout_ms, head_timeout_ms, idle_timeout_ms, stall_timeout_ms;
    uint32_t min_rate;
    uint32_t request_body_mb; /* 0: no limit */
};

/* What a member may ask the others for: control/daemon/behalf.h. */
enum conf_role { CONF_ROLE_OPERATOR, CONF_ROLE_EDGE };

struct conf_member {
    char name[64];
    char address[64]; /* without a prefix */
    char key[64];     /* public, base64 */
    uint32_t weight;
    uint16_t cores, port;
    enum conf_role role;
};

struct conf_cluster {
    conf_path key, secret; /* files (key.h) */
    uint32_t key_line, secret_line, members_line;
    uint16_t port;
    uint32_t members_count;
    struct conf_member *members;
};

/* Requests of scripts to the world: dataplane/egress/egress.h. */
struct conf_egress {
    bool enabled;
    uint32_t allow_count, deny_count, resolvers_count;
    char allow[EGRESS_PREFIXES_MAX][64], deny[EGRESS_PREFIXES_MAX][64]; /* "10.1.2.0/24" */
    char resolvers[EGRESS_RESOLVERS_MAX][64];                           /* none: resolv.conf's */
    conf_path ca_file; /* empty: the system's (install.h) */
    uint32_t ca_file_line;
    uint32_t fetches, kept; /* of an account, on one core */
    uint32_t connect_ms, answer_ms, stall_ms, keep_ms;
};

struct conf_control {
    conf_path accounts_socket; /* empty: guests have none */
};

struct conf {
    char node[64];
    struct conf_port port;
    struct conf_exception exception;
    struct conf_decapsulate decapsulate;
    uint32_t cores_count;
    uint16_t cores[CONF_CORES_MAX]; /* CPU of each dp core; several may share one */
    uint16_t control_cpu;
    uint32_t memory_mb;
    enum conf_switch huge;
    enum conf_idle idle;
    struct conf_listen listen;
    uint32_t certificates_count;
    struct conf_certificate *certificates;
    uint32_t zones_count;
    conf_name zones[CONF_ZONES_MAX];
    struct conf_cells cells;
    struct conf_limits limits;
    struct conf_egress egress;
    struct conf_cluster *cluster; /* NULL: a node alone */
    struct world_tune tune;
    conf_path store, run, ctl;
    struct conf_control control;
    char user[CONF_USER_BYTES_MAX]; /* empty: whoever starts hearthd */
    uint32_t user_line;
    bool debug_headers;
    uint32_t drain_ms;
    char bench_cookie_secret[CONF_COOKIE_SECRET_DIGITS + 1]; /* empty, but in bench mode */
};

struct conf_error {
    uint32_t line; /* 0: of the whole file */
    char text[256];
};

struct conf_verdict {
    uint32_t count; /* may exceed CONF_ERRORS_MAX: the rest was not kept */
    struct conf_error error[CONF_ERRORS_MAX];
};

/* NULL when the verdict has errors; they come in the order of their lines. */
struct conf *conf_parse(const char *text, size_t bytes, struct conf_verdict *);
/* The same from a file; one that cannot be read is an error of line 0. */
struct conf *conf_read(const char *file, struct conf_verdict *);
void conf_free(struct conf *);

/* The effective configuration as YAML that conf_parse reads back to an equal struct. 0 or -errno.
 */
int conf_print(const struct conf *, FILE *);

/* The devices of the port; returns how many, 1 or 2. */
uint32_t conf_devices(const struct conf_port *, const char *device[CONF_DEVICES_MAX]);

/* Adds an error; for conf_*.c. */
void conf_complain(struct conf_verdict *, uint32_t line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
