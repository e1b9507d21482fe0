#include "dataplane/rpc/channel_packet.h"

#include <assert.h>

#include "dataplane/base/siphash.h"

/* No packet has this number: numbers count up from 1. */
#define REKEY_NUMBER UINT64_MAX

enum { KEY_BYTES = 32 };

enum datagram_kind datagram_peek(const uint8_t *bytes, size_t len, uint32_t *receiver_index)
{
    *receiver_index = 0;
    if (len < DATA_BYTES_MIN || len > CHANNEL_DATAGRAM_MAX)
        return DATAGRAM_BAD;

    bool is_zero = bytes[1] == 0 && bytes[2] == 0 && bytes[3] == 0;

    switch (bytes[0]) {
    case DATAGRAM_INIT:
        return len == INIT_BYTES && is_zero ? DATAGRAM_INIT : DATAGRAM_BAD;
    case DATAGRAM_RESPONSE:
        if (len != RESPONSE_BYTES || !is_zero)
            return DATAGRAM_BAD;
        *receiver_index = get_u32(bytes + 8);
        return DATAGRAM_RESPONSE;
    case DATAGRAM_DATA:
        *receiver_index = get_u32(bytes + 4);
        return DATAGRAM_DATA;
    default:
        return DATAGRAM_BAD;
    }
}

void init_seal(uint8_t seal[INIT_SEAL_BYTES], const uint8_t key[NOISE_SEAL_KEY_BYTES],
               const uint8_t *bytes)
{
    siphash_128(key, bytes, INIT_SEALED_BYTES, seal);
}

bool datagram_is_sealed(const uint8_t key[NOISE_SEAL_KEY_BYTES], const uint8_t *bytes, size_t len)
{
    uint8_t seal[INIT_SEAL_BYTES], differs = 0;

    assert(len == INIT_BYTES);
    init_seal(seal, key, bytes);
    for (int i = 0; i < INIT_SEAL_BYTES; i++)
        differs |= seal[i] ^ bytes[INIT_SEALED_BYTES + i];
    return differs == 0;
}

/* ---- frames ---- */

void frame_read_ack(struct frame_reader *r, uint64_t next, struct frame_ack *ack)
{
    const uint8_t *p = read_bytes(r, FRAME_ACK_BYTES - 1);

    if (p == NULL)
        return;

    uint32_t count = p[0];
    /* Numbers are nearer to each other than 2^31: the high half follows from what was sent. */
    uint64_t high = next - 1 + (uint64_t)(int64_t)(int32_t)(get_u32(p + 3) - (uint32_t)(next - 1));
    uint32_t below = get_u16(p + 7);

    ack->delay_us = get_u16(p + 1);
    ack->range_count = 0;
    r->bad |= count > ACK_RANGES_MAX || high >= next || high == 0 || below >= high;
    p = read_bytes(r, count * (size_t)FRAME_ACK_RANGE_BYTES);
    if (r->bad)
        return;

    ack->range[ack->range_count++] = (struct number_range){high - below, high};
    for (; count > 0; count--, p += FRAME_ACK_RANGE_BYTES) {
        uint64_t low = ack->range[ack->range_count - 1].low;
        uint32_t missing = get_u16(p);

        below = get_u16(p + 2);
        if (missing == 0 || (uint64_t)missing + 1 + below >= low) {
            r->bad = true;
            return;
        }
        high = low - missing - 1;
        ack->range[ack->range_count++] = (struct number_range){high - below, high};
    }
}

void frame_read_stream(struct frame_reader *r, uint8_t type, struct frame_stream *f)
{
    bool has_offset = (type & FRAME_STREAM_OFFSET) != 0;
    const uint8_t *p =
        read_bytes(r, FRAME_STREAM_BYTES - 1 + (has_offset ? FRAME_STREAM_OFFSET_BYTES : 0));

    if (p == NULL)
        return;
    f->bytes = get_u16(p);
    f->id = get_u48(p + 2);
    f->offset = has_offset ? get_u32(p + 8) : 0;
    f->is_end = (type & FRAME_STREAM_FIN) != 0;
    f->data = read_bytes(r, f->bytes);
}

