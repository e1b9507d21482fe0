#include "control/config/user.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static bool may_become(const struct user *u)
{
    return geteuid() == 0 || (geteuid() == u->uid && getuid() == u->uid);
}

static int find(struct user *u, const char *name, char *error, size_t error_bytes)
{
    const struct passwd *p;

    *u = (struct user){.groups_count = USER_GROUPS_MAX};
    errno = 0;
    p = getpwnam(name);
    if (!p) {
        snprintf(error, error_bytes, "there is no user \"%s\"%s%s", name, errno ? ": " : "",
                 errno ? strerror(errno) : "");
        return -1;
    }
    snprintf(u->name, sizeof(u->name), "%s", name);
    u->uid = p->pw_uid;
    u->gid = p->pw_gid;
    if (!u->uid || !u->gid) {
        snprintf(error, error_bytes, "\"%s\" is root or has its group: leave the key out", name);
        return -1;
    }
    if (getgrouplist(name, u->gid, u->groups, &u->groups_count) < 0) {
        snprintf(error, error_bytes, "\"%s\" is in more than %d groups", name, USER_GROUPS_MAX);
        return -1;
    }
    return 0;
}

int user_find(struct user *u, const char *name, char *error, size_t error_bytes)
{
    if (find(u, name, error, error_bytes))
        return -1;
    if (may_become(u))
        return 0;
    snprintf(error, error_bytes, "only root, or \"%s\" itself, can start as that user", name);
    return -1;
}

/* In the child, which borrows our memory until its end: system calls only. Not the C library's:
 * they would change the ids of all our threads. */
__attribute__((noreturn)) static void try_to_read(const struct user *u, const char *path)
{
    if (getuid() == 0 && (syscall(SYS_setgroups, u->groups_count, u->groups) ||
                          syscall(SYS_setresgid, u->gid, u->gid, u->gid) ||
                          syscall(SYS_setresuid, u->uid, u->uid, u->uid)))
        _exit(errno);
    _exit(open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK) < 0 ? errno : 0);
}

int user_cannot_read(const struct user *u, const char *path)
{
    int status;
    pid_t pid = vfork();

    if (pid == 0)
        try_to_read(u, path);
    if (pid < 0)
        return errno;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

/* ---- what becomes the user's ---- */

/* Consumes fd, a directory. 0 or an errno. */
static int give_tree(const struct user *u, int fd, int depth)
{
    struct dirent *entry;
    int rc = fchown(fd, u->uid, u->gid) ? errno : 0;
    DIR *d = fdopendir(fd);

    if (!d) {
        rc = errno;
        close(fd);
        return rc;
    }
    while (!rc && (entry = readdir(d))) {
        struct stat st;

        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        int inner = openat(dirfd(d), entry->d_name,
                           O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

        if (inner < 0)
            continue; /* a link, a socket: nothing of ours */
        if (fstat(inner, &st))
            rc = errno;
        else if (S_ISDIR(st.st_mode) && depth < USER_DEPTH_MAX) {
            rc = give_tree(u, inner, depth + 1);
            continue;
        } else if (S_ISREG(st.st_mode) && st.st_nlink == 1 && fchown(inner, u->uid, u->gid))
            rc = errno;
        close(inner);
    }
    closedir(d);
    return rc;
}

int user_give(const struct user *u, const char *dir, bool is_tree, char *error, size_t error_bytes)
{
    char *real;
    int fd, rc = 0;

    if (geteuid() != 0)
        return 0;
    real = realpath(dir, NULL);
    if (real && !strchr(real + 1, '/')) {
        snprintf(error, error_bytes, "%s: is the system's, and cannot become %s's", dir, u->name);
        free(real);
        return -1;
    }
    fd = real ? open(real, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (fd < 0)
        rc = errno;
    else if (is_tree)
        rc = give_tree(u, fd, 0);
    else {
        rc = fchown(fd, u->uid, u->gid) ? errno : 0;
        close(fd);
    }
    free(real);
    if (rc)
        snprintf(error, error_bytes, "%s: cannot become %s's: %s", dir, u->name, strerror(rc));
    return rc ? -1 : 0;
}

/* ---- judging a configuration ---- */

static void check_file(const struct user *u, const char *path, uint32_t line,
                       struct conf_verdict *v)
{
    int rc = user_cannot_read(u, path);

    /* What is not there at all is somebody else's complaint. */
    if (rc && rc != ENOENT)
        conf_complain(v, line, "%s: user %s, who reads it at a reload, cannot: %s", path, u->name,
                      strerror(rc));
}

bool user_check(const struct conf *conf, const char *config_file, struct conf_verdict *v)
{
    uint32_t before = v->count;
    char error[160];
    struct user u;

    if (!conf->user[0])
        return true;
    if (find(&u, conf->user, error, sizeof(error)))
        conf_complain(v, conf->user_line, "user: %s", error);
    else if (may_become(&u)) {
        check_file(&u, config_file, conf->user_line, v);
        for (uint32_t i = 0; i < conf->certificates_count; i++) {
            check_file(&u, conf->certificates[i].chain, conf->certificates[i].line, v);
            check_file(&u, conf->certificates[i].key, conf->certificates[i].line, v);
        }
    }
    return v->count == before;
}
