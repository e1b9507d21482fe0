#include "control/supervise/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "control/supervise/cgroup_parts.h"

enum { LINE_BYTES_MAX = 8192, CELL_THREADS = 2, PIDS_SLACK = 16 };

#define TOP_PREFIX "hearth-"

const char *const cgroup_controller_name[CGROUP_CONTROLLERS] = {"cpu", "memory", "pids"};

/* ---- files of a group ---- */

int cgroup_write(int dir, const char *path, const char *text)
{
    const int fd = openat(dir, path, O_WRONLY | O_CLOEXEC);
    const ssize_t length = (ssize_t)strlen(text);
    ssize_t n;
    int rc;

    if (fd < 0)
        return -errno;
    n = write(fd, text, (size_t)length);
    rc = n == length ? 0 : n < 0 ? -errno : -EIO;
    close(fd);
    return rc;
}

static int write_number(int dir, const char *group, const char *file, uint64_t number)
{
    char path[160], text[24];

    snprintf(path, sizeof(path), "%s/%s", group, file);
    snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    return cgroup_write(dir, path, text);
}

/* v1 counts shares, of which 1,024 are v2's weight of 100. */
static int set_weight(const struct cgroup *g, const char *group, uint32_t weight)
{
    if (!g->has[CGROUP_CPU])
        return 0;
    if (g->kind == CGROUP_V2)
        return write_number(g->top[0], group, "cpu.weight", weight);
    return write_number(g->top[CGROUP_CPU], group, "cpu.shares", weight * 1024 / 100);
}

static int dir_of(const struct cgroup *g, enum cgroup_controller c)
{
    return g->has[c] ? g->top[g->kind == CGROUP_V2 ? 0 : c] : -1;
}

/* ---- where they are ---- */

/* "word" among words that commas separate. */
static bool has_word(const char *list, const char *word)
{
    const size_t length = strlen(word);

    for (const char *p = list; (p = strstr(p, word)); p += length)
        if ((p == list || p[-1] == ',') && (!p[length] || p[length] == ','))
            return true;
    return false;
}

static bool read_lines(const char *proc, const char *name,
                       bool (*take)(char *line, const char *controller, char *out, size_t room),
                       const char *controller, char *out, size_t room)
{
    char path[4096], line[LINE_BYTES_MAX];
    bool is_found = false;
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", proc, name);
    f = fopen(path, "re");
    while (f && !is_found && fgets(line, sizeof(line), f)) {
        line[strcspn(line, "\n")] = 0;
        is_found = take(line, controller, out, room);
    }
    if (f)
        fclose(f);
    return is_found;
}

/* /proc/PID/cgroup: "4:memory:/a/b"; v2: "0::/a/b". */
static bool take_own(char *line, const char *controller, char *out, size_t room)
{
    char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;

    if (!path)
        return false;
    *path++ = 0;
    list++;
    if (controller ? !has_word(list, controller) : *list)
        return false;
    return (size_t)snprintf(out, room, "%s", path) < room;
}

/* /proc/PID/mountinfo: "ID PARENT MAJOR:MINOR ROOT POINT OPTIONS ... - TYPE SOURCE OPTIONS". out:
 * "ROOT POINT". */
static bool take_mount(char *line, const char *controller, char *out, size_t room)
{
    char *tail = strstr(line, " - "), root[4096], point[4096], type[32], options[1024];

    if (!tail || sscanf(line, "%*s %*s %*s %4095s %4095s", root, point) != 2 ||
        sscanf(tail, " - %31s %*s %1023s", type, options) != 2)
        return false;
    if (controller ? strcmp(type, "cgroup") || !has_word(options, controller)
                   : strcmp(type, "cgroup2"))
        return false;
    return (size_t)snprintf(out, room, "%s %s", root, point) < room;
}

/* The directory of hearthd's own group. controller: of v1; NULL: v2. */
static bool own_directory(const char *proc, const char *controller, char *out, size_t room)
{
    char own[4096], mount[8192], *point;
    size_t root_bytes;

    if (!read_lines(proc, "cgroup", take_own, controller, own, sizeof(own)) ||
        !read_lines(proc, "mountinfo", take_mount, controller, mount, sizeof(mount)))
        return false;
    point = strchr(mount, ' ');
    *point++ = 0;
    root_bytes = strcmp(mount, "/") ? strlen(mount) : 0; /* what is mounted: a part of the tree */
    if (strncmp(own, mount, root_bytes))
        return false;
    return (size_t)snprintf(out, room, "%s%s", point, own + root_bytes) < room;
}

/* ---- making them ---- */

static int make_group(const struct cgroup *g, int dir, const char *path)
{
    static const char *const files[] = {"", "/cgroup.procs", "/cgroup.subtree_control",
                                        "/cgroup.threads"};
    char file[256];

    if (mkdirat(dir, path, 0755) && errno != EEXIST)
        return -errno;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(file, sizeof(file), "%s%s", path, files[i]);
        if (fchownat(dir, file, g->uid, g->gid, 0) && errno != ENOENT)
            return -errno;
    }
    return 0;
}

