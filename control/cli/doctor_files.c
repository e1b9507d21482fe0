/* doctor_files.c: hearth.yaml, what it names, and the unit that starts hearthd. */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "control/cli/doctor_parts.h"
#include "dataplane/tls/tls.h"
#include "drivers/aead.h"

enum {
    NAMES_MAX = 128,
    RENEW_DAYS = 14,
    DESCRIPTORS_MORE = 1024, /* hearthd's own, beside four for each cell */
};

/* ---- the configuration ---- */

void doctor_check_config(struct doctor *d)
{
    const char *file = d->config ? d->config : "/etc/hearth/hearth.yaml";
    struct conf_verdict *v = calloc(1, sizeof(*v));
    char path[PATH_MAX], advice[DOCTOR_TEXT_BYTES];
    const char *device[CONF_DEVICES_MAX];

    if (!v || (!d->config && !doctor_has(d, "%s", file))) {
        free(v);
        return;
    }
    doctor_path(d, path, "%s", file);
    d->conf = conf_read(path, v);
    snprintf(advice, sizeof(advice), "hearthd will not start: hearthctl check %.160s names all.",
             file);
    if (d->conf)
        doctor_report(d, "configuration", DOCTOR_GOOD, "", "%s", file);
    else if (v->error[0].line)
        doctor_report(d, "configuration", DOCTOR_BAD, advice, "%s:%u: %s", file, v->error[0].line,
                      v->error[0].text);
    else
        doctor_report(d, "configuration", DOCTOR_BAD, advice, "%s: %s", file, v->error[0].text);
    free(v);
    if (!d->conf)
        return;
    for (uint32_t i = 0; i < d->conf->cores_count; i++)
        doctor_cpus_add(&d->cores, d->conf->cores[i]);
    conf_devices(&d->conf->port, device);
    doctor_note_device(d, device[0]);
}

/* ---- certificates ---- */

struct zones_covered {
    bool is_covered[CONF_ZONES_MAX];
};

static void take_names(const struct conf *c, const struct tls_context *context,
                       struct zones_covered *z)
{
    char(*names)[256] = malloc(NAMES_MAX * sizeof(*names));
    size_t count = names ? tls_context_names(context, names, NAMES_MAX) : 0;

    for (size_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < c->zones_count; k++)
            z->is_covered[k] |= !strncmp(names[i], "*.", 2) && !strcmp(names[i] + 2, c->zones[k]);
    free(names);
}

/* True: said something. */
static bool report_end(struct doctor *d, const char *chain, int64_t end)
{
    const int64_t left_s = end - (int64_t)time(NULL);
    char day[32];
    time_t at = (time_t)end;

    if (left_s > RENEW_DAYS * 86400)
        return false;
    strftime(day, sizeof(day), "%F", gmtime(&at));
    doctor_report(d, "certificates", left_s > 0 ? DOCTOR_ADVICE : DOCTOR_BAD,
                  left_s > 0
                      ? "Renew it before, for example certbot renew; then systemctl reload hearth."
                      : "Clients refuse it: renew it, for example certbot renew; then systemctl "
                        "reload hearth.",
                  left_s > 0 ? "%s ends on %s" : "%s has expired on %s", chain, day);
    return true;
}

static void check_pairs(struct doctor *d)
{
    const struct conf *c = d->conf;
    struct zones_covered z = {0};
    bool is_good = true;

    for (uint32_t i = 0; i < c->certificates_count; i++) {
        char chain[PATH_MAX], key[PATH_MAX], error[512];
        struct tls_context *context;

        doctor_path(d, chain, "%s", c->certificates[i].chain);
        doctor_path(d, key, "%s", c->certificates[i].key);
        context = tls_context_create(chain, key, NULL, error, sizeof(error));
        if (!context) {
            doctor_report(d, "certificates", DOCTOR_BAD,
                          "hearthd will not start: hearthctl check says for each what it is.", "%s",
                          error);
            return;
        }
        take_names(c, context, &z);
        is_good &= !report_end(d, c->certificates[i].chain, tls_context_expires(context));
        tls_context_destroy(context);
    }
    for (uint32_t k = 0; k < c->zones_count; k++) {
        char advice[3 * DOCTOR_TEXT_BYTES];

        if (z.is_covered[k])
            continue;
        is_good = false;
        snprintf(advice, sizeof(advice),
                 "Scripts answer at NAME.%.200s, and clients refuse it: get one, for example "
                 "certbot certonly -d '*.%.200s', and add it to certificates:.",
                 c->zones[k], c->zones[k]);
        doctor_report(d, "certificates", DOCTOR_BAD, advice,
                      "none is for *.%s, of zones:", c->zones[k]);
    }
    if (is_good)
        doctor_report(d, "certificates", DOCTOR_GOOD, "", "%u, for all zones",
                      c->certificates_count);
}

static void check_certificates(struct doctor *d)
{
    if (!d->conf->listen.https || aead_init())
        return;
    if (!tls_start()) {
        check_pairs(d);
        tls_stop();
    }
    aead_fini();
}

