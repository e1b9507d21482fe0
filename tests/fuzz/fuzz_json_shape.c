/* json_shape on any bytes, beside a walk that knows one byte at a time. The input is short, so each
 * of its brackets and colons stands for many: the last byte says how many. */
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/worker/json_shape.h"

/* Is it too deep? *ns: what it can cost at most. */
static bool walk(const uint8_t *text, size_t len, uint64_t *ns)
{
    uint32_t depth = 0;
    bool in_string = false, is_escaped = false;
    *ns = len * JSON_NS_BYTE;
    for (size_t i = 0; i < len; i++) {
        bool was_escaped = is_escaped;
        is_escaped = in_string && !was_escaped && text[i] == '\\';
        if (text[i] == '"' && !was_escaped) {
            in_string = !in_string;
            *ns += JSON_NS_NEW;
        }
        if (in_string)
            continue;
        *ns += text[i] == ':' ? JSON_NS_SHAPE : 0;
        *ns += text[i] == '[' || text[i] == '{' ? JSON_NS_CONTAINER : 0;
        if ((text[i] == '[' || text[i] == '{') && ++depth > JSON_DEPTH_MAX)
            return true;
        if ((text[i] == ']' || text[i] == '}') && depth > 0)
            depth--;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static uint8_t text[1 << 20];
    size_t used = 0;
    uint64_t ns;
    if (len == 0)
        return 0;
    size_t times = (size_t)bytes[len - 1] * 64 + 1;
    for (size_t i = 0; i + 1 < len && used + times <= sizeof(text); i++) {
        size_t n = bytes[i] && strchr("[]{}:", bytes[i]) ? times : 1;
        memset(text + used, bytes[i], n);
        used += n;
    }
    bool is_deep = walk(text, used, &ns);
    enum json_shape shape = json_shape(text, used, 5);
    if (shape == JSON_TOO_COSTLY)
        assert(ns > JSON_NS_MAX && ns > used * JSON_NS_PER_BYTE_MAX);
    else
        assert(shape == (is_deep ? JSON_TOO_DEEP : JSON_FINE));
    return 0;
}
