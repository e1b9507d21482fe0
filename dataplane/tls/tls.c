#include "dataplane/tls/tls_parts.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/tls/tls_early.h"
#include "drivers/wolfssl_cpu.h"

enum { ERROR_BYTES = 160 };

static const char http1[] = "http/1.1"; /* in ALPN */

struct tls_session {
    struct tls_context *context;
    WOLFSSL *ssl;
    struct guard *guard; /* NULL: a client's side */
    const struct tls_io *io;
    void *io_arg;
    struct tls_early early; /* while the guard may ask */

    /* Ciphertext the stream had no room for: held[held_from..held_bytes). */
    uint8_t *held;
    uint32_t held_from, held_bytes, held_cap;
    uint32_t unreported; /* plaintext bytes of tls_write in it */

    uint8_t generation;  /* of its ticket: tls_context.c */
    bool is_done;        /* handshake */
    bool is_finished;    /* close_notify was sent */
    bool is_truncated;   /* the stream ended */
    bool is_flooded;     /* with records that bring no data */
    uint8_t flood_from;  /* of flood_answer, read by the library so far */
    uint32_t fruitful;   /* guard->records when there was data last */
    uint32_t barren;     /* bytes of a server since there was data */
    enum tls_result end; /* TLS_CLOSED or TLS_FAILED: for good; TLS_OK: not yet */
    const char *alpn;
    char error[ERROR_BYTES];
};

int tls_start(void)
{
    wolfssl_cpu_limit(); /* programs without aead_init */
    return wolfSSL_Init() == WOLFSSL_SUCCESS ? 0 : -EIO;
}

void tls_stop(void)
{
    wolfSSL_Cleanup();
}

/* ---- held bytes ---- */

static bool hold(struct tls_session *s, const uint8_t *bytes, size_t len)
{
    if (s->held_bytes + len > s->held_cap) {
        size_t cap = s->held_bytes + len;
        if (cap > TLS_HELD_BYTES_MAX)
            return false;
        uint8_t *held = realloc(s->held, cap);
        if (!held)
            return false;
        s->held = held;
        s->held_cap = (uint32_t)cap;
    }
    memcpy(s->held + s->held_bytes, bytes, len);
    s->held_bytes += (uint32_t)len;
    return true;
}

/* True: nothing is held any more. */
static bool flush(struct tls_session *s)
{
    while (s->held_from < s->held_bytes) {
        size_t n = s->io->send(s->io_arg, s->held + s->held_from, s->held_bytes - s->held_from);
        if (n == 0)
            return false;
        s->held_from += (uint32_t)n;
    }
    free(s->held);
    s->held = NULL;
    s->held_from = s->held_bytes = s->held_cap = 0;
    return true;
}

/* ---- wolfSSL's callbacks ---- */

/* A record that brings no data costs its sender nothing. */
static bool is_flood(const struct tls_session *s)
{
    return s->is_done && s->guard->records - s->fruitful > TLS_IDLE_RECORDS_MAX;
}

/* A change_cipher_spec in the open session: the library answers it with unexpected_message, under
 * the keys that only it has. */
static size_t read_flood_answer(struct tls_session *s, char *buf, size_t len)
{
    static const uint8_t flood_answer[] = {TLS_RECORD_CHANGE_CIPHER_SPEC, 3, 3, 0, 1, 1};
    size_t left = sizeof(flood_answer) - s->flood_from;
    len = len < left ? len : left;
    memcpy(buf, flood_answer + s->flood_from, len);
    s->flood_from += (uint8_t)len;
    return len;
}

static void bear_fruit(struct tls_session *s)
{
    s->barren = 0;
    if (s->guard)
        s->fruitful = s->guard->records;
}

/* Of a server. */
static int recv_client(struct tls_session *s, uint8_t *buf, size_t len)
{
    size_t done = 0, part;
    const uint8_t *bytes;
    while (done < len && (bytes = s->io->peek(s->io_arg, 0, &part)) && part > 0) {
        part = part < len - done ? part : len - done;
        memcpy(buf + done, bytes, part);
        s->io->consume(s->io_arg, part);
        done += part;
    }
    s->barren += (uint32_t)done;
    s->is_flooded = s->barren > TLS_BARREN_BYTES_MAX;
    if (s->is_flooded)
        return WOLFSSL_CBIO_ERR_GENERAL;
    if (done > 0)
        return (int)done;
    if (!s->io->is_finished(s->io_arg))
        return WOLFSSL_CBIO_ERR_WANT_READ;
    s->is_truncated = true;
    return WOLFSSL_CBIO_ERR_CONN_CLOSE;
}

