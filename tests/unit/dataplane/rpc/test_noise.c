/* test_noise: the handshake gives the published bytes, and nothing that was changed on the way is
 * believed (noise.h).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/rpc/noise.h"
#include "drivers/aead.h"
#include "drivers/rng.h"

static size_t from_hex(uint8_t *out, const char *hex)
{
    size_t count = strlen(hex) / 2;

    for (size_t i = 0; i < count; i++) {
        unsigned byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        out[i] = (uint8_t)byte;
    }
    return count;
}

static void assert_hex(const uint8_t *got, const char *hex)
{
    uint8_t expected[512];

    assert_memory_equal(got, expected, from_hex(expected, hex));
}

/* The vector for Noise_IKpsk2_25519_AESGCM_SHA256 of cacophony (cacophony.txt), but for the hash:
 * that file's is not what revision 34 gives for these very bytes. This one was computed by a second
 * implementation, made from the text of the specification. */
static const struct {
    const char *prologue, *secret, *init_static, *init_ephemeral, *resp_static, *resp_public,
        *resp_ephemeral, *hash;
    struct {
        const char *payload, *bytes;
    } message[6]; /* init, response, then transport messages of initiator and responder in turn */
} vector = {
    .prologue = "4a6f686e2047616c74",
    .secret = "54686973206973206d7920417573747269616e20706572737065637469766521",
    .init_static = "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
    .init_ephemeral = "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
    .resp_static = "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
    .resp_public = "31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62",
    .resp_ephemeral = "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
    .hash = "48c3f1eb397c797af6b139032c6074cb41282ff033ee25d5aee4a4badd3a2c3f",
    .message =
        {
            {"4c756477696720766f6e204d69736573",
             "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79445a1baf339186d7867062b"
             "0"
             "dd31f5de322d370165d217939b2b7ed9e2bae7840458ea65c2ce1554e0e8077fe7334c4bd514c658fd04d"
             "9"
             "7b86d216f58f59714a7e24144155045c8f36bed85a2cb0fd9af7"},
            {"4d757272617920526f746862617264", "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34"
                                               "069f1448088432fe8d675e949799d2a9682"
                                               "11a66cc7ba2b0f4cad8eda3c2bd37eae737bbf88"},
            {"462e20412e20486179656b", "38cbf3835c78b7802df0dd0d9640ff8575debd0cb61cfb52590da1"},
            {"4361726c204d656e676572", "ffc365ff6955fc66c5d809b31ac995f812c5770bd29f0df12f0ffd"},
            {"4a65616e2d426170746973746520536179",
             "a7f2828174c4ead2491ffeb77c41c890fd1229ee36f23ccb9066a795daff1cad6b"},
            {"457567656e2042f6686d20766f6e2042617765726b",
             "3b86963d5c0e6e3b4153d77153836606393eefc4e5e6dae97796552d1265839ee3825cb80c"},
        },
};

/* Both ends of one handshake, and what is between them. */
struct pair {
    struct noise_identity initiator, responder;
    uint8_t secret[32], init_ephemeral[32], resp_ephemeral[32];
    uint8_t prologue[32];
    size_t prologue_bytes;
    uint8_t init[NOISE_INIT_BYTES + NOISE_PAYLOAD_BYTES_MAX + 1];
    uint8_t response[NOISE_RESPONSE_BYTES + NOISE_PAYLOAD_BYTES_MAX + 1];
    size_t init_bytes, response_bytes;
    uint8_t payload[NOISE_PAYLOAD_BYTES_MAX];
    size_t payload_bytes;
    struct noise a, b;
    struct noise_keys keys_a, keys_b;
};

static enum noise_result send_init(struct pair *p, const void *payload, size_t len)
{
    p->init_bytes = NOISE_INIT_BYTES + len;
    return noise_write_init(&p->a, &p->initiator, p->responder.public_key, p->secret,
                            p->init_ephemeral, p->prologue, p->prologue_bytes, payload, len,
                            p->init);
}

static enum noise_result take_init(struct pair *p)
{
    return noise_read_init(&p->b, &p->responder, p->secret, p->prologue, p->prologue_bytes, p->init,
                           p->init_bytes, p->payload, &p->payload_bytes);
}

static enum noise_result send_response(struct pair *p, const void *payload, size_t len)
{
    p->response_bytes = NOISE_RESPONSE_BYTES + len;
    return noise_write_response(&p->b, p->resp_ephemeral, payload, len, p->response, &p->keys_b);
}

static enum noise_result take_response(struct pair *p)
{
    return noise_read_response(&p->a, p->response, p->response_bytes, p->payload, &p->payload_bytes,
                               &p->keys_a);
}

