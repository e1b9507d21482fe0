#include "dataplane/tls/guard.h"

#include <assert.h>
#include <string.h>

#include "dataplane/base/mutant.h"
#include "dataplane/tls/key_share.h"

enum { CHANGE_CIPHER_SPEC_BYTES = TLS_RECORD_HEADER_BYTES + 1 };

/* RFC 8446 4.1.3: the random of a ServerHello that is a HelloRetryRequest. */
static const uint8_t retry_random[TLS_RANDOM_BYTES] = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

void guard_init(struct guard *g)
{
    *g = (struct guard){.phase = GUARD_HELLO};
}

static enum guard_result refuse(struct guard *g, enum tls_alert alert)
{
    g->alert = alert;
    return GUARD_BAD;
}

/* The next unit begins where the last one ended. */
static void begin(struct guard *g)
{
    g->seen_bytes = g->message_seen = g->message_bytes = g->message_length = 0;
    g->record_left = 0;
    g->header_bytes = 0;
}

/* ---- the stream ---- */

static void copy(const struct tls_io *io, void *arg, size_t offset, uint8_t *out, size_t len)
{
    while (len > 0) {
        size_t part;
        const uint8_t *bytes = io->peek(arg, offset, &part);
        assert(part > 0); /* it was seen */
        part = part < len ? part : len;
        memcpy(out, bytes, part);
        out += part;
        offset += part;
        len -= part;
    }
}

/* The content of the message that was seen, without its records' headers. */
static void gather(const struct guard *g, const struct tls_io *io, void *arg, uint8_t *out)
{
    size_t offset = 0;
    for (uint32_t done = 0; done < g->message_bytes;) {
        uint8_t header[TLS_RECORD_HEADER_BYTES];
        copy(io, arg, offset, header, sizeof(header));
        uint32_t len = (uint32_t)header[3] << 8 | header[4];
        copy(io, arg, offset + sizeof(header), out + done, len);
        offset += sizeof(header) + len;
        done += len;
    }
}

/* ---- looking at records of plaintext ---- */

static bool is_midway(const struct guard *g)
{
    return g->message_seen > 0;
}

static enum tls_alert see_type(struct guard *g, uint8_t type)
{
    /* Nothing comes before a ClientHello, nothing between the parts of a message. */
    bool is_message_only = g->phase == GUARD_HELLO || is_midway(g);
    if (MUTANT(PARTS_MIXED) && is_midway(g))
        is_message_only = false;
    g->record_type = type;
    if (type < TLS_RECORD_CHANGE_CIPHER_SPEC || type > TLS_RECORD_APPLICATION_DATA ||
        (is_message_only && type != TLS_RECORD_HANDSHAKE))
        return TLS_ALERT_UNEXPECTED_MESSAGE;
    return TLS_ALERT_NONE;
}

/* A record may end with its message, but not hold more: nothing is said before our answer. */
static enum tls_alert see_excess(const struct guard *g)
{
    bool is_known = g->message_bytes > 0;
    return is_known && g->message_seen + g->record_left > g->message_bytes
               ? TLS_ALERT_UNEXPECTED_MESSAGE
               : TLS_ALERT_NONE;
}

static enum tls_alert see_length(const struct guard *g)
{
    switch ((enum tls_record_type)g->record_type) {
    case TLS_RECORD_APPLICATION_DATA:
        return g->record_left > TLS_RECORD_SEALED_MAX ? TLS_ALERT_RECORD_OVERFLOW : TLS_ALERT_NONE;
    case TLS_RECORD_CHANGE_CIPHER_SPEC:
        return g->record_left != 1 ? TLS_ALERT_UNEXPECTED_MESSAGE : TLS_ALERT_NONE;
    case TLS_RECORD_ALERT:
    case TLS_RECORD_HANDSHAKE:
        break;
    }
    if (g->record_left > TLS_RECORD_CONTENT_MAX)
        return TLS_ALERT_RECORD_OVERFLOW;
    if (g->record_left == 0)
        return TLS_ALERT_UNEXPECTED_MESSAGE; /* RFC 8446 5.1: no empty ones */
    return see_excess(g);
}

static enum tls_alert see_header(struct guard *g, uint8_t byte)
{
    switch (g->header_bytes++) {
    case 0:
        return see_type(g, byte);
    case 1: /* the minor version is whatever it likes (RFC 5246 E.1, RFC 8446 5.1) */
        return byte == 3 ? TLS_ALERT_NONE : TLS_ALERT_PROTOCOL_VERSION;
    case 2:
        return TLS_ALERT_NONE;
    case 3:
        g->record_left = (uint16_t)(byte << 8);
        return TLS_ALERT_NONE;
    default:
        g->record_left |= byte;
        return see_length(g);
    }
}

