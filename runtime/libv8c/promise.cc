/* Promises and microtasks. A v8::Promise::Resolver is the promise itself, so one handle does. */
#include "inside.hh"

using namespace libv8c;

static v8::Local<v8::Promise> promise_of(const v8c_value *value)
{
    return local<v8::Value>(value).As<v8::Promise>();
}

static v8::Local<v8::Promise::Resolver> resolver_of(v8c_value *value)
{
    return local<v8::Value>(value).As<v8::Promise::Resolver>();
}

v8c_value *v8c_promise_new(v8c_isolate *isolate, v8c_error *error)
{
    Attempt attempt(isolate, error);
    return attempt.value(v8::Promise::Resolver::New(context_of(isolate)));
}

bool v8c_promise_resolve(v8c_isolate *isolate, v8c_value *promise, v8c_value *value)
{
    return resolver_of(promise)
        ->Resolve(context_of(isolate), local<v8::Value>(value))
        .FromMaybe(false);
}

bool v8c_promise_reject(v8c_isolate *isolate, v8c_value *promise, v8c_value *reason)
{
    return resolver_of(promise)
        ->Reject(context_of(isolate), local<v8::Value>(reason))
        .FromMaybe(false);
}

enum v8c_promise_state v8c_promise_state(const v8c_value *promise)
{
    switch (promise_of(promise)->State()) {
    case v8::Promise::kFulfilled:
        return V8C_FULFILLED;
    case v8::Promise::kRejected:
        return V8C_REJECTED;
    case v8::Promise::kPending:
        break;
    }
    return V8C_PENDING;
}

v8c_value *v8c_promise_result(v8c_value *promise)
{
    return out(promise_of(promise)->Result());
}

v8c_value *v8c_promise_then(v8c_isolate *isolate, v8c_value *promise, v8c_value *fulfilled,
                            v8c_value *rejected, v8c_error *error)
{
    Attempt attempt(isolate, error);
    v8::Local<v8::Context> context = context_of(isolate);
    v8::Local<v8::Function> yes = local<v8::Value>(fulfilled).As<v8::Function>();
    if (!rejected)
        return attempt.value(promise_of(promise)->Then(context, yes));
    return attempt.value(
        promise_of(promise)->Then(context, yes, local<v8::Value>(rejected).As<v8::Function>()));
}

void v8c_promise_mark_handled(v8c_value *promise)
{
    promise_of(promise)->MarkAsHandled();
}

bool v8c_microtasks_run(v8c_isolate *isolate, v8c_error *error)
{
    v8c_error ours;
    Attempt attempt(isolate, error ? error : &ours);
    isolate->v8->PerformMicrotaskCheckpoint();
    if (!attempt.terminated())
        return true;
    attempt.fail();
    return false;
}

void v8c_microtask_queue(v8c_isolate *isolate, v8c_value *fn)
{
    isolate->v8->EnqueueMicrotask(local<v8::Value>(fn).As<v8::Function>());
}

void v8c_continuation_set(v8c_isolate *isolate, v8c_value *value)
{
    isolate->v8->SetContinuationPreservedEmbedderDataV2(local<v8::Value>(value));
}

v8c_value *v8c_continuation(v8c_isolate *isolate)
{
    v8::Local<v8::Data> data = isolate->v8->GetContinuationPreservedEmbedderDataV2();
    return out(data->IsValue() ? data.As<v8::Value>() : v8::Undefined(isolate->v8).As<v8::Value>());
}
