/* pcap.h
 *
 * Writes frames into a file for others' tools: the classic format, little endian, Ethernet, times
 * of 1 us from 0 on. Source: draft-ietf-opsawg-pcap.
 */
#ifndef HEARTH_GEN_PCAP_H
#define HEARTH_GEN_PCAP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* NULL, and errno: it cannot be made. */
FILE *pcap_create(const char *path);
/* number: of the frame, from 0 on; its time. False: not written. */
bool pcap_add(FILE *, uint32_t number, const void *bytes, uint32_t len);

#endif
