// fetch() leaves the node through hearthd; this version of hearth has no such way yet.
export function fetch(input, init) {
    return Promise.reject(new Error('fetch: outbound requests are not supported by this version of hearth'));
}
