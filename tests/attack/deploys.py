"""Deploys that mean harm: each gets a sentence, or runs and harms nobody.

A row is (what, whether it must be refused, function). A function gives what hearth said against it, None if it took it.
"""

import concurrent.futures
import json
import os
import tempfile

import target

NAME = "deploys"
GOOD = 'export default { fetch: () => new Response("ok") };\n'
REFUSED, EITHER = True, False
SENTENCE_BYTES_MAX = 8192


def source(text):
    return lambda: target.deploy(NAME, text)


def manifest(text=None, payload=GOOD.encode(), **changes):
    """A manifest that is good but for the changes, past hearthctl."""
    def send():
        good = {"name": NAME, "main": "index.js", "routes": [], "vars": {}, "modules": [{"name": "index.js", "bytes": len(payload)}]}
        reply = target.deploy_raw(text if text is not None else json.dumps({**good, **changes}), payload)
        return "closed" if reply is None else None if reply.get("ok") else reply.get("error", "")
    return send


def frame(text, length=None):
    def send():
        reply = target.deploy_raw(None, frame=text, length=length)
        return "closed" if reply is None else None if reply.get("ok") else reply.get("error", "")
    return send


def folder(fill, wrangler=None):
    """What hearthctl makes of a directory. fill(directory) puts more into it."""
    def send():
        with tempfile.TemporaryDirectory() as directory:
            target.write_script(directory, NAME, GOOD)
            if wrangler is not None:
                with open(os.path.join(directory, "wrangler.jsonc"), "wb") as file:
                    file.write(wrangler)
            fill(directory)
            done = target.ctl("deploy", directory)
        return done.stderr.strip() or "no reason given" if done.returncode else None
    return send


def nothing(_):
    pass


def write(name, data):
    def fill(directory):
        os.makedirs(os.path.dirname(os.path.join(directory, name)), exist_ok=True)
        with open(os.path.join(directory, name), "wb") as file:
            file.write(data)
    return fill


def many_modules(directory):
    for i in range(10_000):
        write(f"m{i}.js", b"export default 1;\n")(directory)


def circle_of_modules(directory):
    for i in range(200):
        write(f"m{i}.js", b"".join(b'import "./m%d.js";' % n for n in range(200)))(directory)
    write("index.js", b'import "./m0.js";' + GOOD.encode())(directory)


def again(times):
    """The same, one after the other."""
    def send():
        said = [source(GOOD)() for _ in range(times)]
        return next((text for text in said if text), None)
    return send


def at_once(send_one, count=8):
    def send():
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            for _ in pool.map(send_one, range(count * 4)):
                pass
    return send


def deploy_and_delete(i):
    if i % 2:
        source(f"{GOOD}// {i}")()
    else:
        target.delete(NAME)


def modules(*names):
    return manifest(modules=[{"name": name, "bytes": 0} for name in names] + [{"name": "index.js", "bytes": len(GOOD)}])