/* ---- files ---- */

static bool has_mode(struct doctor *d, const char *path, mode_t forbidden, const char *chmod)
{
    char full[PATH_MAX], advice[2 * DOCTOR_TEXT_BYTES];
    struct stat st;

    doctor_path(d, full, "%s", path);
    if (!path[0] || stat(full, &st) || !(st.st_mode & forbidden))
        return false;
    snprintf(advice, sizeof(advice),
             "Who has read it can be this node: make a new one, and chmod %s %.200s.", chmod, path);
    doctor_report(d, "keys", DOCTOR_BAD, advice, "%s has mode %04o: others may read or write it",
                  path, (unsigned)st.st_mode & 07777);
    return true;
}

/* False: said something. */
static bool check_keys(struct doctor *d)
{
    const struct conf *c = d->conf;
    bool is_bad = false;

    for (uint32_t i = 0; i < c->certificates_count; i++)
        is_bad |= has_mode(d, c->certificates[i].key, 0007, "640");
    if (c->cluster) {
        is_bad |= has_mode(d, c->cluster->key, 0077, "600");
        is_bad |= has_mode(d, c->cluster->secret, 0077, "600");
    }
    if (!is_bad)
        doctor_report(d, "keys", DOCTOR_GOOD, "", "nobody else may read them");
    return !is_bad;
}

/* Is what is mounted there read-only? */
static bool is_read_only(const struct doctor *d, const char *path)
{
    char file[PATH_MAX], line[2048], point[1024], options[512];
    size_t longest = 0;
    bool is_ro = false;
    FILE *f;

    doctor_path(d, file, "/proc/self/mounts");
    f = fopen(file, "re");
    while (f && fgets(line, sizeof(line), f)) {
        size_t len;

        if (sscanf(line, "%*s %1023s %*s %511s", point, options) != 2)
            continue;
        len = strcmp(point, "/") ? strlen(point) : 0;
        if (strncmp(path, point, len) || (path[len] != '/' && path[len]) || len < longest)
            continue;
        longest = len;
        is_ro = !strncmp(options, "ro", 2) && (options[2] == ',' || !options[2]);
    }
    if (f)
        fclose(f);
    return is_ro;
}

static void check_store(struct doctor *d)
{
    char path[PATH_MAX], advice[2 * DOCTOR_TEXT_BYTES];
    const char *store = d->conf->store;
    struct stat st;

    doctor_path(d, path, "%s", store);
    if (!stat(path, &st) && !S_ISDIR(st.st_mode)) {
        snprintf(advice, sizeof(advice), "hearthd will not start: rm %.200s; mkdir -m 755 %.200s.",
                 store, store);
        doctor_report(d, "store", DOCTOR_BAD, advice, "%s is no directory", store);
    } else if (is_read_only(d, store)) {
        snprintf(advice, sizeof(advice),
                 "No deploy can be kept: mount -o remount,rw it, or choose another `store:` than "
                 "%.200s.",
                 store);
        doctor_report(d, "store", DOCTOR_BAD, advice, "%s is mounted read-only", store);
    } else {
        doctor_report(d, "store", DOCTOR_GOOD, "", "%s", store);
    }
}

static bool is_user(const struct doctor *d, const char *name)
{
    char path[PATH_MAX];
    const struct passwd *p = NULL;
    FILE *f;

    if (!d->root[0])
        return getpwnam(name) != NULL;
    doctor_path(d, path, "/etc/passwd");
    f = fopen(path, "re");
    while (f && (p = fgetpwent(f)) && strcmp(p->pw_name, name))
        ;
    if (f)
        fclose(f);
    return p != NULL;
}

static void check_user(struct doctor *d)
{
    const char *user = d->conf->user;
    char advice[DOCTOR_TEXT_BYTES];

    if (!user[0])
        return;
    snprintf(advice, sizeof(advice), "hearthd will not start: useradd --system %s.", user);
    doctor_report(d, "user", is_user(d, user) ? DOCTOR_GOOD : DOCTOR_BAD, advice,
                  is_user(d, user) ? "%s" : "there is no user %s", user);
}

/* ---- the unit ---- */

struct unit {
    bool has_user, has_delegate, hides_home, guards_system;
    char memlock[32], nofile[32];
};

static void take_unit_line(struct unit *u, char *line)
{
    char *value = strchr(line, '=');

    line[strcspn(line, "\n")] = 0;
    if (!value)
        return;
    *value++ = 0;
    if (!strcmp(line, "User"))
        u->has_user = *value && strcmp(value, "root");
    else if (!strcmp(line, "Delegate"))
        u->has_delegate = *value && strcmp(value, "no");
    else if (!strcmp(line, "ProtectHome"))
        u->hides_home = !strcmp(value, "yes") || !strcmp(value, "true") || !strcmp(value, "tmpfs");
    else if (!strcmp(line, "ProtectSystem"))
        u->guards_system = !strcmp(value, "full") || !strcmp(value, "strict");
    else if (!strcmp(line, "LimitMEMLOCK"))
        snprintf(u->memlock, sizeof(u->memlock), "%s", value);
    else if (!strcmp(line, "LimitNOFILE"))
        snprintf(u->nofile, sizeof(u->nofile), "%s", value);
}

