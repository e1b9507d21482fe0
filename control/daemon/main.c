/* hearthd: ordered start, event loop, reverse stop. */
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_rcu_qsbr.h>

#include "control/base/log.h"
#include "control/config/install.h"
#include "control/daemon/account_commands.h"
#include "control/daemon/deploy_commands.h"
#include "control/daemon/hearthd.h"
#include "control/daemon/pid_file.h"
#include "control/supervise/urgency.h"
#include "control/world/credentials.h"
#include "dataplane/core/core_thread.h"
#include "dataplane/net/neighbour.h"
#include "dataplane/net/net.h"
#include "dataplane/tls/tls.h"
#include "drivers/aead.h"
#include "drivers/clock.h"
#include "drivers/eal.h"
#include "drivers/port_dpdk.h"
#include "drivers/tls_library.h"

/* ---- what the supervisor tells ---- */

static void on_cells_change(void *arg)
{
    struct hearthd *h = arg;

    if (h->has_publisher && h->scripts)
        hearthd_change(h);
}

static void on_script_loaded(void *arg, uint64_t handle, const char *error)
{
    struct hearthd *h = arg;

    trial_take(&h->trials, handle, error);
}

static void on_script_log(void *arg, const struct supervise_log *l)
{
    struct hearthd *h = arg;
    struct log_quoted text;

    if (!hearthd_may_log(h, l))
        return;
    if (!strcmp(l->level, "error"))
        log_line("script", "name=%s version=%s request=%s level=error text=\"%s\"", l->script,
                 l->version, l->request, log_quote(&text, l->text));
    hearthd_log_line(h, l);
}

static void on_script_gone(void *arg, uint64_t handle)
{
    struct hearthd *h = arg;

    if (h->supervise)
        supervise_forget(h->supervise, handle);
}

static void on_bad_script(const char *name, const char *reason)
{
    struct log_quoted why;

    log_line("script", "name=%s left_out=\"%s\"", name, log_quote(&why, reason));
}

/* ---- start: each step leaves in *h what undo() takes back ---- */

struct fault {
    char text[2048];
};

static int mkdirs(const char *path, mode_t mode)
{
    char part[CONF_PATH_BYTES_MAX];

    for (size_t i = 1; i < sizeof(part); i++) {
        if (path[i] != '/' && path[i])
            continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (mkdir(part, mode) && errno != EEXIST)
            return -errno;
        if (!path[i])
            return 0;
    }
    return -ENAMETOOLONG;
}

/* First: a wrong name should not cost the start of everything else. */
static int start_user(struct hearthd *h, struct fault *f)
{
    char error[512];

    if (!h->conf->user[0] || !user_find(&h->user, h->conf->user, error, sizeof(error)))
        return 0;
    snprintf(f->text, sizeof(f->text), "user: %s", error);
    return -1;
}

static int start_run_dir(struct hearthd *h, struct fault *f)
{
    char path[CONF_PATH_BYTES_MAX + 16];
    int rc = mkdirs(h->conf->run, 0755);

    if (rc) {
        snprintf(f->text, sizeof(f->text), "%s: %s", h->conf->run, strerror(-rc));
        return -1;
    }
    snprintf(path, sizeof(path), "%s/hearthd.pid", h->conf->run);
    h->pid_fd = pid_file_take(path, f->text, sizeof(f->text));
    return h->pid_fd < 0 ? -1 : 0;
}

