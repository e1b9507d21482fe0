/* What control threads tell each other, and clients: log lines of scripts, and stories of
 * requests. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <xxhash.h>

#include "control/base/log.h"
#include "control/daemon/hearthd.h"

enum { MS = 1000 * 1000 };

static uint64_t now_ms(void)
{
    return loop_now_ns() / MS;
}

/* ---- tails ---- */

/* To the clients here, or those with that wish. node: where the script ran. */
static void show_line(struct hearthd *h, const char *node, const char *script,
                      const struct tail_wish *wish, const json_t *line)
{
    json_t *copy;

    if (!h->ctl || !ctl_has_subscribers(h->ctl))
        return;
    copy = json_copy((json_t *)line);
    json_object_set_new(copy, "node", json_string(node));
    ctl_broadcast(h->ctl, script, wish, copy);
    json_decref(copy);
}

static void on_line(void *arg, uint16_t from, const char *script, const struct tail_wish *wish,
                    const json_t *line)
{
    struct hearthd *h = arg;

    show_line(h, cluster_name(h->cluster, from), script, wish, line);
}

static bool send_note(void *arg, uint16_t node, json_t *note)
{
    struct hearthd *h = arg;

    return messenger_send(h->messenger, node, note);
}

bool hearthd_may_log(struct hearthd *h, const struct supervise_log *l)
{
    char name[ACCOUNT_NAME_BYTES_MAX + 1];
    struct account *account;

    script_id_account(l->script, name);
    account = accounts_find(&h->accounts, name);
    return !account || account_may_log(account, now_ms() / 1000);
}

void hearthd_log_line(struct hearthd *h, const struct supervise_log *l)
{
    json_t *line =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:i}", "script", l->script, "version", l->version,
                  "request", l->request, "level", l->level, "text", l->text, "cell", (int)l->cell);

    if (!line)
        return; /* not UTF-8 */
    show_line(h, h->conf->node, l->script, NULL, line);
    if (h->messenger)
        tail_give(&h->tail, l->script, line, now_ms());
    json_decref(line);
}

static void renew(void *arg)
{
    hearthd_tail(arg);
}

bool hearthd_may_ask_others(const struct hearthd *h, const struct behalf *behalf)
{
    return *behalf->account || h->cluster->member[h->cluster->self].is_operators;
}

void hearthd_tail(struct hearthd *h)
{
    struct tail_wish wishes[TAIL_SCRIPTS_MAX];
    uint32_t read, count = 0;

    if (!h->messenger)
        return;
    read = ctl_subscriptions(h->ctl, wishes, TAIL_SCRIPTS_MAX);
    for (uint32_t i = 0; i < read; i++)
        if (hearthd_may_ask_others(h, wishes[i].behalf))
            wishes[count++] = wishes[i];
    tail_follow(&h->tail, wishes, count, now_ms());
    if (count)
        loop_timer_set(&h->loop, &h->tail_timer, (uint64_t)TAIL_RENEW_MS * MS, renew, h);
    else
        loop_timer_cancel(&h->loop, &h->tail_timer);
}

/* ---- stories ---- */

static const char *why_node(void *arg, uint32_t index)
{
    const struct hearthd *h = arg;

    return cluster_name(h->cluster, index);
}

/* Of the scripts that are current; what was deleted meanwhile has no name any more. */
static const char *why_script(void *arg, uint64_t hash)
{
    const struct hearthd *h = arg;

    for (uint32_t i = 0; i < h->scripts->script_count; i++)
        if (h->scripts->scripts[i].id_hash == hash)
            return h->scripts->scripts[i].name;
    return NULL;
}

static void collect(struct hearthd *h, struct why_story *story, uint64_t request)
{
    why_begin(story, request);
    for (uint32_t i = 0; i < h->core_count; i++)
        why_collect(story, core_trace(h->core[i].core));
    why_sort(story);
}

/* told_by: the node whose recorders these are. scripts: of which the client may know; what is not
 * theirs is taken out, and nobody learns that there was something. */
