/* Functions, both ways: natives that JavaScript calls, and JavaScript that C calls.
 *
 * One C++ function, the trampoline, is behind every native. Which native it is stands in the
 * function's data: its index, a small integer, or [index, value]. So a heap snapshot holds no
 * address of the program's.
 */
#include "inside.hh"

namespace libv8c
{

void native_trampoline(const v8::FunctionCallbackInfo<v8::Value> &info)
{
    v8c_isolate *isolate = isolate_of(info.GetIsolate());
    v8::Local<v8::Value> data = info.Data();
    v8c_call call;
    call.isolate = isolate;
    call.argc = static_cast<unsigned>(info.Length());
    call.info = &info;
    call.data = nullptr;
    if (data->IsInt32()) {
        call.native_index = static_cast<unsigned>(data.As<v8::Int32>()->Value());
    } else {
        v8::Local<v8::Context> context = context_of(isolate);
        v8::Local<v8::Array> pair = data.As<v8::Array>();
        call.native_index =
            static_cast<unsigned>(pair->Get(context, 0).ToLocalChecked().As<v8::Int32>()->Value());
        call.data = out(pair->Get(context, 1).ToLocalChecked());
    }
    assert(call.native_index < isolate->native_count);
    Depth depth(isolate);
    isolate->params.natives[call.native_index].call(&call);
}

} // namespace libv8c

using namespace libv8c;

static const v8::FunctionCallbackInfo<v8::Value> &info_of(const v8c_call *call)
{
    return *static_cast<const v8::FunctionCallbackInfo<v8::Value> *>(call->info);
}

static v8c_value *function_new(v8c_isolate *isolate, unsigned index, v8::Local<v8::Value> data)
{
    assert(index < isolate->native_count);
    v8::Local<v8::Function> function;
    if (!v8::Function::New(context_of(isolate), native_trampoline, data).ToLocal(&function))
        return nullptr; /* terminating */
    function->SetName(text(isolate->v8, isolate->params.natives[index].name));
    return out(function);
}

v8c_value *v8c_function_new(v8c_isolate *isolate, unsigned native_index)
{
    return function_new(isolate, native_index,
                        v8::Integer::NewFromUnsigned(isolate->v8, native_index));
}

v8c_value *v8c_function_new_with(v8c_isolate *isolate, unsigned native_index, v8c_value *data)
{
    v8::Local<v8::Value> pair[] = {v8::Integer::NewFromUnsigned(isolate->v8, native_index),
                                   local<v8::Value>(data)};
    return function_new(isolate, native_index, v8::Array::New(isolate->v8, pair, 2));
}

int v8c_native_index(const v8c_isolate *isolate, const char *name)
{
    for (unsigned i = 0; i < isolate->native_count; i++) {
        if (strcmp(isolate->params.natives[i].name, name) == 0)
            return static_cast<int>(i);
    }
    return -1;
}

v8c_value *v8c_function_call(v8c_isolate *isolate, v8c_value *fn, v8c_value *self, size_t argc,
                             v8c_value *const argv[], v8c_error *error)
{
    assert(argc <= V8C_ARGS_MAX);
    Attempt attempt(isolate, error);
    v8::Local<v8::Value> receiver =
        self ? local<v8::Value>(self) : v8::Undefined(isolate->v8).As<v8::Value>();
    return attempt.value(local<v8::Value>(fn).As<v8::Function>()->Call(
        isolate->v8, context_of(isolate), receiver, static_cast<int>(argc),
        reinterpret_cast<v8::Local<v8::Value> *>(const_cast<v8c_value **>(argv))));
}

v8c_value *v8c_function_construct(v8c_isolate *isolate, v8c_value *fn, size_t argc,
                                  v8c_value *const argv[], v8c_error *error)
{
    assert(argc <= V8C_ARGS_MAX);
    Attempt attempt(isolate, error);
    return attempt.value(local<v8::Value>(fn).As<v8::Function>()->NewInstance(
        context_of(isolate), static_cast<int>(argc),
        reinterpret_cast<v8::Local<v8::Value> *>(const_cast<v8c_value **>(argv))));
}

v8c_value *v8c_call_arg(const v8c_call *call, unsigned i)
{
    return out(info_of(call)[static_cast<int>(i)]);
}

v8c_value *v8c_call_this(const v8c_call *call)
{
    return out(info_of(call).This());
}

v8c_value *v8c_call_data(const v8c_call *call)
{
    return call->data ? call->data : v8c_undefined(call->isolate);
}

bool v8c_call_is_construct(const v8c_call *call)
{
    return info_of(call).IsConstructCall();
}

void v8c_call_return(const v8c_call *call, v8c_value *value)
{
    info_of(call).GetReturnValue().Set(local<v8::Value>(value));
}

void v8c_call_return_bool(const v8c_call *call, bool b)
{
    info_of(call).GetReturnValue().Set(b);
}

void v8c_call_return_int(const v8c_call *call, int32_t i)
{
    info_of(call).GetReturnValue().Set(i);
}

void v8c_call_return_number(const v8c_call *call, double d)
{
    info_of(call).GetReturnValue().Set(d);
}