static int start_eal(struct hearthd *h, struct fault *f)
{
    const struct conf *c = h->conf;
    struct eal_config config = {
        .core_count = c->cores_count,
        .control_cpu = c->control_cpu,
        .memory_mb = c->memory_mb,
        .huge = c->huge == CONF_ON    ? EAL_HUGE_ON
                : c->huge == CONF_OFF ? EAL_HUGE_OFF
                                      : EAL_HUGE_AUTO,
    };
    const char *device[CONF_DEVICES_MAX];
    struct eal_report report = {0};
    char name[80];

    for (uint32_t i = conf_devices(&c->port, device); i-- > 0;) {
        config.use_pci |= port_dpdk_wants_pci(device[i]);
        config.use_memif |= strncmp(device[i], "net_memif", strlen("net_memif")) == 0;
    }
    snprintf(name, sizeof(name), "hearth-%s", c->node);
    config.name = name;
    memcpy(config.core_cpu, c->cores, c->cores_count * sizeof(c->cores[0]));
    if (eal_start(&config, &report, f->text, sizeof(f->text)))
        return -1;
    h->has_eal = true;
    h->has_huge = report.has_huge;
    log_line("start", "step=eal cores=%u hugepages=%s", c->cores_count,
             report.has_huge ? "yes" : "no");
    if (report.huge_advice[0])
        log_line("start", "advice=\"%s\"", report.huge_advice);
    clock_init_tsc(&h->clock);
    return 0;
}

static void log_tls_library(void)
{
    struct tls_library l = tls_library();

    log_line("start", "step=tls wolfssl=%s origin=\"%s\" why=\"%s\"", l.version, l.origin, l.why);
}

static int start_crypto(struct hearthd *h, struct fault *f)
{
    int rc = aead_init();

    h->has_aead = !rc;
    if (!rc) {
        rc = tls_start();
        h->has_tls = !rc;
    }
    if (!rc)
        rc = hearthd_tickets_start(h);
    if (rc)
        snprintf(f->text, sizeof(f->text), "crypto: %s", strerror(-rc));
    else
        log_tls_library();
    return rc ? -1 : 0;
}

static int start_cluster(struct hearthd *h, struct fault *f)
{
    if (hearthd_cluster_start(h, f->text, sizeof(f->text)) ||
        hearthd_notes_start(h, f->text, sizeof(f->text)))
        return -1;
    h->channels = h->conf->cluster ? cluster_channels(h->members) : 0;
    log_line("start", "step=cluster members=%u source=%s channels=%u", h->members->count,
             h->members->source->name, h->channels);
    return 0;
}

static uint8_t families_of(const struct conf_port *p)
{
    uint8_t families = 0;

    for (uint32_t i = 0; i < p->addresses_count; i++)
        families |= strchr(p->addresses[i], ':') ? FLOW_IP6 : FLOW_IP4;
    return families;
}

static int start_port(struct hearthd *h, struct fault *f)
{
    const struct conf_port *p = &h->conf->port;
    const struct port_dpdk_config config = {
        .queues = (uint16_t)h->conf->cores_count,
        .rpc_port = h->conf->cluster ? h->conf->cluster->port : 0,
        .own_first = EGRESS_PORT_FIRST,
        .own_each = h->conf->egress.enabled ? EGRESS_PORTS / h->conf->cores_count : 0,
        .listen = {h->conf->listen.https, h->conf->listen.http},
        .vlan = p->vlan,
        .mtu = p->mtu,
        .rx_descriptors = p->rx_descriptors,
        .tx_descriptors = p->tx_descriptors,
        .families = families_of(p),
        .has_ipip = hearthd_has_ipip(h->conf),
        .gue_port = hearthd_gue_port(h->conf),
    };
    const struct port_caps *caps;
    char csums_in[EXPORT_CSUMS_BYTES], csums_out[EXPORT_CSUMS_BYTES];

    if (hearthd_port_open(h, &config, f->text, sizeof(f->text)))
        return -1;
    caps = &h->port->caps;
    if (hearthd_net_configure(h, f->text, sizeof(f->text)))
        return -1;
    hearthd_port_advise(h);
    if (hearthd_port_join(h)) {
        snprintf(f->text, sizeof(f->text),
                 "port.device %s: it can hear no multicast, which IPv6 needs", caps->name);
        return -1;
    }
    log_line("start",
             "step=port device=\"%s\" driver=%s mtu=%u queues=%u descriptors=%u/%u rss=%s "
             "checksums_in=%s checksums_out=%s rpc_rules=%s",
             caps->name, caps->driver, caps->mtu, caps->queues, caps->rx_descriptors,
             caps->tx_descriptors, caps->has_rss ? "yes" : "software",
             export_csums(caps->rx_csum, csums_in), export_csums(caps->tx_csum, csums_out),
             caps->has_rpc_rules ? "yes" : "software");
    return hearthd_tap_start(h, f->text, sizeof(f->text));
}

