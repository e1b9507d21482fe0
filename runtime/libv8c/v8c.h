/* v8c.h
 *
 * V8 from C: a small API for programs that run other people's JavaScript fast: many isolates,
 * snapshots, ES modules, promises, hard limits. No C++ type and no exception crosses it.
 *
 *   process   v8c_init ............................................................ v8c_fini
 *   isolate     v8c_isolate_new ........... one heap, one thread at a time ..... v8c_isolate_free
 *   context       v8c_context_new ......... one set of globals ............... v8c_context_free
 *   scope           v8c_scope_enter ....... handles are made and used ...... v8c_scope_exit
 *
 * Handles.  struct v8c_value * and struct v8c_module * name something in the heap. They are valid
 * until the innermost scope in which they were made is exited, and inside a native until it
 * returns. What must live longer is kept by a v8c_global, or in a slot of the context
 * (v8c_slot_set). Never free one. NULL is no handle: it is what a failed call returns. Scopes. All
 * calls that take an isolate are made inside a scope of it, entered with a context, unless their
 * comment says otherwise. Scopes nest; a loop that makes many handles wants one of its own.
 * Threads.  An isolate belongs to one thread at a time: the one inside its scope. It may move to
 *   another thread between scopes. Only the functions marked "any thread" may be called from
 * elsewhere. Errors.   A call that can run JavaScript takes a struct v8c_error *, filled when it
 * fails. With NULL the exception stays pending: a native that returns then throws it to its
 * JavaScript caller. A termination is never swallowed inside a native: return at once when
 * error.kind says so. Natives.  C functions that JavaScript calls are named by their index in one
 * table, given with every isolate. Snapshots hold the index, so they work in any process whose
 * table begins the same way. Bytes.    Text is Latin-1 or UTF-8 with a length; char * parameters
 * named "name" or "text" end in NUL.
 *
 * V8's own violations (out of memory, a broken internal check) call params->fatal and then abort.
 * Passing a wrong kind of value where a comment names one (an array, a promise, ...) is the
 * caller's bug and aborts. Source: V8 14.6, include/v8*.h.
 */
#ifndef V8C_H
#define V8C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct v8c_isolate;
struct v8c_context;
struct v8c_value;  /* local handle: any JavaScript value */
struct v8c_module; /* local handle: an ES module record */
struct v8c_global; /* keeps one value or module across scopes */
struct v8c_store;  /* keeps the bytes of one ArrayBuffer, in no heap */
struct v8c_call;

/* Bytes owned by whoever holds the struct: a snapshot, a code cache, a clone. */
struct v8c_blob {
    uint8_t *data;
    size_t len;
};
void v8c_blob_free(struct v8c_blob *); /* leaves {NULL, 0}, which is fine to free too */

enum {
    V8C_ERROR_TEXT_MAX = 512,
    V8C_ERROR_NAME_MAX = 256,
    V8C_ERROR_STACK_MAX = 4096,
    V8C_SLOTS = 32, /* per context */
    V8C_NATIVES_MAX = 4096,
    V8C_ARGS_MAX = 64, /* of v8c_function_call */
};

/* ---- errors ---- */

enum v8c_error_kind {
    V8C_OK = 0,
    V8C_EXCEPTION,  /* JavaScript threw */
    V8C_TERMINATED, /* v8c_isolate_terminate; nothing was thrown and nothing can catch it */
};

/* Written only by a call that failed. Texts are cut at their maximum, UTF-8 and NUL-terminated. */
struct v8c_error {
    enum v8c_error_kind kind;
    struct v8c_value *exception;     /* valid in the current scope; NULL when terminated */
    int line;                        /* from 1; 0 unknown */
    int column;                      /* from 1; 0 unknown */
    char name[V8C_ERROR_NAME_MAX];   /* of the script or module; may be empty */
    char text[V8C_ERROR_TEXT_MAX];   /* "Uncaught TypeError: x is not a function" */
    char stack[V8C_ERROR_STACK_MAX]; /* error.stack if it has one, else empty */
};

/* Describes any value as if it had been thrown: for the reasons of rejected promises. Runs no
 * getters but those of a hostile error's own stack and message, whose exceptions it drops. */
void v8c_error_describe(struct v8c_isolate *, struct v8c_value *thrown, struct v8c_error *);

/* Where the JavaScript that runs now stands: name, line and column of the innermost function whose
 * script's name does not begin with `besides`. False: there is none. */
bool v8c_error_where(struct v8c_isolate *, const char *besides, struct v8c_error *);

/* ---- process ---- */