static bool is_early_over(struct tls_session *s)
{
    uint8_t record[TLS_RECORD_HEADER_BYTES + TLS_RECORD_SEALED_MAX];
    size_t bytes = guard_copy_record(s->guard, s->io, s->io_arg, record);
    return tls_early_opens(&s->early, record, bytes);
}

static int on_recv(WOLFSSL *ssl, char *buf, int len, void *arg)
{
    struct tls_session *s = arg;
    if (!s->guard)
        return recv_client(s, (uint8_t *)buf, (size_t)len);
    for (;;) {
        if (s->is_flooded)
            return (int)read_flood_answer(s, buf, (size_t)len);
        switch (guard_look(s->guard, s->io, s->io_arg)) {
        case GUARD_OK:
            s->is_flooded = is_flood(s);
            if (s->is_flooded)
                break;
            return (int)guard_read(s->guard, s->io, s->io_arg, (uint8_t *)buf, (size_t)len);
        case GUARD_TRY:
            guard_tried(s->guard, s->io, s->io_arg, is_early_over(s));
            break;
        case GUARD_BAD:
            return WOLFSSL_CBIO_ERR_GENERAL;
        case GUARD_MORE:
            if (!s->io->is_finished(s->io_arg))
                return WOLFSSL_CBIO_ERR_WANT_READ;
            s->is_truncated = true;
            return WOLFSSL_CBIO_ERR_CONN_CLOSE;
        }
    }
}

/* False: held bytes are at their limit. */
static bool send_or_hold(struct tls_session *s, const uint8_t *bytes, size_t want)
{
    size_t sent = 0;
    if (!s->held || flush(s))
        sent = s->io->send(s->io_arg, bytes, want);
    return sent == want || hold(s, bytes + sent, want - sent);
}

/* Always takes everything: see tls.h. */
static int on_send(WOLFSSL *ssl, char *buf, int len, void *arg)
{
    struct tls_session *s = arg;
    if (s->guard)
        guard_answered(s->guard, (uint8_t *)buf, (size_t)len);
    if (s->guard && guard_awaits_early_data(s->guard) && buf[0] == TLS_RECORD_APPLICATION_DATA &&
        !s->early.cipher)
        tls_early_keep(&s->early, s->ssl);
    return send_or_hold(s, (uint8_t *)buf, (size_t)len) ? len : WOLFSSL_CBIO_ERR_GENERAL;
}

/* Asked by Debian's 5.5.4 alone, whose own search reads beyond a list whose last length lies (none
 * does: the guard has read it). Later versions go by wolfSSL_UseALPN; so does 5.5.4 when this
 * refuses. */
static int on_alpn(WOLFSSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *offered, unsigned int offered_len, void *arg)
{
    const unsigned char *p = offered, *end = offered + offered_len;
    while (p < end) {
        if (*p == sizeof(http1) - 1 && memcmp(p + 1, http1, sizeof(http1) - 1) == 0) {
            *out = p + 1;
            *out_len = *p;
            return 0;
        }
        p += 1 + *p;
    }
    return fatal_return;
}

/* What was agreed on: we speak one protocol. */
static const char *agreed_alpn(WOLFSSL *ssl)
{
    char *name;
    unsigned short len;
    return wolfSSL_ALPN_GetProtocol(ssl, &name, &len) == WOLFSSL_SUCCESS && len > 0 ? http1 : "";
}

void tls_set_callbacks(WOLFSSL_CTX *ctx)
{
    wolfSSL_CTX_SetIORecv(ctx, on_recv);
    wolfSSL_CTX_SetIOSend(ctx, on_send);
}

void tls_set_server_callbacks(WOLFSSL_CTX *ctx)
{
    tls_set_callbacks(ctx);
    wolfSSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
}

/* ---- sessions ---- */

