/* The address space of resizable ArrayBuffers and growable shared ones.
 *
 * V8 reserves their maxByteLength at once, past the isolate's allocator, and commits pages as they
 * grow (ECMA-262 25.1.6.6). So the platform's page allocator charges the whole reservation to the
 * isolate that asks: over its limit, the constructor throws a RangeError. These reservations are
 * told apart by their alignment: those of the heap have the size of a heap page. test/bytes.c
 * notices if another V8 does it otherwise.
 *
 * Rejected: charging bytes as they are committed. The allocator does not see these, and a script
 * that was granted a buffer can use it.
 */
#include "inside.hh"

namespace libv8c
{

bool Pages::is_of_buffer(size_t alignment, Permission permissions) const
{
    return permissions == kNoAccess && alignment <= inner_->AllocatePageSize();
}

void *Pages::AllocatePages(void *address, size_t len, size_t alignment, Permission permissions)
{
    v8::Isolate *asking =
        is_of_buffer(alignment, permissions) ? v8::Isolate::TryGetCurrent() : nullptr;
    v8c_isolate *isolate = asking ? isolate_of(asking) : nullptr;
    if (!isolate)
        return inner_->AllocatePages(address, len, alignment, permissions);
    std::shared_ptr<Buffers> buffers = isolate->buffers;
    if (!buffers->take(len))
        return nullptr;
    void *pages = inner_->AllocatePages(address, len, alignment, permissions);
    if (!pages) {
        buffers->give(len);
        return nullptr;
    }
    std::lock_guard<std::mutex> lock(lock_);
    charged_[pages] = {std::move(buffers), len};
    return pages;
}

bool Pages::FreePages(void *address, size_t len)
{
    {
        std::lock_guard<std::mutex> lock(lock_); /* before somebody else can be given the address */
        auto found = charged_.find(address);
        if (found != charged_.end()) {
            found->second.buffers->give(found->second.len);
            charged_.erase(found);
        }
    }
    return inner_->FreePages(address, len);
}

} // namespace libv8c