static void random_bytes(void *arg, void *out, size_t bytes)
{
    /* 256 bytes and fewer come whole; the pool is ready: start_crypto waited for it. */
    for (size_t done = 0; done < bytes;) {
        ssize_t n = getrandom((uint8_t *)out + done, bytes - done < 256 ? bytes - done : 256, 0);

        assert(n > 0);
        done += (size_t)n;
    }
}

static bool is_cells_cpu(const struct conf_cells *r, uint16_t cpu)
{
    for (uint32_t i = 0; i < r->cpus_count; i++)
        if (r->cpus[i] == cpu)
            return true;
    return false;
}

static struct core_config core_config_of(struct hearthd *h, uint32_t i, const uint64_t *secret)
{
    const struct conf *c = h->conf;
    struct core_config config = {
        .index = i,
        .cores = c->cores_count,
        .port = h->port,
        .queue = (uint16_t)i,
        .net = &h->net,
        .neighbours = h->neighbours,
        .world = &h->shared,
        .clock = &h->clock,
        .memory = core_memory_huge,
        .tls_port = c->listen.https,
        .plain_port = c->listen.http,
        .idle_adaptive = c->idle == CONF_IDLE_ADAPTIVE,
        .shares_cpu = is_cells_cpu(&c->cells, c->cores[i]),
        .conns_max = c->limits.conns,
        .chunks = c->limits.chunks,
        .mail = h->mail[i],
        .larges = c->cells.larges,
        .jobs_max = c->limits.jobs,
        .rpc_port = c->cluster ? (uint16_t)(c->cluster->port + i) : 0,
        .calls = c->limits.calls,
        .served = c->limits.served,
        .streams = c->limits.streams,
        .channels = h->channels,
        .notes = h->messenger && !i ? messenger_notes(h->messenger) : NULL,
        .tap = h->has_tap ? &h->tap : NULL,
        .tap_rate = c->exception.rate,
        .egress = &h->egress,
        .random = random_bytes,
        .numa_node = h->port->caps.numa_node,
    };

    memcpy(config.secret, secret, sizeof(config.secret));
    return config;
}

/* False: hearth.yaml has none (conf_check lets it only in builds for it). */
static bool read_bench_secret(const struct conf *c, uint8_t secret[CONF_COOKIE_SECRET_DIGITS / 2])
{
    for (int i = 0; c->bench_cookie_secret[0] && i < CONF_COOKIE_SECRET_DIGITS / 2; i++)
        if (sscanf(c->bench_cookie_secret + 2 * i, "%2hhx", &secret[i]) != 1)
            return false;
    return c->bench_cookie_secret[0];
}

/* Of each core with the control thread. */
static int start_mails(struct hearthd *h)
{
    const uint32_t links = supervise_links(h->conf->cells.max, h->conf->cells.larges);
    const size_t bytes = (cell_mail_bytes(links) + 63) / 64 * 64;

    h->mail_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (uint32_t i = 0; i < h->conf->cores_count; i++) {
        void *memory = aligned_alloc(64, bytes);

        if (!memory)
            return -1;
        memset(memory, 0, bytes);
        h->mail[i] = cell_mail_init(memory, links, h->mail_fd);
    }
    return h->mail_fd < 0 ? -1 : 0;
}