static void assert_wiped(const struct noise *n)
{
    static const struct noise zero;

    assert_memory_equal(n, &zero, sizeof(zero));
}

static void draw(struct rng *r, struct pair *p)
{
    uint8_t key[2][32];

    memset(p, 0, sizeof(*p));
    for (int i = 0; i < 32; i++) {
        key[0][i] = (uint8_t)rng_next(r);
        key[1][i] = (uint8_t)rng_next(r);
        p->secret[i] = (uint8_t)rng_next(r);
        p->init_ephemeral[i] = (uint8_t)rng_next(r);
        p->resp_ephemeral[i] = (uint8_t)rng_next(r);
        p->prologue[i] = (uint8_t)rng_next(r);
    }
    p->prologue_bytes = rng_below(r, sizeof(p->prologue) + 1);
    assert_int_equal(noise_identity_init(&p->initiator, key[0]), 0);
    assert_int_equal(noise_identity_init(&p->responder, key[1]), 0);
}

static void vector_pair(struct pair *p)
{
    uint8_t key[32];

    memset(p, 0, sizeof(*p));
    from_hex(key, vector.init_static);
    assert_int_equal(noise_identity_init(&p->initiator, key), 0);
    from_hex(key, vector.resp_static);
    assert_int_equal(noise_identity_init(&p->responder, key), 0);
    from_hex(p->secret, vector.secret);
    from_hex(p->init_ephemeral, vector.init_ephemeral);
    from_hex(p->resp_ephemeral, vector.resp_ephemeral);
    p->prologue_bytes = from_hex(p->prologue, vector.prologue);
}

static void assert_transport(const uint8_t send[32], const uint8_t receive[32], uint8_t number,
                             const char *payload, const char *bytes)
{
    struct aead_key key;
    uint8_t plain[64], sealed[64], nonce[AEAD_NONCE_BYTES] = {[11] = number};
    size_t len = from_hex(plain, payload);

    assert_memory_equal(send, receive, 32);
    aead_key_init(&key, send, 32);
    aead_seal(&key, sealed, plain, len, nonce, NULL, 0, sealed + len);
    assert_hex(sealed, bytes);
}

static void the_published_vector_is_reproduced(void **state)
{
    struct pair p;
    uint8_t payload[64];

    vector_pair(&p);
    assert_hex(p.responder.public_key, vector.resp_public);

    size_t len = from_hex(payload, vector.message[0].payload);
    assert_int_equal(send_init(&p, payload, len), NOISE_OK);
    assert_int_equal(p.init_bytes, strlen(vector.message[0].bytes) / 2);
    assert_hex(p.init, vector.message[0].bytes);
    assert_int_equal(take_init(&p), NOISE_OK);
    assert_int_equal(p.payload_bytes, len);
    assert_hex(p.payload, vector.message[0].payload);
    assert_memory_equal(p.b.remote_static, p.initiator.public_key, 32);

    len = from_hex(payload, vector.message[1].payload);
    assert_int_equal(send_response(&p, payload, len), NOISE_OK);
    assert_int_equal(p.response_bytes, strlen(vector.message[1].bytes) / 2);
    assert_hex(p.response, vector.message[1].bytes);
    assert_int_equal(take_response(&p), NOISE_OK);
    assert_int_equal(p.payload_bytes, len);
    assert_hex(p.payload, vector.message[1].payload);

    assert_hex(p.keys_a.hash, vector.hash);
    assert_hex(p.keys_b.hash, vector.hash);
    for (uint8_t i = 2; i < 6; i++) {
        bool is_initiators = i % 2 == 0;
        const uint8_t *send = is_initiators ? p.keys_a.send : p.keys_b.send;
        const uint8_t *receive = is_initiators ? p.keys_b.receive : p.keys_a.receive;
        assert_transport(send, receive, (uint8_t)(i / 2 - 1), vector.message[i].payload,
                         vector.message[i].bytes);
    }
}

/* RFC 7748, section 6.1. */
static void public_keys_are_those_of_x25519(void **state)
{
    static const char *const row[][2] = {
        {"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
         "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"},
        {"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
         "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"},
    };

    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        struct noise_identity identity;
        uint8_t key[32];
        from_hex(key, row[i][0]);
        assert_int_equal(noise_identity_init(&identity, key), 0);
        assert_hex(identity.public_key, row[i][1]);
    }
}

