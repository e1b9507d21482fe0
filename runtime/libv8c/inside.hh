/* inside.hh: what the parts of libv8c share. Not for users; the contract is v8c.h. */
#pragma once

#include <atomic>
#include <cassert>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include <libplatform/libplatform.h>
#include <v8.h>

#include "v8c.h"

static_assert(sizeof(v8::Local<v8::Value>) == sizeof(v8c_value *), "a handle is one pointer");
static_assert(sizeof(v8::HandleScope) <= sizeof(v8c_scope::handles), "v8c_scope has room for it");

namespace libv8c
{

/* A v8::Local is a pointer to a slot of the handle scope, and so is a v8c_value *: casting is
 * copying. */
template <class T> v8::Local<T> local(const void *handle)
{
    v8::Local<T> result;
    memcpy(static_cast<void *>(&result), &handle, sizeof handle);
    return result;
}

template <class T> v8c_value *out(v8::Local<T> value)
{
    v8c_value *result;
    memcpy(&result, static_cast<const void *>(&value), sizeof result);
    return result;
}

inline v8c_module *out(v8::Local<v8::Module> module)
{
    return reinterpret_cast<v8c_module *>(out<v8::Module>(module));
}

/* Intrusive list: what must be found again when its isolate ends. */
struct Link {
    Link *prev = this;
    Link *next = this;

    void join(Link &head)
    {
        next = &head;
        prev = head.prev;
        prev->next = this;
        head.prev = this;
    }
    void leave()
    {
        prev->next = next;
        next->prev = prev;
        prev = next = this;
    }
};

/* Counts what ArrayBuffers hold. Lives as long as the last of them, which may outlive its isolate.
 */
class Buffers final : public v8::ArrayBuffer::Allocator
{
  public:
    explicit Buffers(size_t max) : max_(max)
    {
    }
    /* calloc of jemalloc asks the kernel for zeros, a page fault for each page of memory that was
     * there already: 1 MB through a TransformStream took 665 us so, 287 where it is cleared by
     * hand. Large ones may never be touched in full. */
    void *Allocate(size_t len) override
    {
        if (len > CLEARED_MAX)
            return take(len) ? kept(calloc(1, len), len) : nullptr;
        void *data = AllocateUninitialized(len);
        return data ? memset(data, 0, len) : nullptr;
    }
    void *AllocateUninitialized(size_t len) override
    {
        return take(len) ? kept(malloc(len ? len : 1), len) : nullptr;
    }
    void Free(void *data, size_t len) override
    {
        free(data);
        give(len);
    }
    size_t used() const
    {
        return used_.load(std::memory_order_relaxed);
    }
    void set_max(size_t max)
    {
        max_.store(max, std::memory_order_relaxed);
    }
    /* For bytes of a buffer that V8 maps itself (pages.cc). */
    bool take(size_t len)
    {
        size_t max = max_.load(std::memory_order_relaxed);
        size_t before = used_.fetch_add(len, std::memory_order_relaxed);
        if (max == 0 || (len <= max && before <= max - len))
            return true;
        give(len);
        return false;
    }
    void give(size_t len)
    {
        used_.fetch_sub(len, std::memory_order_relaxed);
    }

  private:
    static constexpr size_t CLEARED_MAX = 2 << 20;

    void *kept(void *data, size_t len)
    {
        if (!data)
            give(len);
        return data;
    }

    std::atomic<size_t> used_{0};
    std::atomic<size_t> max_;
};

/* V8's page allocator, which charges what buffers reserve to their isolates (pages.cc). */
class Pages final : public v8::PageAllocator
{
  public:
    explicit Pages(v8::PageAllocator *inner) : inner_(inner)
    {
    }
    void *AllocatePages(void *address, size_t len, size_t alignment, Permission) override;
    bool FreePages(void *address, size_t len) override;

    size_t AllocatePageSize() override
    {
        return inner_->AllocatePageSize();
    }
    size_t CommitPageSize() override
    {
        return inner_->CommitPageSize();
    }
    void SetRandomMmapSeed(int64_t seed) override
    {
        inner_->SetRandomMmapSeed(seed);
    }
    void *GetRandomMmapAddr() override
    {
        return inner_->GetRandomMmapAddr();
    }
    bool ResizeAllocationAt(void *address, size_t len, size_t new_len, Permission p) override
    {
        return inner_->ResizeAllocationAt(address, len, new_len, p);
    }
    bool ReleasePages(void *address, size_t len, size_t new_len) override
    {
        return inner_->ReleasePages(address, len, new_len);
    }
    bool SetPermissions(void *address, size_t len, Permission p) override
    {
        return inner_->SetPermissions(address, len, p);
    }
    bool RecommitPages(void *address, size_t len, Permission p) override
    {
        return inner_->RecommitPages(address, len, p);
    }
    bool DiscardSystemPages(void *address, size_t len) override
    {
        return inner_->DiscardSystemPages(address, len);
    }
    bool DecommitPages(void *address, size_t len) override
    {
        return inner_->DecommitPages(address, len);
    }
    bool SealPages(void *address, size_t len) override
    {
        return inner_->SealPages(address, len);
    }
    bool ReserveForSharedMemoryMapping(void *address, size_t len) override
    {
        return inner_->ReserveForSharedMemoryMapping(address, len);
    }
    std::unique_ptr<SharedMemory> AllocateSharedPages(size_t len, const void *address) override
    {
        return inner_->AllocateSharedPages(len, address);
    }
    bool CanAllocateSharedPages() override
    {
        return inner_->CanAllocateSharedPages();
    }