static int start_cores(struct hearthd *h, struct fault *f)
{
    const struct conf *c = h->conf;
    size_t neighbours = (neighbours_bytes() + 63) / 64 * 64;
    size_t qsbr = (rte_rcu_qsbr_get_memsize(c->cores_count) + 63) / 64 * 64;
    const uint32_t links = supervise_links(c->cells.max, c->cells.larges);
    uint8_t bench_secret[CONF_COOKIE_SECRET_DIGITS / 2];
    bool is_bench = read_bench_secret(c, bench_secret);
    uint64_t secret[5];

    if (is_bench)
        log_line("start", "bench_mode=yes warning=\"whoever knows bench_cookie_secret opens "
                          "connections without having had an answer\"");
    if (getrandom(secret, sizeof(secret), 0) != sizeof(secret)) {
        snprintf(f->text, sizeof(f->text), "no random bytes: %s", strerror(errno));
        return -1;
    }
    h->neighbours = aligned_alloc(64, neighbours);
    h->shared.qsbr = aligned_alloc(64, qsbr);
    if (!h->neighbours || !h->shared.qsbr || start_mails(h)) {
        snprintf(f->text, sizeof(f->text), "no memory");
        return -1;
    }
    if (hearthd_egress_start(h, f->text, sizeof(f->text)))
        return -1;
    neighbours_init(h->neighbours, secret[4]);
    rte_rcu_qsbr_init(h->shared.qsbr, c->cores_count);
    for (uint32_t i = 0; i < c->cores_count; i++) {
        struct core_config config = core_config_of(h, i, secret);

        config.cookie_secret = is_bench ? bench_secret : NULL;
        h->core[i] = (struct core_slot){.owner = h, .index = i};
        h->core[i].core = core_create(&config, f->text, sizeof(f->text));
        if (!h->core[i].core)
            return -1;
        h->core_count = i + 1;
    }
    if (h->messenger)
        messenger_set_wake(h->messenger, core_wake_fd(h->core[0].core));
    log_line("start", "step=cores count=%u bytes_each=%zu", h->core_count,
             core_bytes(c->limits.conns, c->limits.chunks, links, c->cells.larges) +
                 (c->cluster ? core_cluster_bytes(h->channels) : 0));
    return 0;
}

static int start_scripts(struct hearthd *h, struct fault *f)
{
    if (store_open(&h->store, h->conf->store, f->text, sizeof(f->text)))
        return -1;
    if (account_commands_start(h, f->text, sizeof(f->text)))
        return -1;
    catalog_init(&h->catalog, on_script_gone, h);
    h->catalog.accounts = &h->accounts;
    h->has_catalog = true;
    catalog_load(&h->catalog, &h->store, on_bad_script);
    h->scripts = scripts_part_build(&h->catalog, NULL, NULL, h->conf, f->text, sizeof(f->text));
    if (!h->scripts)
        return -1;
    log_line("start", "step=scripts count=%u", h->catalog.current_count);
    return 0;
}

static int start_certificates(struct hearthd *h, struct fault *f)
{
    h->certs = certs_part_build(h->conf, &h->tickets, f->text, sizeof(f->text));
    if (!h->certs)
        return -1;
    log_line("start", "step=certificates count=%u", h->certs->context_count);
    return 0;
}

static int start_cells(struct hearthd *h, struct fault *f)
{
    const struct conf_cells *r = &h->conf->cells;
    struct supervise_config config = {
        .cells_max = r->max,
        .spares = r->spares,
        .larges = r->larges,
        .per_script = r->per_script,
        .renew_s = r->renew_s,
        .may_be_weaker = r->sandbox == CONF_SANDBOX_WEAKER,
        .limits_speculation = r->limits_speculation,
        .cpus = r->cpus,
        .cpus_count = r->cpus_count,
        .memory_bytes = (uint64_t)r->memory_mb << 20,
        .node_exe = r->node_exe,
        .program = r->program,
        .blob = r->blob,
        .cpu_ms = h->conf->limits.cpu_ms,
        .wall_ms = h->conf->limits.wall_ms,
        .heap_mb = h->conf->limits.heap_mb,
        .subrequests = h->conf->limits.subrequests,
        .lanes = h->core_count,
        .mail_fd = h->mail_fd,
        .loop = &h->loop,
        .cgroup = &h->cgroup,
        .catalog = &h->catalog,
        .on_change = on_cells_change,
        .on_log = on_script_log,
        .on_loaded = on_script_loaded,
        .arg = h,
    };

    for (uint32_t i = 0; i < h->core_count; i++) {
        config.core_wake_fd[i] = core_wake_fd(h->core[i].core);
        config.mail[i] = h->mail[i];
    }
    urgency_set(0, URGENCY_CONTROL);
    cgroup_open(&h->cgroup, "/proc/self", r->max, h->user.name[0] ? h->user.uid : getuid(),
                h->user.name[0] ? h->user.gid : getgid());
    h->supervise = supervise_create(&config, f->text, sizeof(f->text));
    if (!h->supervise)
        return -1;
    trials_init(&h->trials, &h->loop, h->supervise, deploy_commands_judged, h);
    log_line("start", "step=cells max=%u spares=%u memory_mb=%u cgroup=%s%s%s%s", r->max, r->spares,
             r->memory_mb, cgroup_kind_name(h->cgroup.kind), h->cgroup.why[0] ? " advice=\"" : "",
             h->cgroup.why, h->cgroup.why[0] ? "\"" : "");
    return 0;
}

