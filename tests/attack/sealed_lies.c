/* sealed_lies.c: what a hostile process says to hearthd: in its rings, its arena, the region's
 * header, at the start socket, on its standard output, and by the way it stops. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/head.h"
#include "runtime/start.h"
#include "sealed.h"

#define LIE(name) static long name(void)

/* ---- messages ---- */

static struct job_slot with_chunks(uint8_t type, uint8_t count, uint32_t bytes)
{
    struct job_slot slot = own_job(type);

    slot.chunk_count = count;
    slot.bytes = bytes;
    for (uint32_t i = 0; i < JOB_SLOT_CHUNKS; i++)
        slot.chunk[i] = i;
    return slot;
}

static long say_type(uint8_t type)
{
    say(own_job(type));
    return 0;
}

LIE(no_type)
{
    return say_type(JOB_NONE);
}
LIE(unknown_type)
{
    return say_type(255);
}
LIE(hearthds_type)
{
    return say_type(JOB_START);
}
LIE(done_while_it_lives)
{
    return say_type(JOB_DONE);
}

LIE(refuses_what_it_runs)
{
    struct job_slot slot = own_job(JOB_ERROR);

    slot.arg = JOB_ERROR_SPENT;
    say(slot);
    return 0;
}

LIE(foreign_job)
{
    struct job_slot slot = with_chunks(JOB_HEAD, 1, 100);

    slot.job = UINT32_MAX;
    say(slot);
    return 0;
}
LIE(every_other_job)
{
    struct job_slot slot = own_job(JOB_ERROR);

    slot.arg = JOB_ERROR_EXCEPTION;
    for (uint32_t job = 0; job < 64; job++)
        for (slot.job = job, slot.generation = 1; slot.generation < 8; slot.generation++)
            say(slot);
    return 0;
}
LIE(old_generation)
{
    struct job_slot slot = own_job(JOB_DATA);

    slot.generation--;
    say(slot);
    return 0;
}
LIE(no_generation)
{
    struct job_slot slot = own_job(JOB_DATA);

    slot.generation = 0;
    say(slot);
    return 0;
}

LIE(too_many_chunks)
{
    say(with_chunks(JOB_HEAD, 255, 100));
    return 0;
}
LIE(chunk_out_of_range)
{
    struct job_slot slot = with_chunks(JOB_HEAD, 1, 100);

    slot.chunk[0] = UINT32_MAX - 1;
    say(slot);
    return 0;
}
LIE(one_chunk_twice)
{
    struct job_slot slot = with_chunks(JOB_HEAD, 2, ARENA_CHUNK_BYTES + 1);

    slot.chunk[1] = slot.chunk[0];
    say(slot);
    return 0;
}
LIE(more_bytes_than_chunks)
{
    say(with_chunks(JOB_HEAD, 1, ARENA_CHUNK_BYTES + 1));
    return 0;
}
LIE(fewer_bytes_than_chunks)
{
    say(with_chunks(JOB_HEAD, 8, 1));
    return 0;
}
LIE(four_gigabytes)
{
    say(with_chunks(JOB_HEAD, 8, UINT32_MAX));
    return 0;
}
LIE(data_before_head)
{
    say(with_chunks(JOB_DATA, 1, 100));
    return 0;
}

/* ---- heads ---- */

static void say_head(const void *bytes, uint32_t count, uint8_t flags)
{
    struct job_slot slot = with_chunks(JOB_HEAD, 1, count);

    memcpy(own_lane().arena_up.bytes, bytes, count);
    slot.flags = flags;
    say(slot);
}

static void say_fields(uint16_t status, const char *const *fields, size_t count)
{
    uint8_t bytes[ARENA_CHUNK_BYTES];
    struct head_writer w;

    head_write_response(&w, bytes, sizeof(bytes), status);
    for (size_t i = 0; i + 1 < count; i += 2)
        head_write_field(&w, (struct head_view){fields[i], strlen(fields[i])},
                         (struct head_view){fields[i + 1], strlen(fields[i + 1])});
    say_head(bytes, (uint32_t)head_write_end(&w), JOB_F_END);
}

