// DOMException and QuotaExceededError (Web IDL 2.8, 3.14): errors with a stack of their own, whose name and message are attributes.
import { any, declare, dictionary, DOMString, double, readonly } from './webidl.js';

const { construct, defineProperty } = Reflect;
const { captureStackTrace } = Error;

const CODES = {
    IndexSizeError: 1, HierarchyRequestError: 3, WrongDocumentError: 4, InvalidCharacterError: 5,
    NoModificationAllowedError: 7, NotFoundError: 8, NotSupportedError: 9, InUseAttributeError: 10,
    InvalidStateError: 11, SyntaxError: 12, InvalidModificationError: 13, NamespaceError: 14,
    InvalidAccessError: 15, TypeMismatchError: 17, SecurityError: 18, NetworkError: 19, AbortError: 20,
    URLMismatchError: 21, QuotaExceededError: 22, TimeoutError: 23, InvalidNodeTypeError: 24, DataCloneError: 25,
};

// Codes that have a constant and no name any more, and the constants that are not made of the name.
const CONSTANTS = {
    DOMSTRING_SIZE_ERR: 2, NO_DATA_ALLOWED_ERR: 6, INUSE_ATTRIBUTE_ERR: 10, VALIDATION_ERR: 16, URL_MISMATCH_ERR: 21,
};
for (const [name, code] of Object.entries(CODES))
    if (code !== CONSTANTS.INUSE_ATTRIBUTE_ERR && code !== CONSTANTS.URL_MISMATCH_ERR)
        CONSTANTS[name.replace(/Error$/, '').replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase() + '_ERR'] = code;
const inOrder = Object.fromEntries(Object.entries(CONSTANTS).sort(([, a], [, b]) => a - b));

// Private fields on an object that is there: an Error of V8's, so that Error.isError() and whoever prints errors know it.
class Given {
    constructor(object) {
        return object;
    }
}

export let isDOMException, isQuotaExceededError;
export let cloneDOMException; // with its stack (Web IDL 3.14.1, serialization steps)

class Fields extends Given {
    #name; #message; #cause;

    constructor(error, message, { name, cause }) {
        super(error);
        this.#message = message;
        this.#name = name;
        this.#cause = cause;
    }

    static {
        isDOMException = (value) => typeof value === 'object' && value !== null && #name in value;
    }

    static nameOf(exception) { return exception.#name; }
    static messageOf(exception) { return exception.#message; }
    static causeOf(exception) { return exception.#cause; }
}

// (DOMString or DOMExceptionOptions). A cause, as other errors have one, is what engines and the tests of Web IDL agree on already.
const DOMExceptionOptions = dictionary('DOMExceptionOptions', { cause: any, name: [DOMString, 'Error'] });
const NameOrOptions = (value, what) => (value === undefined || (typeof value === 'object' && value !== null)
    ? DOMExceptionOptions(value, what) : { name: DOMString(value, what), cause: undefined });

export class DOMException {
    constructor(message = undefined, name = undefined) {
        message = message === undefined ? '' : DOMString(message, 'DOMException, argument 1');
        const options = NameOrOptions(name, 'DOMException, argument 2');
        const error = new Fields(construct(Error, [message], new.target), message, options);
        captureStackTrace(error, new.target); // again, now that it has a name; of the message it sees only an own property
        delete error.message;
        return error;
    }

    get name() { return Fields.nameOf(this); }
    get message() { return Fields.messageOf(this); }
    get cause() { return Fields.causeOf(this); }
    get code() { return CODES[Fields.nameOf(this)] ?? 0; }
}

Object.setPrototypeOf(DOMException.prototype, Error.prototype);
declare(DOMException, {
    is: isDOMException,
    attributes: { cause: readonly, code: readonly, message: readonly, name: readonly },
    constants: inOrder,
});

const QuotaExceededErrorOptions = dictionary('QuotaExceededErrorOptions', { quota: double, requested: double });
let quotasOf; // {quota, requested}, undefined where it says nothing

class QuotaFields extends Given {
    #quota; #requested;

    constructor(error, { quota, requested }) {
        super(error);
        this.#quota = quota;
        this.#requested = requested;
    }

    static {
        isQuotaExceededError = (value) => typeof value === 'object' && value !== null && #quota in value;
        quotasOf = (error) => ({ quota: error.#quota, requested: error.#requested });
    }
}

export class QuotaExceededError extends DOMException {
    constructor(message = undefined, options = undefined) {
        message = message === undefined ? '' : DOMString(message, 'QuotaExceededError, argument 1');
        const { quota, requested } = QuotaExceededErrorOptions(options, 'QuotaExceededError, argument 2');
        if (quota < 0) throw new RangeError('QuotaExceededError: the quota is negative');
        if (requested < 0) throw new RangeError('QuotaExceededError: what was requested is negative');
        if (requested < quota) // not so if one of them is undefined
            throw new RangeError('QuotaExceededError: less was requested than the quota');
        return new QuotaFields(super(message, 'QuotaExceededError'), { quota, requested });
    }

    get quota() { return quotasOf(this).quota ?? null; }
    get requested() { return quotasOf(this).requested ?? null; }
}

declare(QuotaExceededError, {
    is: isQuotaExceededError,
    attributes: { quota: readonly, requested: readonly },
});

cloneDOMException = (exception) => {
    const message = Fields.messageOf(exception);
    const copy = isQuotaExceededError(exception)
        ? new QuotaExceededError(message, quotasOf(exception))
        : new DOMException(message, { name: Fields.nameOf(exception) });
    const { stack } = exception;
    if (typeof stack === 'string') defineProperty(copy, 'stack', { value: stack, writable: true, enumerable: false, configurable: true });
    return copy;
};
