/* LACP's frames, of a partner that says anything: state and counters hold, what is said stays whole
 * and within its rate. Input: port, quarter seconds that pass, length, and as many bytes; again. */
#include <assert.h>
#include <string.h>

#include "drivers/lacp.h"

#define QUARTER_NS (250ull * 1000 * 1000)

static void say(struct lacp *l, struct lacp *peer, uint64_t now_ns)
{
    static const uint8_t source[6] = {2, 0, 0, 0, 0, 1};
    uint8_t frame[LACP_FRAME_BYTES];

    for (uint32_t i = 0; i < LACP_PORTS; i++)
        for (int sent = 0; lacp_output(l, i, source, frame, now_ns); sent++) {
            assert(sent < LACP_SENDS_MAX);
            assert(!memcmp(frame, lacp_group, 6));
            enum lacp_outcome heard = lacp_input(peer, i, frame, sizeof(frame), now_ns);
            assert(heard == LACP_TAKEN || heard == LACP_IGNORED); /* a marker's answer */
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1}, peer_mac[6] = {2, 0, 0, 0, 0, 2};
    uint64_t now_ns = QUARTER_NS;
    struct lacp l, peer;

    lacp_init(&l, mac);
    lacp_init(&peer, peer_mac);
    for (uint32_t i = 0; i < LACP_PORTS; i++) {
        lacp_set_link(&l, i, true, 1000, now_ns);
        lacp_set_link(&peer, i, true, 1000, now_ns);
    }
    while (size >= 3) {
        const uint32_t port = data[0] % LACP_PORTS;
        size_t bytes = data[2] < size - 3 ? data[2] : size - 3;

        now_ns += data[1] * QUARTER_NS;
        lacp_timeout(&l, now_ns);
        lacp_input(&l, port, data + 3, bytes, now_ns);
        say(&l, &peer, now_ns);
        uint32_t collecting = lacp_collecting(&l), distributing = lacp_distributing(&l);
        assert((distributing & ~collecting) == 0 && collecting < 1u << LACP_PORTS);
        data += 3 + bytes;
        size -= 3 + bytes;
    }
    return 0;
}
