/* start.h
 *
 * The start socket: the slow half of the contract between hearthd's control thread and a cell. One
 * SOCK_SEQPACKET socket pair per cell; one JSON object per packet (at most START_PACKET_BYTES_MAX),
 * file descriptors by SCM_RIGHTS. The cell finds it at START_FD.
 *
 *   to the cell
 *     {"type":"region","lanes":N}              the first: before anything else
 *                                              fds: region memfd, own eventfd, N core eventfds
 *                                              a later one, for a script that got busy
 *                                              fds: region memfd
 *     {"type":"script","handle":H,"name":S,"version":S,"main":S,
 *      "modules":[{"name":S,"bytes":N,"kind":S}..],"vars":{..},
 *      "services":[{"binding":S}..],
 *      "limits":{"cpu_ms":N,"wall_ms":N,"heap_bytes":N,"subrequests":N,
 *                 "timers":N}}
 *                                              fd: memfd, the modules' sources end to end; once
 *     {"type":"ping"}                          are you there?
 *   from the cell
 *     {"type":"ready"}                         it is sealed, and serves its rings
 *     {"type":"pong"}
 *     {"type":"loaded","us":N,"error":S}       the script's top level has run, in so many
 *                                              microseconds: "", or the log's line
 *     {"type":"spoiled","why":S,"serves":B}    a limit was broken and its state may be half done:
 *                                              the cell should be replaced
 *     {"type":"log","request":S,"level":S,"text":S}
 *                                              console.* and uncaught errors, <= 4 KiB of text
 *
 * kind: "esm" (JavaScript), "script" (the main module of a service worker), "json", "text", "data"
 * (an ArrayBuffer), "wasm" (a WebAssembly.Module), "map" (the source map of the module of that name
 * without ".map", for stack traces); absent: .json, .txt .html .sql, .bin and .wasm are what they
 * are called, all else is "esm".
 * services: env[binding] can be called (JOB_SUB); a binding's index in JOB_SUB is its place in this
 * list. What it calls is hearthd's business.
 * subrequests: how many one request may make. timers: how many may be pending at once, of all the
 * cell's requests together. The cell holds its script to it, with an error that the script can
 * catch; one that does not costs itself the memory and CPU time that hearthd bounds anyway.
 *
 * wall_ms: how long a request may take without a body byte moving between script and client. It
 * does not run out on a slow upload or a long stream.
 *
 * A cell runs one script in its life. It starts it when the script's packet is taken, without being
 * asked, and says "loaded"; on its lanes it says JOB_WARMED. A START for it may be in a ring before
 * the packet is read, or sent: then the cell waits for it; one for another script gets
 * JOB_ERROR_NO_SCRIPT. A script that does not load stays so: each START gets JOB_ERROR_LOAD, or
 * JOB_ERROR_MEMORY_LIMIT if that is why, until hearthd ends the cell.
 *
 * Spoiled: a request was struck for its CPU time, so no `finally` of it has run. Its cell says so
 * once, serves, and is replaced at leisure. Where "serves" is false there is nothing to go on with:
 * the script used too much memory, or too much CPU time for no request. What was under way gets its
 * error on the lanes just after this word; from then on each START gets JOB_ERROR_SPENT at once.
 * hearthd retires the cell, has another one in a moment, and starts there what was refused here.
 *
 * A later region brings lanes of the same number beside those that are there, with larger rings.
 * hearthd starts new jobs there; those of the first region end where they began.
 *
 * A template (zygote.h) has this socket too. It gets no region, and says:
 *
 *     {"type":"door"}                          fds: the listener of its filter, of which it keeps
 *                                              none: each clone() of it and of what it forks waits
 *                                              for hearthd's leave (seccomp user notification)
 *     {"type":"ready"}                         it is sealed: the script may come
 *     {"type":"log",..}                        of its top level
 *     {"type":"loaded","us":N,"error":S}       "": it is frozen. Else why it cannot be one: the
 *                                              script does not load, or its top level has done what
 *                                              copies must not share (the time, random numbers)
 *
 * Behind "loaded" the packets are zygote.h's: FORK, FORKED. What it forks is a cell that gets its
 * region and then {"type":"script","handle":H} without anything else: the leave to serve.
 *
 * Of a cell's end: hearthd kills it. Nothing that a cell would say then is of use to anyone, but
 * for two exits of its own (enum start_exit), where code cannot be stopped or memory cannot be had:
 * what it executed then is told which limit that was.
 *
 * From the cell everything is hostile input: a packet that does not parse, has a field of another
 * type or over its bound, is counted and dropped; nothing of it is kept. A log line without a
 * request has "". What comes faster than hearthd reads it waits in the socket, and what does not
 * fit there the cell drops.
 *
 * Rejected: that a cell that is of no more use ends itself. hearthd lets go of a dead cell's rings
 * unread, so the requests that broke the limit would look like those that were lost, and be run
 * again. Logs as ring messages to a dp core: their reader is the control thread, and the packet
 * path should not carry them. Statistics of the cell about itself: the kernel counts its memory and
 * CPU time, and the cores its requests.
 */
#ifndef HEARTH_START_H
#define HEARTH_START_H

enum {
    START_FD = 3,
    START_PACKET_BYTES_MAX = 192 * 1024,
    START_LOG_TEXT_BYTES_MAX = 4096,
    START_LEVEL_BYTES_MAX = 7, /* "debug", "log", "info", "warn", "error" */
    START_REQUEST_CHARS = 16,  /* hexadecimal digits of a request's id */
    START_V8_BYTES_MAX = 31,   /* V8's version */
    START_MODULES_MAX = 256,
};

/* Why a cell ended itself. */
enum start_exit {
    START_EXIT_CPU = 70,    /* a script over its CPU time did not stop */
    START_EXIT_MEMORY = 71, /* V8 could not go on without more memory */
};

#endif