LIE(head_of_noise)
{
    uint8_t bytes[1000];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7919 >> 3);
    say_head(bytes, sizeof(bytes), 0);
    return 0;
}
LIE(head_with_65535_fields)
{
    say_head((const uint8_t[]){200, 0, 0xff, 0xff, 1, 0, 'a', 0xff, 0xff}, 9, JOB_F_END);
    return 0;
}
LIE(head_of_status_0)
{
    say_fields(0, NULL, 0);
    return 0;
}
LIE(head_of_status_65535)
{
    say_fields(UINT16_MAX, NULL, 0);
    return 0;
}
LIE(head_that_splits)
{
    static const char *const fields[] = {"a", "b\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0",
                                         "c\r\nd", "e"};

    say_fields(200, fields, 4);
    return 0;
}
LIE(head_with_lengths)
{
    static const char *const fields[] = {"content-length",    "5",       "content-length", "6",
                                         "transfer-encoding", "chunked", "connection",     "close"};

    say_fields(200, fields, 8);
    return 0;
}
LIE(head_twice)
{
    say_fields(200, NULL, 0);
    say_fields(200, NULL, 0);
    return 0;
}
LIE(data_after_end)
{
    say_fields(200, NULL, 0);
    say(with_chunks(JOB_DATA, 1, 100));
    return 0;
}
LIE(data_beyond_credit)
{
    uint8_t bytes[64];
    struct head_writer w;

    head_write_response(&w, bytes, sizeof(bytes), 200);
    say_head(bytes, (uint32_t)head_write_end(&w), 0);
    for (int i = 0; i < 64; i++)
        say(with_chunks(JOB_DATA, JOB_SLOT_CHUNKS, JOB_SLOT_CHUNKS * ARENA_CHUNK_BYTES));
    return 0;
}

/* ---- words ---- */

static long say_word(uint8_t type, uint64_t arg, uint64_t arg2)
{
    struct job_slot slot = own_job(type);

    slot.arg = arg;
    slot.arg2 = arg2;
    say(slot);
    return 0;
}

LIE(credit_overflow)
{
    say_word(JOB_CREDIT, UINT64_MAX, 0);
    return say_word(JOB_CREDIT, UINT64_MAX, 0);
}
LIE(hearthds_error)
{
    return say_word(JOB_ERROR, JOB_ERROR_REFUSED, 0);
}
LIE(unknown_error)
{
    return say_word(JOB_ERROR, 1ull << 63, 0);
}
LIE(two_errors)
{
    say_word(JOB_ERROR, JOB_ERROR_EXCEPTION, 0);
    return say_word(JOB_ERROR, JOB_ERROR_EXCEPTION, 0);
}
LIE(warmed_of_all)
{
    for (uint64_t script = 0; script < 500; script++)
        say_word(JOB_WARMED, script, UINT64_MAX);
    return 0;
}
LIE(span_of_ages)
{
    struct job_slot slot = own_job(JOB_SPAN);

    memset(slot.chunk, 0xff, sizeof(slot.chunk));
    say(slot);
    return 0;
}
LIE(sub_of_no_binding)
{
    return say_word(JOB_SUB, 1ull << 32, 1ull << 40);
}
LIE(sub_out_of_range)
{
    return say_word(JOB_SUB, UINT64_MAX, 0);
}
LIE(sub_twice)
{
    say_word(JOB_SUB, 1ull << 32, 0);
    return say_word(JOB_SUB, 1ull << 32, 0);
}
LIE(body_of_no_sub)
{
    return say_word(JOB_SUB_BODY, 7ull << 32 | 63, 0);
}
LIE(sub_credit_overflow)
{
    return say_word(JOB_SUB_CREDIT, 1ull << 32, UINT64_MAX);
}
LIE(cancel_of_all_subs)
{
    for (uint64_t sub = 0; sub < 64; sub++)
        say_word(JOB_SUB_CANCEL, 1ull << 32 | sub, 0);
    return 0;
}

/* ---- the words of rings and arenas ---- */

