/* hearthd.h
 *
 * The process: what main starts in order and stops in reverse, and what the commands act on. Inside of control/.
 *
 *   conf -> eal -> aead, tls -> port -> cores -> store, scripts -> certificates -> runtimes -> world -> cores run -> ctl
 *
 * Anything that changes what the cores see sets is_dirty; hearthd_publish makes a new world as soon as every runtime that is up
 * has been told the scripts in it. Control thread only, but for struct core_slot's thread.
 */
#ifndef HEARTH_HEARTHD_H
#define HEARTH_HEARTHD_H

#include "control/catalog.h"
#include "control/conf.h"
#include "control/ctl.h"
#include "control/loop.h"
#include "control/store.h"
#include "control/supervise.h"
#include "control/world_build.h"
#include "dataplane/core.h"
#include "drivers/port.h"

#define HEARTH_VERSION "0.1.0"

struct hearthd;

struct core_slot {
    struct hearthd *owner;
    uint32_t index;
    struct core *core;
    _Atomic bool is_done; /* core_run has returned */
};

/* A client that is answered when the change it asked for is seen by the cores. */
struct waiting_reply {
    uint64_t client;
    json_t *reply;
};

struct hearthd {
    const char *config_file;
    struct conf *conf;
    struct loop loop;
    struct loop_watch signal_watch, done_watch;
    struct loop_timer reclaim_timer;
    int signal_fd, done_fd;
    uint64_t started_ns;
    bool has_eal, has_huge, has_aead, has_tls, has_loop, has_catalog, has_publisher;
    bool is_draining, has_been_ready;

    struct port *port;
    struct net_config net;
    struct neighbours *neighbours;
    struct clock clock;
    uint32_t core_count; /* created */
    uint32_t launched;
    struct core_slot core[CONF_CORES_MAX];

    struct store store;
    struct catalog catalog;
    struct supervise *supervise;
    struct tls_ticket_keys ticket_keys;
    struct certs_part *certs;
    struct scripts_part *scripts;
    struct world_shared shared;
    struct publisher publisher;
    uint64_t epoch;
    bool is_dirty;

    struct ctl *ctl;
    struct waiting_reply waiting[CTL_CLIENTS_MAX];
    uint32_t waiting_count;
};

/* Builds and publishes a world if there is something new and the runtimes know its scripts. */
void hearthd_publish(struct hearthd *);
void hearthd_change(struct hearthd *);

/* Reads the file again; what cannot change while running is kept and named in *restart_needed (a JSON array, consumed by the
 * caller). -1: refused with a sentence, nothing changed. */
int hearthd_reload(struct hearthd *, json_t **restart_needed, char *error, size_t error_bytes);

/* Drains and ends; a second call ends at once. */
void hearthd_stop(struct hearthd *);

/* ---- commands.c ---- */
void hearthd_command(void *hearthd, struct ctl_client *, const struct ctl_request *);

/* ---- export.c: what is known, as JSON or text ---- */
json_t *export_status(const struct hearthd *);
json_t *export_scripts(struct hearthd *, const char *name);
json_t *export_stats(const struct hearthd *);
char *export_metrics(const struct hearthd *); /* OpenMetrics; the caller frees */
char *export_limits(const struct hearthd *);  /* the caller frees */

#endif