/* ---- numbers received ---- */

static bool bit_get(const uint64_t *words, uint64_t n)
{
    return words[n / 64 % WINDOW_WORDS] >> n % 64 & 1;
}

static void bit_set(uint64_t *words, uint64_t n)
{
    words[n / 64 % WINDOW_WORDS] |= 1ull << n % 64;
}

bool window_is_new(const struct number_window *w, uint64_t number)
{
    if (number > w->top)
        return number < REKEY_NUMBER;
    return number > 0 && w->top - number < CHANNEL_REPLAY_PACKETS && !bit_get(w->seen, number);
}

void window_see(struct number_window *w, uint64_t number)
{
    if (number > w->top) {
        if (number - w->top >= CHANNEL_REPLAY_PACKETS) {
            memset(w->seen, 0, sizeof(w->seen));
            memset(w->taken, 0, sizeof(w->taken));
        } else {
            /* What leaves the window on one side is what enters it on the other. */
            for (uint64_t n = w->top + 1; n <= number;) {
                uint32_t word = (uint32_t)(n / 64 % WINDOW_WORDS), from = n % 64;
                uint64_t count = number - n + 1 < 64 - from ? number - n + 1 : 64 - from;
                uint64_t mask = (count == 64 ? ~0ull : (1ull << count) - 1) << from;

                w->seen[word] &= ~mask;
                w->taken[word] &= ~mask;
                n += count;
            }
        }
        w->top = number;
    }
    bit_set(w->seen, number);
}

void window_take(struct number_window *w, uint64_t number)
{
    bit_set(w->taken, number);
    if (number <= w->floor)
        w->floor = number - 1;
}

/* The highest number in [low, from] that is taken, or not; low - 1: none. */
static uint64_t seek(const struct number_window *w, uint64_t from, uint64_t low, bool is_taken)
{
    while (from >= low) {
        uint64_t word = w->taken[from / 64 % WINDOW_WORDS];

        if (!is_taken)
            word = ~word;
        word <<= 63 - from % 64;
        if (word != 0) {
            uint64_t found = from - (uint64_t)__builtin_clzll(word);

            return found >= low ? found : low - 1;
        }
        if (from % 64 >= from - low + 1)
            break;
        from -= from % 64 + 1;
    }
    return low - 1;
}

uint8_t *window_write_ack(const struct number_window *w, uint8_t *p, const uint8_t *end,
                          uint16_t delay_us, uint64_t *largest, bool *is_whole)
{
    uint64_t low = w->floor + 1;

    if (w->top >= CHANNEL_REPLAY_PACKETS && low < w->top - CHANNEL_REPLAY_PACKETS + 1)
        low = w->top - CHANNEL_REPLAY_PACKETS + 1;

    uint64_t high = w->top >= low ? seek(w, w->top, low, true) : low - 1;

    if (high < low || end - p < FRAME_ACK_BYTES)
        return p;

    uint64_t above = seek(w, high, low, false); /* the number under the range's lowest */
    uint8_t *count = p + 1;

    *largest = high;
    *is_whole = true;
    *p = FRAME_ACK;
    *count = 0;
    put_u16(p + 2, delay_us);
    put_u32(p + 4, (uint32_t)high);
    put_u16(p + 8, (uint16_t)(high - above - 1));
    p += FRAME_ACK_BYTES;
    while (above >= low) {
        high = seek(w, above, low, true);
        if (high < low)
            break;
        if (*count == ACK_RANGES_MAX || end - p < FRAME_ACK_RANGE_BYTES) {
            *is_whole = false;
            break;
        }
        put_u16(p, (uint16_t)(above - high));
        above = seek(w, high, low, false);
        put_u16(p + 2, (uint16_t)(high - above - 1));
        p += FRAME_ACK_RANGE_BYTES;
        ++*count;
    }
    return p;
}