struct v8c_init_params {
    const char *flags; /* V8 flags, for example "--single-threaded-gc"; NULL: none */
    int threads; /* V8's helper threads (compilers, collectors); 0: none, V8 runs single-threaded */
    /* Milliseconds since 1970: what Date sees. isolate is the one that asks, or NULL. NULL: the
     * system's. Any thread, must not call V8. */
    double (*clock_ms)(struct v8c_isolate *isolate, void *data);
    /* Fills buf for Math.random's and the hash tables' seeds. NULL: getrandom. False: could not.
     */
    bool (*entropy)(unsigned char *buf, size_t len);
    /* Told why, just before abort(). NULL: a line on stderr. Must not call V8. is_memory: there was
     * none to be had, or none within V8's own bounds; else V8 itself is broken. */
    void (*fatal)(bool is_memory, const char *where, const char *what, void *data);
    void *data;
};

/* Once per process, before anything else. Flags cannot change afterwards. */
void v8c_init(const struct v8c_init_params *);
/* After the last isolate. The process cannot use V8 again. */
void v8c_fini(void);

/* "14.6.202.34-node.34". Blobs and code caches belong to exactly one version. Any time, any thread.
 */
const char *v8c_version(void);
/* Changes with V8's version and flags: whatever makes a code cache unusable. Any thread, after
 * init. */
uint32_t v8c_cache_tag(void);

/* ---- isolates ---- */

typedef void v8c_native(struct v8c_call *);

struct v8c_native_entry {
    const char *name; /* of the function as scripts see it */
    v8c_native *call;
};

enum v8c_rejection {
    V8C_REJECTED_UNHANDLED, /* rejected, and nobody listens yet */
    V8C_REJECTED_HANDLED,   /* somebody listens after all */
};

/* buffer_bytes_max counts what may grow (resizable ArrayBuffers, growable SharedArrayBuffers:
 * {maxByteLength}) in full from the start. It does not see WebAssembly memories: bound each with
 * --wasm-max-mem-pages, and look at v8c_isolate_foreign_bytes. */
struct v8c_isolate_params {
    const struct v8c_blob
        *blob; /* snapshot to start from, borrowed for the isolate's life; or NULL */
    const struct v8c_native_entry
        *natives;              /* ends with {0}; borrowed for the isolate's life; or NULL */
    size_t heap_bytes_max;     /* old generation; 0: V8's choice */
    size_t heap_bytes_initial; /* below it V8 collects lazily; 0: V8's choice */
    size_t young_bytes_max;    /* 0: V8's choice */
    size_t buffer_bytes_max; /* all ArrayBuffers of the isolate together, 0: no limit; see below */
    size_t stack_bytes_max;  /* of JavaScript on a thread's stack; 0: 984 KiB */
    bool may_eval;           /* eval and new Function */
    bool may_compile_wasm;   /* WebAssembly from bytes at run time */
    bool may_block;          /* Atomics.wait */

    /* Hooks; each may be NULL. They run on the isolate's thread with v8c_isolate_data(isolate) at
     * hand. */
    /* A promise was rejected without a handler, or got one later. */
    void (*on_rejection)(struct v8c_isolate *, enum v8c_rejection, struct v8c_value *promise,
                         struct v8c_value *reason);
    /* The heap is about to pass its limit, or has passed it by an object as large as it liked:
     * returns the new limit. The usual answer is to remember it, call v8c_isolate_terminate, and
     * return 2 GiB more than the larger of current and committed_bytes (v8c_isolate_heap_stats may
     * be called): one object may take 1 GiB, and where the new limit does not hold the heap V8 ends
     * the process. The script stops at its next loop or call; one that ends before that is not
     * terminated, so look at what was remembered. May be asked again. May not run JavaScript. */
    size_t (*on_heap_limit)(struct v8c_isolate *, size_t current, size_t initial);
    /* A collection of the whole heap begins on the isolate's thread, and has ended. May not call
     * V8. */
    void (*on_collection)(struct v8c_isolate *, bool begins);
    /* An optimizing compiler, Turbofan or Maglev, begins to work on the isolate's thread, and has
     * ended: with threads = 0 they have no other. May not call V8. */
    void (*on_optimization)(struct v8c_isolate *, bool begins);
    /* import(specifier): returns a promise of the namespace, or NULL with an exception pending. */
    struct v8c_value *(*on_import)(struct v8c_isolate *, struct v8c_value *referrer_name,
                                   struct v8c_value *specifier);
    /* import.meta is used for the first time in a module: fill the object. */
    void (*on_import_meta)(struct v8c_isolate *, struct v8c_module *, struct v8c_value *meta);
    void *data;
};

