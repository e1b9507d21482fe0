/* json_field.h
 *
 * A field of a JSON object by its key, for those who take a missing one, or one of another type, for an empty one. Views into the object.
 */
#ifndef HEARTH_JSON_FIELD_H
#define HEARTH_JSON_FIELD_H

#include <jansson.h>

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

#endif
