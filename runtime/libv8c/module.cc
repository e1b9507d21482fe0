/* Scripts and ES modules. */
#include "inside.hh"

namespace libv8c
{

static v8::Local<v8::Module> module_of(const v8c_module *module)
{
    return local<v8::Module>(module);
}

/* Attributes come as triples of key, value, source offset. */
static v8c_value *attribute_type(v8c_isolate *isolate, v8::Local<v8::FixedArray> attributes)
{
    for (int i = 0; i + 1 < attributes->Length(); i += 3) {
        v8::Local<v8::String> key = attributes->Get(i).As<v8::String>();
        if (key->StringEquals(text(isolate->v8, "type")))
            return out(attributes->Get(i + 1).As<v8::String>());
    }
    return nullptr;
}

static v8::MaybeLocal<v8::Module> resolve(v8::Local<v8::Context>, v8::Local<v8::String> specifier,
                                          v8::Local<v8::FixedArray> attributes,
                                          v8::Local<v8::Module> referrer)
{
    v8c_isolate *isolate = isolate_of(v8::Isolate::GetCurrent());
    Depth depth(isolate);
    v8c_module *module =
        isolate->resolving.resolve(isolate, out(referrer), out(specifier),
                                   attribute_type(isolate, attributes), isolate->resolving.arg);
    return module ? local<v8::Module>(module) : v8::Local<v8::Module>();
}

v8::MaybeLocal<v8::Value> synthetic_evaluate(v8::Local<v8::Context> context,
                                             v8::Local<v8::Module> module)
{
    v8::Isolate *v8 = v8::Isolate::GetCurrent();
    v8c_isolate *isolate = isolate_of(v8);
    for (auto &synthetic : isolate->synthetics) {
        if (synthetic->module != module)
            continue;
        for (size_t i = 0; i < synthetic->names.size(); i++) {
            if (module
                    ->SetSyntheticModuleExport(v8, synthetic->names[i].Get(v8),
                                               synthetic->exports[i].Get(v8))
                    .IsNothing())
                return {};
        }
        synthetic.swap(isolate->synthetics.back());
        isolate->synthetics.pop_back();
        break;
    }
    v8::Local<v8::Promise::Resolver> done;
    if (!v8::Promise::Resolver::New(context).ToLocal(&done) ||
        done->Resolve(context, v8::Undefined(v8)).IsNothing())
        return {};
    return done->GetPromise().As<v8::Value>();
}

/* Our struct becomes V8's, and back. The cache's bytes stay the caller's. */
static v8::ScriptCompiler::Source source_of(v8c_isolate *isolate, const v8c_source *source,
                                            bool is_module)
{
    v8::ScriptOrigin origin(text(isolate->v8, source->name), 0, 0, false, -1,
                            v8::Local<v8::Value>(), false, false, is_module);
    v8::ScriptCompiler::CachedData *cache = nullptr;
    if (source->cache)
        cache = new v8::ScriptCompiler::CachedData(source->cache,
                                                   static_cast<int>(source->cache_bytes));
    return v8::ScriptCompiler::Source(local<v8::Value>(source->text).As<v8::String>(), origin,
                                      cache);
}

static v8::ScriptCompiler::CompileOptions options_of(const v8c_source *source)
{
    if (source->cache)
        return v8::ScriptCompiler::kConsumeCodeCache;
    return source->is_eager ? v8::ScriptCompiler::kEagerCompile
                            : v8::ScriptCompiler::kNoCompileOptions;
}

static void note_rejection(const v8::ScriptCompiler::Source &compiled, v8c_source *source)
{
    source->cache_was_rejected = compiled.GetCachedData() && compiled.GetCachedData()->rejected;
}

} // namespace libv8c

using namespace libv8c;

v8c_value *v8c_script_run(v8c_isolate *isolate, v8c_source *source, v8c_error *error)
{
    Attempt attempt(isolate, error);
    v8::Local<v8::Context> context = context_of(isolate);
    v8::ScriptCompiler::Source from = source_of(isolate, source, false);
    v8::Local<v8::Script> script;
    bool is_compiled =
        v8::ScriptCompiler::Compile(context, &from, options_of(source)).ToLocal(&script);
    note_rejection(from, source);
    if (!is_compiled) {
        attempt.fail();
        return nullptr;
    }
    return attempt.value(script->Run(context));
}

