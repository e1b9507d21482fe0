/* ada.h: the part of ada's C API that hearth uses. ada 4 parses URLs as the URL Standard says, with
 * UTS 46 of Unicode 17; it is in the executable that has V8 (runtime/libv8c/README.md), which
 * brings no header of it.
 *
 * Source: ada_c.h of ada 4.0. What it returns as a view lives as long as its URL, until the next
 * change.
 */
#ifndef HEARTH_WORKER_ADA_H
#define HEARTH_WORKER_ADA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ada_url_result *ada_url; /* never NULL; to be freed even if it is not valid */

typedef struct {
    const char *data;
    size_t length;
} ada_string;

#define ADA_URL_OMITTED 0xffffffffu

/*   https://user:pass@example.com:1234/foo/bar?baz#quux
 *         |     |    |          | ^^^^|       |   |
 *         |     |    |          | |   |       |   hash_start
 *         |     |    |          | |   |       search_start
 *         |     |    |          | |   pathname_start
 *         |     |    |          | port (a number)
 *         |     |    |          host_end
 *         |     |    host_start
 *         |     username_end
 *         protocol_end */
typedef struct {
    uint32_t protocol_end, username_end, host_start, host_end, port, pathname_start, search_start,
        hash_start;
} ada_url_components;

void ada_set_max_input_length(uint32_t bytes); /* of the process */

ada_url ada_parse(const char *input, size_t length);
ada_url ada_parse_with_base(const char *input, size_t length, const char *base, size_t base_length);
bool ada_can_parse(const char *input, size_t length);
bool ada_can_parse_with_base(const char *input, size_t length, const char *base,
                             size_t base_length);
bool ada_is_valid(ada_url);
void ada_free(ada_url);
ada_string ada_get_href(ada_url);
const ada_url_components *ada_get_components(ada_url);

bool ada_set_href(ada_url, const char *, size_t);
bool ada_set_protocol(ada_url, const char *, size_t);
bool ada_set_username(ada_url, const char *, size_t);
bool ada_set_password(ada_url, const char *, size_t);
bool ada_set_host(ada_url, const char *, size_t);
bool ada_set_hostname(ada_url, const char *, size_t);
bool ada_set_port(ada_url, const char *, size_t);
bool ada_set_pathname(ada_url, const char *, size_t);
void ada_set_search(ada_url, const char *, size_t);
void ada_set_hash(ada_url, const char *, size_t);

#endif
