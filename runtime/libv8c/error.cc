/* Exceptions and terminations become struct v8c_error. */
#include "inside.hh"

namespace libv8c
{

static void put(v8::Isolate *v8, v8::Local<v8::Value> value, char *buf, size_t cap)
{
    buf[0] = 0;
    if (value.IsEmpty() || !value->IsString())
        return;
    size_t len = value.As<v8::String>()->WriteUtf8V2(v8, buf, cap - 1,
                                                     v8::String::WriteFlags::kReplaceInvalidUtf8);
    buf[len] = 0;
}

static void fill(v8c_isolate *isolate, v8::Local<v8::Value> exception,
                 v8::Local<v8::Message> message, v8c_error *error)
{
    v8::Isolate *v8 = isolate->v8;
    v8::Local<v8::Context> context = context_of(isolate);
    v8::TryCatch quiet(v8); /* a hostile "stack" getter may throw */

    error->kind = V8C_EXCEPTION;
    error->exception = out(exception);
    error->line = error->column = 0;
    error->name[0] = error->text[0] = error->stack[0] = 0;
    if (!message.IsEmpty()) {
        error->line = message->GetLineNumber(context).FromMaybe(0);
        error->column = message->GetStartColumn(context).FromMaybe(-1) + 1;
        put(v8, message->GetScriptResourceName(), error->name, sizeof error->name);
        put(v8, message->Get(), error->text, sizeof error->text);
    }
    v8::Local<v8::Value> stack;
    if (!exception.IsEmpty() && v8::TryCatch::StackTrace(context, exception).ToLocal(&stack))
        put(v8, stack, error->stack, sizeof error->stack);
    if (quiet.HasTerminated() && isolate->depth > 0)
        quiet.ReThrow();
}

void Attempt::fail()
{
    if (!error_)
        return;
    if (catch_->HasTerminated()) {
        *error_ = {};
        error_->kind = V8C_TERMINATED;
        snprintf(error_->text, sizeof error_->text, "terminated");
        if (isolate_->depth > 0)
            catch_->ReThrow();
        return;
    }
    if (!catch_->HasCaught()) {
        *error_ = {};
        error_->kind = V8C_EXCEPTION;
        error_->exception = out(v8::Undefined(isolate_->v8).As<v8::Value>());
        snprintf(error_->text, sizeof error_->text, "V8 refused without an exception");
        return;
    }
    fill(isolate_, catch_->Exception(), catch_->Message(), error_);
}

} // namespace libv8c

using namespace libv8c;

void v8c_error_describe(v8c_isolate *isolate, v8c_value *thrown, v8c_error *error)
{
    v8::Local<v8::Value> value = local<v8::Value>(thrown);
    v8::TryCatch quiet(isolate->v8); /* what looks at a hostile value may throw */
    fill(isolate, value, v8::Exception::CreateMessage(isolate->v8, value), error);
}

bool v8c_error_where(v8c_isolate *isolate, const char *besides, v8c_error *error)
{
    constexpr int FRAMES_MAX = 32;
    v8::Isolate *v8 = isolate->v8;
    v8::Local<v8::StackTrace> stack = v8::StackTrace::CurrentStackTrace(v8, FRAMES_MAX);
    for (int i = 0; i < stack->GetFrameCount(); i++) {
        v8::Local<v8::StackFrame> frame = stack->GetFrame(v8, static_cast<uint32_t>(i));
        put(v8, frame->GetScriptNameOrSourceURL(), error->name, sizeof error->name);
        if (strncmp(error->name, besides, strlen(besides)) == 0)
            continue;
        error->line = frame->GetLineNumber();
        error->column = frame->GetColumn();
        return true;
    }
    return false;
}

v8c_value *v8c_exception_new(v8c_isolate *isolate, v8c_exception_type type, const char *message)
{
    v8::Local<v8::String> string = text(isolate->v8, message);
    switch (type) {
    case V8C_TYPE_ERROR:
        return out(v8::Exception::TypeError(string));
    case V8C_RANGE_ERROR:
        return out(v8::Exception::RangeError(string));
    case V8C_SYNTAX_ERROR:
        return out(v8::Exception::SyntaxError(string));
    case V8C_REFERENCE_ERROR:
        return out(v8::Exception::ReferenceError(string));
    case V8C_PLAIN_ERROR:
        break;
    }
    return out(v8::Exception::Error(string));
}

void v8c_throw(v8c_isolate *isolate, v8c_value *exception)
{
    isolate->v8->ThrowException(local<v8::Value>(exception));
}

void v8c_throw_new(v8c_isolate *isolate, v8c_exception_type type, const char *message)
{
    v8c_throw(isolate, v8c_exception_new(isolate, type, message));
}
