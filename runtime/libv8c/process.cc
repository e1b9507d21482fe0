/* The process: flags, platform, clock, and what happens when V8 gives up. */
#include "inside.hh"

#include <cstdio>
#include <sys/random.h>

namespace libv8c
{

v8::Platform *platform; /* V8's own, which libplatform's functions want to see */
uint32_t flags_hash;

static v8c_init_params init;
static std::unique_ptr<v8::Platform> default_platform;
static std::unique_ptr<v8::Platform> host_platform;

uint32_t hash(uint32_t seed, const void *bytes, size_t len)
{
    uint32_t h = seed; /* FNV-1a: tells versions apart, defends against nobody */
    for (size_t i = 0; i < len; i++)
        h = (h ^ static_cast<const uint8_t *>(bytes)[i]) * 16777619u;
    return h;
}

v8::Local<v8::String> text(v8::Isolate *v8, const char *utf8)
{
    return v8::String::NewFromUtf8(v8, utf8).ToLocalChecked();
}

[[noreturn]] static void give_up(bool is_memory, const char *where, const char *what)
{
    if (init.fatal)
        init.fatal(is_memory, where ? where : "", what ? what : "", init.data);
    else
        fprintf(stderr, "v8c: fatal: %s: %s\n", where ? where : "?", what ? what : "?");
    abort();
}

void fatal(const char *where, const char *what)
{
    give_up(false, where, what);
}

void fatal_memory(const char *where, const v8::OOMDetails &details)
{
    give_up(true, where, details.detail ? details.detail : "out of memory");
}

/* Rejected: V8's own source: it opens /dev/urandom three times per isolate, 764 us for one instead
 * of 700, and in a sandbox, which has no files, falls back to the time. */
static bool system_entropy(unsigned char *buf, size_t len)
{
    return getrandom(buf, len, 0) == static_cast<ssize_t>(len);
}

static void fatal_check(const char *file, int line, const char *message)
{
    char where[256];
    snprintf(where, sizeof where, "%s:%d", file ? file : "?", line);
    fatal(where, message);
}

/* V8's default platform with pages that are counted, and a clock of the caller's if it has one. */
/* V8 says when it compiles only to who traces it: of all categories that one is on. */
class Tracing final : public v8::TracingController
{
  public:
    const uint8_t *GetCategoryGroupEnabled(const char *name) override
    {
        static const uint8_t off = 0, on = 1;
        return strcmp(name, "disabled-by-default-v8.compile") == 0 ? &on : &off;
    }
    uint64_t AddTraceEvent(char, const uint8_t *, const char *name, const char *, uint64_t,
                           uint64_t, int32_t, const char **, const uint8_t *, const uint64_t *,
                           std::unique_ptr<v8::ConvertableToTraceFormat> *, unsigned) override
    {
        tell(name, true);
        return 1;
    }
    void UpdateTraceEventDuration(const uint8_t *, const char *name, uint64_t) override
    {
        tell(name, false);
    }