static void payloads_of_every_length_arrive(void **state)
{
    struct pair p;
    uint8_t payload[NOISE_PAYLOAD_BYTES_MAX];

    struct rng r = {1};
    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)rng_next(&r);
    for (size_t len = 0; len <= sizeof(payload); len += len < 4 ? 1 : 63) {
        draw(&r, &p);
        assert_int_equal(send_init(&p, payload, len), NOISE_OK);
        assert_int_equal(take_init(&p), NOISE_OK);
        assert_int_equal(p.payload_bytes, len);
        assert_memory_equal(p.payload, payload, len);
        assert_int_equal(send_response(&p, payload, sizeof(payload) - len), NOISE_OK);
        assert_int_equal(take_response(&p), NOISE_OK);
        assert_int_equal(p.payload_bytes, sizeof(payload) - len);
        assert_memory_equal(p.payload, payload, p.payload_bytes);
        assert_memory_equal(p.keys_a.send, p.keys_b.receive, 32);
        assert_memory_equal(p.keys_a.receive, p.keys_b.send, 32);
        assert_memory_not_equal(p.keys_a.send, p.keys_a.receive, 32);
        assert_memory_equal(p.keys_a.hash, p.keys_b.hash, 32);
    }
}

static void an_init_with_a_flipped_bit_is_refused(void **state)
{
    struct pair p;

    struct rng r = {2};
    draw(&r, &p);
    assert_int_equal(send_init(&p, "hello", 5), NOISE_OK);
    for (size_t bit = 0; bit < p.init_bytes * 8; bit++) {
        p.init[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(take_init(&p), NOISE_BAD);
        assert_wiped(&p.b);
        p.init[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(take_init(&p), NOISE_OK);
}

static void a_response_with_a_flipped_bit_is_refused_and_the_true_one_still_taken(void **state)
{
    struct pair p;

    struct rng r = {3};
    draw(&r, &p);
    assert_int_equal(send_init(&p, "hello", 5), NOISE_OK);
    assert_int_equal(take_init(&p), NOISE_OK);
    assert_int_equal(send_response(&p, "you", 3), NOISE_OK);
    for (size_t bit = 0; bit < p.response_bytes * 8; bit++) {
        p.response[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(take_response(&p), NOISE_BAD);
        p.response[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(take_response(&p), NOISE_OK);
    assert_memory_equal(p.keys_a.send, p.keys_b.receive, 32);
}

static void a_message_of_another_length_is_refused(void **state)
{
    struct pair p;

    struct rng r = {4};
    draw(&r, &p);
    assert_int_equal(send_init(&p, "hello", 5), NOISE_OK);
    size_t whole = p.init_bytes;
    for (p.init_bytes = 0; p.init_bytes <= sizeof(p.init); p.init_bytes++)
        assert_int_equal(take_init(&p), p.init_bytes == whole ? NOISE_OK : NOISE_BAD);
    p.init_bytes = whole;
    assert_int_equal(take_init(&p), NOISE_OK);
    assert_int_equal(send_response(&p, "you", 3), NOISE_OK);
    whole = p.response_bytes;
    for (p.response_bytes = 0; p.response_bytes <= sizeof(p.response); p.response_bytes++)
        if (p.response_bytes != whole)
            assert_int_equal(take_response(&p), NOISE_BAD);
    p.response_bytes = whole;
    assert_int_equal(take_response(&p), NOISE_OK);
}

static void both_must_agree_on_everything(void **state)
{
    struct pair p;

    struct rng r = {5};
    /* The prologue. */
    draw(&r, &p);
    p.prologue_bytes = 8;
    assert_int_equal(send_init(&p, NULL, 0), NOISE_OK);
    p.prologue_bytes = 7;
    assert_int_equal(take_init(&p), NOISE_BAD);

    /* Who the responder is. */
    draw(&r, &p);
    assert_int_equal(send_init(&p, NULL, 0), NOISE_OK);
    struct noise_identity right = p.responder;
    p.responder = p.initiator;
    assert_int_equal(take_init(&p), NOISE_BAD);
    p.responder = right;
    assert_int_equal(take_init(&p), NOISE_OK);

    /* The secret: it enters with the response, so that is where another one shows. */
    p.b.secret[0] ^= 1;
    assert_int_equal(send_response(&p, NULL, 0), NOISE_OK);
    assert_int_equal(take_response(&p), NOISE_BAD);
}

static void a_response_to_another_init_is_refused(void **state)
{
    struct pair p, q;

    struct rng r = {6};
    draw(&r, &p);
    q = p;
    q.init_ephemeral[5] ^= 1;
    assert_int_equal(send_init(&p, NULL, 0), NOISE_OK);
    assert_int_equal(send_init(&q, NULL, 0), NOISE_OK);
    assert_int_equal(take_init(&p), NOISE_OK);
    assert_int_equal(take_init(&q), NOISE_OK);
    assert_int_equal(send_response(&p, NULL, 0), NOISE_OK);
    assert_int_equal(send_response(&q, NULL, 0), NOISE_OK);
    p.response_bytes = q.response_bytes;
    memcpy(p.response, q.response, sizeof(p.response));
    assert_int_equal(take_response(&p), NOISE_BAD);
    assert_int_equal(take_response(&q), NOISE_OK);
}

/* All points of order 1, 2, 4 and 8 of the curve and its twist, and what reduces to them (RFC 7748,
 * section 7). */
static const char *const low_order[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

static void a_key_of_low_order_is_refused(void **state)
{
    struct pair p;

    struct rng r = {7};
    for (size_t i = 0; i < 2 * sizeof(low_order) / sizeof(low_order[0]); i++) {
        uint8_t key[32];
        from_hex(key, low_order[i / 2]);
        key[31] |= i % 2 ? 0x80 : 0; /* the highest bit does not count */

        draw(&r, &p);
        memcpy(p.responder.public_key, key, sizeof(key));
        assert_int_equal(send_init(&p, NULL, 0), NOISE_BAD); /* the peer's static key */
        assert_wiped(&p.a);

        draw(&r, &p);
        assert_int_equal(send_init(&p, NULL, 0), NOISE_OK);
        uint8_t true_one[32];
        memcpy(true_one, p.init, 32);
        memcpy(p.init, key, 32);
        assert_int_equal(take_init(&p), NOISE_BAD); /* the initiator's ephemeral key */
        memcpy(p.init, true_one, 32);
        assert_int_equal(take_init(&p), NOISE_OK);
        assert_int_equal(send_response(&p, NULL, 0), NOISE_OK);
        memcpy(p.response, key, 32);
        assert_int_equal(take_response(&p), NOISE_BAD); /* the responder's */
    }
}

/* An initiator whose own static key is of low order could be anybody: it must not get past the
 * responder. */
static void a_static_key_of_low_order_is_refused(void **state)
{
    struct pair p;

    struct rng r = {8};
    for (size_t i = 0; i < sizeof(low_order) / sizeof(low_order[0]); i++) {
        draw(&r, &p);
        from_hex(p.initiator.public_key, low_order[i]);
        assert_int_equal(send_init(&p, NULL, 0), NOISE_OK);
        assert_int_equal(take_init(&p), NOISE_BAD);
        assert_wiped(&p.b);
    }
}

static void a_private_key_that_was_never_set_is_refused(void **state)
{
    struct noise_identity identity;

    assert_int_equal(noise_identity_init(&identity, (uint8_t[32]){0}), -EINVAL);
}

static void secrets_are_wiped_at_the_end(void **state)
{
    struct pair p;

    struct rng r = {9};
    draw(&r, &p);
    assert_int_equal(send_init(&p, NULL, 0), NOISE_OK);
    assert_int_equal(take_init(&p), NOISE_OK);
    assert_int_equal(send_response(&p, NULL, 0), NOISE_OK);
    assert_wiped(&p.b);
    assert_int_equal(take_response(&p), NOISE_OK);
    assert_wiped(&p.a);
    noise_fini(&p.a);
}

static void a_seal_key_is_of_one_secret_and_one_key(void **state)
{
    static const uint8_t secrets[2][32] = {{1}, {2}}, keys[2][32] = {{3}, {4}};
    uint8_t out[4][NOISE_SEAL_KEY_BYTES], again[NOISE_SEAL_KEY_BYTES];

    for (int i = 0; i < 4; i++)
        noise_seal_key(out[i], secrets[i / 2], keys[i % 2]);
    for (int i = 0; i < 4; i++) {
        noise_seal_key(again, secrets[i / 2], keys[i % 2]);
        assert_memory_equal(again, out[i], sizeof(again));
        for (int k = 0; k < i; k++)
            assert_memory_not_equal(out[k], out[i], sizeof(again));
    }
}

static int setup(void **state)
{
    return aead_init();
}

static int teardown(void **state)
{
    aead_fini();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_vector_is_reproduced),
        cmocka_unit_test(public_keys_are_those_of_x25519),
        cmocka_unit_test(payloads_of_every_length_arrive),
        cmocka_unit_test(an_init_with_a_flipped_bit_is_refused),
        cmocka_unit_test(a_response_with_a_flipped_bit_is_refused_and_the_true_one_still_taken),
        cmocka_unit_test(a_message_of_another_length_is_refused),
        cmocka_unit_test(both_must_agree_on_everything),
        cmocka_unit_test(a_response_to_another_init_is_refused),
        cmocka_unit_test(a_key_of_low_order_is_refused),
        cmocka_unit_test(a_static_key_of_low_order_is_refused),
        cmocka_unit_test(a_private_key_that_was_never_set_is_refused),
        cmocka_unit_test(secrets_are_wiped_at_the_end),
        cmocka_unit_test(a_seal_key_is_of_one_secret_and_one_key),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
