/* Objects that carry a C pointer.
 *
 * The object has three internal fields; no object of V8's own has three, so the count tells ours.
 * Field 0 points to the Wrap. The other two stay undefined.
 */
#include "inside.hh"

namespace libv8c
{

enum { WRAP_FIELDS = 3 };

struct Wrap : Link {
    void *pointer;
    unsigned kind;
    void (*free_fn)(void *);
    v8::Global<v8::Object> handle;
};

bool is_wrapped(v8::Local<v8::Value> value)
{
    return value->IsObject() && !value->IsProxy() &&
           value.As<v8::Object>()->InternalFieldCount() == WRAP_FIELDS;
}

static Wrap *wrap_of(v8::Local<v8::Value> value)
{
    if (!is_wrapped(value))
        return nullptr;
    return static_cast<Wrap *>(value.As<v8::Object>()->GetAlignedPointerFromInternalField(
        0, v8::kEmbedderDataTypeTagDefault));
}

static void wrap_free(Wrap *wrap)
{
    wrap->leave();
    wrap->handle.Reset();
    if (wrap->free_fn)
        wrap->free_fn(wrap->pointer);
    delete wrap;
}

static void wrap_collected(const v8::WeakCallbackInfo<Wrap> &info)
{
    wrap_free(info.GetParameter());
}

void wraps_free(v8c_isolate *isolate)
{
    while (isolate->wraps.next != &isolate->wraps)
        wrap_free(static_cast<Wrap *>(isolate->wraps.next));
}

} // namespace libv8c

using namespace libv8c;

v8c_value *v8c_wrap_new(v8c_isolate *isolate, void *pointer, unsigned kind, void (*free_fn)(void *))
{
    if (isolate->snapshot)
        return nullptr;
    v8::Isolate *v8 = isolate->v8;
    if (isolate->wrap_template.IsEmpty()) {
        v8::Local<v8::ObjectTemplate> fresh = v8::ObjectTemplate::New(v8);
        fresh->SetInternalFieldCount(WRAP_FIELDS);
        isolate->wrap_template.Reset(v8, fresh);
    }
    v8::Local<v8::Object> object;
    if (!isolate->wrap_template.Get(v8)->NewInstance(context_of(isolate)).ToLocal(&object))
        return nullptr;
    Wrap *wrap = new Wrap;
    wrap->pointer = pointer;
    wrap->kind = kind;
    wrap->free_fn = free_fn;
    wrap->handle.Reset(v8, object);
    wrap->handle.SetWeak(wrap, wrap_collected, v8::WeakCallbackType::kParameter);
    wrap->join(isolate->wraps);
    object->SetAlignedPointerInInternalField(0, wrap, v8::kEmbedderDataTypeTagDefault);
    return out(object);
}

void *v8c_wrap_pointer(const v8c_value *value, unsigned kind)
{
    Wrap *wrap = wrap_of(local<v8::Value>(value));
    return wrap && wrap->kind == kind ? wrap->pointer : nullptr;
}

void v8c_wrap_clear(v8c_value *value)
{
    Wrap *wrap = wrap_of(local<v8::Value>(value));
    if (wrap) {
        wrap->pointer = nullptr;
        wrap->free_fn = nullptr;
    }
}
