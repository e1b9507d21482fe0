// Streams (https://streams.spec.whatwg.org). Our own, where packages would do: of web-streams-polyfill each chunk took two promises more
// than the standard asks for, scripts saw (and could change) its inside as plain properties, and bytes had no way past JavaScript's promises.
import { isAbortSignal } from '../abort.js';
import { newByobReader, setUpByteController, teeBytes } from './bytes.js';
import { pipe } from './pipe.js';
import { completeReadable } from './readable.js';
import { isWritable, writableStateOf } from './writable.js';

completeReadable({
    setUpByteController, newByobReader, teeBytes, pipe, isWritable,
    isWritableLocked: (stream) => writableStateOf(stream).isLocked,
    isSignal: isAbortSignal,
});

export { ByteLengthQueuingStrategy, CountQueuingStrategy } from './base.js';
export { ReadableByteStreamController, ReadableStreamBYOBReader, ReadableStreamBYOBRequest } from './bytes.js';
export { ReadableStream, ReadableStreamDefaultController, ReadableStreamDefaultReader } from './readable.js';
export { TransformStream, TransformStreamDefaultController } from './transform.js';
export { WritableStream, WritableStreamDefaultController, WritableStreamDefaultWriter } from './writable.js';
