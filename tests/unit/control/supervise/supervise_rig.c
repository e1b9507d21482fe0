#include "supervise_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct trials trials;
char root[64];
char error[512];
struct loop loop;
struct store store;
struct catalog catalog;
struct supervise *supervise;
static int core_fd[LANES];
int changes;
char logs[64][256];
int log_count;

static void on_change(void *arg)
{
    changes++;
    if (trials.loop)
        trials_look(&trials);
}

static void on_log(void *arg, const struct supervise_log *l)
{
    if (log_count < 64)
        snprintf(logs[log_count++], sizeof(logs[0]), "%s: %s", l->script, l->text);
}

static void on_loaded(void *arg, uint64_t handle, const char *text)
{
    if (trials.loop)
        trial_take(&trials, handle, text);
}

static void on_gone(void *arg, uint64_t handle)
{
    if (supervise)
        supervise_forget(supervise, handle);
}

static struct script *load_with(const char *name, const char *source, const char *var, json_t *more)
{
    char sha[65];
    json_t *m = json_pack("{s:s, s:s, s:{s:i}, s:{s:s}, s:[{s:s, s:i}]}", "name", name, "main",
                          "i.js", "limits", "cpu_ms", 7, "vars", "V", var, "modules", "name",
                          "i.js", "bytes", (int)strlen(source));
    struct script *s;

    json_object_update(m, more);
    json_decref(more);
    if (store_put(&store, m, (const uint8_t *)source, strlen(source), sha, error, sizeof(error)))
        fail_msg("%s", error);
    json_decref(m);
    s = script_load(&catalog, &store, sha, 1, error, sizeof(error));
    if (!s)
        fail_msg("%s", error);
    return s;
}

struct script *load_script(const char *name, const char *source)
{
    return load_with(name, source, "", NULL);
}

struct script *add_script_with(const char *name, const char *source, const char *var, json_t *more)
{
    struct script *s = load_with(name, source, var, more);

    catalog_adopt(&catalog, s);
    script_release(s);
    return s;
}

struct script *add_script_with_var(const char *name, const char *source, const char *var)
{
    return add_script_with(name, source, var, NULL);
}

struct script *add_script(const char *name, const char *source)
{
    return add_script_with(name, source, "", NULL);
}

int set_up(void **state)
{
    snprintf(root, sizeof(root), "/tmp/hearth-test-supervise-XXXXXX");
    assert_non_null(mkdtemp(root));
    assert_int_equal(loop_init(&loop), 0);
    if (store_open(&store, root, error, sizeof(error)))
        fail_msg("%s", error);
    catalog_init(&catalog, on_gone, NULL);
    for (int i = 0; i < LANES; i++)
        core_fd[i] = eventfd(0, EFD_CLOEXEC);
    changes = log_count = 0;
    return 0;
}

int tear_down(void **state)
{
    char command[128];

    trials_fini(&trials);
    memset(&trials, 0, sizeof(trials));
    if (supervise)
        supervise_destroy(supervise);
    supervise = NULL;
    catalog_fini(&catalog);
    store_close(&store);
    for (int i = 0; i < LANES; i++)
        close(core_fd[i]);
    loop_fini(&loop);
    snprintf(command, sizeof(command), "rm -rf %s", root);
    return system(command);
}

void behave(const char *how)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "%s/how", root);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(how, f);
    fclose(f);
}

uint32_t hang_ms; /* 0: the default */

void start(const char *how, uint32_t count)
{
    char path[128];
    struct supervise_config config = {
        .count = count,
        .memory_bytes = 1 << 20,
        .memory_slack_bytes = 100 << 20,
        .hang_ms = hang_ms,
        .node_exe = FAKE_RUNTIME,
        .program = "/dev/null",
        .blob = path,
        .cpu_ms = 50,
        .subrequests = 9,
        .wall_ms = 1000,
        .heap_mb = 16,
        .lanes = LANES,
        .core_wake_fd = {core_fd[0], core_fd[1]},
        .loop = &loop,
        .catalog = &catalog,
        .on_change = on_change,
        .on_log = on_log,
        .on_loaded = on_loaded,
    };

    behave(how);
    snprintf(path, sizeof(path), "%s/how", root);
    supervise = supervise_create(&config, error, sizeof(error));
    if (!supervise)
        fail_msg("%s", error);
    supervise_start(supervise);
}

struct supervise_status status_of(uint32_t i)
{
    struct supervise_status s;

    supervise_status(supervise, i, &s);
    return s;
}

bool has_logged(const char *line)
{
    for (int i = 0; i < log_count; i++)
        if (!strcmp(logs[i], line))
            return true;
    return false;
}