static void advise_of_files(const struct hearthd *h)
{
    const struct conf *c = h->conf;

    for (uint32_t i = 0; i <= 2 * c->certificates_count; i++) {
        const struct conf_certificate *pair = &c->certificates[i / 2];
        const char *path = i == 2 * c->certificates_count ? h->config_file
                           : i % 2                        ? pair->key
                                                          : pair->chain;
        int rc = user_cannot_read(&h->user, path);

        if (rc)
            log_line("start", "advice=\"user %s cannot read %s (%s): a reload will be refused\"",
                     h->user.name, path, strerror(rc));
    }
}

/* All threads and files are there, and nothing of strangers has been read. */
static int start_privileges(struct hearthd *h, struct fault *f)
{
    const bool has_user = h->user.name[0];

    if (has_user && (user_give(&h->user, h->conf->run, false, f->text, sizeof(f->text)) ||
                     user_give(&h->user, h->conf->store, true, f->text, sizeof(f->text))))
        return -1;
    if (has_user)
        advise_of_files(h);
    if (privileges_drop(&h->privileges, has_user ? &h->user : NULL, &h->port->caps, f->text,
                        sizeof(f->text)))
        return -1;
    if (h->privileges.has_namespaces || h->conf->cells.sandbox == CONF_SANDBOX_WEAKER)
        return 0;
    snprintf(f->text, sizeof(f->text),
             "cells cannot have namespaces here, which their sandbox wants: allow them, or say "
             "cells.sandbox: weaker");
    return -1;
}

static int run_core(void *arg)
{
    struct core_slot *slot = arg;
    int rc = core_run(slot->core);
    ssize_t n;

    atomic_store(&slot->is_done, true);
    n = write(slot->owner->done_fd, &(uint64_t){1}, sizeof(uint64_t));
    (void)n;
    return rc;
}

/* The world is there before cores and cells run: neither can ask for what does not exist. */
static int start_running(struct hearthd *h, struct fault *f)
{
    hearthd_publish_start(h);
    if (!h->epoch) {
        snprintf(f->text, sizeof(f->text), "no memory");
        return -1;
    }
    for (uint32_t i = 0; i < h->core_count; i++) {
        int rc = eal_launch(i, run_core, &h->core[i]);

        if (rc) {
            snprintf(f->text, sizeof(f->text), "core %u does not start: %s", i, strerror(-rc));
            return -1;
        }
        h->launched = i + 1;
    }
    if (cgroup_start(&h->cgroup)) {
        snprintf(f->text, sizeof(f->text), "no memory");
        return -1;
    }
    supervise_start(h->supervise);
    hearthd_port_watch(h);
    hearthd_watchdog_start(h);
    log_line("start", "step=run");
    return 0;
}

