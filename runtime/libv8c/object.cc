/* Objects, arrays, JSON. */
#include "inside.hh"

using namespace libv8c;

static v8::Local<v8::Object> object_of(v8c_value *value)
{
    return local<v8::Value>(value).As<v8::Object>();
}

v8c_value *v8c_object_new(v8c_isolate *isolate)
{
    return out(v8::Object::New(isolate->v8));
}

v8c_value *v8c_object_from(v8c_isolate *isolate, v8c_value *prototype, v8c_value *const keys[],
                           v8c_value *const values[], size_t count)
{
    v8::Local<v8::Value> proto =
        prototype ? local<v8::Value>(prototype) : v8::Null(isolate->v8).As<v8::Value>();
    /* An array of handles is an array of Locals: see local(). */
    return out(v8::Object::New(
        isolate->v8, proto, reinterpret_cast<v8::Local<v8::Name> *>(const_cast<v8c_value **>(keys)),
        reinterpret_cast<v8::Local<v8::Value> *>(const_cast<v8c_value **>(values)), count));
}

v8c_value *v8c_array_new(v8c_isolate *isolate, v8c_value *const values[], size_t count)
{
    return out(v8::Array::New(
        isolate->v8, reinterpret_cast<v8::Local<v8::Value> *>(const_cast<v8c_value **>(values)),
        count));
}

uint32_t v8c_array_length(const v8c_value *array)
{
    return local<v8::Value>(array).As<v8::Array>()->Length();
}

v8c_value *v8c_get(v8c_isolate *isolate, v8c_value *object, v8c_value *key, v8c_error *error)
{
    Attempt attempt(isolate, error);
    return attempt.value(object_of(object)->Get(context_of(isolate), local<v8::Value>(key)));
}

v8c_value *v8c_get_index(v8c_isolate *isolate, v8c_value *object, uint32_t index, v8c_error *error)
{
    Attempt attempt(isolate, error);
    return attempt.value(object_of(object)->Get(context_of(isolate), index));
}

bool v8c_set(v8c_isolate *isolate, v8c_value *object, v8c_value *key, v8c_value *value,
             v8c_error *error)
{
    Attempt attempt(isolate, error);
    return attempt.yes(object_of(object)->Set(context_of(isolate), local<v8::Value>(key),
                                              local<v8::Value>(value)));
}

bool v8c_set_index(v8c_isolate *isolate, v8c_value *object, uint32_t index, v8c_value *value,
                   v8c_error *error)
{
    Attempt attempt(isolate, error);
    return attempt.yes(object_of(object)->Set(context_of(isolate), index, local<v8::Value>(value)));
}

bool v8c_define(v8c_isolate *isolate, v8c_value *object, v8c_value *key, v8c_value *value,
                v8c_error *error)
{
    Attempt attempt(isolate, error);
    return attempt.yes(object_of(object)->CreateDataProperty(
        context_of(isolate), local<v8::Value>(key).As<v8::Name>(), local<v8::Value>(value)));
}

int v8c_has(v8c_isolate *isolate, v8c_value *object, v8c_value *key, v8c_error *error)
{
    Attempt attempt(isolate, error);
    v8::Maybe<bool> has = object_of(object)->Has(context_of(isolate), local<v8::Value>(key));
    return attempt.yes(has) ? has.FromJust() : -1;
}

bool v8c_delete(v8c_isolate *isolate, v8c_value *object, v8c_value *key, v8c_error *error)
{
    Attempt attempt(isolate, error);
    return attempt.yes(object_of(object)->Delete(context_of(isolate), local<v8::Value>(key)));
}

v8c_value *v8c_keys(v8c_isolate *isolate, v8c_value *object, v8c_error *error)
{
    Attempt attempt(isolate, error);
    return attempt.value(object_of(object)->GetOwnPropertyNames(
        context_of(isolate),
        static_cast<v8::PropertyFilter>(v8::ONLY_ENUMERABLE | v8::SKIP_SYMBOLS),
        v8::KeyConversionMode::kConvertToString));
}

v8c_value *v8c_json_parse(v8c_isolate *isolate, v8c_value *string, v8c_error *error)
{
    Attempt attempt(isolate, error);
    return attempt.value(
        v8::JSON::Parse(context_of(isolate), local<v8::Value>(string).As<v8::String>()));
}

v8c_value *v8c_json_stringify(v8c_isolate *isolate, v8c_value *value, v8c_error *error)
{
    Attempt attempt(isolate, error);
    v8::Local<v8::String> result;
    if (!v8::JSON::Stringify(context_of(isolate), local<v8::Value>(value)).ToLocal(&result)) {
        attempt.fail();
        return nullptr;
    }
    return out(result);
}