/* One byte of a message's header. */
static enum tls_alert see_message_header(struct guard *g, uint8_t byte)
{
    switch (g->message_seen) {
    case 1:
        g->message_type = byte;
        if (g->phase != GUARD_KEY12 && byte != TLS_MESSAGE_CLIENT_HELLO)
            return TLS_ALERT_UNEXPECTED_MESSAGE;
        return TLS_ALERT_NONE;
    case 2:
    case 3:
        g->message_length = g->message_length << 8 | byte;
        return TLS_ALERT_NONE;
    default:
        g->message_length = g->message_length << 8 | byte;
        if (g->message_length > HELLO_BYTES_MAX)
            return TLS_ALERT_ILLEGAL_PARAMETER;
        g->message_bytes = TLS_MESSAGE_HEADER_BYTES + g->message_length;
        return see_excess(g);
    }
}

/* Content of a record: how much is taken at once. */
static size_t step(const struct guard *g, size_t len)
{
    bool is_slow =
        g->record_type == TLS_RECORD_HANDSHAKE && g->message_seen < TLS_MESSAGE_HEADER_BYTES;
    size_t most = is_slow ? 1 : g->record_left;
    return len < most ? len : most;
}

static enum tls_alert see_content(struct guard *g, const uint8_t *bytes, size_t len)
{
    enum tls_alert alert = TLS_ALERT_NONE;
    g->record_left -= (uint16_t)len;
    if (g->record_type == TLS_RECORD_HANDSHAKE) {
        g->message_seen += (uint32_t)len;
        if (g->message_seen <= TLS_MESSAGE_HEADER_BYTES && len == 1)
            alert = see_message_header(g, bytes[0]);
        if (g->record_left == 0)
            g->header_bytes = 0; /* the next one's */
    } else if (g->record_type == TLS_RECORD_CHANGE_CIPHER_SPEC && bytes[0] != 1) {
        alert = TLS_ALERT_UNEXPECTED_MESSAGE;
    }
    return alert;
}

static bool is_whole(const struct guard *g)
{
    if (g->record_left > 0)
        return false;
    if (g->record_type == TLS_RECORD_HANDSHAKE)
        return g->message_bytes > 0 &&
               (g->message_seen == g->message_bytes || MUTANT(HELLO_CUT_TRUSTED));
    return g->header_bytes == TLS_RECORD_HEADER_BYTES;
}

/* Until a message or another record is whole. */
static enum guard_result see(struct guard *g, const struct tls_io *io, void *arg)
{
    while (!is_whole(g)) {
        size_t len;
        const uint8_t *bytes = io->peek(arg, g->seen_bytes, &len);
        if (len == 0)
            return GUARD_MORE;
        bool is_header = g->header_bytes < TLS_RECORD_HEADER_BYTES;
        len = is_header ? 1 : step(g, len);
        enum tls_alert alert = is_header ? see_header(g, bytes[0]) : see_content(g, bytes, len);
        g->seen_bytes += (uint32_t)len;
        if (!alert && g->seen_bytes > HELLO_WIRE_BYTES_MAX)
            alert = TLS_ALERT_ILLEGAL_PARAMETER;
        if (alert)
            return refuse(g, alert);
    }
    return GUARD_OK;
}

/* Nearly every hello lies whole in one record and in one piece of the stream. Then its lengths say
 * what see() would find byte by byte, and it need not be gathered. NULL: it does not, or perhaps
 * not; nothing was seen. */
static const uint8_t *see_whole_hello(struct guard *g, const struct tls_io *io, void *arg)
{
    size_t len;
    if (g->seen_bytes > 0)
        return NULL;
    const uint8_t *p = io->peek(arg, 0, &len);
    if (len < TLS_RECORD_HEADER_BYTES + TLS_MESSAGE_HEADER_BYTES || p[0] != TLS_RECORD_HANDSHAKE ||
        p[1] != 3 || p[TLS_RECORD_HEADER_BYTES] != TLS_MESSAGE_CLIENT_HELLO)
        return NULL;
    uint32_t content = (uint32_t)p[3] << 8 | p[4];
    uint32_t message = (uint32_t)p[6] << 16 | (uint32_t)p[7] << 8 | p[8];
    if (content > len - TLS_RECORD_HEADER_BYTES || content > TLS_RECORD_CONTENT_MAX ||
        content != TLS_MESSAGE_HEADER_BYTES + message)
        return NULL;
    g->record_type = p[0];
    g->message_type = p[TLS_RECORD_HEADER_BYTES];
    g->message_length = message;
    g->message_seen = g->message_bytes = content;
    g->seen_bytes = TLS_RECORD_HEADER_BYTES + content;
    return p + TLS_RECORD_HEADER_BYTES;
}