static int start_ctl(struct hearthd *h, struct fault *f)
{
    h->ctl = ctl_create(&h->loop, h->conf->ctl, hearthd_command, h, f->text, sizeof(f->text));
    if (!h->ctl)
        return -1;
    log_line("start", "step=ctl socket=%s", h->conf->ctl);
    if (!h->conf->control.accounts_socket[0])
        return 0;
    if (ctl_open_to_guests(h->ctl, h->conf->control.accounts_socket, hearthd_admit, f->text,
                           sizeof(f->text)))
        return -1;
    log_line("start", "step=ctl accounts_socket=%s", h->conf->control.accounts_socket);
    return 0;
}

/* ---- signals ---- */

static void on_core_done(void *arg, uint32_t events)
{
    struct hearthd *h = arg;
    uint64_t ignored;
    ssize_t n = read(h->done_fd, &ignored, sizeof(ignored));

    (void)n;
    hearthd_core_returned(h);
}

static void log_reload(struct hearthd *h)
{
    char error[2048];
    struct log_quoted why;
    json_t *restart_needed = NULL, *key;
    size_t index;

    if (hearthd_reload(h, &restart_needed, error, sizeof(error))) {
        log_line("reload", "refused=\"%s\"", log_quote(&why, error));
        return;
    }
    json_array_foreach(restart_needed, index, key)
    {
        log_line("reload", "%s changed: takes effect after a restart", json_string_value(key));
    }
    json_decref(restart_needed);
    hearthd_change(h);
}

static void on_signal(void *arg, uint32_t events)
{
    struct hearthd *h = arg;
    struct signalfd_siginfo info;

    if (read(h->signal_fd, &info, sizeof(info)) != sizeof(info))
        return;
    if (info.ssi_signo == SIGHUP)
        log_reload(h);
    else
        hearthd_stop(h);
}

static int start_loop(struct hearthd *h, struct fault *f)
{
    sigset_t set;
    int rc = loop_init(&h->loop);

    h->has_loop = !rc;
    urgency_set(0, URGENCY_HEARTHD); /* and all threads that this one makes */
    /* Blocked before any thread exists, so that none of them is interrupted. */
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    h->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    h->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!rc && (h->signal_fd < 0 || h->done_fd < 0))
        rc = -errno;
    if (!rc)
        rc = loop_watch(&h->loop, &h->signal_watch, h->signal_fd, EPOLLIN, on_signal, h);
    if (!rc)
        rc = loop_watch(&h->loop, &h->done_watch, h->done_fd, EPOLLIN, on_core_done, h);
    if (rc)
        snprintf(f->text, sizeof(f->text), "event loop: %s", strerror(-rc));
    return rc ? -1 : 0;
}

/* ---- main ---- */

static int start(struct hearthd *h, struct fault *f)
{
    static int (*const steps[])(struct hearthd *, struct fault *) = {
        start_loop,    start_user,       start_run_dir, start_eal,     start_crypto,
        start_cluster, start_port,       start_cores,   start_scripts, start_certificates,
        start_cells,   start_privileges, start_running, start_ctl,
    };
    char *limits;

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (steps[i](h, f))
            return -1;
    limits = export_limits(h);
    if (limits)
        fputs(limits, stderr);
    free(limits);
    return 0;
}

/* In reverse, as far as start came. */
static void undo(struct hearthd *h)
{
    char path[CONF_PATH_BYTES_MAX + 16];

    if (h->ctl)
        ctl_destroy(h->ctl);
    h->ctl = NULL;
    for (uint32_t i = 0; i < h->launched; i++) {
        core_stop(h->core[i].core, 0);
        eal_wait(i);
    }
    hearthd_publish_stop(h);
    hearthd_cluster_stop(h);
    trials_fini(&h->trials);
    if (h->supervise)
        supervise_destroy(h->supervise);
    h->supervise = NULL;
    cgroup_close(&h->cgroup);
    if (h->certs)
        part_release(&h->certs->part);
    if (h->scripts)
        part_release(&h->scripts->part);
    if (h->has_catalog)
        catalog_fini(&h->catalog);
    store_close(&h->store);
    for (uint32_t i = h->core_count; i-- > 0;)
        core_destroy(h->core[i].core);
    for (uint32_t i = 0; i < CONF_CORES_MAX; i++)
        free(h->mail[i]);
    accounts_fini(&h->accounts); /* calls counted there to the end */
    hearthd_notes_stop(h);
    free(h->shared.qsbr);
    free(h->neighbours);
    hearthd_egress_stop(h);
    hearthd_tap_stop(h);
    if (h->port)
        port_close(h->port);
    hearthd_tickets_stop(h);
    if (h->has_tls)
        tls_stop();
    if (h->has_aead)
        aead_fini();
    if (h->has_eal)
        eal_stop();
    snprintf(path, sizeof(path), "%s/hearthd.pid", h->conf->run);
    pid_file_give(h->pid_fd, path);
    if (h->has_loop)
        loop_fini(&h->loop);
    log_line("stop", "done");
    conf_free(h->conf);
}

