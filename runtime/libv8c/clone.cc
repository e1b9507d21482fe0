/* Structured clone: V8's serializer with the host's hooks. */
#include "inside.hh"

struct v8c_writer {
    v8::ValueSerializer *serializer;
    v8::Local<v8::Context> context;
};

struct v8c_reader {
    v8::ValueDeserializer *deserializer;
    v8::Local<v8::Context> context;
};

namespace libv8c
{

static const v8c_clone_hooks no_hooks = {};
constexpr size_t CLONE_SLACK = 256; /* V8's constant part of a growth, and some */

class WriteDelegate final : public v8::ValueSerializer::Delegate
{
  public:
    WriteDelegate(v8c_isolate *isolate, const v8c_clone_hooks &hooks)
        : isolate_(isolate), hooks_(hooks), plain_(v8::Object::New(isolate->v8)->GetPrototypeV2())
    {
    }
    v8c_writer writer{};

    void ThrowDataCloneError(v8::Local<v8::String> message) override
    {
        v8::Isolate *v8 = isolate_->v8;
        v8::Local<v8::Value> exception;
        if (hooks_.clone_error) {
            v8c_value *made = hooks_.clone_error(isolate_, out(message), hooks_.data);
            if (!made)
                return; /* the hook has thrown */
            exception = local<v8::Value>(made);
        } else {
            exception = v8::Exception::Error(message);
            exception.As<v8::Object>()
                ->CreateDataProperty(context_of(isolate_), text(v8, "name"),
                                     text(v8, "DataCloneError"))
                .Check();
        }
        v8->ThrowException(exception);
    }
    bool HasCustomHostObject(v8::Isolate *) override
    {
        return hooks_.is_host != nullptr;
    }
    v8::Maybe<bool> IsHostObject(v8::Isolate *, v8::Local<v8::Object> object) override
    {
        if (object->GetPrototypeV2() == plain_)
            return v8::Just(false);
        Depth depth(isolate_);
        int is = hooks_.is_host(isolate_, out(object), hooks_.data);
        return is < 0 ? v8::Nothing<bool>() : v8::Just(is > 0);
    }
    v8::Maybe<bool> WriteHostObject(v8::Isolate *v8, v8::Local<v8::Object> object) override
    {
        if (!hooks_.write) {
            ThrowDataCloneError(text(v8, "Object could not be cloned."));
            return v8::Nothing<bool>();
        }
        Depth depth(isolate_);
        if (!hooks_.write(isolate_, &writer, out(object), hooks_.data))
            return v8::Nothing<bool>();
        return v8::Just(true);
    }
    void *ReallocateBufferMemory(void *old, size_t size, size_t *actual) override
    {
        /* V8 doubles its buffer, so this may be more than it needs: the length is judged at the
         * end. */
        if (hooks_.bytes_max && size > 2 * hooks_.bytes_max + CLONE_SLACK)
            return nullptr;
        void *memory = realloc(old, size);
        if (memory)
            *actual = size;
        return memory;
    }
    void FreeBufferMemory(void *memory) override
    {
        free(memory);
    }

  private:
    v8c_isolate *isolate_;
    const v8c_clone_hooks &hooks_;
    v8::Local<v8::Value> plain_; /* the prototype of {} */
};

class ReadDelegate final : public v8::ValueDeserializer::Delegate
{
  public:
    ReadDelegate(v8c_isolate *isolate, const v8c_clone_hooks &hooks)
        : isolate_(isolate), hooks_(hooks)
    {
    }
    v8c_reader reader{};

    v8::MaybeLocal<v8::Object> ReadHostObject(v8::Isolate *v8) override
    {
        if (!hooks_.read) {
            v8->ThrowException(
                v8::Exception::Error(text(v8, "Unable to deserialize a host object.")));
            return {};
        }
        /* V8 runs none while it reads, but lets the host do so here. */
        v8::Isolate::AllowJavascriptExecutionScope allowed(v8);
        Depth depth(isolate_);
        v8c_value *object = hooks_.read(isolate_, &reader, hooks_.data);
        return object ? local<v8::Object>(object) : v8::Local<v8::Object>();
    }

  private:
    v8c_isolate *isolate_;
    const v8c_clone_hooks &hooks_;
};

} // namespace libv8c

