/* memory.h
 *
 * What a call's messages may take of a core's chunks (chunk.h), hop by hop, and whose they are. All
 * of it is set aside before the script starts, or the call does not begin: once a script has run,
 * nothing that it says is lost for want of memory.
 *
 *   request head
 *     client connection  stays in the stream until there are chunks for it: waits, then 503. What
 *                        the stream has none for stays with the client: the window shuts
 *                        (tcp_rx_room)
 *     call               held, encoded, in a queue of its own before it is placed
 *     stream to a home   whole in the stream (stream_set_aside), or the call runs here
 *     served at home     whole in the stream (stream_expect), or it is handed back
 *     sub-request        a queue of its own, or REFUSED
 *   request body
 *     client connection  floor of what is received: CONN_RX_CHUNKS
 *     stream             floors of both ends
 *     where it runs      the region's arena, by the job's credit
 *     sub-request        floor of `in`: SUB_BODY_CHUNKS
 *   answer: head, then body
 *     call               the origin's queue (call.h). Its floor of ANSWER_CHUNKS holds the largest
 *                        head as the origin writes it, and the body of a job's first credit. A call
 *                        goes to a home with ANSWER_CHUNKS_LEAST: a head; body follows as it leaves
 *     origins            client's exchange, peer's stream, script's reply: a head for which there
 *                        is no room waits in the queue, as body does, in order
 *     stream             floors of both ends; a head gathers in the call's queue, not in the stream
 *   end of an answer     waits in its origin for room: last chunk, DATA_END, END
 *   refusal
 *     client connection  room is looked at before a head is read; later, the queue of the answer
 *     served at home     BOUNCE and ACCEPT: the stream's floor. ERROR waits as an end does
 *     sub-request        REPLY_ERROR waits for a slot
 *   on its way to the client: CONN_TX_CHUNKS, floor of what is to be sent
 *
 * A floor on the way says only that what waits behind it moves on whenever its taker takes
 * something. What a connection holds of all this: conn_chunks (conn.h).
 *
 * What scripts call goes before what clients ask: until it is answered, its parent gives nothing
 * back. Of one request that is so for a chain of calls, CONTEXT_DEPTH_MAX of them; what it calls
 * beside these leaves a quarter of the pool to others. Beside four requests of 584 sub-requests
 * each a neighbour's requests waited 5 to 16 ms for memory; now its 99th percentile is 3 ms, and of
 * theirs twice as many are answered.
 *
 * While half of the pool is taken, requests whose body is still to come get an eighth of it: 1,500
 * POSTs that drip left nothing to others, now 130 of 130 good requests beside them are answered.
 *
 * Rejected: credit by what the pool has at that moment: everybody was promised the same chunks.
 * ANSWER_CHUNKS for 64 KiB of body, and heads written at once from what the pool has: with three
 * quarters of it held by clients that do not read, 10 of 10 answers with a head of 12 KB were reset
 * after the script had run. Memory of its own for heads: 17 chunks a call more, or a third of the
 * jobs less. As it is, the 34 ANSWER_CHUNKS bound the jobs under way to some 850 from clients with
 * the default pool. For uploads, a rank of their own: with three quarters held by others none would
 * begin. Starting the script only when the body is here: it may answer while it reads.
 */
#ifndef HEARTH_MEMORY_H
#define HEARTH_MEMORY_H

#include "dataplane/base/chunk.h"
#include "runtime/job.h"

enum {
    /* What hearth adds to a script's head: status line, framing, date, ids, names; or a record's
     * header. An encoded field is as long as its line of text: four bytes of lengths against ": "
     * and CR LF. */
    ANSWER_HEAD_ADDED_BYTES_MAX = 1024,
    ANSWER_HEAD_BYTES_MAX = JOB_HEAD_BYTES_MAX + ANSWER_HEAD_ADDED_BYTES_MAX,

    /* byte_queue_chunks of these */
    ANSWER_CHUNKS = (ANSWER_HEAD_BYTES_MAX + JOB_ANSWER_CREDIT_INITIAL) / CHUNK_ROOM + 2,
    ANSWER_CHUNKS_LEAST = ANSWER_HEAD_BYTES_MAX / CHUNK_ROOM + 2,
    SUB_BODY_CHUNKS = JOB_CREDIT_INITIAL / CHUNK_ROOM + 2,

    CONN_RX_CHUNKS = 2, /* a segment of the body, wherever in a chunk it begins */
    CONN_TX_CHUNKS = 4,
};

#endif
