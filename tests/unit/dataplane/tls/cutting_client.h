/* cutting_client.h
 *
 * OpenSSL as the client of a TLS session of ours, with a pair of scissors behind it: it opens what
 * OpenSSL has sealed, hands the content to the test, and seals what the test says instead, under
 * the same keys and with record numbers of its own.
 *
 *   OpenSSL --records--> open --content--> the test's cut() --> client_seal --> pipe to the server
 *
 * TLS 1.3 with TLS_AES_128_GCM_SHA256 (keys from the key log), TLS 1.2 with ECDHE-ECDSA and
 * AES128-GCM (from the master secret). Sources: RFC 8446 5.2, 7.1 to 7.3; RFC 5288 3, RFC 5246 6.3.
 */
#ifndef HEARTH_TEST_CUTTING_CLIENT_H
#define HEARTH_TEST_CUTTING_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pipe;
struct client;

/* What becomes of a sealed record's content; NULL: it goes on as it is. */
typedef void (*client_cut)(struct client *, uint8_t type, const uint8_t *content, size_t len,
                           void *arg);

/* version: 2 or 3. */
struct client *client_create(int version, struct pipe *to_server, struct pipe *from_server,
                             client_cut cut, void *arg);
void client_destroy(struct client *);

/* Reads what has come, and says what there is to say. Returns how much data came: it is dropped. */
size_t client_step(struct client *);
bool client_is_open(const struct client *);
void client_write(struct client *, const void *bytes, size_t len);
void client_update_keys(struct client *);
/* Of the alert that came last; -1: none. */
int client_alert(const struct client *);

/* One record for the server, sealed. */
void client_seal(struct client *, uint8_t type, const uint8_t *content, size_t len);
/* The keys of what follows a KeyUpdate that was sealed (TLS 1.3). */
void client_next_keys(struct client *);

#endif
