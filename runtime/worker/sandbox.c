#include "runtime/worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FILES_MAX = 128 };

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return ok;
}

/* Root needs no user namespace, and could give no ids to cells in one that has a single id. */
static bool enter_namespaces(bool is_root)
{
    const int wanted = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
    char map[64];
    unsigned uid = getuid(), gid = getgid();

    if (is_root)
        return unshare(wanted) == 0;
    if (unshare(wanted | CLONE_NEWUSER) != 0)
        return false;
    write_file("/proc/self/setgroups", "deny");
    snprintf(map, sizeof(map), "%d %u 1", SANDBOX_NOBODY, uid);
    write_file("/proc/self/uid_map", map);
    snprintf(map, sizeof(map), "%d %u 1", SANDBOX_NOBODY, gid);
    write_file("/proc/self/gid_map", map);
    return true;
}

/* The root becomes an empty, read-only tmpfs; the old one is unmounted. */
static bool enter_empty_root(void)
{
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
              "size=4k,nr_inodes=2,mode=555") != 0 ||
        chdir("/tmp") != 0)
        return false;
    /* pivot_root(".", ".") stacks the old root on the new one, from where it can be taken away. */
    if (syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0)
        return false;
    return chdir("/") == 0 &&
           mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
                 NULL) == 0;
}

static int set_capabilities(uint32_t kept)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2] = {{.effective = kept, .permitted = kept}};
    return syscall(SYS_capset, &header, sets) ? -errno : 0;
}

/* What the bounding set has not an execve() could not give; it does not touch what is there. */
static int keep_capabilities_for_ids(bool is_root)
{
    const uint32_t of_ids = 1u << CAP_SETUID | 1u << CAP_SETGID;
    for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
        prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
    if (is_root && setgroups(0, NULL) != 0)
        return -errno;
    return set_capabilities(is_root ? of_ids : 0);
}

static void limit(int resource, rlim_t value)
{
    const struct rlimit limit = {value, value};
    setrlimit(resource, &limit);
}

/* The kernel forgets both when ids or capabilities change. */
static void end_with_hearthd(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int sandbox_prepare(struct sandbox *s)
{
    *s = (struct sandbox){0};
    int error = sandbox_program_build(&s->zygote, SANDBOX_ZYGOTE);
    if (!error)
        error = sandbox_program_build(&s->cell, SANDBOX_CELL);
    return error ? error : sandbox_program_build(&s->template, SANDBOX_TEMPLATE);
}

int sandbox_enter(struct sandbox *s)
{
    bool is_root = geteuid() == 0;
    /* When the machine runs out of memory, the kernel should take a cell, not the data plane.
     * Here, not before execve: hearthd is not dumpable, so what it is in /proc is root's. */
    write_file("/proc/self/oom_score_adj", "1000");
    s->has_ids = is_root;
    s->has_namespaces = enter_namespaces(is_root);
    s->has_empty_root = s->has_namespaces && enter_empty_root();
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_NOFILE, FILES_MAX);
    limit(RLIMIT_MEMLOCK, 0);
    if (is_root) /* else the id is others' too, and theirs count */
        limit(RLIMIT_NPROC, SANDBOX_THREADS_MAX);
    int error = keep_capabilities_for_ids(is_root);
    end_with_hearthd();
    if (!error && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        error = -errno;
    return error;
}

int sandbox_seal_zygote(struct sandbox *s)
{
    return sandbox_program_install(&s->zygote);
}

bool sandbox_limit_speculation(void)
{
    bool ok = true;
    for (int what = PR_SPEC_STORE_BYPASS; what <= PR_SPEC_INDIRECT_BRANCH; what++)
        ok &= prctl(PR_SET_SPECULATION_CTRL, what, PR_SPEC_FORCE_DISABLE, 0, 0) == 0;
    return ok;
}

int sandbox_become(const struct sandbox *s, uint32_t uid)
{
    if (s->has_ids != (uid != 0))
        return -EINVAL;
    /* Not the C library's, which would have all threads do it; there is one. */
    if (uid && (syscall(SYS_setresgid, uid, uid, uid) || syscall(SYS_setresuid, uid, uid, uid)))
        return -errno;
    int error = set_capabilities(0);
    end_with_hearthd();
    return error;
}

int sandbox_seal(struct sandbox *s)
{
    return sandbox_program_install(&s->cell);
}

int sandbox_door(void)
{
    return sandbox_filter_door();
}

int sandbox_seal_template(struct sandbox *s)
{
    return sandbox_program_install(&s->template);
}

void sandbox_follow(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}
