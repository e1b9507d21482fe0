// What the worker process gives to JavaScript: the natives of runtime/worker/natives.c. Scripts never see
// this object; main.js takes it from the global before any script runs.
//
// A `ref` names one job (one request). Natives called with the ref of a job that is over do nothing.
//
//   respond(ref, status, fields, body)  sends the head. fields: "name\0value\0..." or "". body: undefined (none),
//                                       a string, a Uint8Array, or true (writes follow). Returns the bytes of body that
//                                       were taken, or -1: all of it, or nobody wants it, and the response is complete
//   write(ref, bytes, from)             returns how many bytes from `from` on were taken; fewer than all: wait for onCredit;
//                                       -1: nobody wants it any more
//   relay(ref)                          the rest of the request body is the response body
//   end(ref)                            the response body is complete
//   fail(ref, kind, text)               the job is over with an error (enum job_error) and a log line
//   hold(ref) release(ref)              waitUntil: one more, one less promise pending
//   watch(ref)                          1: abortClient or onLeft will come if the client closes its half or leaves before it is
//                                       answered; -1: it has; 0: it will not
//   method(ref) url(ref) fields(ref)    of the request
//   read(ref)                           the next body bytes; null: wait for onBody; undefined: complete. Throws when the rest will not come
//   discard(ref)                        nobody wants the rest of the body
//   sub(binding, method, url, fields, hasBody, bytes)
//                                       calls another script, or the world (BINDING_WORLD), for the request that runs. bytes: of the body; -1: unknown,
//                                       undefined: as the fields say. Returns a name for the sub-request, or the sentence
//                                       why not. onReply or onReplyError will follow
//   subWrite(sub, bytes, from, isEnd)   as write; true: all of it, -1: nobody wants it
//   subFeed(sub, ref)                   the rest of the request body is the sub-request's. False: it can not be
//   subRead(sub)                        the next bytes of the reply's body; null: wait for onReplyBody; undefined: complete
//   subAnswer(ref, sub)                 the reply's body is the response body. False: it can not be
//   subCancel(sub)                      nobody wants the reply any more
//   setTimer(ms, repeats) clearTimer(id) returns an id; onTimer(id) comes when it is due
//   microtask(fn)                       queues fn without looking up anything that a script can replace
//   now()                               milliseconds since the epoch; stands still while a script computes
//   log(level, text) random(bytes) utf8Encode(text) toAscii(domain) toUnicode(domain) clone(value, transfers)
//   randomNumbers(numbers)              fills a Float64Array with numbers of [0, 1), as Math.random gives them
//   utf8Decode(bytes, fatal)            text; undefined: not UTF-8, and fatal was asked
//   parseJson(bytes)                    JSON.parse of their text, or a RangeError (runtime/worker/json_shape.h)
export const host = globalThis.__host;

// JOB_BINDING_WORLD of runtime/job.h.
export const BINDING_WORLD = 64;

// enum job_error of runtime/job.h, as far as JavaScript reports them.
export const ERROR_EXCEPTION = 1;
export const ERROR_NOT_RESPONSE = 15;
