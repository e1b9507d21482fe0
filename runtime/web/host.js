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
//                                       calls another script for the request that runs. bytes: of the body; -1: unknown,
//                                       undefined: as the fields say. Returns a name for the sub-request, or the sentence
//                                       why not. onReply or onReplyError will follow
//   subWrite(sub, bytes, from, isEnd)   as write; true: all of it, -1: nobody wants it
//   subFeed(sub, ref)                   the rest of the request body is the sub-request's. False: it can not be
//   subRead(sub)                        the next bytes of the reply's body; null: wait for onReplyBody; undefined: complete
//   subAnswer(ref, sub)                 the reply's body is the response body. False: it can not be
//   subCancel(sub)                      nobody wants the reply any more
//   setTimer(ms, repeats) clearTimer(id) returns an id; onTimer(id) comes when it is due
//   microtask(fn)                       queues fn without looking up anything that a script can replace
//   actor()                             the ref of the request whose code runs; 0: the top level's
//   frame() setFrame(frame)             what follows promises of the code that runs (runtime/worker/frame.h); undefined: none
//   now()                               milliseconds since the epoch; stands still while a script computes
//   log(level, text) random(bytes) utf8Encode(text)
//   whereThrown(error)                  [message, file, line, column] of an exception, as V8 tells them
//   clone(value, buffers, isPlatform, write, move, read)
//                                       a copy. The buffers are transferred. Of each object of which isPlatform(object) is true,
//                                       write(object) gives a number, read(number) the copy; move(), if given, is called in between
//   randomNumbers(numbers)              fills a Float64Array with numbers of [0, 1), as Math.random gives them
//   utf8Decode(bytes, fatal)            text; undefined: not UTF-8, and fatal was asked
//   encodingOf(label) encodingName(n)   an encoding's number, -1: there is none; its name
//   decode(encoding, bytes, flags, state)
//                                       text; undefined: malformed, and fatal was asked. flags: 1 fatal, 2 the byte order mark
//                                       stays, 4 more follows: then state is a Uint8Array(16), zeros at first, else it may be undefined
//   encodeInto(text, bytes, counts)     as UTF-8; counts: Uint32Array(2), units read and bytes written
//   atob(text) btoa(text)               text; undefined: it cannot be
//   urlParse(url, base, parts)          href; undefined: no URL. parts: Uint32Array(7), see url.js. base may be undefined
//   urlCanParse(url, base)
//   urlSet(href, part, value, parts)    the href with another part, numbered in url.js; undefined: it cannot be set
//   codecNew(format, way)               a codec of runtime/worker/codec.h, whose numbers these are. Throws: no memory is left
//   codecRun(codec, bytes, from, isLast, counts)
//                                       the next piece of output, or undefined; counts: Uint32Array(2), bytes consumed from `from` on
//                                       and enum codec_result
//   codecEnd(codec)                     it is not needed any more
//   formDecode(text) formEncode(text)   of application/x-www-form-urlencoded, a name or a value
//   find(bytes, wanted, from)           where wanted begins in bytes, at `from` or behind; -1: nowhere
//   digest(hash, bytes, before, length) the last two for SHAKE128, SHAKE256, CSHAKE128, CSHAKE256: bytes that come first, and of the output
//   digestStart(hash) digestUpdate(digest, bytes) digestEnd(digest)
//   hmac(key, hash, bytes) hkdf(key, hash, salt, info, length) pbkdf2(key, hash, salt, iterations, length) equalBytes(a, b)
//   cipher(mode, encrypts, key, iv, bytes, additional, n)
//                                       mode: GCM, OCB, ChaCha20 (n: bytes of the tag), CTR (n: bits of the counter), CBC or KW
//   keySecret(bytes, bits) keyRandom(bits) keyBytes(key) keyLength(key)
//                                       a handle of a secret key, of whose last byte the bits beyond are 0; and back
//   base64url(text)                     its bytes
//   keyGenerate(type, bits, exponent)   a handle of a pair. type: RSA, P-256, P-384, P-521, ED25519, X25519, ED448, X448, ML-KEM-768, ...
//   keyRead(format, type, bytes) keyWrite(format, key)
//                                       spki or pkcs8
//   keyOfParts(type, ...parts) keyParts(key, isPrivate)
//                                       natives_key.c has the parts of each type
//   keySign(key, how, hash, salt, context, bytes) keyVerify(key, how, hash, salt, context, bytes, signature)
//                                       how: PKCS1 or PSS of RSA
//   keyCrypt(key, encrypts, hash, label, bytes) keyAgree(own, peer, bits) keyEncapsulate(key) keyDecapsulate(key, bytes)
//                                       of all these undefined: refused. crypto.subtle's, natives_crypto.h
//   parseJson(bytes)                    JSON.parse of their text, or a RangeError (runtime/worker/json_shape.h)
export const host = globalThis.__host;

// enum job_error of runtime/job.h, as far as JavaScript reports them.
export const ERROR_EXCEPTION = 1;
export const ERROR_NOT_RESPONSE = 15;