/* Makes a heap. NULL when the blob does not fit this V8, these flags or these natives, and *why
 * (may be NULL) says so in a constant string. Outside scopes. */
struct v8c_isolate *v8c_isolate_new(const struct v8c_isolate_params *, const char **why);
/* Frees the heap, every context, global and object of it; finalizers run. Outside scopes. NULL is
 * fine. */
void v8c_isolate_free(struct v8c_isolate *);
void *v8c_isolate_data(const struct v8c_isolate *); /* any thread */
/* From now on this instead of buffer_bytes_max. What is allocated stays. */
void v8c_isolate_limit_buffers(struct v8c_isolate *, size_t bytes_max);
/* For memory of natives that counts as if it were that of ArrayBuffers. False: it would pass
 * buffer_bytes_max. What was taken is given back, before the isolate is freed or by a free_fn of
 * v8c_wrap_new. Neither calls V8. */
bool v8c_isolate_take_buffer_bytes(struct v8c_isolate *, size_t len);
void v8c_isolate_give_buffer_bytes(struct v8c_isolate *, size_t len);

/* Stops the JavaScript that runs now, or the next that starts: V8C_TERMINATED. Any thread. */
void v8c_isolate_terminate(struct v8c_isolate *);
/* Withdraws a termination that has not struck, or lets the isolate run again after one. Any thread.
 */
void v8c_isolate_resume(struct v8c_isolate *);
bool v8c_isolate_is_terminating(struct v8c_isolate *);
/* Has fn called by the isolate's thread, soon, between two JavaScript operations, or when it next
 * runs JavaScript. fn may read statistics and terminate, not run JavaScript. Any thread. */
void v8c_isolate_interrupt(struct v8c_isolate *, void (*fn)(struct v8c_isolate *, void *),
                           void *arg);

struct v8c_heap_stats {
    size_t used_bytes;      /* live objects, and garbage not yet found */
    size_t committed_bytes; /* what the heap holds of the system's memory */
    size_t limit_bytes;
    size_t malloced_bytes; /* V8's own books: zones, compiler, snapshots */
    size_t external_bytes; /* kept alive by the heap, outside of it */
    size_t buffer_bytes;   /* of ArrayBuffers made by this isolate and still allocated */
    size_t contexts;
};
/* With or without a scope, on the isolate's thread. */
void v8c_isolate_heap_stats(struct v8c_isolate *, struct v8c_heap_stats *);

/* What the heap keeps outside of itself beyond buffer_bytes: memories of WebAssembly as they began
 * (what one has grown by V8 counts nowhere), garbage too, and buffers of the host. Cheap. On the
 * isolate's thread. */
size_t v8c_isolate_foreign_bytes(struct v8c_isolate *);

enum v8c_pressure {
    V8C_PRESSURE_NONE,
    V8C_PRESSURE_MODERATE, /* collect sooner, shrink */
    V8C_PRESSURE_CRITICAL, /* collect now, all of it */
};
/* Any thread; with V8C_PRESSURE_CRITICAL on the isolate's own thread it collects at once. */
void v8c_isolate_pressure(struct v8c_isolate *, enum v8c_pressure);

/* Runs one task of those that V8 has posted to the isolate's thread (end of background compilation,
 * weak cleanups, Atomics.waitAsync). True if there was one. Cheap when there is none. Inside a
 * scope. Some run JavaScript: it may be terminated, and the next one is begun all the same. */
bool v8c_pump(struct v8c_isolate *);

/* ---- contexts, scopes, slots ---- */

/* A fresh set of globals, as the snapshot has it if the isolate has one. NULL if V8 refuses
 * (terminated). With or without a scope. */
struct v8c_context *v8c_context_new(struct v8c_isolate *);
/* Lets it go; scopes entered with it must be exited. NULL is fine. With or without a scope. */
void v8c_context_free(struct v8c_context *);

/* The caller's memory; its content is libv8c's business. */
struct v8c_scope {
    struct v8c_isolate *isolate;
    struct v8c_scope *outer;
    void *context;
    uint64_t handles[4];
};

/* Enters an isolate, and a context of it unless NULL (then only calls that need none are allowed).
 * Scopes of a thread are exited in reverse order. */
void v8c_scope_enter(struct v8c_scope *, struct v8c_isolate *, struct v8c_context *);
void v8c_scope_exit(struct v8c_scope *);

/* Values that belong to the current context and that scripts cannot see: keys, handlers, a module's
 * namespace. Slots are part of a snapshot. Reading one is a few loads; an unset slot is undefined.
 */
struct v8c_value *v8c_slot(struct v8c_isolate *, unsigned slot);
void v8c_slot_set(struct v8c_isolate *, unsigned slot, struct v8c_value *);