using namespace libv8c;

bool v8c_serialize(v8c_isolate *isolate, v8c_value *value, v8c_value *const transfers[],
                   v8c_store *stores[], size_t count, const v8c_clone_hooks *hooks, v8c_blob *blob,
                   v8c_error *error)
{
    *blob = {};
    Attempt attempt(isolate, error);
    WriteDelegate delegate(isolate, hooks ? *hooks : no_hooks);
    v8::ValueSerializer serializer(isolate->v8, &delegate);
    delegate.writer = {&serializer, context_of(isolate)};
    for (size_t i = 0; i < count; i++) {
        v8::Local<v8::ArrayBuffer> buffer = local<v8::Value>(transfers[i]).As<v8::ArrayBuffer>();
        if (!buffer->IsDetachable() || buffer->WasDetached()) {
            delegate.ThrowDataCloneError(
                text(isolate->v8, "An ArrayBuffer is detached and could not be cloned."));
            attempt.fail();
            return false;
        }
        serializer.TransferArrayBuffer(static_cast<uint32_t>(i), buffer);
    }
    serializer.WriteHeader();
    if (!attempt.yes(serializer.WriteValue(context_of(isolate), local<v8::Value>(value))))
        return false;
    std::pair<uint8_t *, size_t> bytes = serializer.Release();
    if (hooks && hooks->bytes_max && bytes.second > hooks->bytes_max) {
        free(bytes.first);
        delegate.ThrowDataCloneError(text(isolate->v8, "Data is too large to be cloned."));
        attempt.fail();
        return false;
    }
    for (size_t i = 0; i < count; i++) { /* getters ran while writing */
        if (!local<v8::Value>(transfers[i]).As<v8::ArrayBuffer>()->WasDetached())
            continue;
        free(bytes.first);
        delegate.ThrowDataCloneError(
            text(isolate->v8, "An ArrayBuffer is detached and could not be cloned."));
        attempt.fail();
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        stores[i] = v8c_store_of(transfers[i]);
        v8c_array_buffer_detach(isolate, transfers[i]);
    }
    blob->data = bytes.first;
    blob->len = bytes.second;
    return true;
}

v8c_value *v8c_deserialize(v8c_isolate *isolate, const void *bytes, size_t len,
                           v8c_store *const stores[], size_t count, const v8c_clone_hooks *hooks,
                           v8c_error *error)
{
    Attempt attempt(isolate, error);
    v8::Local<v8::Context> context = context_of(isolate);
    ReadDelegate delegate(isolate, hooks ? *hooks : no_hooks);
    v8::ValueDeserializer deserializer(isolate->v8, static_cast<const uint8_t *>(bytes), len,
                                       &delegate);
    delegate.reader = {&deserializer, context};
    for (size_t i = 0; i < count; i++)
        deserializer.TransferArrayBuffer(
            static_cast<uint32_t>(i),
            local<v8::Value>(v8c_array_buffer_from_store(isolate, stores[i]))
                .As<v8::ArrayBuffer>());
    if (!attempt.yes(deserializer.ReadHeader(context)))
        return nullptr;
    return attempt.value(deserializer.ReadValue(context));
}

void v8c_writer_u32(v8c_writer *writer, uint32_t u)
{
    writer->serializer->WriteUint32(u);
}

void v8c_writer_bytes(v8c_writer *writer, const void *bytes, size_t len)
{
    writer->serializer->WriteRawBytes(bytes, len);
}

bool v8c_writer_value(v8c_writer *writer, v8c_value *value)
{
    return writer->serializer->WriteValue(writer->context, local<v8::Value>(value))
        .FromMaybe(false);
}

bool v8c_reader_u32(v8c_reader *reader, uint32_t *u)
{
    return reader->deserializer->ReadUint32(u);
}

bool v8c_reader_bytes(v8c_reader *reader, size_t len, const void **bytes)
{
    return reader->deserializer->ReadRawBytes(len, bytes);
}

v8c_value *v8c_reader_value(v8c_reader *reader)
{
    v8::Local<v8::Value> value;
    return reader->deserializer->ReadValue(reader->context).ToLocal(&value) ? out(value) : nullptr;
}
