/* start_packet.h
 *
 * hearthd's packets for the start socket of a cell (runtime/start.h): how one is sent, and the one
 * that describes a script.
 *
 * Never blocks. Control thread only.
 */
#ifndef HEARTH_START_PACKET_H
#define HEARTH_START_PACKET_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct script;
struct supervise_config;

enum { START_PACKET_FDS_MAX = 2 + 64 };

enum start_sent {
    START_SENT,
    START_NOT_NOW, /* the socket is full */
    START_NEVER,   /* the socket is broken, or the packet too long */
};

/* Consumes the packet, borrows the descriptors. buffer: START_PACKET_BYTES_MAX to write it in. */
enum start_sent start_packet_send(int socket, uint8_t *buffer, json_t *packet, const int *fds,
                                  size_t fd_count);

/* Of its sources' descriptor it goes with. The limits that the script does not say are the
 * configuration's. */
json_t *start_packet_script(const struct supervise_config *, const struct script *);

#endif
