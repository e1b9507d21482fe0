// A value as text, equal for equal values; unlike JSON it tells undefined, NaN, -0, maps, sets and bytes apart.
export function inspectable(value) {
    if (typeof value === 'string') return JSON.stringify(value);
    if (typeof value === 'bigint') return `${value}n`;
    if (Object.is(value, -0)) return '-0';
    if (typeof value !== 'object' || value === null) return String(value);
    if (ArrayBuffer.isView(value)) return `${value.constructor.name}[${[...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)]}]`;
    if (value instanceof ArrayBuffer) return `ArrayBuffer[${[...new Uint8Array(value)]}]`;
    if (Array.isArray(value)) return `[${value.map(inspectable).join(', ')}]`;
    if (value instanceof Date) return `Date(${value.getTime()})`;
    if (value instanceof RegExp) return String(value);
    if (value instanceof Map) return `Map{${[...value].map(([k, v]) => `${inspectable(k)}=>${inspectable(v)}`)}}`;
    if (value instanceof Set) return `Set{${[...value].map(inspectable)}}`;
    return `{${Object.keys(value).map((k) => `${k}: ${inspectable(value[k])}`).join(', ')}}`;
}
