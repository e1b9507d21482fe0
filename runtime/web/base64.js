// atob, btoa (HTML 8.3) over the engine's Uint8Array base64.
import { DOMException } from './dom_exception.js';

export function btoa(text) {
    if (arguments.length === 0) throw new TypeError('btoa: an argument is required');
    text = String(text);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) {
        const c = text.charCodeAt(i);
        if (c > 255) throw new DOMException('btoa: a character is outside Latin-1', 'InvalidCharacterError');
        bytes[i] = c;
    }
    return bytes.toBase64();
}

export function atob(text) {
    if (arguments.length === 0) throw new TypeError('atob: an argument is required');
    let bytes;
    try {
        bytes = Uint8Array.fromBase64(String(text));
    } catch {
        throw new DOMException('atob: the text is not base64', 'InvalidCharacterError');
    }
    let out = '';
    for (let i = 0; i < bytes.length; i += 8192) out += String.fromCharCode(...bytes.subarray(i, i + 8192));
    return out;
}
