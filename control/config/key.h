/* key.h
 *
 * Keys of 32 bytes as people and files see them: one line of base64 (RFC 4648, with padding).
 *
 *   node.key         this node's X25519 private key    mode 0600, never leaves the machine
 *   cluster.secret   shared by all members             mode 0600
 *
 * A file that others may read is refused, as ssh does: it must be taken for known. Reads and writes
 * files; no cryptography.
 */
#ifndef HEARTH_KEY_H
#define HEARTH_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KEY_BYTES = 32, KEY_TEXT_CHARS = 44 };

void key_format(char out[KEY_TEXT_CHARS + 1], const uint8_t key[KEY_BYTES]);
/* False: not the base64 of 32 bytes, in its one canonical spelling. */
bool key_parse(uint8_t out[KEY_BYTES], const char *text);

/* Writes a new file of mode 0600; one that is there already stays. 0, or -1 and a sentence. */
int key_file_create(const char *path, const uint8_t key[KEY_BYTES], char *error,
                    size_t error_bytes);
/* 0, or -1 and a sentence. */
int key_file_read(const char *path, uint8_t out[KEY_BYTES], char *error, size_t error_bytes);

#endif