LIE(tail_far_ahead)
{
    atomic_fetch_add(&own_lane().up->tail, 1u << 31);
    ring_core_bell();
    return 0;
}
LIE(tail_backwards)
{
    atomic_fetch_sub(&own_lane().up->tail, 3);
    ring_core_bell();
    return 0;
}
LIE(tail_one_too_far)
{
    atomic_fetch_add(&own_lane().up->tail, hostile.geometry.slots + 1);
    ring_core_bell();
    return 0;
}
LIE(ring_full_of_nonsense)
{
    struct job_ring_shared *up = own_lane().up;

    for (size_t i = 0; i < hostile.geometry.slots * sizeof(up->slot[0]); i++)
        ((uint8_t *)up->slot)[i] = (uint8_t)(i * 31 >> 2);
    atomic_fetch_add(&up->tail, hostile.geometry.slots);
    ring_core_bell();
    return 0;
}
LIE(head_far_ahead)
{
    atomic_fetch_add(&own_lane().down->head, 1u << 30);
    ring_core_bell();
    return 0;
}
LIE(head_backwards)
{
    atomic_fetch_sub(&own_lane().down->head, 5);
    ring_core_bell();
    return 0;
}
LIE(hearthds_words)
{
    atomic_store(&own_lane().down->tail, 77);
    atomic_store(&own_lane().up->head, 99);
    atomic_store(&own_lane().arena_up.shared->returns_tail, 1u << 20);
    ring_core_bell();
    return 0;
}
static long give_back(uint32_t chunk, uint32_t times)
{
    struct arena_shared *down = own_lane().arena_down.shared;

    for (uint32_t i = 0; i < times; i++)
        down->returns[(atomic_load(&down->returns_tail) + i) & (hostile.geometry.chunks - 1)] =
            chunk;
    atomic_fetch_add(&down->returns_tail, times);
    ring_core_bell();
    return 0;
}
LIE(return_of_no_chunk)
{
    return give_back(UINT32_MAX, 1);
}
LIE(return_of_what_is_not_lent)
{
    return give_back(hostile.geometry.chunks - 1, 1);
}
LIE(returns_without_end)
{
    return give_back(0, 1u << 31);
}
LIE(region_of_ones)
{
    memset(hostile.region, 0xff, 16384 < hostile.region_bytes ? 16384 : hostile.region_bytes);
    ring_core_bell();
    return 0;
}
LIE(region_of_zeros)
{
    memset(hostile.region, 0, hostile.region_bytes);
    ring_core_bell();
    return 0;
}
LIE(executes_what_is_not_its)
{
    struct job_region_header *header = hostile.region;

    atomic_store(&header->executing.script, 1);
    atomic_store(&header->executing.job, UINT64_MAX);
    abort();
}
LIE(bells_without_end)
{
    const uint64_t most = UINT64_MAX - 1;

    for (int i = 0; i < 50000; i++)
        if (write(hostile.core_bell, &most, sizeof(most)) < 0)
            ring_core_bell();
    return 0;
}
LIE(sleeps_never)
{
    struct job_region_header *header = hostile.region;

    for (int i = 0; i < 1000000; i++) {
        atomic_store(&header->runtime_asleep.asleep, 1);
        atomic_store(&header->core_asleep[0].asleep, 1);
    }
    return 0;
}

/* ---- the start socket, and what is printed ---- */

