#include <assert.h>
#include <string.h>

#include "runtime/worker/isolate.h"
#include "runtime/worker/natives_call.h"

enum { TRANSFERS_MAX = 64 };

/* The functions of runtime/web/clone.js that know the platform's objects. */
struct cloner {
    struct v8c_value *is_platform, *write, *move, *read;
};

static struct v8c_value *clone_error(struct v8c_isolate *v8, struct v8c_value *message, void *data)
{
    (void)data;
    return v8c_function_call(v8, v8c_slot(v8, WEB_CLONE_ERROR), NULL, 1, &message, NULL);
}

static void throw_clone_error(struct v8c_isolate *v8, const char *text)
{
    struct v8c_value *error = clone_error(v8, v8c_key(v8, text), NULL);
    if (error)
        v8c_throw(v8, error);
}

static int is_host(struct v8c_isolate *v8, struct v8c_value *object, void *data)
{
    const struct cloner *with = data;
    struct v8c_value *is = v8c_function_call(v8, with->is_platform, NULL, 1, &object, NULL);
    return is ? v8c_bool_value(v8, is) : -1;
}

static bool write_host(struct v8c_isolate *v8, struct v8c_writer *writer, struct v8c_value *object,
                       void *data)
{
    const struct cloner *with = data;
    struct v8c_value *index = v8c_function_call(v8, with->write, NULL, 1, &object, NULL);
    if (index)
        v8c_writer_u32(writer, (uint32_t)v8c_int_value(index));
    return index;
}

static struct v8c_value *read_host(struct v8c_isolate *v8, struct v8c_reader *reader, void *data)
{
    const struct cloner *with = data;
    uint32_t index = 0;
    bool is_there = v8c_reader_u32(reader, &index);
    assert(is_there); /* write_host wrote it */
    (void)is_there;
    struct v8c_value *argument = v8c_number(v8, index);
    struct v8c_value *copy = v8c_function_call(v8, with->read, NULL, 1, &argument, NULL);
    if (!copy || v8c_is(copy, V8C_OBJECT))
        return copy;
    throw_clone_error(v8, "An object could not be cloned.");
    return NULL;
}

/* The buffers of the array, or -1: thrown. */
static int transfers_of(struct v8c_isolate *v8, struct v8c_value *list,
                        struct v8c_value *transfers[TRANSFERS_MAX])
{
    uint32_t count = v8c_is(list, V8C_ARRAY) ? v8c_array_length(list) : 0;
    if (count > TRANSFERS_MAX) {
        v8c_throw_new(v8, V8C_RANGE_ERROR, "structuredClone: more than 64 transfers");
        return -1;
    }
    for (uint32_t n = 0; n < count; n++) {
        transfers[n] = v8c_get_index(v8, list, n, NULL);
        if (!transfers[n])
            return -1;
        bool is_bad = !v8c_is(transfers[n], V8C_ARRAY_BUFFER);
        for (uint32_t m = 0; m < n; m++)
            is_bad |= v8c_same(transfers[m], transfers[n]);
        if (is_bad) {
            throw_clone_error(v8, "A value in the transfer list cannot be transferred");
            return -1;
        }
    }
    return (int)count;
}

void native_clone(struct v8c_call *c)
{
    struct v8c_isolate *v8 = c->isolate;
    struct v8c_value *transfers[TRANSFERS_MAX];
    struct v8c_store *stores[TRANSFERS_MAX] = {0};
    struct cloner with = {v8c_call_arg(c, 2), v8c_call_arg(c, 3), v8c_call_arg(c, 4),
                          v8c_call_arg(c, 5)};
    const struct v8c_clone_hooks hooks = {.is_host = is_host,
                                          .write = write_host,
                                          .read = read_host,
                                          .clone_error = clone_error,
                                          .data = &with};
    struct v8c_blob blob = {0};
    if (!v8c_is(with.is_platform, V8C_FUNCTION) || !v8c_is(with.write, V8C_FUNCTION) ||
        !v8c_is(with.read, V8C_FUNCTION))
        return;
    int count = transfers_of(v8, v8c_call_arg(c, 1), transfers);
    if (count < 0)
        return;
    if (v8c_serialize(v8, v8c_call_arg(c, 0), transfers, stores, (size_t)count, &hooks, &blob,
                      NULL) &&
        (!v8c_is(with.move, V8C_FUNCTION) ||
         v8c_function_call(v8, with.move, NULL, 0, NULL, NULL))) {
        struct v8c_value *copy =
            v8c_deserialize(v8, blob.data, blob.len, stores, (size_t)count, &hooks, NULL);
        if (copy)
            v8c_call_return(c, copy);
    }
    v8c_blob_free(&blob);
    for (int n = 0; n < count; n++)
        v8c_store_free(stores[n]);
}

/* Of what is thrown by the platform's own code, or is no error and knows no place: where the script
 * called it. */
void native_where_thrown(struct v8c_call *c)
{
    static const char platform[] = "hearth:";
    struct v8c_isolate *v8 = c->isolate;
    struct v8c_error error;
    v8c_error_describe(v8, v8c_call_arg(c, 0), &error);
    bool is_known = strncmp(error.name, platform, sizeof(platform) - 1) != 0 ||
                    v8c_error_where(v8, platform, &error);
    const char *name = is_known ? error.name : "";
    struct v8c_value *parts[] = {
        v8c_string_utf8(v8, error.text, strlen(error.text)),
        v8c_string_utf8(v8, name, strlen(name)),
        v8c_int(v8, is_known ? error.line : 0),
        v8c_int(v8, is_known ? error.column : 0),
    };
    v8c_call_return(c, v8c_array_new(v8, parts, sizeof(parts) / sizeof(*parts)));
}
