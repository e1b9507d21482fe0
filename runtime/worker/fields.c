#include "runtime/worker/fields.h"

#include <string.h>

#include "runtime/job.h"

struct v8c_value *fields_value(struct v8c_isolate *v8, struct head_reader *reader)
{
    static uint8_t text[JOB_HEAD_BYTES_MAX + 2 * HEAD_FIELDS_MAX];
    struct head_field field;
    size_t len = 0;
    while (head_read_field(reader, &field)) {
        memcpy(text + len, field.name.p, field.name.len);
        len += field.name.len;
        text[len++] = '\0';
        memcpy(text + len, field.value.p, field.value.len);
        len += field.value.len;
        text[len++] = '\0';
    }
    return v8c_string_latin1(v8, text, len);
}

bool fields_write(struct v8c_isolate *v8, struct head_writer *w, struct v8c_value *fields,
                  bool without_length)
{
    static uint8_t text[JOB_HEAD_BYTES_MAX];
    size_t len = v8c_string_length(fields);
    if (len > sizeof(text))
        return false;
    v8c_string_write_latin1(v8, fields, text, sizeof(text));
    for (size_t at = 0; at < len;) {
        const char *name = (const char *)text + at;
        size_t name_len = strnlen(name, len - at);
        const char *value = name + name_len + 1;
        size_t value_len = at + name_len + 1 < len ? strnlen(value, len - at - name_len - 1) : 0;
        at += name_len + value_len + 2;
        if (without_length && name_len == 14 && memcmp(name, "content-length", 14) == 0)
            continue; /* ours is the truth */
        head_write_field(w, (struct head_view){name, name_len},
                         (struct head_view){value, value_len});
    }
    return true;
}

void fields_write_length(struct head_writer *w, size_t body_bytes)
{
    char number[24];
    size_t at = sizeof(number);
    do
        number[--at] = (char)('0' + body_bytes % 10);
    while (body_bytes /= 10);
    head_write_field(w, (struct head_view){"content-length", 14},
                     (struct head_view){number + at, sizeof(number) - at});
}
