/* ArrayBuffers, views, and the bytes under them. */
#include "inside.hh"

struct v8c_store {
    std::shared_ptr<v8::BackingStore> bytes;
};

using namespace libv8c;

static v8c_value *view(v8::Local<v8::ArrayBuffer> buffer, size_t offset, size_t len)
{
    return out(v8::Uint8Array::New(buffer, offset, len));
}

/* Throws what V8's own constructor throws. */
static v8::Local<v8::ArrayBuffer> buffer_new(v8c_isolate *isolate, size_t len,
                                             v8::BackingStoreInitializationMode mode)
{
    v8::Local<v8::ArrayBuffer> buffer;
    if (!v8::ArrayBuffer::MaybeNew(isolate->v8, len, mode).ToLocal(&buffer))
        v8c_throw_new(isolate, V8C_RANGE_ERROR, "Array buffer allocation failed");
    return buffer;
}

static v8::Local<v8::ArrayBuffer> buffer_external(v8c_isolate *isolate, void *data, size_t len,
                                                  void (*free_fn)(void *, size_t, void *),
                                                  void *arg)
{
    if (!data || len == 0) { /* V8 does not call a deleter for nothing */
        if (free_fn)
            free_fn(data, len, arg);
        return v8::ArrayBuffer::New(isolate->v8, 0);
    }
    return v8::ArrayBuffer::New(
        isolate->v8, v8::ArrayBuffer::NewBackingStore(
                         data, len, free_fn ? free_fn : v8::BackingStore::EmptyDeleter, arg));
}

v8c_value *v8c_array_buffer_new(v8c_isolate *isolate, size_t len)
{
    return out(buffer_new(isolate, len, v8::BackingStoreInitializationMode::kZeroInitialized));
}

v8c_value *v8c_uint8_array_copy(v8c_isolate *isolate, const void *bytes, size_t len)
{
    v8::Local<v8::ArrayBuffer> buffer =
        buffer_new(isolate, len, v8::BackingStoreInitializationMode::kUninitialized);
    if (buffer.IsEmpty())
        return nullptr;
    if (len)
        memcpy(buffer->Data(), bytes, len);
    return view(buffer, 0, len);
}

v8c_value *v8c_array_buffer_external(v8c_isolate *isolate, void *data, size_t len,
                                     void (*free_fn)(void *, size_t, void *), void *arg)
{
    return out(buffer_external(isolate, data, len, free_fn, arg));
}

v8c_value *v8c_uint8_array_external(v8c_isolate *isolate, void *data, size_t len,
                                    void (*free_fn)(void *, size_t, void *), void *arg)
{
    v8::Local<v8::ArrayBuffer> buffer = buffer_external(isolate, data, len, free_fn, arg);
    return view(buffer, 0, buffer->ByteLength());
}

v8c_value *v8c_uint8_array_new(v8c_isolate *, v8c_value *array_buffer, size_t offset, size_t len)
{
    v8::Local<v8::ArrayBuffer> buffer = local<v8::Value>(array_buffer).As<v8::ArrayBuffer>();
    assert(offset <= buffer->ByteLength() && len <= buffer->ByteLength() - offset);
    return view(buffer, offset, len);
}

v8c_value *v8c_view_buffer(v8c_isolate *, v8c_value *handle, size_t *offset)
{
    v8::Local<v8::ArrayBufferView> over = local<v8::Value>(handle).As<v8::ArrayBufferView>();
    if (offset)
        *offset = over->ByteOffset();
    return out(over->Buffer());
}

v8c_bytes v8c_bytes_of(v8c_value *handle)
{
    v8::Local<v8::Value> value = local<v8::Value>(handle);
    void *data = nullptr;
    size_t len = 0;
    if (value->IsArrayBufferView()) {
        v8::Local<v8::ArrayBufferView> over = value.As<v8::ArrayBufferView>();
        len = over->ByteLength();
        /* Buffer() moves the bytes of a small array off the heap, where the collector cannot move
         * them. */
        if (len)
            data = static_cast<uint8_t *>(over->Buffer()->Data()) + over->ByteOffset();
    } else if (value->IsArrayBuffer()) {
        data = value.As<v8::ArrayBuffer>()->Data();
        len = value.As<v8::ArrayBuffer>()->ByteLength();
    } else if (value->IsSharedArrayBuffer()) {
        data = value.As<v8::SharedArrayBuffer>()->Data();
        len = value.As<v8::SharedArrayBuffer>()->ByteLength();
    }
    if (len == 0)
        return {nullptr, 0};
    return {static_cast<uint8_t *>(data), len};
}

bool v8c_array_buffer_detach(v8c_isolate *, v8c_value *array_buffer)
{
    v8::Local<v8::ArrayBuffer> buffer = local<v8::Value>(array_buffer).As<v8::ArrayBuffer>();
    return buffer->IsDetachable() && buffer->Detach(v8::Local<v8::Value>()).FromMaybe(false);
}

v8c_store *v8c_store_of(v8c_value *array_buffer)
{
    return new v8c_store{local<v8::Value>(array_buffer).As<v8::ArrayBuffer>()->GetBackingStore()};
}

v8c_bytes v8c_store_bytes(const v8c_store *store)
{
    return {static_cast<uint8_t *>(store->bytes->Data()), store->bytes->ByteLength()};
}

void v8c_store_free(v8c_store *store)
{
    delete store;
}

v8c_value *v8c_array_buffer_from_store(v8c_isolate *isolate, v8c_store *store)
{
    return out(v8::ArrayBuffer::New(isolate->v8, store->bytes));
}