static void tell(struct hearthd *h, struct ctl_client *client, struct why_story *story,
                 const char *told_by, const char *scripts)
{
    const struct why_names names = {.node = why_node, .script = why_script, .arg = h};
    json_t *reply;

    if (story)
        why_keep(story, &names, scripts);
    if (!story || !story->count) {
        ctl_refuse(client, "no node knows anything of this request: it is too long ago, was not "
                           "recorded (tune trace_one_in), or never was");
        return;
    }
    reply = why_json(story, &names);
    json_object_set_new(reply, "ok", json_true());
    json_object_set_new(reply, "told_by", json_string(told_by));
    ctl_reply(client, reply);
}

static void end_question(struct hearthd *h, struct why_question *q)
{
    struct ctl_client *client = ctl_find(h->ctl, q->client);
    struct why_story *story = why_best(q);
    const char *told_by = h->conf->node;

    for (uint32_t i = 0; i < WHY_PARTS_MAX; i++)
        if (story == &q->part[i].story && q->part[i].from != WHY_FROM_SELF)
            told_by = cluster_name(h->cluster, q->part[i].from);
    if (client)
        tell(h, client, story, told_by, q->scripts);
    free(q->part);
    *q = (struct why_question){0};
}

static void on_why_timer(void *arg);

/* Ends the questions whose time is over; waits for the rest. */
static void look_at_questions(struct hearthd *h)
{
    uint64_t now_ns = loop_now_ns(), next_ns = UINT64_MAX;

    for (uint32_t i = 0; i < WHY_ASKING_MAX; i++) {
        struct why_question *q = &h->question[i];

        if (q->ticket && (now_ns >= q->deadline_ns || q->answers >= q->wanted))
            end_question(h, q);
        else if (q->ticket && q->deadline_ns < next_ns)
            next_ns = q->deadline_ns;
    }
    if (next_ns != UINT64_MAX)
        loop_timer_set(&h->loop, &h->why_timer, next_ns - now_ns, on_why_timer, h);
    else
        loop_timer_cancel(&h->loop, &h->why_timer);
}

static void on_why_timer(void *arg)
{
    look_at_questions(arg);
}

static struct why_question *free_question(struct hearthd *h)
{
    for (uint32_t i = 0; i < WHY_ASKING_MAX; i++)
        if (!h->question[i].ticket)
            return &h->question[i];
    return NULL;
}

/* This node's own part is the first. False: too many questions. */
static bool ask_others(struct hearthd *h, struct ctl_client *client, uint64_t request,
                       const char *scripts, const struct behalf *behalf)
{
    struct why_question *q = free_question(h);
    uint64_t ticket;
    json_t *note;
    char id[17];

    if (!q || getrandom(&ticket, sizeof(ticket), GRND_NONBLOCK) != sizeof(ticket))
        return false;
    q->part = calloc(WHY_PARTS_MAX, sizeof(*q->part));
    if (!q->part)
        return false;
    q->ticket = ticket | 1;
    q->client = ctl_client_id(client);
    snprintf(q->scripts, sizeof(q->scripts), "%s", scripts);
    q->request = request;
    q->deadline_ns = loop_now_ns() + (uint64_t)WHY_WAIT_MS * MS;
    q->wanted = h->members->count - 1;
    if (h->story.count) {
        q->part[0].is_used = true;
        q->part[0].from = WHY_FROM_SELF;
        q->part[0].story = h->story;
    }
    snprintf(id, sizeof(id), "%016llx", (unsigned long long)request);
    note =
        json_pack("{s:s, s:s, s:I}", "type", "why", "request", id, "ticket", (json_int_t)q->ticket);
    behalf_write(behalf, note);
    messenger_send(h->messenger, NOTE_TO_ALL, note);
    look_at_questions(h);
    return true;
}

void hearthd_why(struct hearthd *h, struct ctl_client *client, uint64_t request,
                 const char *scripts, const struct behalf *behalf)
{
    collect(h, &h->story, request);
    if (why_has_entry(&h->story) || !hearthd_has_others(h) || !hearthd_may_ask_others(h, behalf) ||
        !ask_others(h, client, request, scripts, behalf))
        tell(h, client, &h->story, h->conf->node, scripts);
}

