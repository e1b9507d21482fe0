/* The control socket: requests whole and in pieces, and clients that break the protocol. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/cli/ctl_client.h"
#include "control/daemon/ctl.h"
#include "control/daemon/tail.h"

static struct loop loop;
static struct ctl *ctl;
static char path[64];
static char error[256];
static int handled;
static uint64_t deferred;
static const struct behalf operators, acme = {.account = "acme"};

static void handle(void *arg, struct ctl_client *c, const struct ctl_request *r)
{
    handled++;
    if (!strcmp(r->command, "echo")) {
        ctl_reply(c, json_pack("{s:b, s:I, s:s%}", "ok", 1, "bytes", (json_int_t)r->payload_bytes,
                               "payload", r->payload ? (const char *)r->payload : "",
                               r->payload_bytes));
    } else if (!strcmp(r->command, "large")) {
        static char large[4 << 20];

        memset(large, 'x', sizeof(large));
        ctl_reply(c, json_pack("{s:b, s:s%}", "ok", 1, "x", large, sizeof(large)));
    } else if (!strcmp(r->command, "later")) {
        deferred = ctl_client_id(c);
    } else if (!strcmp(r->command, "tail")) {
        ctl_subscribe(c, ctl_is_guest(c) ? "acme/" : "hello", ctl_is_guest(c) ? &acme : &operators);
        ctl_reply(c, json_pack("{s:b}", "ok", 1));
    } else {
        ctl_refuse(c, "unknown");
    }
}

static int set_up(void **state)
{
    snprintf(path, sizeof(path), "/tmp/hearth-test-ctl-%d.sock", (int)getpid());
    assert_int_equal(loop_init(&loop), 0);
    ctl = ctl_create(&loop, path, handle, NULL, error, sizeof(error));
    if (!ctl)
        fail_msg("%s", error);
    handled = 0;
    return 0;
}

static int tear_down(void **state)
{
    ctl_destroy(ctl);
    loop_fini(&loop);
    return 0;
}

static int connect_client(void)
{
    int fd = ctl_connect(path);

    assert_true(fd >= 0);
    return fd;
}

/* Turns the loop until something can be read; false: the server closed. */
static bool wait_readable(int fd)
{
    for (int i = 0; i < 1000; i++) {
        char byte;
        ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);

        if (n == 1)
            return true;
        if (n == 0 || errno != EAGAIN)
            return false;
        loop_step(&loop, 100);
    }
    fail_msg("no answer");
    return false;
}

static json_t *receive(int fd)
{
    return wait_readable(fd) ? ctl_receive(fd) : NULL;
}

static void expect_text(json_t *reply, const char *wanted)
{
    char *text = json_dumps(reply, JSON_COMPACT | JSON_SORT_KEYS);

    assert_non_null(text);
    assert_string_equal(text, wanted);
    free(text);
    json_decref(reply);
}

static void request(int fd, const char *json, const char *payload)
{
    json_t *j = json_loads(json, 0, NULL);

    assert_int_equal(ctl_send(fd, j, payload, strlen(payload)), 0);
    json_decref(j);
}

static void the_socket_is_for_its_owner_only(void **state)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void requests_are_answered_one_after_the_other(void **state)
{
    int fd = connect_client();

    request(fd, "{\"command\":\"echo\"}", "");
    expect_text(receive(fd), "{\"bytes\":0,\"ok\":true,\"payload\":\"\"}");
    request(fd, "{\"command\":\"echo\",\"payload\":5}", "bytes");
    expect_text(receive(fd), "{\"bytes\":5,\"ok\":true,\"payload\":\"bytes\"}");
    request(fd, "{\"command\":\"nothing\"}", "");
    expect_text(receive(fd), "{\"error\":\"unknown\",\"ok\":false}");
    close(fd);
}

static void a_request_may_come_byte_by_byte(void **state)
{
    static const char bytes[] = "\x1e\0\0\0{\"command\":\"echo\",\"payload\":2}ab";
    int fd = connect_client();

    assert_int_equal((uint8_t)bytes[0], strlen("{\"command\":\"echo\",\"payload\":2}") - 0);
    for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
        assert_int_equal(send(fd, bytes + i, 1, MSG_NOSIGNAL), 1);
        loop_step(&loop, 100);
    }
    expect_text(receive(fd), "{\"bytes\":2,\"ok\":true,\"payload\":\"ab\"}");
    close(fd);
}

