/* hearthd.h
 *
 * The process: what main starts in order and stops in reverse, and what the commands act on. Inside
 * of daemon/: nothing below it knows struct hearthd.
 *
 *   conf -> eal -> aead, tls -> cluster, notes -> port, tap -> cores -> store, scripts
 *        -> certificates -> cells -> privileges given up -> world -> cores run -> ctl
 *
 * Anything that changes what the cores see sets is_dirty; hearthd_publish makes a new world.
 * Control thread only, but for struct core_slot's thread.
 */
#ifndef HEARTH_HEARTHD_H
#define HEARTH_HEARTHD_H

#include <stdio.h>

#include "control/base/loop.h"
#include "control/config/conf.h"
#include "control/daemon/behalf.h"
#include "control/daemon/ctl.h"
#include "control/daemon/messenger.h"
#include "control/daemon/node_life.h"
#include "control/daemon/privileges.h"
#include "control/daemon/session.h"
#include "control/daemon/tail.h"
#include "control/daemon/watchdog.h"
#include "control/daemon/why.h"
#include "control/deploy/catalog.h"
#include "control/deploy/store.h"
#include "control/supervise/cgroup.h"
#include "control/supervise/supervise.h"
#include "control/supervise/trial.h"
#include "control/world/cluster.h"
#include "control/world/members.h"
#include "control/world/publisher.h"
#include "control/world/ring_store.h"
#include "control/world/world_build.h"
#include "dataplane/core/core.h"
#include "dataplane/egress/egress.h"
#include "dataplane/net/net.h"
#include "dataplane/tls/tls_ticket.h"
#include "drivers/clock.h"
#include "drivers/port.h"
#include "drivers/tap.h"

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
    int pid_fd; /* holds the lock of the pid file; -1: not ours */
    uint64_t started_ns;
    bool has_eal, has_huge, has_aead, has_tls, has_loop, has_catalog, has_publisher;
    bool is_draining, has_been_ready;
    struct user user; /* of `user:`; no name: it stays who it is */
    struct privileges privileges;
    struct cgroup cgroup;

    struct port *port;                        /* what cores use: the one device, or a pair of two */
    struct port *member[CONF_DEVICES_MAX];    /* the devices; NULL: it could not be had */
    char member_error[CONF_DEVICES_MAX][256]; /* and why not */
    bool is_pair;
    const char *lacp_state[CONF_DEVICES_MAX]; /* as it was last told */
    struct loop_timer port_timer;
    struct watchdog watchdog;
    struct loop_timer watchdog_timer;
    uint64_t watchdog_ns; /* between two looks; 0: nobody asks */
    struct net_config net;
    struct egress_config egress; /* of all cores */
    struct tap tap;              /* the host's */
    bool has_tap, tap_is_up;
    struct neighbours *neighbours;
    struct clock clock;
    uint32_t core_count;                    /* created */
    struct cell_mail *mail[CONF_CORES_MAX]; /* of each core */
    int mail_fd;                            /* that they ring; -1: none */
    uint32_t channels;                      /* that each core has room for; 0: no cluster */
    uint32_t launched;
    struct core_slot core[CONF_CORES_MAX];

    struct store store;
    struct accounts accounts;
    struct session_counts refused; /* to accounts */
    struct catalog catalog;
    struct supervise *supervise;
    struct trials trials; /* of deploys */
    struct tls_tickets tickets;
    struct loop_timer tickets_timer;
    struct certs_part *certs;
    struct scripts_part *scripts;
    struct world_shared shared;
    struct publisher publisher;
    uint64_t epoch;
    bool is_dirty;
    struct world_tune tune; /* in effect: the file's, or what hearthctl said since */

    struct cluster_keys keys;
    struct members *members;
    bool is_reloading; /* a world comes at the end of it */
    struct ring_store rings;
    struct cluster_part *cluster;
    uint64_t ring_epoch;
    struct node_life life;
    struct loop_timer life_timer, leave_timer, reach_timer;
    uint32_t unreached;          /* members without a channel, over all cores, as was last told */
    uint64_t phase_epoch;        /* of the first world that says the phase */
    uint64_t handed_before;      /* scripts handed over when this node began to leave */
    struct messenger *messenger; /* NULL: a node alone */
    struct tail tail;
    struct loop_timer tail_timer, why_timer;
    struct why_question question[WHY_ASKING_MAX];
    struct why_story story;                    /* of this node; scratch */
    uint64_t draining_client[CTL_CLIENTS_MAX]; /* answered when the node is DRAINING */
    uint32_t draining_count;

    struct ctl *ctl;
    struct waiting_reply waiting[CTL_CLIENTS_MAX];
    uint32_t waiting_count;
};

/* ---- publish.c: worlds ---- */

/* The cores are there and do not run yet: the first world. */
void hearthd_publish_start(struct hearthd *);
/* No core runs any more. Clients that still wait hear nothing. */
void hearthd_publish_stop(struct hearthd *);
/* Builds and publishes a world if there is something new. */
void hearthd_publish(struct hearthd *);
/* There is something new. */
void hearthd_change(struct hearthd *);
/* Consumes reply: it goes out when the cores see the change. */
void hearthd_reply_when_published(struct hearthd *, struct ctl_client *, json_t *reply);

/* ---- reload.c ---- */

/* Reads the file again; what cannot change while running is kept and named in *restart_needed (a
 * JSON array, consumed by the caller). -1: refused with a sentence, nothing changed. */
int hearthd_reload(struct hearthd *, json_t **restart_needed, char *error, size_t error_bytes);

