/* WebAssembly modules from the host's bytes. */
#include "inside.hh"

using namespace libv8c;

v8c_value *v8c_wasm_compile(v8c_isolate *isolate, const void *bytes, size_t len, v8c_error *error)
{
    Attempt attempt(isolate, error);
    bool may = isolate->params.may_compile_wasm;
    /* V8 asks for leave here as it does for a script's own bytes. */
    isolate->params.may_compile_wasm = true;
    v8::MaybeLocal<v8::WasmModuleObject> module = v8::WasmModuleObject::Compile(
        isolate->v8, v8::MemorySpan<const uint8_t>(static_cast<const uint8_t *>(bytes), len));
    isolate->params.may_compile_wasm = may;
    return attempt.value(module);
}