/* globalThis of the current context. */
struct v8c_value *v8c_global_this(struct v8c_isolate *);

/* ---- globals ---- */

struct v8c_global *v8c_global_new(struct v8c_isolate *, struct v8c_value *);
struct v8c_global *v8c_global_new_module(struct v8c_isolate *, struct v8c_module *);
/* A handle in the current scope. NULL if it was weak and its value is gone. */
struct v8c_value *v8c_global_get(const struct v8c_global *);
struct v8c_module *v8c_global_get_module(const struct v8c_global *);
/* From now on the value may be collected; then on_gone(arg) is called once, when no JavaScript runs
 * or during a collection: it may not call V8 except v8c_global_free of this one. */
void v8c_global_weaken(struct v8c_global *, void (*on_gone)(void *arg), void *arg);
/* NULL is fine. With or without a scope, on the isolate's thread. */
void v8c_global_free(struct v8c_global *);

/* ---- values ---- */

enum v8c_type {
    V8C_UNDEFINED,
    V8C_NULL,
    V8C_BOOL,
    V8C_NUMBER,
    V8C_INT32, /* a number that is one */
    V8C_BIGINT,
    V8C_STRING,
    V8C_SYMBOL,
    V8C_OBJECT, /* any object, functions and arrays too */
    V8C_FUNCTION,
    V8C_ARRAY,
    V8C_ARRAY_BUFFER,
    V8C_SHARED_ARRAY_BUFFER,
    V8C_VIEW, /* any typed array or DataView */
    V8C_UINT8_ARRAY,
    V8C_PROMISE,
    V8C_ERROR, /* made by Error or a subclass */
    V8C_DATE,
    V8C_MAP,
    V8C_SET,
    V8C_REGEXP,
    V8C_PROXY,
    V8C_WRAPPED, /* made by v8c_wrap_new */
};

/* Never runs JavaScript. */
bool v8c_is(const struct v8c_value *, enum v8c_type);
/* === */
bool v8c_same(const struct v8c_value *, const struct v8c_value *);

struct v8c_value *v8c_undefined(struct v8c_isolate *);
struct v8c_value *v8c_null(struct v8c_isolate *);
struct v8c_value *v8c_bool(struct v8c_isolate *, bool);
struct v8c_value *v8c_int(struct v8c_isolate *, int32_t);
struct v8c_value *v8c_number(struct v8c_isolate *, double);
struct v8c_value *v8c_bigint_u64(struct v8c_isolate *, uint64_t);

/* Truthiness: any value, never runs JavaScript. */
bool v8c_bool_value(struct v8c_isolate *, const struct v8c_value *);
/* Of a number; NaN for anything else. Never runs JavaScript. */
double v8c_number_value(const struct v8c_value *);
/* Of a number, as ToInt32 does it; 0 for anything else. Never runs JavaScript. */
int32_t v8c_int_value(const struct v8c_value *);
/* Of a BigInt, its low 64 bits; *lossless (may be NULL) says whether that was all. 0 for anything
 * else. */
uint64_t v8c_bigint_value(const struct v8c_value *, bool *lossless);

/* ToString, ToNumber: may run JavaScript. False or NULL: error. */
struct v8c_value *v8c_to_string(struct v8c_isolate *, struct v8c_value *, struct v8c_error *);
bool v8c_to_number(struct v8c_isolate *, struct v8c_value *, double *out, struct v8c_error *);

/* ---- strings ---- */

/* Copies. NULL if longer than V8 allows (about 512 Mi units). Invalid UTF-8 becomes U+FFFD. */
struct v8c_value *v8c_string_latin1(struct v8c_isolate *, const void *bytes, size_t len);
struct v8c_value *v8c_string_utf8(struct v8c_isolate *, const void *bytes, size_t len);
struct v8c_value *v8c_string_utf16(struct v8c_isolate *, const uint16_t *units, size_t count);
/* Whether bytes are well-formed UTF-8. Any time, any thread. */
bool v8c_is_utf8(const void *bytes, size_t len);

/* Base64 as browsers' btoa and atob have it (Infra, "forgiving-base64 encode" and "decode").
 * out has room for (len + 2) / 3 * 4: as many are written, and returned. */
size_t v8c_base64_encode(const void *bytes, size_t len, char *out);
/* out has room for len bytes. Returns how many were written; -1: it is none. */
int64_t v8c_base64_decode(const char *text, size_t len, void *out);
/* A property key: one copy per isolate, compared by address. Make it once, keep it in a slot or
 * global. */