/* ---- what it is, and where it goes ---- */

static void pass(struct guard *g, size_t bytes)
{
    g->pass_left = (uint32_t)bytes;
    g->records++;
}

static void pass_message(struct guard *g)
{
    g->message_left = g->message_bytes;
    g->in_left = 0;
    g->frame_left = 0;
    g->frame_from = TLS_RECORD_HEADER_BYTES;
}

/* False: too much was dropped already. */
static bool drop(struct guard *g, const struct tls_io *io, void *arg, size_t bytes)
{
    if (bytes > EARLY_DATA_BYTES_MAX - g->dropped_bytes)
        return false;
    io->consume(arg, bytes);
    g->dropped_bytes += (uint32_t)bytes;
    g->dropped_records++;
    begin(g);
    return true;
}

static enum guard_result judge_hello(struct guard *g, const uint8_t *message)
{
    struct client_hello second, *hello = g->is_retried ? &second : &g->hello;
    enum tls_alert alert = client_hello_read(hello, message, g->message_bytes);
    if (!alert && g->is_retried) {
        second.digest = client_hello_digest(message, g->message_bytes);
        g->is_changed = !client_hello_follows(&g->hello, &second, g->retry_group);
        alert = g->is_changed ? TLS_ALERT_ILLEGAL_PARAMETER : TLS_ALERT_NONE;
    }
    if (alert && !MUTANT(GUARD_SKIPPED))
        return refuse(g, alert);
    pass_message(g);
    return GUARD_OK;
}

static enum guard_result judge_gathered(struct guard *g, const struct tls_io *io, void *arg)
{
    uint8_t message[TLS_MESSAGE_HEADER_BYTES + HELLO_BYTES_MAX];
    gather(g, io, arg, message);
    return judge_hello(g, message);
}

static enum guard_result look_hello(struct guard *g, const struct tls_io *io, void *arg)
{
    for (;;) {
        const uint8_t *whole = see_whole_hello(g, io, arg);
        if (whole)
            return judge_hello(g, whole);
        enum guard_result result = see(g, io, arg);
        if (result != GUARD_OK)
            return result;
        switch ((enum tls_record_type)g->record_type) {
        case TLS_RECORD_HANDSHAKE:
            return judge_gathered(g, io, arg);
        case TLS_RECORD_ALERT:
            pass(g, g->seen_bytes);
            return GUARD_OK;
        case TLS_RECORD_APPLICATION_DATA: /* RFC 8446 4.2.10 */
            if (!g->hello.has_early_data)
                return refuse(g, TLS_ALERT_UNEXPECTED_MESSAGE);
            break;
        case TLS_RECORD_CHANGE_CIPHER_SPEC: /* RFC 8446 D.4 */
            break;
        }
        if (!drop(g, io, arg, g->seen_bytes))
            return refuse(g, TLS_ALERT_UNEXPECTED_MESSAGE);
    }
}

/* TLS 1.2, until the client encrypts. */
static enum guard_result look_key(struct guard *g, const struct tls_io *io, void *arg)
{
    enum guard_result result = see(g, io, arg);
    if (result != GUARD_OK)
        return result;
    if (g->record_type != TLS_RECORD_HANDSHAKE) {
        if (g->record_type == TLS_RECORD_CHANGE_CIPHER_SPEC)
            g->phase = GUARD_REST;
        pass(g, g->seen_bytes);
        return GUARD_OK;
    }
    if (g->message_type == TLS_MESSAGE_CLIENT_KEY_EXCHANGE) {
        uint8_t message[TLS_MESSAGE_HEADER_BYTES + HELLO_BYTES_MAX];
        gather(g, io, arg, message);
        struct tls_reader r = {.p = message + TLS_MESSAGE_HEADER_BYTES,
                               .end = message + g->message_bytes};
        struct tls_reader point = tls_vector(&r, 1, 1, 1);
        if (r.bad || tls_left(&r) > 0)
            return refuse(g, TLS_ALERT_DECODE_ERROR);
        if (!key_share_is_sound12(point.p, tls_left(&point)))
            return refuse(g, TLS_ALERT_ILLEGAL_PARAMETER);
    }
    pass_message(g);
    return GUARD_OK;
}

