/* json_field.h
 *
 * A field of a JSON object by its key. field_*: for those who take a missing one, or one of another
 * type, for an empty one. json_reader: for what strangers wrote. A field that is missing, of
 * another type, out of its range or too long makes the reader bad for good; that is asked once, at
 * the end. Views into the object, but for json_reader_text, which copies.
 */
#ifndef HEARTH_JSON_FIELD_H
#define HEARTH_JSON_FIELD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* "" if there is none. */
static inline const char *field_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* 0 if there is none. */
static inline long long field_number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

struct json_reader {
    const json_t *object;
    bool is_bad;
};

static inline struct json_reader json_reader(const json_t *object)
{
    return (struct json_reader){object, !json_is_object(object)};
}

/* A whole number from 0 to max; 0 when it is bad. */
static inline uint64_t json_reader_number(struct json_reader *r, const char *key, uint64_t max)
{
    const json_t *value = json_object_get(r->object, key);
    json_int_t number = json_integer_value(value);
    bool is_good = json_is_integer(value) && number >= 0 && (uint64_t)number <= max;

    r->is_bad |= !is_good;
    return is_good ? (uint64_t)number : 0;
}

static inline bool json_reader_flag(struct json_reader *r, const char *key)
{
    const json_t *value = json_object_get(r->object, key);

    r->is_bad |= !json_is_boolean(value);
    return json_is_true(value);
}

/* Copies the text with its zero byte; "" when it is bad: it does not fit, or has a zero byte
 * inside. */
static inline void json_reader_text(struct json_reader *r, const char *key, char *out, size_t room)
{
    const json_t *value = json_object_get(r->object, key);
    size_t len = json_string_length(value);
    bool is_good = json_is_string(value) && len < room && strlen(json_string_value(value)) == len;

    r->is_bad |= !is_good;
    if (is_good)
        memcpy(out, json_string_value(value), len + 1);
    else
        out[0] = 0;
}

/* NULL when it is bad: no list, or longer than max. */
static inline const json_t *json_reader_list(struct json_reader *r, const char *key, size_t max)
{
    const json_t *value = json_object_get(r->object, key);
    bool is_good = json_is_array(value) && json_array_size(value) <= max;

    r->is_bad |= !is_good;
    return is_good ? value : NULL;
}

#endif