struct answer_to {
    struct hearthd *h;
    uint16_t node;
};

static void send_answer(void *arg, json_t *note)
{
    struct answer_to *to = arg;

    messenger_send(to->h->messenger, to->node, note);
}

/* What that member may know, which is on an errand of somebody's. */
static bool may_ask(struct hearthd *h, uint16_t from, const json_t *note, uint32_t scope,
                    char wanted[SCRIPT_ID_BYTES_MAX + 1])
{
    const struct cluster_part *c = h->cluster;
    const bool is_operators = from < c->member_count && c->member[from].is_operators;

    return behalf_read(note, &h->accounts, is_operators, scope, &h->tail.counts.behalf, wanted);
}

static void on_tail(struct hearthd *h, uint16_t from, const json_t *note)
{
    char wanted[SCRIPT_ID_BYTES_MAX + 1];

    if (may_ask(h, from, note, ACCOUNT_SCOPE_TAIL, wanted))
        tail_take_request(&h->tail, from, wanted, note, now_ms());
}

/* Who may not know hears what he would of a request that never was. */
static void on_why(struct hearthd *h, uint16_t from, const json_t *note)
{
    const struct why_names names = {.node = why_node, .script = why_script, .arg = h};
    struct answer_to to = {h, from};
    const char *id = json_string_value(json_object_get(note, "request"));
    char wanted[SCRIPT_ID_BYTES_MAX + 1];
    uint64_t request;

    if (!id || !why_parse_id(&request, id))
        return;
    if (may_ask(h, from, note, ACCOUNT_SCOPE_READ, wanted)) {
        collect(h, &h->story, request);
        why_keep(&h->story, &names, wanted);
    } else {
        why_begin(&h->story, request);
    }
    why_answer(&h->story, (uint64_t)json_integer_value(json_object_get(note, "ticket")),
               send_answer, &to);
}

static void on_because(struct hearthd *h, uint16_t from, const json_t *note)
{
    uint64_t ticket = (uint64_t)json_integer_value(json_object_get(note, "ticket"));

    for (uint32_t i = 0; i < WHY_ASKING_MAX; i++)
        if (h->question[i].ticket && h->question[i].ticket == ticket)
            why_take_answer(&h->question[i], from, note);
    look_at_questions(h);
}

/* ---- notes ---- */

static void on_note(void *arg, uint16_t from, const char *type, const json_t *note)
{
    struct hearthd *h = arg;

    if (!strcmp(type, "tail"))
        on_tail(h, from, note);
    else if (!strcmp(type, "line"))
        tail_take_line(&h->tail, from, note, now_ms());
    else if (!strcmp(type, "why"))
        on_why(h, from, note);
    else if (!strcmp(type, "because"))
        on_because(h, from, note);
    /* Else of a newer version: it will see that nobody answers. */
}

int hearthd_notes_start(struct hearthd *h, char *error, size_t error_bytes)
{
    const struct tail_io io = {.send = send_note, .show = on_line, .arg = h};
    uint8_t key[16];

    if (!h->keys.is_set)
        return 0;
    if (getrandom(key, sizeof(key), 0) != sizeof(key)) {
        snprintf(error, error_bytes, "no random bytes: %s", strerror(errno));
        return -1;
    }
    tail_init(&h->tail, h->cluster->member[h->cluster->self].id, key, &io);
    explicit_bzero(key, sizeof(key));
    h->messenger = messenger_create(&h->loop, on_note, h, error, error_bytes);
    return h->messenger ? 0 : -1;
}

void hearthd_notes_stop(struct hearthd *h)
{
    if (h->has_loop) {
        loop_timer_cancel(&h->loop, &h->tail_timer);
        loop_timer_cancel(&h->loop, &h->why_timer);
    }
    for (uint32_t i = 0; i < WHY_ASKING_MAX; i++)
        free(h->question[i].part);
    messenger_destroy(h->messenger);
    h->messenger = NULL;
}