/* In one hierarchy. */
static int make_tree(const struct cgroup *g, int top)
{
    static const char *const paths[] = {"hearthd", "cells", "cells/" CGROUP_SPARE};
    int rc = 0;

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]) && !rc; i++)
        rc = make_group(g, top, paths[i]);
    return rc;
}

/* What has no process any more. */
static void take_tree(int own, const char *name)
{
    const int top = openat(own, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int cells = openat(top, "cells", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = cells < 0 ? NULL : fdopendir(cells);

    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_type == DT_DIR && strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
            unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
    if (d)
        closedir(d);
    unlinkat(top, "cells", AT_REMOVEDIR);
    unlinkat(top, "hearthd", AT_REMOVEDIR);
    if (top >= 0)
        close(top);
    unlinkat(own, name, AT_REMOVEDIR);
}

/* Of a hearthd that was killed. */
static void sweep(int own)
{
    DIR *d = fdopendir(dup(own));

    for (struct dirent *e; d && (e = readdir(d));) {
        const bool is_ours = !strncmp(e->d_name, TOP_PREFIX, sizeof(TOP_PREFIX) - 1);
        const int pid = is_ours ? atoi(e->d_name + sizeof(TOP_PREFIX) - 1) : 0;

        if (pid > 0 && kill(pid, 0) && errno == ESRCH)
            take_tree(own, e->d_name);
    }
    if (d)
        closedir(d);
}

/* ---- hearthd goes there ---- */

/* systemd says so of what Delegate= gave away; the root of what hearthd sees is all its own. */
static bool is_delegated(const char *own, const char *proc)
{
    char word[8] = "", path[4096];

    if (getxattr(own, "user.delegate", word, sizeof(word) - 1) > 0 ||
        getxattr(own, "trusted.delegate", word, sizeof(word) - 1) > 0)
        return word[0] == '1';
    return read_lines(proc, "cgroup", take_own, NULL, path, sizeof(path)) && !strcmp(path, "/");
}

/* From above to below; -EBUSY: there are other processes. */
static int enable(struct cgroup *g)
{
    static const char *const files[] = {"../cgroup.subtree_control", "cgroup.subtree_control",
                                        "cells/cgroup.subtree_control"};
    char text[32];

    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        int rc = 0;

        snprintf(text, sizeof(text), "+%s", cgroup_controller_name[c]);
        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && !rc; i++)
            rc = cgroup_write(g->top[0], files[i], text);
        g->has[c] = !rc;
        if (rc && c == CGROUP_CPU)
            return rc;
    }
    return 0;
}

/* Who moves a process has to be able to write in the group above the two, too. */
static int enter(struct cgroup *g, int top)
{
    int rc = make_tree(g, top);

    if (!rc)
        rc = cgroup_write(top, "hearthd/cgroup.procs", "0");
    if (!rc && g->kind == CGROUP_V2 && fchownat(top, "../cgroup.procs", g->uid, g->gid, 0))
        rc = -errno;
    return rc;
}

static void leave(struct cgroup *g, int own, const char *name, int top)
{
    if (top >= 0) {
        if (g->kind == CGROUP_V2)
            for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
                char text[32];

                snprintf(text, sizeof(text), "-%s", cgroup_controller_name[c]);
                cgroup_write(top, "cells/cgroup.subtree_control", text);
                cgroup_write(top, "cgroup.subtree_control", text);
                cgroup_write(own, "cgroup.subtree_control", text);
            }
        cgroup_write(own, "cgroup.procs", "0");
        close(top);
    }
    take_tree(own, name);
}

