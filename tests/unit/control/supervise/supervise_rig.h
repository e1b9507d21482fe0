/* supervise_rig.h
 *
 * A supervisor with a store, a catalog and a loop of its own, over a small program (fake_zygote.c)
 * in the place of the zygote and its cells. The test is the cores: it reads the news of the mails,
 * and wishes. For cmocka's set-up and tear-down; single thread.
 */
#ifndef HEARTH_TEST_SUPERVISE_RIG_H
#define HEARTH_TEST_SUPERVISE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/supervise/hold.h"
#include "control/supervise/supervise.h"
#include "control/supervise/trial.h"

enum { LANES = 2, CELLS = 8, SPARES = 2, LARGES = 2 };

/* What core 0 knows of a link. */
struct seen_link {
    struct cell_news attach; /* type 0: nothing */
    bool is_retired, is_detached;
    struct job_blame ended_by;
    uint32_t attached; /* times */
};

extern struct trials trials; /* told of what the cells do, once it has been set up */
extern char root[64], error[512];
extern struct loop loop;
extern struct store store;
extern struct catalog catalog;
extern struct supervise *supervise;
extern struct supervise_config rig_config; /* what start() takes; set_up gives the defaults */
extern struct cell_mail *mail[LANES];
extern int changes;        /* calls of on_change */
extern char logs[64][256]; /* "script: text" */
extern int log_count;
extern int loads; /* calls of on_loaded */
extern uint64_t loaded_handle;
extern char loaded_error[256]; /* "": it loads */

int set_up(void **state);
int tear_down(void **state);

/* Current scripts of one module. Consumes more: keys of the manifest besides the usual. */
struct script *add_script_with(const char *name, const char *source, const char *var, json_t *more);
struct script *add_script(const char *name, const char *source);

/* One that is not current: the caller has a hold. */
struct script *load_script(const char *name, const char *source);

/* What the zygotes that are started, and the cells that are forked, from now on do: a word of
 * fake_zygote.c. */
void behave(const char *how);
/* Behaves so, and starts the supervisor of rig_config. */
void start(const char *how);
struct supervise_status status_now(void);
struct supervise_script script_now(const struct script *);
uint32_t cells_in(enum cell_state);
bool has_logged(const char *line);

/* ---- the cores ---- */

/* A core wishes for a cell of that script. */
void wish(const struct script *, bool is_demanded);
/* Reads the news; lets go of what was told to go, if `lets_go`. */
void follow(void);
extern bool lets_go;
/* The link to a cell of that script that may be given jobs; NULL: none. */
struct seen_link *link_of(const struct script *);
struct seen_link *link_at(uint32_t link);
void release(uint32_t link, uint32_t core);
/* A job has started there, or is over. */
void count(const struct seen_link *, int change);
void wake(const struct seen_link *);
/* The script is wished for, and its cell has said that it loads. */
struct seen_link *warm(const struct script *);
/* Its cell is warm, as the supervisor sees it. */
bool is_warm(const struct script *);

/* Turns the loop until the condition holds; gives up after 30 s of waiting. */
#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        uint64_t give_up_ns = loop_now_ns() + 30000000000u;                                        \
        while (!(condition)) {                                                                     \
            if (loop_now_ns() > give_up_ns)                                                        \
                fail_msg("never: %s", #condition);                                                 \
            loop_step(&loop, 100);                                                                 \
            follow();                                                                              \
        }                                                                                          \
    } while (0)

#endif
