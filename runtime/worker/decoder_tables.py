#!/usr/bin/env python3
"""decoder_tables.py INDEXES.json OUT.c: the multi-byte indexes of the Encoding Standard as C arrays (decoder_tables.h).

INDEXES.json is that of the npm package @exodus/bytes, which tests it against the standard's own files. An index is a list that
fills pointers from 0 on:

  n, d       n code points that follow one another; the first is d beyond the one that would be next
  -d         the same of one code point
  0, n       n pointers without a code point
  "$x"       the list of that name, which begins anew
  "base64"   UTF-16LE: the low bytes, then the high ones, each as its difference to the one before, low ones less 1
"""
import base64
import json
import sys

# As long as the standard's indexes are.
SIZES = {'jis0208': 11104, 'jis0212': 7211, 'euc-kr': 23750, 'gb18030': 23940, 'big5': 19782}


def text_of(chunk):
    raw = base64.urlsafe_b64decode(chunk + '=' * (-len(chunk) % 4))
    units = bytearray()
    low, high = -1, 0
    for low_step, high_step in zip(raw[:len(raw) // 2], raw[len(raw) // 2:]):
        low = (low + low_step + 1) & 0xff
        high = (high + high_step) & 0xff
        units += bytes((low, high))
    return units.decode('utf-16-le')


def unwrap(lists, entries):
    """The code points of a list, 0 where there is none."""
    out = []
    code = 0
    entries = iter(entries)
    for entry in entries:
        if isinstance(entry, str) and entry in lists:
            out += unwrap(lists, lists[entry])
        elif isinstance(entry, str):
            out += map(ord, text_of(entry))
            code = out[-1] + 1
        elif entry == 0:
            out += [0] * next(entries)
        else:
            count, step = (1, -entry) if entry < 0 else (entry, next(entries))
            code += step
            out += range(code, code + count)
            code += count
    return out


def index_of(lists, name):
    codes = unwrap(lists, lists[name])
    assert len(codes) <= SIZES[name], name
    return codes + [0] * (SIZES[name] - len(codes))


def sums(steps):
    out = []
    start = 0
    for step in steps:
        start += step
        out.append(start)
    return out


def array(kind, name, values):
    rows = [', '.join(map(str, values[i:i + 16])) for i in range(0, len(values), 16)]
    return f'const {kind} {name}[{len(values)}] = {{\n' + ',\n'.join(rows) + '};\n'


def main(source, target):
    with open(source, encoding='utf-8') as f:
        lists = json.load(f)
    indexes = {name: index_of(lists, name) for name in SIZES}
    big5 = indexes['big5']
    # All beyond the basic plane are in plane 2.
    assert {code >> 16 for index in indexes.values() for code in index} == {0, 2}
    is_astral = [sum(1 << bit for bit, code in enumerate(big5[i:i + 8]) if code > 0xffff) for i in range(0, len(big5), 8)]
    ranges = lists['gb18030-ranges']
    with open(target, 'w', encoding='utf-8') as f:
        f.write('/* Made by decoder_tables.py. */\n#include "runtime/worker/decoder_tables.h"\n')
        for name, codes in indexes.items():
            f.write(array('uint16_t', 'index_' + name.replace('-', '_'), [code & 0xffff for code in codes]))
        f.write(array('uint8_t', 'index_big5_plane2', is_astral))
        f.write(array('uint32_t', 'gb18030_range_pointer', sums(ranges[::2])))
        f.write(array('uint32_t', 'gb18030_range_code', sums(ranges[1::2])))


if __name__ == '__main__':
    main(*sys.argv[1:])