/* own: its directory; NULL: it has none. 0 or -errno, and hearthd is where it was. */
static int open_one(struct cgroup *g, const char *own, int place)
{
    const int dir = open(own, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc, top = -1;

    if (dir < 0)
        return -errno;
    sweep(dir);
    rc = make_group(g, dir, g->name);
    if (!rc && (top = openat(dir, g->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        rc = -errno;
    g->top[place] = top;
    if (!rc)
        rc = enter(g, top);
    if (!rc && g->kind == CGROUP_V2)
        rc = enable(g);
    if (rc) {
        leave(g, dir, g->name, top);
        g->top[place] = -1;
    }
    close(dir);
    if (!rc && !g->path[0])
        snprintf(g->path, sizeof(g->path), "%.3900s/%s", own, g->name);
    return rc;
}

static bool offers_cpu(const char *own)
{
    char path[4200], line[512] = "";
    FILE *f;

    snprintf(path, sizeof(path), "%.4000s/cgroup.controllers", own);
    f = fopen(path, "re");
    if (f && !fgets(line, sizeof(line), f))
        line[0] = 0;
    if (f)
        fclose(f);
    for (char *p = line; *p; p++)
        if (*p == ' ' || *p == '\n')
            *p = ',';
    return has_word(line, cgroup_controller_name[CGROUP_CPU]);
}

/* False: there is v1, or nothing; `why` says why not this. */
static bool open_v2(struct cgroup *g, const char *proc)
{
    char own[8192];
    int rc;

    if (!own_directory(proc, NULL, own, sizeof(own)) || !offers_cpu(own)) {
        snprintf(g->why, sizeof(g->why), "no cgroup offers the controller cpu");
        return false;
    }
    if (!is_delegated(own, proc)) {
        snprintf(g->why, sizeof(g->why),
                 "hearthd's control group is not its own: the unit lacks Delegate=");
        return false;
    }
    g->kind = CGROUP_V2;
    rc = open_one(g, own, 0);
    if (rc)
        snprintf(g->why, sizeof(g->why), "cgroup v2: %s", strerror(-rc));
    return !rc;
}

/* To share the CPU is what it is for; the rest is taken where it can be had. */
static bool open_v1(struct cgroup *g, const char *proc)
{
    char own[8192];

    g->kind = CGROUP_V1;
    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        int rc;

        if (!own_directory(proc, cgroup_controller_name[c], own, sizeof(own)))
            continue;
        rc = open_one(g, own, c);
        g->has[c] = !rc;
        if (rc && c == CGROUP_CPU)
            snprintf(g->why, sizeof(g->why), "cgroup v1: %s", strerror(-rc));
        if (rc && c == CGROUP_CPU)
            break;
    }
    return g->has[CGROUP_CPU];
}

/* ---- its life ---- */

void cgroup_open(struct cgroup *g, const char *proc, uint32_t cells_max, uid_t uid, gid_t gid)
{
    *g = (struct cgroup){.top = {-1, -1, -1},
                         .uid = uid,
                         .gid = gid,
                         .pids_max = CELL_THREADS * cells_max + PIDS_SLACK};
    snprintf(g->name, sizeof(g->name), TOP_PREFIX "%d", (int)getpid());
    if (!open_v2(g, proc) && !open_v1(g, proc)) {
        g->kind = CGROUP_NONE;
        return;
    }
    g->why[0] = 0;
    set_weight(g, "hearthd", CGROUP_HEARTHD_WEIGHT);
    set_weight(g, "cells/" CGROUP_SPARE, CGROUP_SPARE_WEIGHT);
}

void cgroup_close(struct cgroup *g)
{
    if (g->kind == CGROUP_NONE)
        return;
    cgroup_stop(g);
    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        const int own =
            g->top[c] < 0 ? -1 : openat(g->top[c], "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (own < 0)
            continue;
        leave(g, own, g->name, g->top[c]);
        close(own);
    }
    g->kind = CGROUP_NONE;
}

/* ---- an account's ---- */

void cgroup_add(struct cgroup *g, const char *account)
{
    char path[64];

    snprintf(path, sizeof(path), "cells/%s", account);
    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        const int dir = dir_of(g, c);
        const int rc = dir < 0 ? 0 : make_group(g, dir, path);

        if (rc)
            cgroup_failed(g, -rc);
        if (!rc && c == CGROUP_PIDS && dir >= 0)
            write_number(dir, path, "pids.max", g->pids_max);
    }
}

void cgroup_remove(struct cgroup *g, const char *account)
{
    char path[64];

    snprintf(path, sizeof(path), "cells/%s", account);
    for (int c = 0; c < CGROUP_CONTROLLERS; c++)
        if (dir_of(g, c) >= 0)
            unlinkat(dir_of(g, c), path, AT_REMOVEDIR); /* its last process may still be ending */
}

int cgroup_set_memory(struct cgroup *g, const char *account, uint64_t bytes)
{
    const bool is_v2 = g->kind == CGROUP_V2;
    const int dir = dir_of(g, CGROUP_MEMORY);
    char path[128];

    if (dir < 0)
        return 0;
    snprintf(path, sizeof(path), "cells/%s", account);
    if (bytes)
        return write_number(dir, path, is_v2 ? "memory.max" : "memory.limit_in_bytes", bytes);
    snprintf(path, sizeof(path), "cells/%s/%s", account,
             is_v2 ? "memory.max" : "memory.limit_in_bytes");
    return cgroup_write(dir, path, is_v2 ? "max" : "-1");
}

int cgroup_put(struct cgroup *g, const char *account, pid_t pid)
{
    char path[64], file[96];
    int rc = 0;

    snprintf(path, sizeof(path), "cells/%s", account);
    snprintf(file, sizeof(file), "%s/cgroup.procs", path);
    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        int one = 0;

        if (g->top[c] >= 0)
            one = write_number(g->top[c], path, "cgroup.procs", (uint64_t)pid);
        if (one && !rc)
            rc = one;
    }
    return rc;
}

const char *cgroup_kind_name(enum cgroup_kind kind)
{
    static const char *const names[] = {"none", "v1", "v2"};

    return names[kind];
}

enum cgroup_kind cgroup_mounted(const char *proc)
{
    char mount[8192];

    if (read_lines(proc, "mountinfo", take_mount, NULL, mount, sizeof(mount)) &&
        offers_cpu(strchr(mount, ' ') + 1))
        return CGROUP_V2;
    if (read_lines(proc, "mountinfo", take_mount, cgroup_controller_name[CGROUP_CPU], mount,
                   sizeof(mount)))
        return CGROUP_V1;
    return CGROUP_NONE;
}
