#include "control/daemon/why_tell.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "dataplane/base/limits.h"
#include "dataplane/place/place.h"
#include "dataplane/rpc/record.h"
#include "runtime/job.h"

static const char *bounce_name(uint32_t reason)
{
    static const char *const names[BOUNCE_REASONS] = {
        [BOUNCE_OVERLOAD] = "overloaded",
        [BOUNCE_SHARE] = "the script has more than its share there",
        [BOUNCE_NO_SCRIPT] = "this version of the script is not there",
        [BOUNCE_NO_RUNTIME] = "no cell can be started there",
        [BOUNCE_DRAINING] = "it is being drained",
    };

    return reason < BOUNCE_REASONS && names[reason] ? names[reason] : "for an unknown reason";
}

static const char *job_error_name(uint32_t error)
{
    static const char *const names[JOB_ERROR_KINDS] = {
        [JOB_ERROR_EXCEPTION] = "the script threw",
        [JOB_ERROR_NO_RESPONSE] = "the script can never answer",
        [JOB_ERROR_LOAD] = "the script does not load",
        [JOB_ERROR_CPU_LIMIT] = "over its CPU limit",
        [JOB_ERROR_MEMORY_LIMIT] = "over its memory limit",
        [JOB_ERROR_WALL_LIMIT] = "over its wall-clock limit",
        [JOB_ERROR_OUTPUT_LIMIT] = "over its output limit",
        [JOB_ERROR_OVERLOAD] = "the cell refused it",
        [JOB_ERROR_NO_SCRIPT] = "the cell has another script",
        [JOB_ERROR_REFUSED] = "refused for overload",
        [JOB_ERROR_LOST] = "the process or node that ran it died",
        [JOB_ERROR_DEPTH] = "the chain of scripts is too deep",
        [JOB_ERROR_SUBREQUESTS] = "too many sub-requests",
        [JOB_ERROR_HELD] = "held back: it has ended its process several times",
        [JOB_ERROR_NOT_RESPONSE] = "what the script's handler returned is not a Response",
        [JOB_ERROR_ACCOUNT_MEMORY] = "its account's cells have all the memory that they may",
        [JOB_ERROR_WORLD_OFF] = "the node lets no requests out",
        [JOB_ERROR_WORLD_URL] = "not a URL that can be fetched",
        [JOB_ERROR_WORLD_PORT] = "no request may go to that port",
        [JOB_ERROR_WORLD_FORBIDDEN] = "scripts may not reach that address",
        [JOB_ERROR_WORLD_BUSY] = "too many requests to the world",
        [JOB_ERROR_WORLD_NAME] = "the name has no address",
        [JOB_ERROR_WORLD_CONNECT] = "no connection to the server",
        [JOB_ERROR_WORLD_TLS] = "the server's TLS was refused",
        [JOB_ERROR_WORLD_ANSWER] = "the server's answer was refused",
        [JOB_ERROR_WORLD_TIMEOUT] = "the server took too long",
        [JOB_ERROR_WORLD_BODY] = "the request's body is not as long as it said",
        [JOB_ERROR_FORBIDDEN] = "the called script's account does not allow the call",
    };

    return error < JOB_ERROR_KINDS && names[error] ? names[error] : "error";
}

static const char *place_name(uint32_t why)
{
    static const char *const names[PLACE_WHYS] = {
        [PLACE_IS_HOME] = "this is its home",
        [PLACE_HOT] = "the script is hot here",
        [PLACE_WARMING] = "the script is hot here, but not warm yet",
        [PLACE_WIDENED] = "one of its homes, by load",
        [PLACE_COLD] = "not hot here",
        [PLACE_FORWARDED] = "it came from another node",
        [PLACE_BOUNCED] = "it came back from its home",
        [PLACE_NO_HOME] = "no other node can take it",
        [PLACE_OVERLOADED] = "overloaded here",
    };

    return why < PLACE_WHYS && names[why] ? names[why] : "for an unknown reason";
}

const char *why_node_name(const struct why_names *names, uint64_t index)
{
    return names->node(names->arg, index < UINT32_MAX ? (uint32_t)index : UINT32_MAX);
}

struct sentence {
    const struct why_names *names;
    char script[SCRIPT_ID_BYTES_MAX + 1]; /* the event's value as one */
    char *out;
    size_t bytes;
};

static const char *node_name(const struct sentence *s, uint64_t index)
{
    return why_node_name(s->names, index);
}

static const char *script_name(struct sentence *s, uint64_t hash)
{
    const char *name = s->names->script(s->names->arg, hash);

    if (name)
        return name;
    snprintf(s->script, sizeof(s->script), "script %016" PRIx64, hash);
    return s->script;
}

#define TELL(...) snprintf(s->out, s->bytes, __VA_ARGS__)

static void tell_placed(const struct sentence *s, const struct trace_event *e)
{
    const char *why = place_name(e->code & 0xff);
    uint32_t verdict = e->code >> 8;

    if (verdict == PLACE_HERE)
        TELL("runs here: %s (home: %s)", why, node_name(s, e->value));
    else if (verdict == PLACE_HOME)
        TELL("goes to another node: %s (home: %s)", why, node_name(s, e->value));
    else
        TELL("refused: %s", why);
}

