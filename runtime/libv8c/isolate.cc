/* Isolates, contexts, scopes: who is inside which heap, and what ends with it. */
#include "inside.hh"

#include <new>
#include <pthread.h>

namespace libv8c
{

constexpr size_t STACK_BYTES_DEFAULT = 984 * 1024; /* V8's own choice on 64 bits */
constexpr size_t STACK_BYTES_RESERVE = 128 * 1024; /* for C below the limit: natives, collectors */
constexpr int SLOT_FIRST = 1;                      /* embedder data 0 is the debugger's */
constexpr int SLOT_LAST = SLOT_FIRST + V8C_SLOTS - 1;

/* What snapshots may refer to. Only ever append. */
static const intptr_t external_references[] = {
    reinterpret_cast<intptr_t>(native_trampoline),
    reinterpret_cast<intptr_t>(synthetic_evaluate),
    0,
};

/* The lowest address that JavaScript may use on this thread. Asked for once per thread: for the
 * main thread glibc reads /proc/self/maps, which takes long and may fail in a sandbox; then the
 * distance from here must do. */
static uintptr_t stack_lowest()
{
    static thread_local bool is_known;
    static thread_local uintptr_t lowest;
    pthread_attr_t attr;
    if (is_known)
        return lowest;
    is_known = true;
    if (pthread_getattr_np(pthread_self(), &attr) == 0) {
        void *low = nullptr;
        size_t size = 0;
        if (pthread_attr_getstack(&attr, &low, &size) == 0)
            lowest = reinterpret_cast<uintptr_t>(low) + STACK_BYTES_RESERVE;
        pthread_attr_destroy(&attr);
    }
    return lowest;
}

static uintptr_t stack_limit(size_t bytes_max)
{
    uintptr_t limit = reinterpret_cast<uintptr_t>(__builtin_frame_address(0)) - bytes_max;
    return limit > stack_lowest() ? limit : stack_lowest();
}

static void on_rejection(v8::PromiseRejectMessage message)
{
    v8c_isolate *isolate = isolate_of(v8::Isolate::GetCurrent());
    Depth depth(isolate);
    v8::HandleScope scope(isolate->v8);
    v8::Local<v8::Value> reason = message.GetValue();
    if (reason.IsEmpty())
        reason = v8::Undefined(isolate->v8);
    switch (message.GetEvent()) {
    case v8::kPromiseRejectWithNoHandler:
        isolate->params.on_rejection(isolate, V8C_REJECTED_UNHANDLED, out(message.GetPromise()),
                                     out(reason));
        break;
    case v8::kPromiseHandlerAddedAfterReject:
        isolate->params.on_rejection(isolate, V8C_REJECTED_HANDLED, out(message.GetPromise()),
                                     out(reason));
        break;
    default:
        break;
    }
}

static size_t on_heap_limit(void *data, size_t current, size_t initial)
{
    v8c_isolate *isolate = static_cast<v8c_isolate *>(data);
    return isolate->params.on_heap_limit(isolate, current, initial);
}

static void on_collection_begins(v8::Isolate *, v8::GCType, v8::GCCallbackFlags, void *data)
{
    v8c_isolate *isolate = static_cast<v8c_isolate *>(data);
    isolate->params.on_collection(isolate, true);
}

static void on_collection_ends(v8::Isolate *, v8::GCType, v8::GCCallbackFlags, void *data)
{
    v8c_isolate *isolate = static_cast<v8c_isolate *>(data);
    isolate->params.on_collection(isolate, false);
}

static v8::MaybeLocal<v8::Promise> on_import(v8::Local<v8::Context>, v8::Local<v8::Data>,
                                             v8::Local<v8::Value> referrer,
                                             v8::Local<v8::String> specifier,
                                             v8::Local<v8::FixedArray>)
{
    v8c_isolate *isolate = isolate_of(v8::Isolate::GetCurrent());
    Depth depth(isolate);
    v8c_value *promise = isolate->params.on_import(isolate, out(referrer), out(specifier));
    return promise ? local<v8::Promise>(promise) : v8::Local<v8::Promise>();
}

static void on_import_meta(v8::Local<v8::Context>, v8::Local<v8::Module> module,
                           v8::Local<v8::Object> meta)
{
    v8c_isolate *isolate = isolate_of(v8::Isolate::GetCurrent());
    Depth depth(isolate);
    isolate->params.on_import_meta(isolate, out(module), out(meta));
}

static bool may_compile_wasm(v8::Local<v8::Context>, v8::Local<v8::String>)
{
    return isolate_of(v8::Isolate::GetCurrent())->params.may_compile_wasm;
}

static void run_interrupts(v8::Isolate *v8, void *)
{
    v8c_isolate *isolate = isolate_of(v8);
    std::vector<Interrupt> due;
    {
        std::lock_guard<std::mutex> lock(isolate->interrupts_lock);
        due.swap(isolate->interrupts);
    }
    for (const Interrupt &interrupt : due)
        interrupt.fn(isolate, interrupt.arg);
}

v8c_isolate *isolate_new(const v8c_isolate_params *params, bool is_builder, const char **why)
{
    auto isolate = std::make_unique<v8c_isolate>();
    isolate->params = *params;
    for (const v8c_native_entry *native = params->natives; native && native->call; native++)
        isolate->native_count++;
    assert(isolate->native_count <= V8C_NATIVES_MAX);
    isolate->buffers = std::make_shared<Buffers>(params->buffer_bytes_max);

    v8::Isolate::CreateParams create;
    create.array_buffer_allocator_shared = isolate->buffers;
    create.external_references = external_references;
    create.allow_atomics_wait = params->may_block;
    create.fatal_error_callback = fatal;
    create.oom_error_callback = fatal_memory;
    if (params->heap_bytes_max)
        create.constraints.set_max_old_generation_size_in_bytes(params->heap_bytes_max);
    if (params->heap_bytes_initial)
        create.constraints.set_initial_old_generation_size_in_bytes(params->heap_bytes_initial);
    if (params->young_bytes_max)
        create.constraints.set_max_young_generation_size_in_bytes(params->young_bytes_max);
    if (params->blob) {
        const char *reason = v8c_blob_check(params->blob, params->natives);
        if (reason) {
            if (why)
                *why = reason;
            return nullptr;
        }
        blob_payload(params->blob, &isolate->startup);
        create.snapshot_blob = &isolate->startup;
    }

    v8::Isolate *v8 = v8::Isolate::Allocate();
    isolate->v8 = v8;
    v8->SetData(0, isolate.get());
    if (is_builder) {
        isolate->snapshot = std::make_unique<v8::SnapshotCreator>(v8, create);
        v8->Exit(); /* the creator enters it; v8c_scope_enter shall, as for all others */
    } else {
        v8::Isolate::Initialize(v8, create);
    }

    v8->SetMicrotasksPolicy(v8::MicrotasksPolicy::kExplicit);
    v8->SetAllowWasmCodeGenerationCallback(may_compile_wasm);
    if (params->on_rejection)
        v8->SetPromiseRejectCallback(on_rejection);
    if (params->on_collection) {
        v8->AddGCPrologueCallback(on_collection_begins, isolate.get(), v8::kGCTypeMarkSweepCompact);
        v8->AddGCEpilogueCallback(on_collection_ends, isolate.get(), v8::kGCTypeMarkSweepCompact);
    }
    if (params->on_heap_limit)
        v8->AddNearHeapLimitCallback(on_heap_limit, isolate.get());
    if (params->on_import)
        v8->SetHostImportModuleDynamicallyCallback(on_import);
    if (params->on_import_meta)
        v8->SetHostInitializeImportMetaObjectCallback(on_import_meta);
    return isolate.release();
}

/* Everything of ours that points into the heap, before the heap goes or is frozen. */
void isolate_drop_handles(v8c_isolate *isolate)
{
    wraps_free(isolate);
    isolate->wrap_template.Reset();
    isolate->synthetics.clear();
    while (isolate->globals.next != &isolate->globals)
        v8c_global_free(static_cast<v8c_global *>(isolate->globals.next));
    while (isolate->contexts.next != &isolate->contexts)
        v8c_context_free(static_cast<v8c_context *>(isolate->contexts.next));
}

} // namespace libv8c

