// atob, btoa (HTML 8.3): the natives do all of it.
import { DOMException } from './dom_exception.js';
import { host } from './host.js';
import { DOMString, required } from './webidl.js';

export function btoa(data) {
    required(arguments, 1, 'btoa');
    const text = host.btoa(DOMString(data, 'btoa, argument 1'));
    if (text === undefined) throw new DOMException('btoa: a character is above U+00FF', 'InvalidCharacterError');
    return text;
}

export function atob(data) {
    required(arguments, 1, 'atob');
    const text = host.atob(DOMString(data, 'atob, argument 1'));
    if (text === undefined) throw new DOMException('atob: the text is not base64', 'InvalidCharacterError');
    return text;
}
