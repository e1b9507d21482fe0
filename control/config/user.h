/* user.h
 *
 * The user that hearthd becomes after its start (`user:` of hearth.yaml): who that is, what that
 * user may read, and what becomes that user's.
 *
 * Looks at the machine, so it is beside conf.h, not in it. Errors are sentences. Control thread, or
 * hearthctl. The database of users is asked once, while hearthd is still who started it.
 */
#ifndef HEARTH_USER_H
#define HEARTH_USER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "control/config/conf.h"

enum { USER_GROUPS_MAX = 64, USER_DEPTH_MAX = 8 };

struct user {
    char name[CONF_USER_BYTES_MAX];
    uid_t uid;
    gid_t gid;
    int groups_count;
    gid_t groups[USER_GROUPS_MAX]; /* a key's file is often readable by a group */
};

/* -1: there is none, it is root, or this process may not become it. */
int user_find(struct user *, const char *name, char *error, size_t error_bytes);

/* 0, or why that user could not open it for reading: an errno, of a child process that has become
 * the user. Call it while that is still possible (root, or the user itself). */
int user_cannot_read(const struct user *, const char *path);

/* The directory becomes the user's; is_tree: with all that is in it. Links are not followed, and a
 * file with several names stays whose it is: another of them may be anywhere. A directory directly
 * below / is nobody's but the system's. -1: a sentence. */
int user_give(const struct user *, const char *dir, bool is_tree, char *error, size_t error_bytes);

/* Judges a configuration: a complaint for each file of it that a reload reads and `user:` may not.
 * Who is neither root nor that user cannot ask, and complains of nothing but the name. */
bool user_check(const struct conf *, const char *config_file, struct conf_verdict *);

#endif
