/* What this node proves itself with, and whether the list of members fits it. Without the ring, for
 * those who only judge. */
#include <stdio.h>
#include <string.h>

#include "control/config/key.h"
#include "control/world/cluster.h"

int cluster_keys_read(struct cluster_keys *k, const struct conf *conf, char *error,
                      size_t error_bytes)
{
    uint8_t private_key[KEY_BYTES];
    int rc;

    memset(k, 0, sizeof(*k));
    if (!conf->cluster)
        return 0;
    if (key_file_read(conf->cluster->secret, k->secret, error, error_bytes) ||
        key_file_read(conf->cluster->key, private_key, error, error_bytes))
        return -1;
    rc = noise_identity_init(&k->identity, private_key);
    explicit_bzero(private_key, sizeof(private_key));
    if (rc) {
        snprintf(error, error_bytes, "%s: is no usable X25519 key", conf->cluster->key);
        cluster_keys_wipe(k);
        return -1;
    }
    k->is_set = true;
    return 0;
}

void cluster_keys_wipe(struct cluster_keys *k)
{
    explicit_bzero(k, sizeof(*k));
}

/* The names' hashes are what the ring and the capabilities know of a node. */
static bool are_ids_distinct(const struct members *members, char *error, size_t error_bytes)
{
    for (uint32_t i = 0; i < members->count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (members->member[i].id != members->member[k].id)
                continue;
            snprintf(error, error_bytes,
                     "the names %s and %s have the same hash: call one of them otherwise",
                     members->member[k].name, members->member[i].name);
            return false;
        }
    }
    return true;
}

bool cluster_check(const struct members *members, const char *node, const struct cluster_keys *keys,
                   char *error, size_t error_bytes)
{
    uint32_t self = members_find(members, node);

    if (self == MEMBERS_MAX) {
        snprintf(error, error_bytes, "this node, \"%s\", is not a member of its cluster", node);
        return false;
    }
    if (keys->is_set && memcmp(members->member[self].public_key, keys->identity.public_key, 32)) {
        char text[KEY_TEXT_CHARS + 1];

        key_format(text, keys->identity.public_key);
        snprintf(error, error_bytes,
                 "the list of members has another key for %s than the one of its private key, %s",
                 node, text);
        return false;
    }
    return are_ids_distinct(members, error, error_bytes);
}
