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
struct supervise_config rig_config;
struct cell_mail *mail[LANES];
int loads;
uint64_t loaded_handle;
char loaded_error[256];
bool lets_go;
static struct seen_link *seen;
static uint32_t links;
static int core_fd[LANES], mail_fd;
int changes;
char logs[64][256];
int log_count;

static void on_change(void *arg)
{
    changes++;
}

static void on_log(void *arg, const struct supervise_log *l)
{
    if (log_count < 64)
        snprintf(logs[log_count++], sizeof(logs[0]), "%s: %s", l->script, l->text);
}

static void on_loaded(void *arg, uint64_t handle, const char *text)
{
    loads++;
    loaded_handle = handle;
    snprintf(loaded_error, sizeof(loaded_error), "%s", text ? text : "");
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
    mail_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    changes = log_count = loads = 0;
    lets_go = true;
    rig_config = (struct supervise_config){
        .cells_max = CELLS,
        .spares = SPARES,
        .larges = LARGES,
        .per_script = 1,
        .renew_s = 3600,
        .memory_bytes = 1 << 30,
        .node_exe = FAKE_ZYGOTE,
        .program = "/dev/null",
        .cpu_ms = 50,
        .subrequests = 9,
        .wall_ms = 1000,
        .heap_mb = 16,
        .lanes = LANES,
        .core_wake_fd = {core_fd[0], core_fd[1]},
        .mail_fd = mail_fd,
        .loop = &loop,
        .catalog = &catalog,
        .on_change = on_change,
        .on_log = on_log,
        .on_loaded = on_loaded,
    };
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
    for (int i = 0; i < LANES; i++) {
        close(core_fd[i]);
        free(mail[i]);
        mail[i] = NULL;
    }
    close(mail_fd);
    free(seen);
    seen = NULL;
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

static void make_mails(void)
{
    links = supervise_links(rig_config.cells_max, rig_config.larges);
    seen = calloc(links, sizeof(*seen));
    assert_non_null(seen);
    for (int i = 0; i < LANES; i++) {
        size_t bytes = (cell_mail_bytes(links) + 63) / 64 * 64;
        void *memory = aligned_alloc(64, bytes);

        assert_non_null(memory);
        memset(memory, 0, bytes);
        rig_config.mail[i] = mail[i] = cell_mail_init(memory, links, mail_fd);
    }
}

void start(const char *how)
{
    char path[128];

    behave(how);
    snprintf(path, sizeof(path), "%s/how", root);
    rig_config.blob = path;
    make_mails();
    supervise = supervise_create(&rig_config, error, sizeof(error));
    if (!supervise)
        fail_msg("%s", error);
    supervise_start(supervise);
}

struct supervise_status status_now(void)
{
    struct supervise_status s;

    supervise_status(supervise, &s);
    return s;
}

struct supervise_script script_now(const struct script *script)
{
    struct supervise_script s;

    supervise_script(supervise, script, &s);
    return s;
}

uint32_t cells_in(enum cell_state state)
{
    return status_now().cells[state];
}

bool has_logged(const char *line)
{
    for (int i = 0; i < log_count; i++)
        if (!strcmp(logs[i], line))
            return true;
    return false;
}

/* ---- the cores ---- */

void wish(const struct script *s, bool is_demanded)
{
    assert_true(cell_mail_wish(mail[1], &(struct cell_wish){.type = CELL_WISH_START,
                                                            .script = s->handle,
                                                            .is_demanded = is_demanded}));
    cell_mail_ring(mail[1]);
}

void release(uint32_t link, uint32_t core)
{
    assert_true(
        cell_mail_wish(mail[core], &(struct cell_wish){.type = CELL_RELEASED, .link = link}));
    cell_mail_ring(mail[core]);
}

static void see(const struct cell_news *news)
{
    struct seen_link *l = &seen[news->link];

    if (news->type == CELL_ATTACH) {
        assert_int_equal(l->attach.type, 0); /* its number was free */
        *l = (struct seen_link){.attach = *news, .attached = l->attached + 1};
        return;
    }
    if (!l->attach.type)
        return; /* it was let go, and that was not heard yet */
    l->is_retired |= news->type == CELL_RETIRE;
    if (news->type == CELL_DETACH) {
        l->is_detached = true;
        l->ended_by = news->ended_by;
    }
}

static uint32_t live(uint32_t link)
{
    return cell_mail_pulse(mail[0], link).live;
}

static void let_go(void)
{
    for (uint32_t i = 0; i < links; i++) {
        struct seen_link *l = &seen[i];

        if (!l->attach.type || !(l->is_detached || (l->is_retired && !live(i))))
            continue;
        while (live(i))
            cell_mail_count(mail[0], i, -1);
        l->attach.type = 0;
        for (uint32_t core = 0; core < LANES; core++)
            release(i, core);
    }
}

void follow(void)
{
    struct cell_news news;

    while (mail[0] && cell_mail_next(mail[0], &news))
        see(&news);
    while (mail[1] && cell_mail_next(mail[1], &news))
        assert_true(news.link < links); /* core 1 hears the same */
    if (lets_go)
        let_go();
}

struct seen_link *link_at(uint32_t link)
{
    return &seen[link];
}

struct seen_link *link_of(const struct script *s)
{
    follow();
    for (uint32_t i = 0; i < links; i++)
        if (seen[i].attach.type && seen[i].attach.script == s->handle && !seen[i].is_retired &&
            !seen[i].is_detached)
            return &seen[i];
    return NULL;
}

void count(const struct seen_link *l, int change)
{
    cell_mail_count(mail[0], l->attach.link, change);
}

void wake(const struct seen_link *l)
{
    assert_int_equal(write(l->attach.wake_fd, &(uint64_t){1}, sizeof(uint64_t)), sizeof(uint64_t));
}

bool is_warm(const struct script *s)
{
    struct supervise_script now = script_now(s);

    return now.cells > 0 && now.cold + now.ahead > 0;
}

struct seen_link *warm(const struct script *s)
{
    int before = loads;

    wish(s, true);
    UNTIL(loads > before && loaded_handle == s->handle);
    return link_of(s);
}