struct v8c_value *v8c_key(struct v8c_isolate *, const char *text);
/* Refers to the bytes, which must not change; free_fn(arg) is called once when the string is gone,
 * on the isolate's thread or while it is freed. On failure (NULL) it has been called. For sources
 * of modules. */
struct v8c_value *v8c_string_external(struct v8c_isolate *, const char *latin1, size_t len,
                                      void (*free_fn)(void *arg), void *arg);

/* Of a string: UTF-16 units; bytes when written as UTF-8; whether every unit is below 256. */
size_t v8c_string_length(const struct v8c_value *);
size_t v8c_string_utf8_length(struct v8c_isolate *, const struct v8c_value *);
bool v8c_string_is_latin1(const struct v8c_value *);
/* Writes at most cap bytes of a string and returns how many; never half a character, no NUL. A lone
 * surrogate is written as U+FFFD; in Latin-1 a unit above 255 loses its high byte. */
size_t v8c_string_write_utf8(struct v8c_isolate *, const struct v8c_value *, char *buf, size_t cap);
/* The same; *units is how many of the string's units that were. */
size_t v8c_string_write_utf8_part(struct v8c_isolate *, const struct v8c_value *, char *buf,
                                  size_t cap, size_t *units);
size_t v8c_string_write_latin1(struct v8c_isolate *, const struct v8c_value *, uint8_t *buf,
                               size_t cap);
size_t v8c_string_write_utf16(struct v8c_isolate *, const struct v8c_value *, uint16_t *buf,
                              size_t cap);

/* ---- objects and arrays ---- */

struct v8c_value *v8c_object_new(struct v8c_isolate *);
/* count own properties at once, quicker than setting them one by one; keys[] from v8c_key.
 * prototype NULL: none (a dictionary). */
struct v8c_value *v8c_object_from(struct v8c_isolate *, struct v8c_value *prototype,
                                  struct v8c_value *const keys[], struct v8c_value *const values[],
                                  size_t count);
struct v8c_value *v8c_array_new(struct v8c_isolate *, struct v8c_value *const values[],
                                size_t count);
uint32_t v8c_array_length(const struct v8c_value *array);

/* Property access as JavaScript does it: getters, setters and proxies run. The object is an object.
 */
struct v8c_value *v8c_get(struct v8c_isolate *, struct v8c_value *object, struct v8c_value *key,
                          struct v8c_error *);
struct v8c_value *v8c_get_index(struct v8c_isolate *, struct v8c_value *object, uint32_t index,
                                struct v8c_error *);
bool v8c_set(struct v8c_isolate *, struct v8c_value *object, struct v8c_value *key,
             struct v8c_value *value, struct v8c_error *);
bool v8c_set_index(struct v8c_isolate *, struct v8c_value *object, uint32_t index,
                   struct v8c_value *value, struct v8c_error *);
/* Like Object.defineProperty with writable, enumerable and configurable; runs no setter. */
bool v8c_define(struct v8c_isolate *, struct v8c_value *object, struct v8c_value *key,
                struct v8c_value *value, struct v8c_error *);
/* 1 yes, 0 no, -1 error. */
int v8c_has(struct v8c_isolate *, struct v8c_value *object, struct v8c_value *key,
            struct v8c_error *);
bool v8c_delete(struct v8c_isolate *, struct v8c_value *object, struct v8c_value *key,
                struct v8c_error *);
/* An array of the own enumerable string keys. */
struct v8c_value *v8c_keys(struct v8c_isolate *, struct v8c_value *object, struct v8c_error *);

struct v8c_value *v8c_json_parse(struct v8c_isolate *, struct v8c_value *string,
                                 struct v8c_error *);
/* NULL without an error when the value has no JSON (undefined, a function). */
struct v8c_value *v8c_json_stringify(struct v8c_isolate *, struct v8c_value *, struct v8c_error *);

/* ---- functions ---- */

/* A JavaScript function that calls natives[index]. Fit for snapshots. Costs about a microsecond:
 * make one per purpose and keep it, not one per request. */
struct v8c_value *v8c_function_new(struct v8c_isolate *, unsigned native_index);
/* The same with a value that the native finds by v8c_call_data. */
struct v8c_value *v8c_function_new_with(struct v8c_isolate *, unsigned native_index,
                                        struct v8c_value *data);
/* The index of the native called `name` in the isolate's table, or -1: for set-up code. Any time.
 */
int v8c_native_index(const struct v8c_isolate *, const char *name);

/* fn.call(self, ...argv); self NULL: undefined. */
struct v8c_value *v8c_function_call(struct v8c_isolate *, struct v8c_value *fn,
                                    struct v8c_value *self, size_t argc,
                                    struct v8c_value *const argv[], struct v8c_error *);