  private:
    struct Charge {
        std::shared_ptr<Buffers> buffers;
        size_t len;
    };

    bool is_of_buffer(size_t alignment, Permission) const;

    v8::PageAllocator *inner_;
    std::mutex lock_;
    std::unordered_map<void *, Charge> charged_;
};

struct Synthetic {
    v8::Global<v8::Module> module;
    std::vector<v8::Global<v8::String>> names;
    std::vector<v8::Global<v8::Value>> exports;
};

struct Interrupt {
    void (*fn)(v8c_isolate *, void *);
    void *arg;
};

struct Resolving {
    v8c_resolve *resolve;
    void *arg;
};

} // namespace libv8c

struct v8c_context : libv8c::Link {
    v8c_isolate *isolate;
    v8::Global<v8::Context> handle;
};

struct v8c_global : libv8c::Link {
    v8c_isolate *isolate;
    v8::Global<v8::Data> handle;
    void (*on_gone)(void *arg) = nullptr;
    void *arg = nullptr;
};

struct v8c_isolate {
    v8::Isolate *v8 = nullptr;
    v8c_isolate_params params{};
    unsigned native_count = 0;
    std::shared_ptr<libv8c::Buffers> buffers;
    v8::StartupData startup{};                     /* points into params.blob */
    std::unique_ptr<v8::SnapshotCreator> snapshot; /* of a builder only */

    unsigned depth = 0;      /* natives and hooks on the stack: C called by JavaScript */
    unsigned optimizers = 0; /* compilers at work, and what they have told of inside of that */
    const void *stack_thread = nullptr;
    libv8c::Resolving resolving{};

    libv8c::Link contexts;
    libv8c::Link globals;
    libv8c::Link wraps;
    v8::Global<v8::ObjectTemplate> wrap_template;
    std::vector<std::unique_ptr<libv8c::Synthetic>> synthetics;

    std::mutex interrupts_lock;
    std::vector<libv8c::Interrupt> interrupts;
};

namespace libv8c
{

inline v8c_isolate *isolate_of(v8::Isolate *v8)
{
    return static_cast<v8c_isolate *>(v8->GetData(0));
}

inline v8::Local<v8::Context> context_of(v8c_isolate *isolate)
{
    return isolate->v8->GetCurrentContext();
}

/* C called by JavaScript: a termination caught below must go on unwinding above. */
class Depth
{
  public:
    explicit Depth(v8c_isolate *isolate) : isolate_(isolate)
    {
        isolate_->depth++;
    }
    ~Depth()
    {
        isolate_->depth--;
    }
    Depth(const Depth &) = delete;

  private:
    v8c_isolate *isolate_;
};

/* One call that may throw: catches only if the caller gave an error to fill. */
class Attempt
{
  public:
    Attempt(v8c_isolate *isolate, v8c_error *error) : isolate_(isolate), error_(error)
    {
        if (error)
            catch_.emplace(isolate->v8);
    }
    template <class T> v8c_value *value(v8::MaybeLocal<T> maybe)
    {
        v8::Local<T> result;
        if (maybe.ToLocal(&result))
            return out(result);
        fail();
        return nullptr;
    }
    bool yes(v8::Maybe<bool> maybe)
    {
        if (maybe.IsJust())
            return true;
        fail();
        return false;
    }
    bool terminated() const
    {
        return catch_ && catch_->HasTerminated();
    }
    void fail();

  private:
    v8c_isolate *isolate_;
    v8c_error *error_;
    std::optional<v8::TryCatch> catch_;
};

/* process.cc */
extern v8::Platform *platform;
extern uint32_t flags_hash;
[[noreturn]] void fatal(const char *where, const char *what);
[[noreturn]] void fatal_memory(const char *where, const v8::OOMDetails &details);

/* isolate.cc */
v8c_isolate *isolate_new(const v8c_isolate_params *, bool is_builder, const char **why);
void isolate_drop_handles(v8c_isolate *);

/* function.cc, module.cc: C++ functions that a snapshot may refer to; the order is part of the blob
 * format. */
void native_trampoline(const v8::FunctionCallbackInfo<v8::Value> &);
v8::MaybeLocal<v8::Value> synthetic_evaluate(v8::Local<v8::Context>, v8::Local<v8::Module>);

/* wrap.cc */
bool is_wrapped(v8::Local<v8::Value>);
void wraps_free(v8c_isolate *);

/* snapshot.cc */
void blob_payload(const v8c_blob *, v8::StartupData *);

uint32_t hash(uint32_t seed, const void *bytes, size_t len);
v8::Local<v8::String> text(v8::Isolate *, const char *utf8);

} // namespace libv8c
