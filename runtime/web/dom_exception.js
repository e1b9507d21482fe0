// DOMException (WebIDL 2.8.1 and the legacy codes of 2.8.2).
const CODES = {
    IndexSizeError: 1, HierarchyRequestError: 3, WrongDocumentError: 4, InvalidCharacterError: 5,
    NoModificationAllowedError: 7, NotFoundError: 8, NotSupportedError: 9, InUseAttributeError: 10,
    InvalidStateError: 11, SyntaxError: 12, InvalidModificationError: 13, NamespaceError: 14,
    InvalidAccessError: 15, TypeMismatchError: 17, SecurityError: 18, NetworkError: 19, AbortError: 20,
    URLMismatchError: 21, QuotaExceededError: 22, TimeoutError: 23, InvalidNodeTypeError: 24, DataCloneError: 25,
};

export class DOMException extends Error {
    #name;

    constructor(message = '', name = 'Error') {
        super(String(message));
        this.#name = typeof name === 'object' && name !== null ? String(name.name ?? 'Error') : String(name);
        if (typeof name === 'object' && name !== null && 'cause' in name) this.cause = name.cause;
        Error.captureStackTrace(this, new.target); // again, now that it has a name
    }

    get name() {
        return this.#name;
    }

    get code() {
        return CODES[this.#name] ?? 0;
    }

    get [Symbol.toStringTag]() {
        return 'DOMException';
    }
}

for (const [name, code] of Object.entries(CODES)) {
    const constant = name.replace(/Error$/, '').replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase() + '_ERR';
    for (const target of [DOMException, DOMException.prototype])
        Object.defineProperty(target, constant, { value: code, enumerable: true });
}

// What DOMExceptions of that name became (Web IDL 4.4.1).
export class QuotaExceededError extends DOMException {
    #quota; #requested;

    constructor(message = '', options = {}) {
        super(message, 'QuotaExceededError');
        const member = (name) => {
            const value = options?.[name];
            if (value === undefined) return null;
            if (!Number.isFinite(+value)) throw new TypeError(`QuotaExceededError: ${name} is no finite number`);
            if (value < 0) throw new RangeError(`QuotaExceededError: ${name} is negative`);
            return +value;
        };
        this.#quota = member('quota');
        this.#requested = member('requested');
        if (this.#quota !== null && this.#requested !== null && this.#requested < this.#quota)
            throw new RangeError('QuotaExceededError: requested is less than the quota');
    }

    get quota() { return this.#quota; }
    get requested() { return this.#requested; }
    get [Symbol.toStringTag]() { return 'QuotaExceededError'; }
}