uint8_t *tls_session_generation(WOLFSSL *ssl)
{
    struct tls_session *s = wolfSSL_GetIOReadCtx(ssl);
    return &s->generation;
}

static struct tls_session *create(struct tls_context *context, int on_mismatch,
                                  const struct tls_io *io, void *io_arg)
{
    struct tls_session *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->io = io;
    s->io_arg = io_arg;
    s->alpn = "";
    s->context = context;
    s->ssl = wolfSSL_new(context->ctx);
    char list[] = "http/1.1";
    if (!s->ssl ||
        wolfSSL_UseALPN(s->ssl, list, sizeof(list) - 1, (uint8_t)on_mismatch) != WOLFSSL_SUCCESS) {
        wolfSSL_free(s->ssl);
        free(s);
        return NULL;
    }
    wolfSSL_SetIOReadCtx(s->ssl, s);
    wolfSSL_SetIOWriteCtx(s->ssl, s);
    tls_context_sign_for(context, s->ssl);
    atomic_fetch_add_explicit(&context->references, 1, memory_order_relaxed);
    return s;
}

struct tls_session *tls_session_create(struct tls_context *context, struct guard *guard,
                                       const struct tls_io *io, void *io_arg)
{
    struct tls_session *s = create(context, WOLFSSL_ALPN_FAILED_ON_MISMATCH, io, io_arg);
    if (s)
        s->guard = guard;
    return s;
}

struct tls_session *tls_session_create_client(struct tls_context *context, const char *name,
                                              bool is_address,
                                              const struct tls_resumption *resumption,
                                              const struct tls_io *io, void *io_arg)
{
    struct tls_session *s = create(context, WOLFSSL_ALPN_CONTINUE_ON_MISMATCH, io, io_arg);
    bool is_good = s && wolfSSL_check_domain_name(s->ssl, name) == WOLFSSL_SUCCESS;
    if (is_good && !is_address)
        is_good = wolfSSL_UseSNI(s->ssl, WOLFSSL_SNI_HOST_NAME, name,
                                 (unsigned short)strlen(name)) == WOLFSSL_SUCCESS;
    if (is_good && wolfSSL_UseSessionTicket(s->ssl) != WOLFSSL_SUCCESS)
        is_good = false;
    if (is_good) {
        if (resumption) /* one that is not taken is none */
            wolfSSL_set_session(s->ssl, (WOLFSSL_SESSION *)(uintptr_t)resumption);
        return s;
    }
    if (s)
        tls_session_destroy(s);
    return NULL;
}

struct tls_resumption *tls_session_resumption(struct tls_session *s)
{
    return s->is_done ? (struct tls_resumption *)wolfSSL_get1_session(s->ssl) : NULL;
}

void tls_resumption_free(struct tls_resumption *resumption)
{
    wolfSSL_SESSION_free((WOLFSSL_SESSION *)resumption);
}

void tls_session_destroy(struct tls_session *s)
{
    wolfSSL_free(s->ssl);
    tls_early_fini(&s->early);
    free(s->held);
    tls_context_destroy(s->context);
    free(s);
}

size_t tls_session_bytes(void)
{
#ifdef NO_KEEP_PEER_CERT /* as tools/wolfssl builds it */
    return 10 * 1024;
#else
    return 64 * 1024;
#endif
}

/* What wolfSSL's answer means; the sentence if it is the end. */
static enum tls_result judge(struct tls_session *s, int answer)
{
    int code = wolfSSL_get_error(s->ssl, answer);
    if (code == WOLFSSL_ERROR_WANT_READ || code == WOLFSSL_ERROR_WANT_WRITE)
        return TLS_WANT;

    WOLFSSL_ALERT_HISTORY alerts = {0};
    wolfSSL_get_alert_history(s->ssl, &alerts);
    if (s->is_truncated) {
        s->end = TLS_FAILED;
        snprintf(s->error, sizeof(s->error), "the peer left without close_notify");
    } else if (code == WOLFSSL_ERROR_ZERO_RETURN) {
        s->end = TLS_CLOSED;
        snprintf(s->error, sizeof(s->error), "closed by the peer");
    } else if (code == FATAL_ERROR && alerts.last_rx.code >= 0) {
        s->end = TLS_FAILED;
        snprintf(s->error, sizeof(s->error), "the peer sent alert %d", alerts.last_rx.code);
    } else {
        s->end = TLS_FAILED;
        const char *reason = wolfSSL_ERR_reason_error_string((unsigned long)code);
        snprintf(s->error, sizeof(s->error), "%s (%d), alert sent %d", reason ? reason : "unknown",
                 code, alerts.last_tx.code);
        s->is_flooded |= code == ALERT_COUNT_E;
    }
    /* wolfSSL keeps every error in a list of the thread. */
    wolfSSL_ERR_clear_error();
    return s->end;
}