/* new fn(...argv) */
struct v8c_value *v8c_function_construct(struct v8c_isolate *, struct v8c_value *fn, size_t argc,
                                         struct v8c_value *const argv[], struct v8c_error *);

/* Inside a native: what it was called with. */
struct v8c_call {
    struct v8c_isolate *isolate;
    unsigned argc;
    unsigned native_index;
    const void *info;
    struct v8c_value *data;
};
struct v8c_value *v8c_call_arg(const struct v8c_call *, unsigned i); /* undefined when i >= argc */
struct v8c_value *v8c_call_this(const struct v8c_call *);
struct v8c_value *v8c_call_data(const struct v8c_call *); /* undefined if made without */
bool v8c_call_is_construct(const struct v8c_call *);
/* What the call evaluates to; undefined if none is called. The short ones make no handle. */
void v8c_call_return(const struct v8c_call *, struct v8c_value *);
void v8c_call_return_bool(const struct v8c_call *, bool);
void v8c_call_return_int(const struct v8c_call *, int32_t);
void v8c_call_return_number(const struct v8c_call *, double);

enum v8c_exception_type {
    V8C_PLAIN_ERROR,
    V8C_TYPE_ERROR,
    V8C_RANGE_ERROR,
    V8C_SYNTAX_ERROR,
    V8C_REFERENCE_ERROR,
};
struct v8c_value *v8c_exception_new(struct v8c_isolate *, enum v8c_exception_type,
                                    const char *text);
/* Inside a native or hook: the exception is thrown when it returns; return at once. */
void v8c_throw(struct v8c_isolate *, struct v8c_value *exception);
void v8c_throw_new(struct v8c_isolate *, enum v8c_exception_type, const char *text);

/* ---- wrapped pointers ---- */

/* An object that carries a pointer of the caller's. kind tells pointers of different types apart.
 * free_fn (may be NULL) is called exactly once, when the object is collected or the isolate is
 * freed; it may not call V8. Not allowed in a snapshot builder (NULL): pointers do not survive. */
struct v8c_value *v8c_wrap_new(struct v8c_isolate *, void *pointer, unsigned kind,
                               void (*free_fn)(void *pointer));
/* NULL if the value is not a wrapped pointer of that kind, or was cleared. Any value; scripts
 * cannot forge one. */
void *v8c_wrap_pointer(const struct v8c_value *, unsigned kind);
/* Forgets the pointer; free_fn is not called any more. */
void v8c_wrap_clear(struct v8c_value *);

/* ---- bytes ---- */

struct v8c_bytes {
    uint8_t *data;
    size_t len;
};

/* NULL with a RangeError pending if it would pass buffer_bytes_max. Zeroed; a copy of bytes. */
struct v8c_value *v8c_array_buffer_new(struct v8c_isolate *, size_t len);
struct v8c_value *v8c_uint8_array_copy(struct v8c_isolate *, const void *bytes, size_t len);
/* Refers to the caller's bytes, writable by the script. free_fn(data, len, arg) is called exactly
 * once, when nobody can see them any more; it may run on any thread, even after the isolate is
 * gone, and may not call V8. They do not count against buffer_bytes_max. */
struct v8c_value *v8c_array_buffer_external(struct v8c_isolate *, void *data, size_t len,
                                            void (*free_fn)(void *data, size_t len, void *arg),
                                            void *arg);
struct v8c_value *v8c_uint8_array_external(struct v8c_isolate *, void *data, size_t len,
                                           void (*free_fn)(void *data, size_t len, void *arg),
                                           void *arg);
/* A window on an ArrayBuffer; offset + len must fit in it. */
struct v8c_value *v8c_uint8_array_new(struct v8c_isolate *, struct v8c_value *array_buffer,
                                      size_t offset, size_t len);
/* The ArrayBuffer under a view. */
struct v8c_value *v8c_view_buffer(struct v8c_isolate *, struct v8c_value *view, size_t *offset);

/* Where the bytes of an ArrayBuffer, SharedArrayBuffer or view are, until JavaScript runs again or
 * the handle is gone. {NULL, 0} for any other value and for a detached buffer. */
struct v8c_bytes v8c_bytes_of(struct v8c_value *);

/* Takes the bytes away from the script: the buffer has length 0 afterwards. False if it cannot be
 * detached. */
bool v8c_array_buffer_detach(struct v8c_isolate *, struct v8c_value *array_buffer);

/* Holds the bytes of an ArrayBuffer beyond its life and its isolate's. Detach the buffer too and
 * they are yours. */