using namespace libv8c;

v8c_isolate *v8c_isolate_new(const v8c_isolate_params *params, const char **why)
{
    return isolate_new(params, false, why);
}

void v8c_isolate_free(v8c_isolate *isolate)
{
    if (!isolate)
        return;
    if (isolate->snapshot) { /* a builder that was given up */
        isolate_drop_handles(isolate);
        isolate->v8->Enter();
        isolate->snapshot.reset();
    }
    isolate_drop_handles(isolate);
    v8::platform::NotifyIsolateShutdown(platform, isolate->v8);
    isolate->v8->Dispose();
    delete isolate;
}

void *v8c_isolate_data(const v8c_isolate *isolate)
{
    return isolate->params.data;
}

void v8c_isolate_limit_buffers(v8c_isolate *isolate, size_t bytes_max)
{
    isolate->buffers->set_max(bytes_max);
}

bool v8c_isolate_take_buffer_bytes(v8c_isolate *isolate, size_t len)
{
    return isolate->buffers->take(len);
}

void v8c_isolate_give_buffer_bytes(v8c_isolate *isolate, size_t len)
{
    isolate->buffers->give(len);
}

void v8c_isolate_terminate(v8c_isolate *isolate)
{
    isolate->v8->TerminateExecution();
}

void v8c_isolate_resume(v8c_isolate *isolate)
{
    isolate->v8->CancelTerminateExecution();
}

