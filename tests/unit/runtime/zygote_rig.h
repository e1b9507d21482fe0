/* zygote_rig.h: plays hearthd for one hearth-zygote. Single thread. A breach of the protocol aborts
 * the test. */
#ifndef HEARTH_TEST_ZYGOTE_RIG_H
#define HEARTH_TEST_ZYGOTE_RIG_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/zygote.h"

enum { ZYGOTE_RIG_UID = 54321 }; /* of cells, where there is a choice */

struct zygote_rig {
    pid_t pid;
    int fd;
    char v8[START_V8_BYTES_MAX + 1];
};

/* Starts one, with an option or NULL, that has not got that capability, as root: 0 if it becomes
 * ready, else what it exits with. */
int zygote_rig_without(int capability, const char *option);
/* Starts it, with an option or NULL, and waits until it is ready. */
void zygote_rig_start(struct zygote_rig *, const char *option);
/* The socket ends, and it must end with 0. */
void zygote_rig_stop(struct zygote_rig *);

/* The uid that a FORK has to name here. */
uint32_t zygote_rig_uid(void);
/* Sends bytes with descriptors; returns what FORKED says. */
pid_t zygote_rig_send(struct zygote_rig *, const void *bytes, size_t len, const int *fds,
                      int fd_count);
/* A cell whose start socket is start_fd and whose output is output_fd, both not its to close. */
pid_t zygote_rig_fork(struct zygote_rig *, int start_fd, int output_fd);

#endif
