// atob, btoa (HTML 8.3): the natives do all of it.
import { DOMException } from './dom_exception.js';
import { host } from './host.js';
import { DOMString, globalFunction } from './webidl.js';

export const btoa = globalFunction('btoa', [DOMString], (data) => {
    const text = host.btoa(data);
    if (text === undefined) throw new DOMException('btoa: a character is above U+00FF', 'InvalidCharacterError');
    return text;
});

export const atob = globalFunction('atob', [DOMString], (data) => {
    const text = host.atob(data);
    if (text === undefined) throw new DOMException('atob: the text is not base64', 'InvalidCharacterError');
    return text;
});