static size_t available(const struct tls_io *io, void *arg, size_t want)
{
    size_t have = 0, part = 1;
    while (have < want && part > 0) {
        io->peek(arg, have, &part);
        have += part;
    }
    return have < want ? have : want;
}

bool guard_awaits_early_data(const struct guard *g)
{
    /* Before a second hello it was dropped unseen. */
    return g->phase == GUARD_FLIGHT13 && g->hello.has_early_data && !g->is_retried &&
           !g->is_early_over;
}

/* Behind the answer, where a refusal must be the library's: it has the keys for the alert. */
static enum guard_result look_sealed(struct guard *g, const struct tls_io *io, void *arg)
{
    for (;;) {
        uint8_t start[CHANGE_CIPHER_SPEC_BYTES];
        size_t have = available(io, arg, sizeof(start));
        if (have < TLS_RECORD_HEADER_BYTES)
            return GUARD_MORE;
        copy(io, arg, 0, start, have);
        size_t content = (size_t)start[3] << 8 | start[4];
        size_t bytes = TLS_RECORD_HEADER_BYTES + content;
        bool is_flight = g->phase == GUARD_FLIGHT13;
        if (is_flight && start[0] == TLS_RECORD_CHANGE_CIPHER_SPEC && content == 1) {
            if (have < CHANGE_CIPHER_SPEC_BYTES)
                return GUARD_MORE;
            if (start[5] == 1 && drop(g, io, arg, bytes))
                continue;
        }
        bool may_be_early = guard_awaits_early_data(g) && start[0] == TLS_RECORD_APPLICATION_DATA &&
                            bytes <= EARLY_DATA_BYTES_MAX - g->dropped_bytes;
        if (!may_be_early) {
            pass(g, bytes);
            return GUARD_OK;
        }
        if (available(io, arg, bytes) < bytes)
            return GUARD_MORE;
        g->seen_bytes = (uint32_t)bytes;
        return GUARD_TRY;
    }
}

enum guard_result guard_look(struct guard *g, const struct tls_io *io, void *arg)
{
    if (g->alert)
        return GUARD_BAD;
    if (g->message_left > 0)
        return GUARD_OK;
    if (g->pass_left > 0)
        return available(io, arg, 1) > 0 ? GUARD_OK : GUARD_MORE;
    switch ((enum guard_phase)g->phase) {
    case GUARD_HELLO:
    case GUARD_HELLO_AGAIN:
        return look_hello(g, io, arg);
    case GUARD_KEY12:
        return look_key(g, io, arg);
    case GUARD_ANSWER: /* the library wants to read before it answers: that is its affair */
    case GUARD_FLIGHT13:
    case GUARD_REST:
        break;
    }
    return look_sealed(g, io, arg);
}

size_t guard_copy_record(struct guard *g, const struct tls_io *io, void *arg,
                         uint8_t record[TLS_RECORD_HEADER_BYTES + TLS_RECORD_SEALED_MAX])
{
    copy(io, arg, 0, record, g->seen_bytes);
    return g->seen_bytes;
}

void guard_tried(struct guard *g, const struct tls_io *io, void *arg, bool is_opened)
{
    if (is_opened) {
        g->is_early_over = true;
        begin(g);
    } else {
        bool is_dropped = drop(g, io, arg, g->seen_bytes);
        assert(is_dropped);
    }
}

/* ---- reading ---- */

static size_t read_passing(struct guard *g, const struct tls_io *io, void *arg, uint8_t *buf,
                           size_t len)
{
    size_t done = 0;
    while (done < len && g->pass_left > 0) {
        size_t part;
        const uint8_t *bytes = io->peek(arg, 0, &part);
        if (part == 0)
            break;
        part = part < len - done ? part : len - done;
        part = part < g->pass_left ? part : g->pass_left;
        memcpy(buf + done, bytes, part);
        io->consume(arg, part);
        done += part;
        g->pass_left -= (uint32_t)part;
    }
    if (g->pass_left == 0)
        begin(g);
    return done;
}

/* The library takes the first hello, and may ask for a second one. */
static void keep_digest(struct guard *g, const struct tls_io *io, void *arg)
{
    uint8_t message[TLS_MESSAGE_HEADER_BYTES + HELLO_BYTES_MAX];
    gather(g, io, arg, message);
    g->hello.digest = client_hello_digest(message, g->message_bytes);
}

