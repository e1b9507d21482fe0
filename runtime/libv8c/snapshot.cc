/* Snapshots: V8's startup blob behind a header that says what it fits.
 *
 *   | magic 8 | natives count 4 | natives hash 4 | flags hash 4 | zero 4 | V8's version 40 | V8's
 * blob ...
 *
 * V8 aborts on a blob of another version; the header makes that an answer. The natives are hashed
 * by name and in order, the first `count` of them: a longer table fits too.
 */
#include "inside.hh"

#include <cstddef>

namespace libv8c
{

struct Header {
    char magic[8];
    uint32_t native_count;
    uint32_t natives_hash;
    uint32_t flags_hash;
    uint32_t zero;
    char version[40];
};
static_assert(sizeof(Header) == 64, "V8's blob stays aligned behind it");

static const char magic[8] = {'v', '8', 'c', 'b', 'l', 'o', 'b', '1'};

static uint32_t natives_hash(const v8c_native_entry *natives, uint32_t count)
{
    uint32_t h = 2166136261u;
    for (uint32_t i = 0; i < count; i++)
        h = hash(h, natives[i].name, strlen(natives[i].name) + 1);
    return h;
}

static Header header_of(const v8c_native_entry *natives, uint32_t count)
{
    Header header = {};
    memcpy(header.magic, magic, sizeof magic);
    header.native_count = count;
    header.natives_hash = natives_hash(natives, count);
    header.flags_hash = flags_hash;
    strncpy(header.version, v8::V8::GetVersion(), sizeof header.version - 1);
    return header;
}

void blob_payload(const v8c_blob *blob, v8::StartupData *startup)
{
    startup->data = reinterpret_cast<const char *>(blob->data) + sizeof(Header);
    startup->raw_size = static_cast<int>(blob->len - sizeof(Header));
}

} // namespace libv8c

using namespace libv8c;

const char *v8c_blob_check(const v8c_blob *blob, const v8c_native_entry *natives)
{
    if (blob->len <= sizeof(Header) || blob->len > INT32_MAX)
        return "blob has an impossible size";
    if (reinterpret_cast<uintptr_t>(blob->data) % 8)
        return "blob is not aligned to 8 bytes";
    Header header;
    memcpy(&header, blob->data, sizeof header);
    if (memcmp(header.magic, magic, sizeof magic) != 0)
        return "not a blob of libv8c";
    uint32_t count = 0;
    while (natives && natives[count].call)
        count++;
    if (header.native_count > count)
        return "blob was made with more natives";
    Header ours = header_of(natives, header.native_count);
    if (memcmp(header.version, ours.version, sizeof ours.version) != 0)
        return "blob is of another V8 version";
    if (header.flags_hash != ours.flags_hash)
        return "blob was made with other V8 flags";
    if (header.natives_hash != ours.natives_hash)
        return "blob was made with other natives";
    return nullptr;
}

v8c_isolate *v8c_snapshot_new(const v8c_isolate_params *params, const char **why)
{
    return isolate_new(params, true, why);
}

bool v8c_snapshot_take(v8c_isolate *isolate, v8c_context *context, bool keep_code, v8c_blob *out)
{
    v8::Isolate *v8 = isolate->v8;
    *out = {};
    v8->Enter();
    {
        v8::HandleScope scope(v8);
        isolate->snapshot->SetDefaultContext(context->handle.Get(v8));
    }
    isolate_drop_handles(isolate); /* V8 wants no handle from outside to be left */
    v8::StartupData startup = isolate->snapshot->CreateBlob(
        keep_code ? v8::SnapshotCreator::FunctionCodeHandling::kKeep
                  : v8::SnapshotCreator::FunctionCodeHandling::kClear);
    if (startup.data) {
        Header header = header_of(isolate->params.natives, isolate->native_count);
        out->len = sizeof header + static_cast<size_t>(startup.raw_size);
        out->data = static_cast<uint8_t *>(malloc(out->len));
        if (!out->data)
            fatal("v8c_snapshot_take", "out of memory");
        memcpy(out->data, &header, sizeof header);
        memcpy(out->data + sizeof header, startup.data, static_cast<size_t>(startup.raw_size));
        delete[] startup.data;
    }
    isolate->snapshot.reset(); /* leaves the isolate */
    v8c_isolate_free(isolate);
    return out->data != nullptr;
}