/* ---- protection ---- */

static void nonce_of(uint8_t nonce[AEAD_NONCE_BYTES], uint64_t number)
{
    put_u64(put_u32(nonce, 0), number);
}

static void next_key(struct aead_key *out, const struct aead_key *key)
{
    static const uint8_t zero[KEY_BYTES];
    uint8_t raw[KEY_BYTES], tag[AEAD_TAG_BYTES], nonce[AEAD_NONCE_BYTES];

    nonce_of(nonce, REKEY_NUMBER);
    aead_seal(key, raw, zero, sizeof(raw), nonce, NULL, 0, tag);
    aead_key_init(out, raw, KEY_BYTES);
    explicit_bzero(raw, sizeof(raw));
    explicit_bzero(tag, sizeof(tag));
}

void packet_keys_init(struct packet_keys *k, const struct noise_keys *keys, uint32_t peer_index)
{
    aead_key_init(&k->send, keys->send, KEY_BYTES);
    aead_key_init(&k->receive, keys->receive, KEY_BYTES);
    k->index = peer_index;
    k->session = packet_session(keys);
    k->send_phase = k->receive_phase = 0;
    k->has_before = false;
}

void packet_keys_wipe(struct packet_keys *k)
{
    aead_key_wipe(&k->send);
    aead_key_wipe(&k->receive);
    aead_key_wipe(&k->receive_before);
    k->has_before = false;
}

void packet_keys_advance_send(struct packet_keys *k)
{
    struct aead_key next;

    next_key(&next, &k->send);
    k->send = next;
    k->send_phase++;
    aead_key_wipe(&next);
}

struct packet_header packet_read_header(const uint8_t *bytes)
{
    return (struct packet_header){
        .phase = bytes[1],
        .session = get_u16(bytes + 2),
        .number = get_u64(bytes + 8),
    };
}

size_t packet_seal(const struct packet_keys *k, uint8_t *bytes, size_t frames_bytes,
                   uint64_t number)
{
    uint8_t nonce[AEAD_NONCE_BYTES];
    uint8_t *frames = bytes + DATA_HEADER_BYTES;

    bytes[0] = DATAGRAM_DATA;
    bytes[1] = k->send_phase;
    put_u64(put_u32(put_u16(bytes + 2, k->session), k->index), number);
    nonce_of(nonce, number);
    aead_seal(&k->send, frames, frames, frames_bytes, nonce, bytes, DATA_HEADER_BYTES,
              frames + frames_bytes);
    return DATA_OVERHEAD_BYTES + frames_bytes;
}

static bool open_with(const struct aead_key *key, uint8_t *bytes, size_t len, uint64_t number)
{
    uint8_t nonce[AEAD_NONCE_BYTES];
    uint8_t *frames = bytes + DATA_HEADER_BYTES;

    nonce_of(nonce, number);
    return aead_open(key, frames, frames, len - DATA_OVERHEAD_BYTES, nonce, bytes,
                     DATA_HEADER_BYTES, bytes + len - AEAD_TAG_BYTES);
}

bool packet_open(struct packet_keys *k, uint8_t *bytes, size_t len, const struct packet_header *h)
{
    if (h->phase == k->receive_phase)
        return open_with(&k->receive, bytes, len, h->number);
    if (h->phase == (uint8_t)(k->receive_phase - 1))
        return k->has_before && open_with(&k->receive_before, bytes, len, h->number);
    if (h->phase != (uint8_t)(k->receive_phase + 1))
        return false;

    /* The key is computed for each packet that claims the next phase, and kept only for one that
     * proves it. */
    struct aead_key next;
    bool is_good;

    next_key(&next, &k->receive);
    is_good = open_with(&next, bytes, len, h->number);
    if (is_good) {
        k->receive_before = k->receive;
        k->has_before = true;
        k->receive = next;
        k->receive_phase++;
    }
    aead_key_wipe(&next);
    return is_good;
}