/* The next header of ours. */
static void begin_frame(struct guard *g)
{
    g->frame_left = g->message_left < TLS_RECORD_CONTENT_MAX ? (uint16_t)g->message_left
                                                             : TLS_RECORD_CONTENT_MAX;
    const uint8_t header[] = {TLS_RECORD_HANDSHAKE, 3, g->phase == GUARD_HELLO ? 1 : 3,
                              (uint8_t)(g->frame_left >> 8), (uint8_t)g->frame_left};
    memcpy(g->frame, header, sizeof(header));
    g->frame_from = 0;
}

/* Content of the message, without the stream's headers. */
static size_t read_content(struct guard *g, const struct tls_io *io, void *arg, uint8_t *buf,
                           size_t len)
{
    if (g->in_left == 0) {
        uint8_t header[TLS_RECORD_HEADER_BYTES];
        copy(io, arg, 0, header, sizeof(header));
        io->consume(arg, sizeof(header));
        g->in_left = (uint32_t)header[3] << 8 | header[4];
    }
    len = len < g->frame_left ? len : g->frame_left;
    len = len < g->in_left ? len : g->in_left;
    copy(io, arg, 0, buf, len);
    io->consume(arg, len);
    g->in_left -= (uint32_t)len;
    g->frame_left -= (uint16_t)len;
    g->message_left -= (uint32_t)len;
    return len;
}

static size_t read_message(struct guard *g, const struct tls_io *io, void *arg, uint8_t *buf,
                           size_t len)
{
    size_t done = 0;
    while (done < len && g->message_left > 0) {
        bool is_frame_over = g->frame_left == 0 && g->frame_from == TLS_RECORD_HEADER_BYTES;
        if (is_frame_over && g->phase == GUARD_HELLO && g->message_left == g->message_bytes)
            keep_digest(g, io, arg);
        if (is_frame_over)
            begin_frame(g);
        if (g->frame_from < TLS_RECORD_HEADER_BYTES)
            buf[done++] = g->frame[g->frame_from++];
        else
            done += read_content(g, io, arg, buf + done, len - done);
    }
    if (g->message_left == 0) {
        begin(g);
        if (g->phase != GUARD_KEY12)
            g->phase = GUARD_ANSWER;
    }
    return done;
}

size_t guard_read(struct guard *g, const struct tls_io *io, void *arg, uint8_t *buf, size_t len)
{
    return g->message_left > 0 ? read_message(g, io, arg, buf, len)
                               : read_passing(g, io, arg, buf, len);
}

/* ---- the library's answer ---- */

void guard_answered(struct guard *g, const uint8_t *bytes, size_t len)
{
    struct tls_reader r = {.p = bytes, .end = bytes + len};
    bool is_tls13 = false, is_retry;
    uint16_t group = 0;
    if (g->phase != GUARD_ANSWER || len < TLS_RECORD_HEADER_BYTES + TLS_MESSAGE_HEADER_BYTES ||
        bytes[0] != TLS_RECORD_HANDSHAKE ||
        bytes[TLS_RECORD_HEADER_BYTES] != TLS_MESSAGE_SERVER_HELLO)
        return; /* an alert */
    tls_take(&r, TLS_RECORD_HEADER_BYTES + TLS_MESSAGE_HEADER_BYTES + 2);
    struct tls_reader random = tls_take(&r, TLS_RANDOM_BYTES);
    is_retry = !random.bad && tls_left(&random) == TLS_RANDOM_BYTES &&
               memcmp(random.p, retry_random, TLS_RANDOM_BYTES) == 0;
    tls_vector(&r, 1, 0, 1); /* session id */
    tls_take(&r, 2 + 1);     /* suite, compression */
    struct tls_reader extensions = tls_vector(&r, 2, 0, 1);
    while (tls_left(&extensions) > 0) {
        struct tls_reader body;
        uint32_t type = tls_extension(&extensions, &body);
        if (type == TLS_EXTENSION_SUPPORTED_VERSIONS)
            is_tls13 = tls_number(&body, 2) == TLS_VERSION_1_3;
        else if (type == TLS_EXTENSION_KEY_SHARE)
            group = (uint16_t)tls_number(&body, 2);
    }
    if (is_retry) {
        g->is_retried = true;
        g->retry_group = group;
        g->phase = GUARD_HELLO_AGAIN;
    } else {
        g->phase = is_tls13 ? GUARD_FLIGHT13 : GUARD_KEY12;
    }
}

void guard_open(struct guard *g)
{
    g->phase = GUARD_REST;
    g->records = 0;
}
