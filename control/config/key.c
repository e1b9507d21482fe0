#include "control/config/key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* 32 bytes are ten groups of three and one of two: 43 digits and a '='. */
void key_format(char out[KEY_TEXT_CHARS + 1], const uint8_t key[KEY_BYTES])
{
    for (int group = 0; group < 11; group++) {
        const uint8_t *in = key + 3 * group;
        uint32_t bits = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | (group < 10 ? in[2] : 0);

        for (int i = 0; i < 4; i++)
            out[4 * group + i] = alphabet[bits >> (18 - 6 * i) & 63];
    }
    out[KEY_TEXT_CHARS - 1] = '=';
    out[KEY_TEXT_CHARS] = 0;
}

bool key_parse(uint8_t out[KEY_BYTES], const char *text)
{
    if (strlen(text) != KEY_TEXT_CHARS || text[KEY_TEXT_CHARS - 1] != '=')
        return false;
    for (int group = 0; group < 11; group++) {
        uint32_t bits = 0;

        for (int i = 0; i < 4; i++) {
            char c = text[4 * group + i];
            const char *digit = c ? strchr(alphabet, c) : NULL;

            if (4 * group + i == KEY_TEXT_CHARS - 1)
                digit = alphabet;
            if (!digit)
                return false;
            bits = bits << 6 | (uint32_t)(digit - alphabet);
        }
        out[3 * group] = (uint8_t)(bits >> 16);
        out[3 * group + 1] = (uint8_t)(bits >> 8);
        if (group < 10)
            out[3 * group + 2] = (uint8_t)bits;
        else if (bits & 0xff)
            return false; /* bits that no byte has: another spelling of the same key */
    }
    return true;
}

static int complain(char *error, size_t error_bytes, const char *path, const char *what)
{
    snprintf(error, error_bytes, "%s: %s", path, what);
    return -1;
}

int key_file_create(const char *path, const uint8_t key[KEY_BYTES], char *error, size_t error_bytes)
{
    char line[KEY_TEXT_CHARS + 2];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc = 0;

    if (fd < 0 && errno == EEXIST)
        return complain(error, error_bytes, path, "is there already and stays as it is");
    if (fd < 0)
        return complain(error, error_bytes, path, strerror(errno));
    key_format(line, key);
    line[KEY_TEXT_CHARS] = '\n';
    /* Beyond the umask: 0600 is what key_file_read wants to see. */
    if (fchmod(fd, 0600) || write(fd, line, KEY_TEXT_CHARS + 1) != KEY_TEXT_CHARS + 1 || fsync(fd))
        rc = -errno;
    explicit_bzero(line, sizeof(line));
    close(fd);
    if (rc) {
        unlink(path);
        return complain(error, error_bytes, path, strerror(-rc));
    }
    return 0;
}

int key_file_read(const char *path, uint8_t out[KEY_BYTES], char *error, size_t error_bytes)
{
    char line[KEY_TEXT_CHARS + 3] = "";
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;
    bool is_good;

    if (fd < 0)
        return complain(error, error_bytes, path, strerror(errno));
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        close(fd);
        return complain(error, error_bytes, path, "is not a file");
    }
    if (st.st_mode & 077) {
        close(fd);
        snprintf(error, error_bytes,
                 "%s: has mode %04o, so others may read or write it: chmod 600, and make a new one "
                 "if they did",
                 path, (unsigned)st.st_mode & 07777);
        return -1;
    }
    n = read(fd, line, sizeof(line) - 1);
    close(fd);
    line[n > 0 ? n : 0] = 0;
    line[strcspn(line, "\r\n")] = 0;
    is_good = key_parse(out, line);
    explicit_bzero(line, sizeof(line));
    return is_good ? 0
                   : complain(error, error_bytes, path, "is not the base64 of a key of 32 bytes");
}