/* The library's errors that it says no alert for, of those that a client can cause. */
static enum tls_alert alert_for(int error)
{
    switch (error) {
    case BUFFER_ERROR:
    case PARSE_ERROR:
    case INCOMPLETE_DATA:
        return TLS_ALERT_DECODE_ERROR;
    case HANDSHAKE_SIZE_ERROR:
    case BAD_KEY_SHARE_DATA:
    case PEER_KEY_ERROR:
    case ECC_PEERKEY_ERROR:
    case ECC_CURVE_ERROR:
    case INVALID_PARAMETER:
    case EXT_NOT_ALLOWED:
    case PSK_KEY_ERROR:
        return TLS_ALERT_ILLEGAL_PARAMETER;
    case OUT_OF_ORDER_E:
    case DUPLICATE_MSG_E:
    case UNKNOWN_HANDSHAKE_TYPE:
    case UNKNOWN_RECORD_TYPE:
        return TLS_ALERT_UNEXPECTED_MESSAGE;
    case LENGTH_ERROR:
        return TLS_ALERT_RECORD_OVERFLOW;
    case VERSION_ERROR:
        return TLS_ALERT_PROTOCOL_VERSION;
    case MEMORY_E:
        return TLS_ALERT_INTERNAL_ERROR;
    default:
        return TLS_ALERT_HANDSHAKE_FAILURE;
    }
}

/* Only the library has the keys to speak with. */
static bool is_sealed(const struct tls_session *s)
{
    if (!s->guard)
        return true;
    return s->guard->phase == GUARD_FLIGHT13 || s->guard->phase == GUARD_REST;
}

void tls_cancel(struct tls_session *s)
{
    if (s->end != TLS_OK)
        return;
    if (is_sealed(s)) /* perhaps done, and not flushed */
        wolfSSL_shutdown(s->ssl);
    else
        send_or_hold(s, tls_alerts_cancel, sizeof(tls_alerts_cancel));
    s->end = TLS_FAILED;
    snprintf(s->error, sizeof(s->error), "the handshake took too long");
}

/* A handshake that ends without a word looks like a broken path (RFC 8446 6.2): says it where the
 * library has not. Where only the library has the keys, it can be made to say close_notify. */
static void tell_why(struct tls_session *s, int error)
{
    uint8_t record[TLS_ALERT_RECORD_BYTES];
    WOLFSSL_ALERT_HISTORY alerts = {0};
    wolfSSL_get_alert_history(s->ssl, &alerts);
    if (s->is_truncated || alerts.last_rx.code >= 0 || alerts.last_tx.code >= 0)
        return;
    if (is_sealed(s)) {
        wolfSSL_shutdown(s->ssl);
        return;
    }
    enum tls_alert alert = s->guard->alert ? s->guard->alert : alert_for(error);
    tls_alert_record(record, alert);
    send_or_hold(s, record, sizeof(record));
    snprintf(s->error, sizeof(s->error), "%s: alert sent %d",
             s->guard->alert ? "refused before the library" : "the library failed", alert);
}

enum tls_result tls_handshake(struct tls_session *s)
{
    if (s->end != TLS_OK)
        return s->end;
    bool is_flushed = flush(s);
    if (!s->is_done) {
        int answer = s->guard ? wolfSSL_accept(s->ssl) : wolfSSL_connect(s->ssl);
        if (answer != WOLFSSL_SUCCESS) {
            int error = wolfSSL_get_error(s->ssl, answer);
            if (judge(s, answer) == TLS_FAILED && s->guard)
                tell_why(s, error);
            return s->end == TLS_OK ? TLS_WANT : s->end;
        }
        s->is_done = true;
        s->barren = 0;
        if (s->guard)
            guard_open(s->guard);
        tls_early_fini(&s->early);
        s->alpn = agreed_alpn(s->ssl);
        is_flushed = !s->held;
        wolfSSL_ERR_clear_error(); /* a ticket that was not accepted left its trace */
    }
    return is_flushed ? TLS_OK : TLS_WANT;
}