v8c_value *v8c_run(v8c_isolate *isolate, const char *name, const char *script, v8c_error *error)
{
    v8c_source source = {};
    source.name = name;
    source.text = out(text(isolate->v8, script));
    return v8c_script_run(isolate, &source, error);
}

v8c_module *v8c_module_compile(v8c_isolate *isolate, v8c_source *source, v8c_error *error)
{
    Attempt attempt(isolate, error);
    v8::ScriptCompiler::Source from = source_of(isolate, source, true);
    v8::Local<v8::Module> module;
    bool is_compiled =
        v8::ScriptCompiler::CompileModule(isolate->v8, &from, options_of(source)).ToLocal(&module);
    note_rejection(from, source);
    if (!is_compiled) {
        attempt.fail();
        return nullptr;
    }
    return out(module);
}

v8c_module *v8c_module_synthetic(v8c_isolate *isolate, const char *name, size_t count,
                                 v8c_value *const names[], v8c_value *const exports[])
{
    v8::Isolate *v8 = isolate->v8;
    auto synthetic = std::make_unique<Synthetic>();
    std::vector<v8::Local<v8::String>> list;
    for (size_t i = 0; i < count; i++) {
        list.push_back(local<v8::Value>(names[i]).As<v8::String>());
        synthetic->names.emplace_back(v8, list[i]);
        synthetic->exports.emplace_back(v8, local<v8::Value>(exports[i]));
    }
    v8::Local<v8::Module> module = v8::Module::CreateSyntheticModule(
        v8, text(v8, name), v8::MemorySpan<const v8::Local<v8::String>>(list.data(), list.size()),
        synthetic_evaluate);
    synthetic->module.Reset(v8, module);
    isolate->synthetics.push_back(std::move(synthetic));
    return out(module);
}

size_t v8c_module_requests(v8c_isolate *, v8c_module *module)
{
    return static_cast<size_t>(module_of(module)->GetModuleRequests()->Length());
}

void v8c_module_request(v8c_isolate *isolate, v8c_module *module, size_t i,
                        struct v8c_module_request *out_request)
{
    v8::Local<v8::ModuleRequest> request =
        module_of(module)->GetModuleRequests()->Get(static_cast<int>(i)).As<v8::ModuleRequest>();
    v8::Location where = module_of(module)->SourceOffsetToLocation(request->GetSourceOffset());
    out_request->specifier = out(request->GetSpecifier());
    out_request->type = attribute_type(isolate, request->GetImportAttributes());
    out_request->line = where.GetLineNumber() + 1;
    out_request->column = where.GetColumnNumber() + 1;
}

bool v8c_module_instantiate(v8c_isolate *isolate, v8c_module *module, v8c_resolve *resolver,
                            void *arg, v8c_error *error)
{
    Attempt attempt(isolate, error);
    Resolving outer = isolate->resolving;
    isolate->resolving = {resolver, arg};
    bool ok = attempt.yes(module_of(module)->InstantiateModule(context_of(isolate), resolve));
    isolate->resolving = outer;
    return ok;
}

v8c_value *v8c_module_evaluate(v8c_isolate *isolate, v8c_module *module, v8c_error *error)
{
    Attempt attempt(isolate, error);
    return attempt.value(module_of(module)->Evaluate(context_of(isolate)));
}

v8c_value *v8c_module_namespace(v8c_module *module)
{
    return out(module_of(module)->GetModuleNamespace());
}

bool v8c_module_is_async(v8c_module *module)
{
    return module_of(module)->IsGraphAsync();
}

bool v8c_module_same(const v8c_module *a, const v8c_module *b)
{
    return module_of(a) == module_of(b);
}

bool v8c_module_cache(v8c_isolate *, v8c_module *module, v8c_blob *blob)
{
    *blob = {};
    std::unique_ptr<v8::ScriptCompiler::CachedData> cache(
        v8::ScriptCompiler::CreateCodeCache(module_of(module)->GetUnboundModuleScript()));
    if (!cache || cache->length <= 0)
        return false;
    blob->len = static_cast<size_t>(cache->length);
    blob->data = static_cast<uint8_t *>(malloc(blob->len));
    if (!blob->data)
        fatal("v8c_module_cache", "out of memory");
    memcpy(blob->data, cache->data, blob->len);
    return true;
}
