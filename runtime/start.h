/* start.h
 *
 * The start socket: the slow half of the contract between hearthd's control thread and a
 * hearth-runtime process. One SOCK_SEQPACKET socket pair per process; one JSON object per packet
 * (at most START_PACKET_BYTES_MAX), file descriptors by SCM_RIGHTS. The child finds it at START_FD.
 *
 *   to the runtime
 *     {"type":"region","lanes":N,"index":I,"memory_bytes":M}
 *                                              fds: region memfd, own eventfd, N core eventfds
 *     {"type":"script","handle":H,"name":S,"version":S,"main":S,
 *      "modules":[{"name":S,"bytes":N}..],"vars":{..},
 *      "services":[{"binding":S}..],
 *      "limits":{"cpu_ms":N,"wall_ms":N,"heap_bytes":N,"subrequests":N}}
 *                                              fd: memfd, the modules' sources end to end
 *     {"type":"forget","handle":H}             the script is gone; late STARTs get NO_SCRIPT from
 *                                              the runtime
 *     {"type":"ping","told":H}                 no script of a higher handle has been sent
 *     {"type":"try","handle":H,"keep":B}       start it, and say whether it loads; keep: then it
 *                                              stays warm
 *   from the runtime
 *     {"type":"ready","v8":S}                  sandbox is on, rings are served
 *     {"type":"pong","told":H}                 as the ping said: it has taken these
 *     {"type":"loaded","handle":H,"error":S}   it was started: "", or the log's line
 *     {"type":"log","handle":H,"request":S,"level":S,"text":S}
 *                                              console.* and uncaught errors, <= 4 KiB of text
 *     {"type":"stats","isolates":N,"memory_bytes":N,"scripts":[{"handle":H,"cold":N,"ahead":N,
 *      "warm":N,"evicted":N,"condemned":N,"cpu_us":N,"memory_bytes":N,"is_warm":B}..]}
 *                                              once a second while active
 *
 * services: env[binding] can be called (JOB_SUB); a binding's index in JOB_SUB is its place in this
 * list. What it calls is hearthd's business.
 * subrequests: how many one request may make.
 *
 * cold: starts that a request made; ahead: all others, a try's too; warm: requests that found it
 * started.
 *
 * wall_ms: how long a request may take without a body byte moving between script and client. It
 * does not run out on a slow upload or a long stream.
 *
 * A new version (the name of a script that is warm, and another handle) is started when its packet
 * is taken. hearthd lets cores ask for it when it has the pong, so that a deploy costs no cold
 * start; it does not wait for long. Of such a start, and of each try, the runtime says "loaded": a
 * version that does not load never becomes current. Where there is no memory for one more isolate a
 * tried one is given up again.
 *
 * A script's packet is sent before any world that routes to it is published, so a runtime that
 * meets an unknown handle in a JOB_START reads this socket first. From the runtime everything is
 * hostile input: a packet that does not parse, has a field of another type or over its bound, is
 * counted and dropped; nothing of it is kept. A log line without a script has handle 0; one without
 * a request has "". What comes faster than hearthd reads it waits in the socket, and what does not
 * fit there the runtime drops.
 *
 * Rejected: logs and statistics as ring messages to a dp core. Their reader is the control thread;
 * the packet path should not carry them.
 */
#ifndef HEARTH_START_H
#define HEARTH_START_H

enum {
    START_FD = 3,
    START_PACKET_BYTES_MAX = 192 * 1024,
    START_LOG_TEXT_BYTES_MAX = 4096,
    START_LEVEL_BYTES_MAX = 7,  /* "debug", "log", "info", "warn", "error" */
    START_REQUEST_CHARS = 16,   /* hexadecimal digits of a request's id */
    START_V8_BYTES_MAX = 31,    /* V8's version */
    START_STATS_ROWS_MAX = 512, /* of one packet */
    START_MODULES_MAX = 256,
};

#endif
