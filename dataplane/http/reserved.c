#include "dataplane/http/reserved.h"

#include <strings.h>

#define NAME(text, is_prefix)                                                                      \
    {                                                                                              \
        text, sizeof(text) - 1, is_prefix                                                          \
    }

static const struct {
    const char *text;
    size_t bytes;
    bool is_prefix;
} names[] = {
    NAME("x-hearth-", true),  NAME("x-forwarded-", true), NAME("cf-connecting-", true),
    NAME("x-real-ip", false), NAME("forwarded", false),   NAME("traceparent", false),
};

bool reserved_field(const char *name, size_t bytes)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        bool is_long_enough =
            names[i].is_prefix ? bytes >= names[i].bytes : bytes == names[i].bytes;

        if (is_long_enough && strncasecmp(name, names[i].text, names[i].bytes) == 0)
            return true;
    }
    return false;
}

bool reserved_answer_field(const char *name, size_t bytes)
{
    static const char own[] = "x-hearth-";

    return bytes >= sizeof(own) - 1 && strncasecmp(name, own, sizeof(own) - 1) == 0;
}
