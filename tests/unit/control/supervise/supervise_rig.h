/* supervise_rig.h
 *
 * A supervisor with a store, a catalog and a loop of its own, over a small program (fake_runtime.c)
 * in the place of runtime processes. For cmocka's set-up and tear-down; single thread.
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

enum { LANES = 2 };

extern struct trials trials; /* told of what the runtimes do, once it has been set up */
extern char root[64], error[512];
extern struct loop loop;
extern struct store store;
extern struct catalog catalog;
extern struct supervise *supervise;
extern int changes;        /* calls of on_change */
extern char logs[64][256]; /* "script: text" */
extern int log_count;
extern uint32_t hang_ms; /* 0: the default */

int set_up(void **state);
int tear_down(void **state);

/* Current scripts of one module. Consumes more: keys of the manifest besides the usual. */
struct script *add_script_with(const char *name, const char *source, const char *var, json_t *more);
struct script *add_script_with_var(const char *name, const char *source, const char *var);
struct script *add_script(const char *name, const char *source);

/* One that is not current: the caller has a hold. */
struct script *load_script(const char *name, const char *source);

/* What the processes that are started from now on do: a word of fake_runtime.c. */
void behave(const char *how);
void start(const char *how, uint32_t count);
struct supervise_status status_of(uint32_t i);
bool has_logged(const char *line);

/* Turns the loop until the condition holds; gives up after 30 s of waiting. */
#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        uint64_t give_up_ns = loop_now_ns() + 30000000000u;                                        \
        while (!(condition)) {                                                                     \
            if (loop_now_ns() > give_up_ns)                                                        \
                fail_msg("never: %s", #condition);                                                 \
            loop_step(&loop, 100);                                                                 \
        }                                                                                          \
    } while (0)

#endif