struct v8c_store *v8c_store_of(struct v8c_value *array_buffer);
struct v8c_bytes v8c_store_bytes(const struct v8c_store *); /* any thread */
void v8c_store_free(struct v8c_store *);                    /* any thread; NULL is fine */
/* An ArrayBuffer over the same bytes, in any isolate. The store remains the caller's to free. */
struct v8c_value *v8c_array_buffer_from_store(struct v8c_isolate *, struct v8c_store *);

/* ---- promises and microtasks ---- */

enum v8c_promise_state {
    V8C_PENDING,
    V8C_FULFILLED,
    V8C_REJECTED,
};

/* A pending promise, to be settled from C. */
struct v8c_value *v8c_promise_new(struct v8c_isolate *, struct v8c_error *);
/* Settle; nothing happens to one that is settled. Reactions run at the next checkpoint. False:
 * terminated. */
bool v8c_promise_resolve(struct v8c_isolate *, struct v8c_value *promise, struct v8c_value *value);
bool v8c_promise_reject(struct v8c_isolate *, struct v8c_value *promise, struct v8c_value *reason);
enum v8c_promise_state v8c_promise_state(const struct v8c_value *promise);
/* Of a settled promise: its value or reason. */
struct v8c_value *v8c_promise_result(struct v8c_value *promise);
/* promise.then(fulfilled, rejected) without looking up "then". rejected may be NULL. */
struct v8c_value *v8c_promise_then(struct v8c_isolate *, struct v8c_value *promise,
                                   struct v8c_value *fulfilled, struct v8c_value *rejected,
                                   struct v8c_error *);
/* No on_rejection for this one. */
void v8c_promise_mark_handled(struct v8c_value *promise);

/* Microtasks run here and nowhere else. False: terminated, and the rest of the queue was dropped.
 * Exceptions of queueMicrotask-like callbacks go to nobody: wrap them. */
bool v8c_microtasks_run(struct v8c_isolate *, struct v8c_error *);
void v8c_microtask_queue(struct v8c_isolate *, struct v8c_value *fn);

/* A value that follows the script's continuations: what is set while a reaction, an await or a
 * microtask is queued is there again when it runs, whoever resolved the promise. undefined until
 * set; unknown after v8c_microtasks_run. */
void v8c_continuation_set(struct v8c_isolate *, struct v8c_value *);
struct v8c_value *v8c_continuation(struct v8c_isolate *);

/* ---- scripts and modules ---- */

struct v8c_source {
    const char *name;       /* in stacks and as import referrer */
    struct v8c_value *text; /* a string; latin1 external for large ones */
    const uint8_t *cache;   /* from v8c_module_cache or NULL */
    size_t cache_bytes;
    bool is_eager;           /* compile every function now: for snapshots and caches */
    bool cache_was_rejected; /* out: the cache was of another V8, flags or source; compiled from
                                text */
};

/* Compiles and runs a classic script in the current context; returns its completion value. */
struct v8c_value *v8c_script_run(struct v8c_isolate *, struct v8c_source *, struct v8c_error *);
/* The same as v8c_script_run with just text. */
struct v8c_value *v8c_run(struct v8c_isolate *, const char *name, const char *text,
                          struct v8c_error *);

struct v8c_module *v8c_module_compile(struct v8c_isolate *, struct v8c_source *,
                                      struct v8c_error *);
/* A module made in C, for JSON and text modules: exports[i] named names[i] ("default", ...). */
struct v8c_module *v8c_module_synthetic(struct v8c_isolate *, const char *name, size_t count,
                                        struct v8c_value *const names[],
                                        struct v8c_value *const exports[]);

struct v8c_module_request {
    struct v8c_value *specifier; /* a string */
    struct v8c_value *type;      /* of `with { type: "json" }`, a string; or NULL */
    int line;                    /* from 1 */
    int column;
};
size_t v8c_module_requests(struct v8c_isolate *, struct v8c_module *);
void v8c_module_request(struct v8c_isolate *, struct v8c_module *, size_t i,
                        struct v8c_module_request *);

/* Which module a specifier means. Returns NULL after v8c_throw when there is none. */
typedef struct v8c_module *v8c_resolve(struct v8c_isolate *, struct v8c_module *referrer,
                                       struct v8c_value *specifier, struct v8c_value *type,
                                       void *arg);

/* Links a module and, recursively, everything it imports. Synthetic ones too. */
bool v8c_module_instantiate(struct v8c_isolate *, struct v8c_module *, v8c_resolve *, void *arg,
                            struct v8c_error *);
/* Runs the top level of an instantiated module and its imports. Returns a promise, pending while a
 * top-level await waits; a throw at top level is a rejection. NULL: terminated. */