static struct conf *read_config(const char *file, bool is_check)
{
    struct conf_verdict *v = malloc(sizeof(*v));
    struct conf *c = v ? conf_read(file, v) : NULL;

    if (c && is_check &&
        !(credentials_check(c, v) & install_check(c, v) & user_check(c, file, v))) {
        conf_free(c);
        c = NULL;
    }
    for (uint32_t i = 0; v && i < v->count && i < CONF_ERRORS_MAX; i++)
        fprintf(stderr, "%s:%u: %s\n", file, v->error[i].line, v->error[i].text);
    free(v);
    return c;
}

static int usage(int code)
{
    fputs("usage: hearthd [--config FILE] [--check]\n"
          "  --config FILE   default /etc/hearth/hearth.yaml\n"
          "  --check         judge the file and print the effective configuration\n",
          code ? stderr : stdout);
    return code;
}

static void raise_limits(const struct conf *c)
{
    /* Four of each cell, one of each script, and some: the soft limit of 1024 is for programs that
     * use select. */
    const rlim_t wanted = 4 * (rlim_t)c->cells.max + 2 * c->cells.larges + SCRIPTS_MAX + 1024;
    const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
    struct rlimit limit, more = {wanted, wanted};

    if (!getrlimit(RLIMIT_NOFILE, &limit) &&
        (limit.rlim_max >= wanted || setrlimit(RLIMIT_NOFILE, &more))) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        if (limit.rlim_max < 4 * (rlim_t)c->cells.max)
            log_line("start",
                     "advice=\"%llu descriptors are too few for %u cells: raise LimitNOFILE, or "
                     "lower cells.max\"",
                     (unsigned long long)limit.rlim_max, c->cells.max);
    }
    /* Memory that a device is told of later counts, once CAP_IPC_LOCK is gone. Only root may. */
    setrlimit(RLIMIT_MEMLOCK, &none);
    /* With `user:`, so that a cell that has computed comes first again (urgency.h): nice 0. */
    setrlimit(RLIMIT_NICE, &(struct rlimit){20, 20});
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, 'k'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    static struct hearthd h = {
        .config_file = "/etc/hearth/hearth.yaml",
        .signal_fd = -1,
        .done_fd = -1,
        .pid_fd = -1,
        .mail_fd = -1,
        .store = {.dir = -1, .lock = -1},
    };
    struct fault fault = {0};
    bool is_check = false;
    int option, rc;

    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        if (option == 'c')
            h.config_file = optarg;
        else if (option == 'k')
            is_check = true;
        else
            return usage(option == 'h' ? 0 : 2);
    }
    if (optind != argc)
        return usage(2);
    h.started_ns = loop_now_ns();
    h.conf = read_config(h.config_file, is_check);
    if (!h.conf)
        return 1;
    install_find(&h.conf->cells);
    if (is_check) {
        rc = conf_print(h.conf, stdout);
        conf_free(h.conf);
        return rc ? 1 : 0;
    }
    log_line("start", "step=conf version=%s file=%s node=%s", HEARTH_VERSION, h.config_file,
             h.conf->node);
    raise_limits(h.conf);
    rc = start(&h, &fault);
    if (rc)
        log_line("start", "failed: %s", fault.text);
    else
        loop_run(&h.loop);
    undo(&h);
    return rc ? 1 : 0;
}