HANG = "for (;;);"
ROWS = [
    ("a top level without an end", REFUSED, source(HANG + GOOD)),
    ("a top level that no limit stops", REFUSED, source("Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1);" + GOOD)),
    ("a top level that eats memory", REFUSED, source("const a = []; for (;;) a.push(new Array(1e5).fill(1));" + GOOD)),
    ("a top level that eats buffers", REFUSED, source("const a = []; for (;;) a.push(new Uint8Array(1e7).fill(1));" + GOOD)),
    ("a top level that throws what hangs", REFUSED,
     source("throw { get message() { for (;;); }, get stack() { for (;;); }, toString() { for (;;); } };" + GOOD)),
    ("a top level that throws a proxy", REFUSED, source("throw new Proxy(() => {}, { get() { for (;;); }, apply() { for (;;); } });" + GOOD)),
    ("a top level that throws 500 MB", REFUSED, source("throw new Error('x'.repeat(2 ** 29 - 25));" + GOOD)),
    ("a top level of microtasks", REFUSED, source("const f = () => queueMicrotask(f); f();" + GOOD)),
    ("a top level that awaits for ever", REFUSED, source("await new Promise(() => {});" + GOOD)),
    ("a top level that imports itself for ever", REFUSED, source("for (;;) await import('./index.js');" + GOOD)),
    ("an export that hangs when it is looked at", EITHER, source("export default { get fetch() { for (;;); } };")),
    ("an export that is a proxy", EITHER, source("export default new Proxy({}, { get() { for (;;); }, has() { for (;;); } });")),
    ("a module that is a thenable", EITHER, source("export function then() { for (;;); }\n" + GOOD)),
    ("brackets, a million deep", REFUSED, source("(" * 1_000_000 + ")" * 1_000_000 + GOOD)),
    ("functions, 100,000 deep", REFUSED, source("()=>" * 100_000 + "1;" + GOOD)),
    ("a template, 100,000 deep", REFUSED, source("`${" * 100_000 + "1" + "}`" * 100_000 + ";" + GOOD)),
    ("a regular expression that cannot be compiled", EITHER, source("/" + "(" * 50_000 + "a" + ")" * 50_000 + "/.test('a');" + GOOD)),
    ("a string of 20 MB", EITHER, source("const a = '" + "x" * 20_000_000 + "';" + GOOD)),
    ("a million functions", EITHER, source("".join(f"function f{i}(){{}}\n" for i in range(300_000)) + GOOD)),
    ("surrogates, marks and NULs", EITHER, source("\ufeff// \u2028\u202e\0\ud800\n" + GOOD)),
    ("10,000 modules", REFUSED, folder(many_modules)),
    ("200 modules that import each other", EITHER, folder(circle_of_modules)),
    ("more bytes than there may be", REFUSED, folder(write("big.txt", b"x" * (33 << 20)))),
    ("a JSON module, a million deep", EITHER, folder(write("a.json", b"[" * 1_000_000))),
    ("a link to a secret", EITHER, folder(lambda directory: os.symlink("/etc/shadow", f"{directory}/a.txt"))),
    ("links in a circle", EITHER, folder(lambda directory: os.symlink(directory, f"{directory}/a"))),
    ("a pipe that nobody writes to", EITHER, folder(lambda directory: os.mkfifo(f"{directory}/a.txt"))),
    ("a file name of controls", EITHER, folder(write("\x1b[2J\u202ea\n.js", b"export default 1;\n"))),
    ("wrangler.jsonc of brackets", REFUSED, folder(nothing, b"[" * 1_000_000)),
    ("wrangler.jsonc of objects", REFUSED, folder(nothing, b'{"vars":' * 100_000 + b"1" + b"}" * 100_000)),
    ("wrangler.jsonc that is one comment", REFUSED, folder(nothing, b"/*" * 400_000)),
    ("wrangler.jsonc of 2 MB", REFUSED, folder(nothing, b" " * (2 << 20))),
    ("wrangler.jsonc with controls", REFUSED, folder(nothing, b'{"name": "\x1b[2J\xc2\x9b31m", "main": "\xe2\x80\xae"}')),
    ("wrangler.jsonc that is not UTF-8", REFUSED, folder(nothing, b'{"name": "\xff\xfe", "main": "index.js"}')),
    ("a name that is a path", REFUSED, manifest(name="../../etc/passwd")),
    ("a name with a NUL", REFUSED, manifest(name="a\0b")),
    ("a name of controls", REFUSED, manifest(name="\x1b[2J\u202e\n")),
    ("a name of 1 MB", REFUSED, manifest(name="a" * 1_000_000)),
    ("no name", REFUSED, manifest(name="")),
    ("a module that is a path", REFUSED, modules("../../../etc/cron.d/x")),
    ("a module that is absolute", REFUSED, modules("/etc/passwd")),
    ("a module with a NUL", REFUSED, modules("a\0.js")),
    ("a module of controls", REFUSED, modules("\x1b]0;x\x07.js")),
    ("one module twice", REFUSED, modules("a.js", "a.js")),
    ("modules in another order", REFUSED, modules("b.js", "a.js")),
    ("a main that is not there", REFUSED, manifest(main="other.js")),
    ("bytes that are less than nothing", REFUSED, manifest(modules=[{"name": "a.js", "bytes": -5}, {"name": "index.js", "bytes": len(GOOD) + 5}])),
    ("bytes that overflow", REFUSED, manifest(modules=[{"name": "a.js", "bytes": 2**63 - 1}, {"name": "index.js", "bytes": len(GOOD) + 1}])),
    ("bytes that are not there", REFUSED, manifest(modules=[{"name": "index.js", "bytes": 10_000_000}])),
    ("10,000 modules of no bytes", REFUSED, modules(*(f"a{i:05}.js" for i in range(10_000)))),
    ("limits without a limit", REFUSED, manifest(limits={"cpu_ms": 10**18, "subrequests": 2**62})),
    ("limits below zero", REFUSED, manifest(limits={"cpu_ms": -1})),
    ("limits of 1e308", REFUSED, manifest(limits={"cpu_ms": 1e308})),
    ("limits of other types", REFUSED, manifest(limits={"cpu_ms": {"a": []}})),
    ("vars of 1 MB", REFUSED, manifest(vars={"a": "x" * 1_000_000})),
    ("vars of prototypes", EITHER, manifest(vars={"__proto__": {"fetch": 1}, "constructor": {"prototype": 1}, "toString": 1, "then": 1})),
    ("vars that are deep", REFUSED, manifest(text='{"name":"deploys","main":"index.js","vars":' + '{"a":' * 5000 + "1" + "}" * 5000 + "}")),
    ("keys twice", EITHER, manifest(text='{"name":"deploys","name":"bystander","main":"index.js","main":"/etc/passwd","modules":[],"vars":{}}')),
    ("every field of another type", REFUSED, manifest(name=[], main={}, routes="*", vars=[], modules={}, services=7, limits=[], account=1)),
    ("a manifest that is a number", REFUSED, manifest(text="7")),
    ("the bystander's route", REFUSED, manifest(routes=["bystander.beta.hearth.test/*"])),
    ("routes of 1 MB", REFUSED, manifest(routes=["a" * 1_000_000 + ".test/*"])),
    ("1,000 routes", REFUSED, manifest(routes=[f"h{i}.test/*" for i in range(1000)])),
    ("routes with controls", REFUSED, manifest(routes=["a\x00b\r\n.test/*", "\u202e/*"])),
    ("1,000 bindings", REFUSED, manifest(services=[{"binding": f"B{i}", "service": "bystander"} for i in range(1000)])),
    ("bindings that are prototypes", EITHER, manifest(services=[{"binding": "__proto__", "service": "bystander"}, {"binding": "then", "service": "../x"}])),
    ("an account of controls", REFUSED, manifest(account="\x1b[2J\n")),
    ("a frame of 4 GB", REFUSED, frame(b"{}", length=0xFFFFFFFF)),
    ("a frame of nothing", REFUSED, frame(b"")),
    ("a frame of noise", REFUSED, frame(bytes(range(256)) * 8)),
    ("a frame of brackets", REFUSED, frame(b"[" * 60_000)),
    ("a payload of 4 GB", REFUSED, frame(b'{"command":"deploy","token":"TOKEN","payload":4294967295,"manifest":{}}')),
    ("a payload of less than nothing", REFUSED, frame(b'{"command":"deploy","token":"TOKEN","payload":-1,"manifest":{}}')),
    ("a payload that does not come", REFUSED, frame(b'{"command":"deploy","token":"TOKEN","payload":1000,"manifest":{}}')),
    ("a version that is a path", REFUSED, frame(b'{"command":"rollback","token":"TOKEN","name":"deploys","version":"../../../etc/passwd"}')),
    ("a delete of all", REFUSED, frame(b'{"command":"delete","token":"TOKEN","name":"../"}')),
    ("the same, 50 times", EITHER, again(50)),
    ("many of one script at once", EITHER, at_once(lambda i: source(f"{GOOD}// {i}")())),
    ("deploys and deletes at once", EITHER, at_once(deploy_and_delete)),
    ("tops that end their processes at once", EITHER,
     at_once(lambda i: target.deploy(f"{NAME}-{i % 4}", f"Array.prototype.fill.call({{ length: 2 ** 53 - 1 - {i} }}, 1);{GOOD}"), 4)),
]


def has_controls(text):
    return any(ord(c) < 32 and c not in "\n\t" or 0x7F <= ord(c) < 0xA0 or 0x202A <= ord(c) <= 0x202E or 0x2066 <= ord(c) <= 0x2069 for c in text)


def attack(must_be_refused, send):
    def one():
        said = send()
        if said is None:
            target.ask(NAME)
        elif not said.strip() or len(said) > SENTENCE_BYTES_MAX:
            return f"no sentence: {said[:100]!r}"
        target.delete(NAME)
        return "it was taken" if must_be_refused and said is None else None
    return one


def attack_shown(must_be_refused, send):
    """What hearthctl shows besides: no controls of the deployer's."""
    contained = attack(must_be_refused, send)

    def one():
        fault = contained()
        listed = target.ctl("scripts").stdout + target.ctl("scripts", account=None).stdout + target.ctl("status", account=None).stdout
        return fault or ("hearthctl shows controls" if has_controls(listed) else None)
    return one


def run(suite):
    assert len(ROWS) >= 30
    suite.run("deploys", [(what, attack_shown(refused, send)) for what, refused, send in ROWS], 1)