bool v8c_isolate_is_terminating(v8c_isolate *isolate)
{
    return isolate->v8->IsExecutionTerminating();
}

void v8c_isolate_interrupt(v8c_isolate *isolate, void (*fn)(v8c_isolate *, void *), void *arg)
{
    {
        std::lock_guard<std::mutex> lock(isolate->interrupts_lock);
        isolate->interrupts.push_back({fn, arg});
    }
    isolate->v8->RequestInterrupt(run_interrupts, nullptr);
}

void v8c_isolate_heap_stats(v8c_isolate *isolate, v8c_heap_stats *stats)
{
    v8::HeapStatistics heap;
    isolate->v8->GetHeapStatistics(&heap);
    stats->used_bytes = heap.used_heap_size();
    stats->committed_bytes = heap.total_heap_size();
    stats->limit_bytes = heap.heap_size_limit();
    stats->malloced_bytes = heap.malloced_memory();
    stats->external_bytes = heap.external_memory();
    stats->buffer_bytes = isolate->buffers->used();
    stats->contexts = heap.number_of_native_contexts();
}

size_t v8c_isolate_foreign_bytes(v8c_isolate *isolate)
{
    int64_t external = isolate->v8->AdjustAmountOfExternalAllocatedMemory(0);
    int64_t own = static_cast<int64_t>(isolate->buffers->used());
    return external > own ? static_cast<size_t>(external - own) : 0;
}

void v8c_isolate_pressure(v8c_isolate *isolate, v8c_pressure pressure)
{
    isolate->v8->MemoryPressureNotification(
        pressure == V8C_PRESSURE_CRITICAL   ? v8::MemoryPressureLevel::kCritical
        : pressure == V8C_PRESSURE_MODERATE ? v8::MemoryPressureLevel::kModerate
                                            : v8::MemoryPressureLevel::kNone);
}

bool v8c_pump(v8c_isolate *isolate)
{
    return v8::platform::PumpMessageLoop(platform, isolate->v8);
}

