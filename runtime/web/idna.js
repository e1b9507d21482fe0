// Stands in for the tr46 package inside whatwg-url: UTS 46 by libidn2, a native of the worker.
import { host } from './host.js';

export function toASCII(domain) {
    return host.toAscii(domain);
}

export function toUnicode(domain) {
    return { domain: host.toUnicode(domain) ?? domain, error: false };
}
