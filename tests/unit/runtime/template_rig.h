/* template_rig.h: plays hearthd for one template: its door is kept by a thread of its own. A breach
 * of the protocol aborts the test. */
#ifndef HEARTH_TEST_TEMPLATE_RIG_H
#define HEARTH_TEST_TEMPLATE_RIG_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/supervise/door.h"
#include "zygote_rig.h"

struct template_rig {
    pid_t pid;
    uint32_t handle; /* of the script; a test may make it 0: of all, which are one */
    int fd;          /* its start socket */
    struct door door;
    pthread_t keeper;
    pthread_mutex_t lock; /* of door */
    unsigned forks, threads, attacks;
    bool is_over;
    uint64_t load_us;
    unsigned lines;    /* logged by the top level */
    char refusal[512]; /* "": it is frozen */
};

/* Has the zygote fork one, gives it the script's packet (JSON) and sources, and waits for its
 * word. */
void template_rig_start(struct template_rig *, struct zygote_rig *, uint32_t handle,
                        const char *packet, int sources_fd);
/* A cell of it, as zygote_rig_fork. */
pid_t template_rig_fork(struct template_rig *, int start_fd, int output_fd);
/* Its socket ends: it must end with 0, or have done so. */
void template_rig_stop(struct template_rig *);

#endif