static bool take_unit(struct unit *u, const char *path)
{
    FILE *f = fopen(path, "re");
    char line[4096];

    while (f && fgets(line, sizeof(line), f))
        take_unit_line(u, line);
    if (f)
        fclose(f);
    return f != NULL;
}

/* The first of these that is there, then its drop-ins, in no order: two of them that contradict
 * each other are the operator's to sort. */
static bool read_unit(const struct doctor *d, struct unit *u)
{
    static const char *const places[] = {"/etc/systemd/system", "/usr/local/lib/systemd/system",
                                         "/usr/lib/systemd/system", "/lib/systemd/system"};
    char path[PATH_MAX];
    bool is_there = false;

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && !is_there; i++) {
        doctor_path(d, path, "%s/hearth.service", places[i]);
        is_there = take_unit(u, path);
    }
    DIR *dir = is_there ? doctor_dir(d, "/etc/systemd/system/hearth.service.d") : NULL;
    for (const char *name; (name = doctor_next(dir));) {
        doctor_path(d, path, "/etc/systemd/system/hearth.service.d/%s", name);
        take_unit(u, path);
    }
    if (dir)
        closedir(dir);
    return is_there;
}

static bool is_below(const char *path, const char *const *dirs)
{
    for (; *dirs; dirs++)
        if (!strncmp(path, *dirs, strlen(*dirs)))
            return true;
    return false;
}

/* What the unit hides from hearthd, or lets it read only. */
static const char *hidden_path(const struct doctor *d, const struct unit *u)
{
    static const char *const homes[] = {"/home/", "/root/", "/run/user/", NULL};
    static const char *const guarded[] = {"/usr/", "/boot/", "/etc/", NULL};
    const struct conf *c = d->conf;

    for (uint32_t i = 0; u->hides_home && i < c->certificates_count; i++) {
        if (is_below(c->certificates[i].chain, homes))
            return c->certificates[i].chain;
        if (is_below(c->certificates[i].key, homes))
            return c->certificates[i].key;
    }
    if ((u->hides_home && is_below(c->store, homes)) ||
        (u->guards_system && is_below(c->store, guarded)))
        return c->store;
    return NULL;
}

static void check_unit(struct doctor *d)
{
    struct unit u = {0};
    const char *hidden;
    char advice[2 * DOCTOR_TEXT_BYTES];
    const long descriptors = 4 * (long)d->conf->cells.max + DESCRIPTORS_MORE;

    if (!read_unit(d, &u))
        return;
    hidden = hidden_path(d, &u);
    if (u.has_user) {
        doctor_report(d, "unit", DOCTOR_BAD,
                      "hearthd cannot open its port then: take User= out (systemctl edit hearth), "
                      "and write `user:` in hearth.yaml.",
                      "it has User=");
    } else if (hidden) {
        snprintf(
            advice, sizeof(advice),
            "ProtectHome= and ProtectSystem= keep hearthd from it: mv %.200s below /etc/hearth "
            "or /var/lib, and name it there in hearth.yaml.",
            hidden);
        doctor_report(d, "unit", DOCTOR_BAD, advice, "it hides %s, or guards it", hidden);
    } else if (!u.has_delegate) {
        doctor_report(d, "unit", DOCTOR_ADVICE,
                      "Accounts do not share the CPU fairly: systemctl edit hearth, [Service] "
                      "Delegate=cpu memory pids.",
                      "it has no Delegate=");
    } else if (strcmp(u.memlock, "infinity")) {
        doctor_report(d, "unit", DOCTOR_ADVICE,
                      "AF_XDP and vfio lock their memory: systemctl edit hearth, [Service] "
                      "LimitMEMLOCK=infinity.",
                      "LimitMEMLOCK= is %s", u.memlock[0] ? u.memlock : "not set");
    } else if (strcmp(u.nofile, "infinity") && atol(u.nofile) < descriptors) {
        snprintf(advice, sizeof(advice),
                 "Fewer cells will start: systemctl edit hearth, [Service] LimitNOFILE=%ld.",
                 2 * descriptors);
        doctor_report(d, "unit", DOCTOR_ADVICE, advice, "LimitNOFILE= is %s, %u cells want %ld",
                      u.nofile[0] ? u.nofile : "not set", d->conf->cells.max, descriptors);
    } else {
        doctor_report(d, "unit", DOCTOR_GOOD, "", "hearth.service gives what hearthd needs");
    }
}

void doctor_check_files(struct doctor *d)
{
    if (!d->conf)
        return;
    if (check_keys(d)) /* else they do not load, and one finding is enough */
        check_certificates(d);
    check_store(d);
    check_user(d);
    check_unit(d);
}