/* The connection, before there is a request. */
static bool tell_connection(struct sentence *s, const struct trace_event *e)
{
    switch (e->kind) {
    case TRACE_SYN:
        TELL("the connection's first segment");
        return true;
    case TRACE_HELLO:
        if (e->value)
            TELL("the ClientHello asks for %s", script_name(s, e->value));
        else
            TELL("the ClientHello names no script");
        return true;
    case TRACE_WARM_LOCAL:
        TELL("asks for a warm cell of %s here", script_name(s, e->value));
        return true;
    case TRACE_WARM_REMOTE:
        TELL("asks %s for a warm cell of %s", node_name(s, e->code), script_name(s, e->value));
        return true;
    case TRACE_HANDSHAKE:
        TELL("TLS handshake done%s", e->code ? ", resumed" : "");
        return true;
    default:
        return false;
    }
}

/* Where the request goes. */
static bool tell_way(struct sentence *s, const struct trace_event *e)
{
    switch (e->kind) {
    case TRACE_REQUEST:
        TELL("request for %s", script_name(s, e->value));
        return true;
    case TRACE_PLACED:
        tell_placed(s, e);
        return true;
    case TRACE_FORWARD:
        if (e->value)
            TELL("sent to %s with %" PRIu64 " bytes of body", node_name(s, e->code), e->value);
        else
            TELL("sent to %s", node_name(s, e->code));
        return true;
    case TRACE_RECEIVED:
        TELL("arrived from %s", node_name(s, e->code));
        return true;
    case TRACE_ACCEPT:
        if (e->code > 1)
            TELL("accepted; %u homes are wanted", e->code);
        else
            TELL("accepted");
        return true;
    case TRACE_BOUNCE:
        TELL("handed back: %s; %" PRIu64 " bytes of body were sent in vain", bounce_name(e->code),
             e->value);
        return true;
    case TRACE_RERUN:
        TELL("run again, attempt %u", e->code);
        return true;
    default:
        return false;
    }
}

/* In the cell. */
static bool tell_run(struct sentence *s, const struct trace_event *e)
{
    switch (e->kind) {
    case TRACE_START:
        TELL("given to cell %u, %" PRIu64 " jobs in flight there", e->code, e->value);
        return true;
    case TRACE_QUEUE:
        TELL("taken up after %.1f us in its queue", (double)e->value / 1e3);
        return true;
    case TRACE_CELL:
        TELL("cold start: a cell after %" PRIu64 " us", e->value);
        return true;
    case TRACE_COMPILE:
        if (e->value)
            TELL("cold start: modules compiled in %" PRIu64 " us", e->value);
        else
            TELL("cold start: forked from the script's template");
        return true;
    case TRACE_TOP_LEVEL:
        if (e->value)
            TELL("cold start: top level run in %" PRIu64 " us", e->value);
        else
            TELL("cold start: its top level had run there");
        return true;
    case TRACE_SUB:
        TELL("the script calls %s", script_name(s, e->value));
        return true;
    default:
        return false;
    }
}

/* The answer, or why there is none. */
static bool tell_answer(struct sentence *s, const struct trace_event *e)
{
    switch (e->kind) {
    case TRACE_HEAD:
        if (e->value == JOB_START_WARMING)
            TELL("the script answers %u, from a cell that was being started when it came", e->code);
        else if (e->value)
            TELL("the script answers %u, after a cold start of %" PRIu64 " us", e->code, e->value);
        else
            TELL("the script answers %u, from a warm cell", e->code);
        return true;
    case TRACE_SPENT:
        TELL("%.1f ms of CPU time, with all that it called", (double)e->value / 1e3);
        return true;
    case TRACE_FIRST_BYTE:
        TELL("first byte of the answer given to the connection");
        return true;
    case TRACE_END:
        if (e->code && e->value)
            TELL("answer complete: status %u, %" PRIu64 " bytes of body", e->code, e->value);
        else if (e->code)
            TELL("answer complete: status %u", e->code);
        else
            TELL("the call is over");
        return true;
    case TRACE_ERROR:
        if (e->code >= 100)
            TELL("status %u", e->code);
        else
            TELL("failed: %s", job_error_name(e->code));
        return true;
    case TRACE_CANCEL:
        TELL("the client left");
        return true;
    case TRACE_FIN:
        TELL("the client closed its half, and waits for the answer");
        return true;
    default:
        return false;
    }
}

void why_tell(const struct why_names *names, const struct trace_event *e, char *out, size_t bytes)
{
    struct sentence sentence = {.names = names, .out = out, .bytes = bytes}, *s = &sentence;

    if (!tell_connection(s, e) && !tell_way(s, e) && !tell_run(s, e) && !tell_answer(s, e))
        TELL("event %u, code %u, value %" PRIu64, e->kind, e->code, e->value);
}