static long packet(const void *bytes, size_t len, int times)
{
    for (int i = 0; i < times; i++)
        if (send(START_FD, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            break;
    return 0;
}
static long text(const char *json, int times)
{
    return packet(json, strlen(json), times);
}
/* So many times the same byte. */
static long bulk(char byte, size_t len)
{
    static char bytes[1 << 20];

    memset(bytes, byte, sizeof(bytes));
    return packet(bytes, len, 100);
}

LIE(packets_of_garbage)
{
    packet("\0\1\2\xff", 4, 100);
    return packet("", 0, 10);
}
LIE(packet_too_large)
{
    return bulk('x', START_PACKET_BYTES_MAX + 1);
}
LIE(packet_too_deep)
{
    return bulk('[', START_PACKET_BYTES_MAX);
}
LIE(packets_of_other_types)
{
    text("[]", 9);
    text("{\"type\":7}", 9);
    text("{\"type\":\"loaded\",\"us\":\"x\",\"error\":[{}],\"handle\":{}}", 9);
    text("{\"type\":\"log\",\"request\":9,\"level\":[],\"text\":null,\"handle\":1e300}", 9);
    return text("{\"type\":\"stats\",\"scripts\":{},\"isolates\":-1}", 9);
}
LIE(packets_out_of_turn)
{
    text("{\"type\":\"ready\",\"v8\":\"again\"}", 9);
    text("{\"type\":\"pong\",\"told\":-99}", 9);
    text("{\"type\":\"loaded\",\"handle\":1,\"us\":18446744073709551615,\"error\":\"no\"}", 99);
    return text("{\"type\":\"spoiled\",\"why\":\"because\"}", 1000);
}
LIE(log_flood)
{
    return text(
        "{\"type\":\"log\",\"handle\":1,\"request\":\"\",\"level\":\"info\",\"text\":\"x\"}",
        10000);
}
LIE(log_with_controls)
{
    return text("{\"type\":\"log\",\"handle\":1,\"request\":\"\\u001b[2J\",\"level\":\"\\n\\n\","
                "\"text\":\"\\u001b[2J\\u009b31m\\u202e\\u0000\\r\\ndeploy script=x\"}",
                500);
}
LIE(prints_without_end)
{
    static char line[] = "deploy script=bystander refused=\"forged\n\x1b[2J\xe2\x80\xae\"";

    for (int i = 0; i < 20000; i++)
        if (write(1 + i % 2, line, sizeof(line) - 1) < 0)
            break;
    return 0;
}

/* ---- how it stops ---- */

LIE(closes_its_socket)
{
    return close(START_FD);
}
LIE(closes_all)
{
    for (int fd = 0; fd < 128; fd++)
        close(fd);
    return 0;
}
LIE(exits)
{
    syscall(SYS_exit_group, 0);
    return 0;
}
LIE(aborts)
{
    abort();
}
LIE(reads_what_is_not_there)
{
    volatile const char *volatile nowhere = (const char *)8;

    return *nowhere;
}
LIE(jumps_into_its_stack)
{
    char code[64];

    memset(code, 0xcc, sizeof(code));
    ((void (*)(void))(uintptr_t)code)();
    return 0;
}
LIE(stops_itself)
{
    return syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGSTOP);
}
LIE(heeds_no_signal_and_computes)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (volatile int i = 0;; i++)
        ;
    return 0;
}
/* It does not hang, as far as its socket tells. */
LIE(answers_pings_only)
{
    static const char pong[] = "{\"type\":\"pong\"}";
    char packet[256];
    struct iovec iov = {packet, sizeof(packet)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    struct pollfd heard = {.fd = START_FD, .events = POLLIN};

    while (poll(&heard, 1, -1) > 0 && recvmsg(START_FD, &msg, MSG_DONTWAIT) > 0)
        if (send(START_FD, pong, sizeof(pong) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            break;
    return 0;
}

LIE(sleeps_for_an_hour)
{
    const struct timespec hour = {.tv_sec = 3600};

    for (;;)
        nanosleep(&hour, NULL);
    return 0;
}
LIE(eats_memory)
{
    const struct timespec moment = {.tv_nsec = 1000000};

    for (size_t step = 8 << 20, had = 0; had < (size_t)768 << 20; had += step) {
        void *at = mmap(NULL, step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (at == MAP_FAILED)
            break;
        memset(at, 1, step);
        nanosleep(&moment, NULL);
    }
    return 0;
}
LIE(eats_page_tables)
{
    enum { PLACES = 20000 };
    char *at = mmap(NULL, (size_t)PLACES << 21, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    for (size_t i = 0; at != MAP_FAILED && i < PLACES; i++)
        (void)*(volatile char *)(at + (i << 21));
    return 0;
}

const struct row sealed_lies[] = {
    {"no type", no_type, false},
    {"a type that there is not", unknown_type, false},
    {"a type that is hearthd's", hearthds_type, false},
    {"it is done while it lives", done_while_it_lives, false},
    {"it refuses what it runs", refuses_what_it_runs, false},
    {"a job that is not there", foreign_job, false},
    {"errors of every other job", every_other_job, false},
    {"an old generation", old_generation, false},
    {"generation 0", no_generation, false},
    {"255 chunks", too_many_chunks, false},
    {"a chunk out of range", chunk_out_of_range, false},
    {"one chunk twice", one_chunk_twice, false},
    {"more bytes than chunks", more_bytes_than_chunks, false},
    {"fewer bytes than chunks", fewer_bytes_than_chunks, false},
    {"4 GB in a slot", four_gigabytes, false},
    {"data before a head", data_before_head, false},
    {"a head of noise", head_of_noise, false},
    {"a head with 65,535 fields", head_with_65535_fields, false},
    {"status 0", head_of_status_0, false},
    {"status 65,535", head_of_status_65535, false},
    {"a head that splits", head_that_splits, false},
    {"a head with three lengths", head_with_lengths, false},
    {"two heads", head_twice, false},
    {"data after the end", data_after_end, false},
    {"data beyond its credit", data_beyond_credit, false},
    {"credit that overflows", credit_overflow, false},
    {"an error that is hearthd's word", hearthds_error, false},
    {"an error that there is not", unknown_error, false},
    {"two errors", two_errors, false},
    {"every script is warm", warmed_of_all, false},
    {"a start that took ages", span_of_ages, false},
    {"a call by a binding that there is not", sub_of_no_binding, false},
    {"a call out of range", sub_out_of_range, false},
    {"one call twice", sub_twice, false},
    {"a body of no call", body_of_no_sub, false},
    {"credit of a call overflows", sub_credit_overflow, false},
    {"calls are cancelled that there are not", cancel_of_all_subs, false},
    {"a ring's tail far ahead", tail_far_ahead, false},
    {"a ring's tail backwards", tail_backwards, false},
    {"a ring's tail one too far", tail_one_too_far, false},
    {"a ring full of nonsense", ring_full_of_nonsense, false},
    {"a ring's head far ahead", head_far_ahead, false},
    {"a ring's head backwards", head_backwards, false},
    {"words that are hearthd's", hearthds_words, false},
    {"no chunk comes back", return_of_no_chunk, false},
    {"a chunk comes back that is not lent", return_of_what_is_not_lent, false},
    {"chunks come back without end", returns_without_end, false},
    {"a region of ones", region_of_ones, false},
    {"a region of zeros", region_of_zeros, false},
    {"it executes what is not its, and dies", executes_what_is_not_its, false},
    {"bells without end", bells_without_end, false},
    {"everyone sleeps, it says", sleeps_never, false},
    {"packets of garbage", packets_of_garbage, false},
    {"a packet too large", packet_too_large, false},
    {"a packet too deep", packet_too_deep, false},
    {"packets of other types", packets_of_other_types, false},
    {"packets out of turn", packets_out_of_turn, false},
    {"log lines without end", log_flood, false},
    {"log lines with controls", log_with_controls, false},
    {"it prints without end", prints_without_end, false},
    {"it closes its socket", closes_its_socket, false},
    {"it closes all", closes_all, false},
    {"it exits", exits, false},
    {"it aborts", aborts, false},
    {"it reads what is not there", reads_what_is_not_there, false},
    {"it jumps into its stack", jumps_into_its_stack, false},
    {"it heeds no signal and computes", heeds_no_signal_and_computes, false},
    {"it answers pings, and nothing else", answers_pings_only, false},
    {"it sleeps for an hour", sleeps_for_an_hour, false},
    {"it eats memory", eats_memory, false},
    {"it eats page tables", eats_page_tables, false},
    {"it stops itself", stops_itself, false},
};
const unsigned sealed_lies_count = sizeof(sealed_lies) / sizeof(*sealed_lies);
