#!/usr/bin/env python3
"""Reads off a program what its build was to give it, and names what is missing:  hardened.py [--fortified|--plain] PROGRAM...

PIE, a stack and data that are never executed, relocations read-only from the first instruction on, canaries in stack frames, checked
string functions (--fortified: the build optimises and has no sanitizer), landing pads at the functions' beginnings.

Landing pads are looked for in the code, where the C library calls it: main, or the one that hearth-runtime takes main's place with. Rejected: the image's property note, which the linker drops as soon as one object has
none: wolfSSL's assembly has not. No kernel of today turns it on for such an image; it costs nothing to be ready.
"""

import re
import subprocess
import sys

ENDBR64 = "f30f1efa"


def readelf(option, program):
    return subprocess.run(["readelf", "-W", option, program], stdout=subprocess.PIPE, text=True, check=True).stdout


def first_bytes(program):
    """The first four bytes of what is called from outside, as hex; "" if there is no such symbol."""
    symbol = re.search(r"^ *\d+: ([0-9a-f]+) .* FUNC .* (main|__libc_start_main)$", readelf("-s", program), re.M)
    text = re.search(r"^ *\[ *\d+\] \.text +PROGBITS +([0-9a-f]+) ([0-9a-f]+)", readelf("-S", program), re.M)
    if not symbol or not text:
        return ""
    address, offset = (int(x, 16) for x in text.groups())
    with open(program, "rb") as file:
        file.seek(int(symbol[1], 16) - address + offset)
        return file.read(4).hex()


def missing(program, is_fortified):
    headers, dynamic, segments = (readelf(option, program) for option in ("-h", "-d", "-l"))
    undefined = set(re.findall(r" UND (\w+)", readelf("--dyn-syms", program)))
    stack = re.search(r"GNU_STACK +(?:\S+ +){5}(\S+)", segments)
    checks = {
        "PIE (-pie, b_pie)": re.search(r"Type: +DYN", headers) and (".so" in program or re.search(r"Flags:.* PIE", dynamic)),
        "a stack that is not executed (-z noexecstack)": stack and "E" not in stack[1],
        "no segment both written and executed": not re.search(r"LOAD .* RWE ", segments),
        "read-only relocations (-z relro)": "GNU_RELRO" in segments,
        "all of them at the start (-z now)": re.search(r"\((?:FLAGS|BIND_NOW)\).*BIND_NOW|Flags:.* NOW|\(BIND_NOW\)", dynamic),
        "canaries (-fstack-protector-strong)": "__stack_chk_fail" in undefined,
        "landing pads (-fcf-protection)": first_bytes(program) == ENDBR64,
    }
    if is_fortified:
        checks["checked string functions (_FORTIFY_SOURCE)"] = any(re.fullmatch(r"__\w+_chk", name) for name in undefined)
    return [what for what, is_there in checks.items() if not is_there]


def main(arguments):
    is_bad = False
    for program in arguments[1:]:
        for what in missing(program, arguments[0] == "--fortified"):
            print(f"{program}: has no {what}")
            is_bad = True
    return is_bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
