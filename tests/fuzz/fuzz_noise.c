/* fuzz_noise: any bytes as the init to a responder, or the response to an initiator. All keys are
 * fixed, so there is just one init and one response that are right (the seeds): nothing else is
 * believed. The first byte says which of the two it is. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/rpc/noise.h"
#include "drivers/aead.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t secret[32] = {5}, init_ephemeral[32] = {6}, resp_ephemeral[32] = {7};
static const char prologue[] = "fuzz", payload[] = "hello";

static struct noise_identity initiator, responder;
static struct noise sent; /* the initiator, waiting */
static uint8_t init[NOISE_INIT_BYTES + sizeof(payload)],
    response[NOISE_RESPONSE_BYTES + sizeof(payload)];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct noise n;
    struct noise_keys keys;
    uint8_t out[NOISE_PAYLOAD_BYTES_MAX];
    size_t len;

    if (aead_init() != 0 || noise_identity_init(&initiator, (uint8_t[32]){1}) != 0 ||
        noise_identity_init(&responder, (uint8_t[32]){2}) != 0)
        abort();
    if (noise_write_init(&sent, &initiator, responder.public_key, secret, init_ephemeral, prologue,
                         sizeof(prologue), payload, sizeof(payload), init) != NOISE_OK ||
        noise_read_init(&n, &responder, secret, prologue, sizeof(prologue), init, sizeof(init), out,
                        &len) != NOISE_OK ||
        noise_write_response(&n, resp_ephemeral, payload, sizeof(payload), response, &keys) !=
            NOISE_OK)
        abort();
    return 0;
}

static bool is_same(const uint8_t *data, size_t size, const uint8_t *right, size_t right_size)
{
    return size == right_size && memcmp(data, right, size) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t out[NOISE_PAYLOAD_BYTES_MAX];
    size_t len = 0;
    struct noise n;

    if (size == 0)
        return 0;
    bool is_init = data[0] % 2 == 0;
    data++;
    size--;
    if (is_init) {
        enum noise_result r = noise_read_init(&n, &responder, secret, prologue, sizeof(prologue),
                                              data, size, out, &len);
        assert((r == NOISE_OK) == is_same(data, size, init, sizeof(init)));
    } else {
        struct noise_keys keys;
        n = sent;
        enum noise_result r = noise_read_response(&n, data, size, out, &len, &keys);
        assert((r == NOISE_OK) == is_same(data, size, response, sizeof(response)));
        assert(r == NOISE_OK ||
               memcmp(&n, &sent, sizeof(n)) == 0); /* the true one may still come */
    }
    noise_fini(&n);
    return 0;
}