/* ---- stop.c ---- */

/* Hands over if there is somebody to hand to, drains and ends; a second call ends at once. */
void hearthd_stop(struct hearthd *);
/* Of that, what comes after the hand-over. */
void hearthd_stop_cores(struct hearthd *, uint32_t drain_ms);
/* A core has: the event loop ends with the last of them. */
void hearthd_core_returned(struct hearthd *);

/* ---- hearthd_port.c: the port while the cores use it ---- */

/* Opens the devices of the configuration, each when its PF is up, if it has one here; of two, one
 * is enough. config: of each device what they have in common. -1: a sentence. */
struct port_dpdk_config;
int hearthd_port_open(struct hearthd *, const struct port_dpdk_config *config, char *error,
                      size_t error_bytes);
/* The multicast groups that its addresses want. 0 or -errno. */
int hearthd_port_join(struct hearthd *);
/* Says which cores are far from the card. */
void hearthd_port_advise(const struct hearthd *);
/* From when the cores run until the loop ends. */
void hearthd_port_watch(struct hearthd *);

/* ---- hearthd_watchdog.c: the cores, to the service manager ---- */

/* From when the cores run until the loop ends; nothing if the unit has no WatchdogSec=. */
void hearthd_watchdog_start(struct hearthd *);

/* ---- hearthd_net.c: what net is given, and the host's tap ---- */

/* The port is open: fills in h->net. -1: a sentence. */
int hearthd_net_configure(struct hearthd *, char *error, size_t error_bytes);
/* What balancers send. */
bool hearthd_has_ipip(const struct conf *);
uint16_t hearthd_gue_port(const struct conf *); /* 0: no GUE */
/* Makes the tap, if one is wanted, while that is still allowed. -1: a sentence. */
int hearthd_tap_start(struct hearthd *, char *error, size_t error_bytes);
void hearthd_tap_stop(struct hearthd *);
/* The port may have another link, or address. */
void hearthd_tap_follow_link(struct hearthd *);
void hearthd_tap_follow_mac(struct hearthd *);

/* ---- hearthd_egress.c: the way out of scripts ---- */

/* Fills in h->egress, once h->net is. -1: a sentence. */
int hearthd_egress_start(struct hearthd *, char *error, size_t error_bytes);
void hearthd_egress_stop(struct hearthd *);

/* ---- hearthd_cluster.c: this node among the others ---- */

/* Reads the keys and the members, builds the first ring. -1: a sentence. */
int hearthd_cluster_start(struct hearthd *, char *error, size_t error_bytes);
void hearthd_cluster_stop(struct hearthd *);
/* Before a world is built: takes up another list of members. False: not now, hearthd_publish is
 * called again. */
bool hearthd_cluster_follow(struct hearthd *);
/* A world was published, or cells can be had: looks whether the node may say something else
 * of itself. */
void hearthd_cluster_look(struct hearthd *);
/* Channels to members that cores have no slot for, of all cores together. */
uint32_t hearthd_unreached(const struct hearthd *);
bool hearthd_has_others(const struct hearthd *);
/* The client is answered when the node is DRAINING; NULL: nobody asks. */
void hearthd_drain(struct hearthd *, struct ctl_client *, uint32_t handover_ms);
void hearthd_undrain(struct hearthd *, struct ctl_client *);

/* ---- hearthd_tickets.c: the keys of session tickets ---- */

/* The first key, and a timer for the next. 0 or -errno. */
int hearthd_tickets_start(struct hearthd *);
void hearthd_tickets_stop(struct hearthd *);

/* ---- hearthd_notes.c: log lines and stories, of this node and of the others ---- */

int hearthd_notes_start(struct hearthd *, char *error, size_t error_bytes);
void hearthd_notes_stop(struct hearthd *);
/* May its account log another line in this second? Counts it. */
bool hearthd_may_log(struct hearthd *, const struct supervise_log *);
/* A cell here logged a line. */
void hearthd_log_line(struct hearthd *, const struct supervise_log *);
/* By this node's own role, what other nodes know on that one's behalf. */
bool hearthd_may_ask_others(const struct hearthd *, const struct behalf *);
/* Clients came to tail, or the time has come to renew. */
void hearthd_tail(struct hearthd *);
/* Answers the client: with what this node knows of the request, else with what the others know; of
 * these scripts (script_id_is_of), on that one's behalf. */
void hearthd_why(struct hearthd *, struct ctl_client *, uint64_t request, const char *scripts,
                 const struct behalf *);

/* ---- commands.c ---- */
void hearthd_command(void *hearthd, struct ctl_client *, const struct ctl_request *);
/* Of the guests' socket: whether a request's payload is worth awaiting (ctl.h). */
const char *hearthd_admit(void *hearthd, const json_t *request);

/* ---- export.c: what is known, as JSON or text ---- */
json_t *export_status(const struct hearthd *);
/* Of enum port_csum: "device" (all), "software" (none), or their names. */
enum { EXPORT_CSUMS_BYTES = 16 };
const char *export_csums(uint8_t csums, char text[EXPORT_CSUMS_BYTES]);
json_t *export_cluster(const struct hearthd *);
void export_cluster_metrics(const struct hearthd *, FILE *);
json_t *export_scripts(struct hearthd *, const char *scripts); /* script_id_is_of */
json_t *export_stats(const struct hearthd *);
char *export_metrics(const struct hearthd *); /* OpenMetrics; the caller frees */
char *export_limits(const struct hearthd *);  /* the caller frees */

#endif
