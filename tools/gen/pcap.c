#include "tools/gen/pcap.h"

#include <stddef.h>

static const uint32_t magic = 0xa1b2c3d4;
enum { MAJOR = 2, MINOR = 4, SNAP_BYTES = 65535, ETHERNET = 1 };

struct file_head {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t reserved[2], snap_bytes, link;
};

struct frame_head {
    uint32_t s, us, kept_bytes, bytes;
};

FILE *pcap_create(const char *path)
{
    struct file_head head = {
        .magic = magic, .major = MAJOR, .minor = MINOR, .snap_bytes = SNAP_BYTES, .link = ETHERNET};
    FILE *file = fopen(path, "wb");
    if (file && fwrite(&head, sizeof(head), 1, file) != 1) {
        fclose(file);
        file = NULL;
    }
    return file;
}

bool pcap_add(FILE *file, uint32_t number, const void *bytes, uint32_t len)
{
    struct frame_head head = {
        .s = number / 1000000, .us = number % 1000000, .kept_bytes = len, .bytes = len};
    return fwrite(&head, sizeof(head), 1, file) == 1 && fwrite(bytes, len, 1, file) == 1;
}