v8c_context *v8c_context_new(v8c_isolate *isolate)
{
    v8::Isolate *v8 = isolate->v8;
    v8::Isolate::Scope enter(v8);
    v8::HandleScope scope(v8);
    v8::Local<v8::Context> context = v8::Context::New(v8);
    if (context.IsEmpty())
        return nullptr;
    context->AllowCodeGenerationFromStrings(isolate->params.may_eval);
    /* Unless a snapshot brought the slots: writing the last one makes them all, undefined. */
    if (context->GetNumberOfEmbedderDataFields() <= SLOT_LAST)
        context->SetEmbedderDataV2(SLOT_LAST, v8::Undefined(v8));
    v8c_context *result = new v8c_context;
    result->isolate = isolate;
    result->handle.Reset(v8, context);
    result->join(isolate->contexts);
    return result;
}

void v8c_context_free(v8c_context *context)
{
    if (!context)
        return;
    context->leave();
    context->handle.Reset();
    delete context;
}

void v8c_scope_enter(v8c_scope *scope, v8c_isolate *isolate, v8c_context *context)
{
    static thread_local char this_thread;

    v8::Isolate *v8 = isolate->v8;
    v8->Enter();
    if (isolate->stack_thread != &this_thread) {
        size_t max = isolate->params.stack_bytes_max;
        v8->SetStackLimit(stack_limit(max ? max : STACK_BYTES_DEFAULT));
        isolate->stack_thread = &this_thread;
    }
    scope->isolate = isolate;
    scope->context = context;
    ::new (static_cast<void *>(scope->handles)) v8::HandleScope(v8);
    if (context)
        context->handle.Get(v8)->Enter();
}

void v8c_scope_exit(v8c_scope *scope)
{
    v8::Isolate *v8 = scope->isolate->v8;
    if (scope->context)
        static_cast<v8c_context *>(scope->context)->handle.Get(v8)->Exit();
    reinterpret_cast<v8::HandleScope *>(scope->handles)->~HandleScope();
    v8->Exit();
}

v8c_value *v8c_slot(v8c_isolate *isolate, unsigned slot)
{
    assert(slot < V8C_SLOTS);
    return out(context_of(isolate)->GetEmbedderDataV2(SLOT_FIRST + static_cast<int>(slot)));
}

void v8c_slot_set(v8c_isolate *isolate, unsigned slot, v8c_value *value)
{
    assert(slot < V8C_SLOTS);
    context_of(isolate)->SetEmbedderDataV2(SLOT_FIRST + static_cast<int>(slot),
                                           local<v8::Value>(value));
}

v8c_value *v8c_global_this(v8c_isolate *isolate)
{
    return out(context_of(isolate)->Global());
}

v8c_global *v8c_global_new(v8c_isolate *isolate, v8c_value *value)
{
    v8c_global *global = new v8c_global;
    global->isolate = isolate;
    global->handle.Reset(isolate->v8, local<v8::Data>(value));
    global->join(isolate->globals);
    return global;
}

v8c_global *v8c_global_new_module(v8c_isolate *isolate, v8c_module *module)
{
    return v8c_global_new(isolate, reinterpret_cast<v8c_value *>(module));
}

v8c_value *v8c_global_get(const v8c_global *global)
{
    return out(global->handle.Get(global->isolate->v8));
}

v8c_module *v8c_global_get_module(const v8c_global *global)
{
    return reinterpret_cast<v8c_module *>(v8c_global_get(global));
}

static void gone(const v8::WeakCallbackInfo<v8c_global> &info)
{
    v8c_global *global = info.GetParameter();
    global->handle.Reset();
    if (global->on_gone)
        global->on_gone(global->arg);
}

void v8c_global_weaken(v8c_global *global, void (*on_gone)(void *), void *arg)
{
    global->on_gone = on_gone;
    global->arg = arg;
    global->handle.SetWeak(global, gone, v8::WeakCallbackType::kParameter);
}

void v8c_global_free(v8c_global *global)
{
    if (!global)
        return;
    global->leave();
    global->handle.Reset();
    delete global;
}