enum tls_result tls_read(struct tls_session *s, void *buf, size_t cap, size_t *len)
{
    assert(s->is_done && cap > 0);
    *len = 0;
    flush(s);
    if (s->end != TLS_OK)
        return s->end;
    enum tls_result result = TLS_OK;
    while (*len < cap && result == TLS_OK) {
        size_t room = cap - *len;
        int n =
            wolfSSL_read(s->ssl, (uint8_t *)buf + *len, room < INT32_MAX ? (int)room : INT32_MAX);
        if (n > 0)
            bear_fruit(s);
        if (n > 0)
            *len += (size_t)n;
        else
            result = judge(s, n); /* with bytes in hand, an end is told by the next call */
    }
    return *len > 0 ? TLS_OK : result;
}

enum tls_result tls_look(struct tls_session *s, void *buf, size_t cap, size_t *len)
{
    assert(s->is_done && cap > 0 && cap <= INT32_MAX);
    *len = 0;
    flush(s);
    if (s->end != TLS_OK)
        return s->end;
    int n = wolfSSL_peek(s->ssl, buf, (int)cap);
    if (n <= 0)
        return judge(s, n);
    bear_fruit(s);
    *len = (size_t)n;
    return TLS_OK;
}

size_t tls_pending(const struct tls_session *s)
{
    return (size_t)wolfSSL_pending(s->ssl);
}

enum tls_result tls_write(struct tls_session *s, const void *buf, size_t len, size_t *taken)
{
    *taken = 0;
    bool is_flushed = flush(s);
    if (len == 0) /* of a session that failed too: its alert may be held */
        return is_flushed ? TLS_OK : TLS_WANT;
    if (s->end == TLS_FAILED)
        return TLS_FAILED;
    if (!is_flushed)
        return TLS_WANT;
    assert(s->is_done && !s->is_finished);
    *taken = s->unreported < len ? s->unreported : len;
    s->unreported -= (uint32_t)*taken;
    while (*taken < len) {
        size_t n = len - *taken < TLS_RECORD_BYTES ? len - *taken : TLS_RECORD_BYTES;
        int answer = wolfSSL_write(s->ssl, (const uint8_t *)buf + *taken, (int)n);
        if (answer <= 0) {
            /* on_send never asks to wait, and a peer's close_notify does not end our side: whatever
             * wolfSSL calls it, the record is not on its way. */
            enum tls_result result = judge(s, answer);
            if (result == TLS_WANT)
                result = s->end = TLS_FAILED;
            return result;
        }
        assert((size_t)answer == n);
        bear_fruit(s);
        if (s->held) {
            s->unreported = (uint32_t)n;
            return TLS_WANT;
        }
        *taken += n;
    }
    return TLS_OK;
}

enum tls_result tls_finish(struct tls_session *s)
{
    bool is_flushed = flush(s);
    if (s->end == TLS_FAILED)
        return TLS_FAILED;
    if (s->is_done && !s->is_finished) {
        s->is_finished = true;
        wolfSSL_shutdown(s->ssl);
        is_flushed = !s->held;
    }
    return is_flushed ? TLS_OK : TLS_WANT;
}

bool tls_is_holding(const struct tls_session *s)
{
    return s->held;
}

bool tls_is_flooded(const struct tls_session *s)
{
    return s->is_flooded;
}

bool tls_is_resumed(const struct tls_session *s)
{
    return wolfSSL_session_reused(s->ssl);
}

const char *tls_version(const struct tls_session *s)
{
    return wolfSSL_get_version(s->ssl);
}

const char *tls_cipher(const struct tls_session *s)
{
    return wolfSSL_get_cipher_name(s->ssl);
}

const char *tls_alpn(const struct tls_session *s)
{
    return s->alpn;
}

const char *tls_error(const struct tls_session *s)
{
    return s->error;
}