static void an_answer_may_come_later_or_find_nobody(void **state)
{
    int fd = connect_client();
    struct ctl_client *c;

    request(fd, "{\"command\":\"later\"}", "");
    while (handled < 1)
        loop_step(&loop, 100);
    c = ctl_find(ctl, deferred);
    assert_non_null(c);
    ctl_reply(c, json_pack("{s:b}", "ok", 1));
    expect_text(receive(fd), "{\"ok\":true}");

    request(fd, "{\"command\":\"later\"}", "");
    while (handled < 2)
        loop_step(&loop, 100);
    close(fd);
    while (ctl_find(ctl, deferred))
        loop_step(&loop, 100);
}

static void a_client_that_breaks_the_protocol_is_told_once_and_closed(void **state)
{
    static const struct {
        const char *what;
        const char *bytes;
        size_t len;
        const char *said;
    } rows[] = {
        {"a length of nothing", "\0\0\0\0", 4, "the request is empty"},
        {"a length beyond all", "\xff\xff\xff\xff", 4, "the request is too large"},
        {"no JSON", "\x03\0\0\0abc", 7, "a request is a JSON object"},
        {"no object", "\x02\0\0\0[]", 6, "a request is a JSON object"},
        {"no command", "\x02\0\0\0{}", 6, "a request has a \"command\""},
        {"a command of a wrong kind", "\x0d\0\0\0{\"command\":1}", 17,
         "a request has a \"command\""},
        {"a payload beyond all", "\x16\0\0\0{\"payload\":9999999999}", 26,
         "the payload is too large"},
        {"a payload less than nothing", "\x0e\0\0\0{\"payload\":-1}", 18,
         "the payload is too large"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int fd = connect_client();
        json_t *reply;

        assert_int_equal(send(fd, rows[i].bytes, rows[i].len, MSG_NOSIGNAL), rows[i].len);
        reply = receive(fd);
        if (!reply || strcmp(json_string_value(json_object_get(reply, "error")), rows[i].said))
            fail_msg("%s: %s", rows[i].what,
                     reply ? json_string_value(json_object_get(reply, "error")) : "closed");
        json_decref(reply);
        assert_false(wait_readable(fd));
        close(fd);
    }
    assert_int_equal(handled, 0);
    assert_int_equal(ctl_counts(ctl).bad, sizeof(rows) / sizeof(rows[0]));
}

/* Enough turns for all that a client of a few bytes can cause. */
static void settle(void)
{
    for (int i = 0; i < 16; i++)
        loop_step(&loop, 0);
}

static void random_bytes_hurt_nobody(void **state)
{
    uint64_t x = 1;
    int good;

    for (int round = 0; round < 300; round++) {
        char bytes[64];
        int fd = connect_client();

        for (size_t i = 0; i < sizeof(bytes); i++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            bytes[i] = (char)(x >> 56);
        }
        bytes[2] = bytes[3] = 0;
        (void)!send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
        settle();
        close(fd);
        settle();
    }
    good = connect_client();
    request(good, "{\"command\":\"echo\"}", "");
    expect_text(receive(good), "{\"bytes\":0,\"ok\":true,\"payload\":\"\"}");
    close(good);
}

static void too_many_clients_are_turned_away(void **state)
{
    int fds[CTL_CLIENTS_MAX + 1];

    for (int i = 0; i <= CTL_CLIENTS_MAX; i++) {
        fds[i] = connect_client();
        loop_step(&loop, 100);
    }
    expect_text(receive(fds[CTL_CLIENTS_MAX]),
                "{\"error\":\"hearthd has too many clients\",\"ok\":false}");
    assert_false(wait_readable(fds[CTL_CLIENTS_MAX]));
    assert_int_equal(ctl_counts(ctl).turned_away, 1);
    for (int i = 0; i <= CTL_CLIENTS_MAX; i++)
        close(fds[i]);
}

static void brackets_may_be_nested_so_deeply_and_no_deeper(void **state)
{
    enum { DEEP = CTL_DEPTH_MAX - 1 }; /* and the object itself */
    char bytes[4 + 64 + 2 * (DEEP + 1)];

    for (int deep = DEEP; deep <= DEEP + 1; deep++) {
        int fd = connect_client();
        int len = snprintf(bytes + 4, sizeof(bytes) - 4, "{\"command\":\"echo\",\"[\\\"[\":");

        memset(bytes + 4 + len, '[', (size_t)deep);
        memset(bytes + 4 + len + deep, ']', (size_t)deep);
        len += 2 * deep;
        bytes[4 + len++] = '}';
        memcpy(bytes, (char[]){(char)len, (char)(len >> 8), 0, 0}, 4);
        assert_int_equal(send(fd, bytes, (size_t)len + 4, MSG_NOSIGNAL), len + 4);
        expect_text(receive(fd),
                    deep == DEEP ? "{\"bytes\":0,\"ok\":true,\"payload\":\"\"}"
                                 : "{\"error\":\"the request is nested too deeply\",\"ok\":false}");
        close(fd);
    }
}

/* How it has come so far: each holds one of the few places. */
static void clients_that_do_not_get_on_make_room(void **state)
{
    enum {
        SILENT,
        HALF_A_LENGTH,
        HALF_A_REQUEST,
        HALF_A_PAYLOAD,
        NOT_READING,
        TAIL_NOT_READING,
        WAYS
    };
    static const char payload[] = "\x1e\0\0\0{\"command\":\"echo\",\"payload\":9}ab";
    static char text[1000];
    json_t *line;
    int fd[WAYS], tail, asking;

    for (int i = 0; i < WAYS; i++)
        fd[i] = connect_client();
    (void)!send(fd[HALF_A_LENGTH], "\x1e", 1, 0);
    (void)!send(fd[HALF_A_REQUEST], payload, 9, 0);
    (void)!send(fd[HALF_A_PAYLOAD], payload, sizeof(payload) - 1, 0);
    for (int i = NOT_READING; i < WAYS; i++) {
        json_t *j = json_pack("{s:s, s:i}", "command", i == NOT_READING ? "large" : "tail", "x", 1);

        assert_int_equal(ctl_send(fd[i], j, NULL, 0), 0);
        json_decref(j);
    }
    tail = connect_client();
    request(tail, "{\"command\":\"tail\"}", "");
    expect_text(receive(tail), "{\"ok\":true}");
    while (handled < 3)
        loop_step(&loop, 100);
    memset(text, 'x', sizeof(text) - 1);
    line = json_pack("{s:s}", "text", text);
    for (size_t i = 0; i < 2 * CTL_UNSENT_BYTES_MAX / sizeof(text); i++)
        ctl_broadcast(ctl, "hello", NULL, line);
    asking = connect_client();
    request(asking, "{\"command\":\"later\"}", "");
    while (handled < 4)
        loop_step(&loop, 100);

    ctl_set_patience(ctl, 200);
    for (int i = 0; i < WAYS; i++) {
        char drop[4096];
        ssize_t n = 0;

        /* Those that do not read stay so until hearthd has given them up. */
        for (int turn = 0; turn < 400 && ctl_counts(ctl).clients > 2; turn++) {
            loop_step(&loop, 100);
            while (recv(tail, drop, sizeof(drop), MSG_DONTWAIT) > 0)
                ;
        }
        do
            n = recv(fd[i], drop, sizeof(drop), MSG_DONTWAIT);
        while (n > 0);
        if (n)
            fail_msg("client %d: %s, %u clients", i, strerror(errno), ctl_counts(ctl).clients);
        close(fd[i]);
    }
    /* A tail that is read, and one that awaits its answer, stay. */
    assert_int_equal(ctl_counts(ctl).clients, 2);
    assert_int_equal(ctl_counts(ctl).given_up, WAYS);
    assert_non_null(ctl_find(ctl, deferred));
    json_decref(line);
    close(tail);
    close(asking);
}

static void a_subscriber_gets_its_scripts_lines_and_learns_what_it_lost(void **state)
{
    json_t *line = json_pack("{s:s}", "text", "x");
    json_t *reply;
    int fd = connect_client();
    int count = 0, lost = 0;

    assert_false(ctl_has_subscribers(ctl));
    request(fd, "{\"command\":\"tail\"}", "");
    expect_text(receive(fd), "{\"ok\":true}");
    assert_true(ctl_has_subscribers(ctl));
    ctl_broadcast(ctl, "other", NULL, line);
    ctl_broadcast(ctl, "hello", NULL, line);
    expect_text(receive(fd), "{\"text\":\"x\"}");
    /* More than the queue takes, and nobody reads. */
    for (int i = 0; i < CTL_UNSENT_BYTES_MAX / 8; i++)
        ctl_broadcast(ctl, "hello", NULL, line);
    for (;;) {
        ctl_broadcast(ctl, "hello", NULL, line);
        reply = receive(fd);
        count += json_object_get(reply, "text") != NULL;
        lost = (int)json_integer_value(json_object_get(reply, "lines_lost"));
        json_decref(reply);
        if (lost)
            break;
    }
    assert_true(count > 1000);
    assert_true(lost > 1000);
    json_decref(line);
    close(fd);
}

static void scripts_that_are_read_are_told_once_each(void **state)
{
    struct tail_wish wishes[4];
    int fd[3];

    assert_int_equal(ctl_subscriptions(ctl, wishes, 4), 0);
    for (int i = 0; i < 3; i++) {
        fd[i] = connect_client();
        request(fd[i], "{\"command\":\"tail\"}", "");
        expect_text(receive(fd[i]), "{\"ok\":true}");
    }
    assert_int_equal(ctl_subscriptions(ctl, wishes, 4), 1);
    assert_string_equal(wishes[0].script, "hello");
    assert_int_equal(ctl_subscriptions(ctl, wishes, 0), 0);
    for (int i = 0; i < 3; i++)
        close(fd[i]);
}

/* ---- guests ---- */

static char guest_path[80];

static const char *admit(void *arg, const json_t *request)
{
    return json_object_get(request, "token") ? NULL : "a token is wanted";
}

static void let_guests_in(void)
{
    snprintf(guest_path, sizeof(guest_path), "%s.guests", path);
    if (ctl_open_to_guests(ctl, guest_path, admit, error, sizeof(error)))
        fail_msg("%s", error);
}

static int connect_guest(void)
{
    int fd = ctl_connect(guest_path);

    assert_true(fd >= 0);
    return fd;
}

static void the_guests_socket_is_for_everyone_and_goes_with_the_other(void **state)
{
    struct stat st;
    int fd;

    let_guests_in();
    assert_int_equal(stat(guest_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0666);
    fd = connect_guest();
    request(fd, "{\"command\":\"echo\"}", "");
    expect_text(receive(fd), "{\"bytes\":0,\"ok\":true,\"payload\":\"\"}");
    assert_int_equal(ctl_counts(ctl).guests, 1);
    close(fd);
    ctl_destroy(ctl);
    assert_int_equal(stat(guest_path, &st), -1);
    ctl = ctl_create(&loop, path, handle, NULL, error, sizeof(error));
    assert_non_null(ctl);
}

static void a_guests_payload_is_awaited_only_if_he_may_ask(void **state)
{
    int fd;

    let_guests_in();
    fd = connect_guest();
    request(fd, "{\"command\":\"echo\",\"payload\":30000000}", "");
    expect_text(receive(fd), "{\"error\":\"a token is wanted\",\"ok\":false}");
    assert_false(wait_readable(fd)); /* closed */
    close(fd);
    assert_int_equal(handled, 0);
    fd = connect_guest();
    request(fd, "{\"command\":\"echo\",\"payload\":2,\"token\":\"t\"}", "ab");
    expect_text(receive(fd), "{\"bytes\":2,\"ok\":true,\"payload\":\"ab\"}");
    close(fd);
}

static void guests_leave_places_for_the_operator(void **state)
{
    int fd[CTL_GUESTS_OF_UID_MAX + 1], operator_fd;

    let_guests_in();
    for (int i = 0; i <= CTL_GUESTS_OF_UID_MAX; i++) {
        fd[i] = connect_guest();
        request(fd[i], "{\"command\":\"echo\"}", "");
        json_t *reply = receive(fd[i]);
        assert_int_equal(json_is_true(json_object_get(reply, "ok")), i < CTL_GUESTS_OF_UID_MAX);
        json_decref(reply);
    }
    operator_fd = connect_client();
    request(operator_fd, "{\"command\":\"echo\"}", "");
    expect_text(receive(operator_fd), "{\"bytes\":0,\"ok\":true,\"payload\":\"\"}");
    close(operator_fd);
    for (int i = 0; i <= CTL_GUESTS_OF_UID_MAX; i++)
        close(fd[i]);
}

static void an_accounts_tail_has_its_own_lines_until_it_is_ended(void **state)
{
    json_t *line = json_pack("{s:s}", "text", "x");
    int fd, operator_fd;

    let_guests_in();
    fd = connect_guest();
    operator_fd = connect_client();
    request(fd, "{\"command\":\"tail\",\"token\":\"t\"}", "");
    expect_text(receive(fd), "{\"ok\":true}");
    request(operator_fd, "{\"command\":\"tail\"}", "");
    expect_text(receive(operator_fd), "{\"ok\":true}");
    assert_int_equal(ctl_subscribers_of(ctl, "acme"), 1);
    ctl_broadcast(ctl, "beta/a", NULL, line);
    ctl_broadcast(ctl, "acmes/a", NULL, line);
    ctl_broadcast(ctl, "acme/a", NULL, line);
    expect_text(receive(fd), "{\"text\":\"x\"}");
    ctl_unsubscribe(ctl, "acme");
    ctl_broadcast(ctl, "acme/a", NULL, line);
    assert_false(wait_readable(fd)); /* closed, and nothing more */
    ctl_broadcast(ctl, "hello", NULL, line);
    expect_text(receive(operator_fd), "{\"text\":\"x\"}");
    json_decref(line);
    close(fd);
    close(operator_fd);
}

static void a_socket_in_use_is_not_taken(void **state)
{
    assert_null(ctl_create(&loop, path, handle, NULL, error, sizeof(error)));
    assert_non_null(strstr(error, "another hearthd answers there"));
}

/* ---- no descriptor left ---- */

/* Nobody may open one more. Returns the limit that was. */
static rlim_t forbid_descriptors(void)
{
    struct rlimit limit;
    int next = dup(loop.epoll_fd);
    rlim_t before;

    assert_true(next >= 0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    before = limit.rlim_cur;
    limit.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return before;
}

static void allow_descriptors(rlim_t count)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = count;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void without_descriptors_clients_are_turned_away_and_the_loop_rests(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, path);
    assert_true(fd >= 0);
    rlim_t before = forbid_descriptors();
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    for (int i = 0; i < 20 && ctl_counts(ctl).turned_away == 0; i++)
        loop_step(&loop, 100);
    /* Readable for ever would turn the loop for ever. */
    struct pollfd event = {.fd = loop.epoll_fd, .events = POLLIN};
    int ready = poll(&event, 1, 0);
    allow_descriptors(before);
    assert_int_equal(ready, 0);
    assert_int_equal(ctl_counts(ctl).turned_away, 1);
    expect_text(receive(fd), "{\"error\":\"hearthd has too many clients\",\"ok\":false}");
    close(fd);
    fd = connect_client();
    request(fd, "{\"command\":\"nothing\"}", "");
    expect_text(receive(fd), "{\"error\":\"unknown\",\"ok\":false}");
    close(fd);
}

static void a_socket_that_is_listened_on_is_not_replaced_however_busy(void **state)
{
    enum { MANY = CTL_CLIENTS_MAX + 8 };
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat was, is;
    int queued[MANY], count = 0, rc = 0;

    strcpy(address.sun_path, path);
    assert_int_equal(stat(path, &was), 0);
    while (!rc && count < MANY) { /* nobody turns its loop */
        queued[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        rc = connect(queued[count++], (struct sockaddr *)&address, sizeof(address));
    }
    assert_int_equal(rc, -1);
    assert_null(ctl_create(&loop, path, handle, NULL, error, sizeof(error)));
    assert_non_null(strstr(error, "another hearthd answers there"));
    assert_int_equal(stat(path, &is), 0);
    assert_int_equal(was.st_ino, is.st_ino);
    while (count > 0)
        close(queued[--count]);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_socket_is_for_its_owner_only),
        TEST(requests_are_answered_one_after_the_other),
        TEST(a_request_may_come_byte_by_byte),
        TEST(an_answer_may_come_later_or_find_nobody),
        TEST(a_client_that_breaks_the_protocol_is_told_once_and_closed),
        TEST(random_bytes_hurt_nobody),
        TEST(too_many_clients_are_turned_away),
        TEST(brackets_may_be_nested_so_deeply_and_no_deeper),
        TEST(clients_that_do_not_get_on_make_room),
        TEST(a_subscriber_gets_its_scripts_lines_and_learns_what_it_lost),
        TEST(scripts_that_are_read_are_told_once_each),
        TEST(the_guests_socket_is_for_everyone_and_goes_with_the_other),
        TEST(a_guests_payload_is_awaited_only_if_he_may_ask),
        TEST(guests_leave_places_for_the_operator),
        TEST(an_accounts_tail_has_its_own_lines_until_it_is_ended),
        TEST(a_socket_in_use_is_not_taken),
        TEST(a_socket_that_is_listened_on_is_not_replaced_however_busy),
        TEST(without_descriptors_clients_are_turned_away_and_the_loop_rests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