struct v8c_value *v8c_module_evaluate(struct v8c_isolate *, struct v8c_module *,
                                      struct v8c_error *);
/* Of an instantiated module: its exports as an object. */
struct v8c_value *v8c_module_namespace(struct v8c_module *);
/* True if it or something it imports has a top-level await; instantiated modules only. */
bool v8c_module_is_async(struct v8c_module *);
/* The same record? */
bool v8c_module_same(const struct v8c_module *, const struct v8c_module *);

/* Compiled code of what ran so far, to be given to a later compile. Free with v8c_blob_free. False:
 * none. */
bool v8c_module_cache(struct v8c_isolate *, struct v8c_module *, struct v8c_blob *out);

/* A WebAssembly.Module of the host's own bytes, which are read during the call: whatever
 * may_compile_wasm says, that is about scripts. Functions are compiled when they are first called.
 */
struct v8c_value *v8c_wasm_compile(struct v8c_isolate *, const void *bytes, size_t len,
                                   struct v8c_error *);

/* ---- snapshots ---- */

/* NULL if an isolate of these natives can start from the blob, else why not, as a constant string.
 * It guards against mixing versions, not against forged bytes: authenticate blobs from elsewhere.
 * Any time after init. */
const char *v8c_blob_check(const struct v8c_blob *, const struct v8c_native_entry *natives);

/* An isolate whose heap can be frozen, started from params->blob (a base) or from nothing. Use it
 * like any other, with one context; modules, closures and slots survive, external bytes are copied,
 * wrapped pointers are refused. */
struct v8c_isolate *v8c_snapshot_new(const struct v8c_isolate_params *, const char **why);
/* Freezes the isolate with that context as every later isolate's own, and frees the isolate, its
 * globals and the context, whether it succeeds or not. Outside scopes; no microtask pending, no
 * module half evaluated (they are lost). keep_code: compiled functions stay in the blob (larger,
 * starts quicker). False: the heap cannot be frozen. */
bool v8c_snapshot_take(struct v8c_isolate *, struct v8c_context *, bool keep_code,
                       struct v8c_blob *out);

/* ---- structured clone ---- */

struct v8c_writer;
struct v8c_reader;

/* How objects of the host's own classes are cloned. All may be NULL: wrapped pointers then cannot
 * be cloned. */
struct v8c_clone_hooks {
    /* Is this plain object one of the host's? 1 yes, 0 no, -1 after v8c_throw. Called for every
     * object whose prototype is another than that of {}: keep it quick. */
    int (*is_host)(struct v8c_isolate *, struct v8c_value *object, void *data);
    /* Writes it by v8c_writer_*. False after v8c_throw. */
    bool (*write)(struct v8c_isolate *, struct v8c_writer *, struct v8c_value *object, void *data);
    /* Reads it by v8c_reader_*. NULL after v8c_throw. */
    struct v8c_value *(*read)(struct v8c_isolate *, struct v8c_reader *, void *data);
    /* Makes the exception for "could not be cloned" (a DataCloneError). NULL: an Error of that
     * name. */
    struct v8c_value *(*clone_error)(struct v8c_isolate *, struct v8c_value *message, void *data);
    size_t bytes_max; /* of what v8c_serialize writes; 0: no limit */
    void *data;
};

/* Writes a value as bytes. The count ArrayBuffers in transfers[] are not copied: they are detached,
 * and their stores are put into stores[count], the caller's to free. On failure nothing is
 * detached. */
bool v8c_serialize(struct v8c_isolate *, struct v8c_value *, struct v8c_value *const transfers[],
                   struct v8c_store *stores[], size_t count, const struct v8c_clone_hooks *,
                   struct v8c_blob *out, struct v8c_error *);
/* The value again, in the current context of any isolate, stores in the same order. Bad bytes are
 * an error. */
struct v8c_value *v8c_deserialize(struct v8c_isolate *, const void *bytes, size_t len,
                                  struct v8c_store *const stores[], size_t count,
                                  const struct v8c_clone_hooks *, struct v8c_error *);

void v8c_writer_u32(struct v8c_writer *, uint32_t);
void v8c_writer_bytes(struct v8c_writer *, const void *, size_t len);
bool v8c_writer_value(struct v8c_writer *,
                      struct v8c_value *); /* nested; false after an exception */
bool v8c_reader_u32(struct v8c_reader *, uint32_t *);
bool v8c_reader_bytes(struct v8c_reader *, size_t len, const void **); /* valid while reading */
struct v8c_value *v8c_reader_value(struct v8c_reader *);

#ifdef __cplusplus
}
#endif

#endif