  private:
    /* Turbofan is one event, Maglev one for each of its phases, which may have others inside. */
    static void tell(const char *name, bool begins)
    {
        if (strcmp(name, "V8.OptimizeCode") != 0 && strncmp(name, "V8.Maglev", 9) != 0)
            return;
        v8::Isolate *v8 = v8::Isolate::TryGetCurrent();
        v8c_isolate *isolate = v8 ? isolate_of(v8) : nullptr;
        if (!isolate || !isolate->params.on_optimization)
            return;
        unsigned outside = begins ? isolate->optimizers++ : --isolate->optimizers;
        if (outside == 0)
            isolate->params.on_optimization(isolate, begins);
    }
};

class HostPlatform final : public v8::Platform
{
  public:
    explicit HostPlatform(v8::Platform *inner) : inner_(inner), pages_(inner->GetPageAllocator())
    {
    }
    v8::PageAllocator *GetPageAllocator() override
    {
        return &pages_;
    }
    v8::ThreadIsolatedAllocator *GetThreadIsolatedAllocator() override
    {
        return inner_->GetThreadIsolatedAllocator();
    }
    void OnCriticalMemoryPressure() override
    {
        inner_->OnCriticalMemoryPressure();
    }
    int NumberOfWorkerThreads() override
    {
        return inner_->NumberOfWorkerThreads();
    }
    std::shared_ptr<v8::TaskRunner> GetForegroundTaskRunner(v8::Isolate *isolate,
                                                            v8::TaskPriority priority) override
    {
        return inner_->GetForegroundTaskRunner(isolate, priority);
    }
    bool IdleTasksEnabled(v8::Isolate *isolate) override
    {
        return inner_->IdleTasksEnabled(isolate);
    }
    std::unique_ptr<v8::ScopedBoostablePriority> CreateBoostablePriorityScope() override
    {
        return inner_->CreateBoostablePriorityScope();
    }
    std::unique_ptr<v8::ScopedBlockingCall>
    CreateBlockingScope(v8::BlockingType blocking_type) override
    {
        return inner_->CreateBlockingScope(blocking_type);
    }
    double MonotonicallyIncreasingTime() override
    {
        return inner_->MonotonicallyIncreasingTime();
    }
    double CurrentClockTimeMillis() override
    {
        if (!init.clock_ms)
            return inner_->CurrentClockTimeMillis();
        v8::Isolate *asking = v8::Isolate::TryGetCurrent();
        return init.clock_ms(asking ? isolate_of(asking) : nullptr, init.data);
    }
    StackTracePrinter GetStackTracePrinter() override
    {
        return inner_->GetStackTracePrinter();
    }
    v8::TracingController *GetTracingController() override
    {
        return &tracing_;
    }

  protected:
    std::unique_ptr<v8::JobHandle> CreateJobImpl(v8::TaskPriority priority,
                                                 std::unique_ptr<v8::JobTask> task,
                                                 const v8::SourceLocation &where) override
    {
        return inner_->CreateJob(priority, std::move(task), where);
    }
    void PostTaskOnWorkerThreadImpl(v8::TaskPriority priority, std::unique_ptr<v8::Task> task,
                                    const v8::SourceLocation &where) override
    {
        inner_->PostTaskOnWorkerThread(priority, std::move(task), where);
    }
    void PostDelayedTaskOnWorkerThreadImpl(v8::TaskPriority priority,
                                           std::unique_ptr<v8::Task> task, double delay_s,
                                           const v8::SourceLocation &where) override
    {
        inner_->PostDelayedTaskOnWorkerThread(priority, std::move(task), delay_s, where);
    }

  private:
    v8::Platform *inner_;
    Pages pages_;
    Tracing tracing_;
};

} // namespace libv8c

using namespace libv8c;

void v8c_blob_free(v8c_blob *blob)
{
    free(blob->data);
    *blob = {};
}

void v8c_init(const v8c_init_params *params)
{
    assert(!platform);
    init = *params;
    flags_hash =
        hash(2166136261u, init.flags ? init.flags : "", init.flags ? strlen(init.flags) : 0);

    v8::V8::SetFatalErrorHandler(fatal_check);
    v8::V8::SetFatalMemoryErrorCallback(fatal_memory);
    if (init.flags)
        v8::V8::SetFlagsFromString(init.flags);
    v8::V8::SetEntropySource(init.entropy ? init.entropy : system_entropy);
    if (init.threads == 0) {
        v8::V8::SetFlagsFromString("--single-threaded");
        default_platform = v8::platform::NewSingleThreadedDefaultPlatform();
    } else {
        default_platform = v8::platform::NewDefaultPlatform(init.threads);
    }
    platform = default_platform.get();
    host_platform = std::make_unique<HostPlatform>(platform);
    v8::V8::InitializePlatform(host_platform.get());
    v8::V8::Initialize();
}

void v8c_fini(void)
{
    v8::V8::Dispose();
    v8::V8::DisposePlatform();
    host_platform.reset();
    default_platform.reset();
    platform = nullptr;
}

const char *v8c_version(void)
{
    return v8::V8::GetVersion();
}

uint32_t v8c_cache_tag(void)
{
    return v8::ScriptCompiler::CachedDataVersionTag();
}
