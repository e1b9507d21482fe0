"""What a tenant with a token tries against the others and the operator: each is refused with its sentence and its counter.

A row is (what, whose counter grows, words of the sentence, function); a function gives what was said against it, None if it was taken.
"""

import contextlib
import json
import os
import signal
import subprocess
import threading

import node
import target
from bystander import HOST, NAME as BYSTANDER

GOOD = 'export default { fetch: () => new Response("ok") };\n'
VICTIM = f"{target.BYSTANDERS}/{BYSTANDER}"
STARTED = 8  # scripts of the bystander's account that start beside a flood of deploys
CEILINGS = {"cpu_ms": 20, "wall_ms": 2000, "subrequests": 5, "memory_mb": 32, "size_mb": 1, "timers": 10, "scripts": 3, "log_lines": 5}


def operator(*arguments):
    done = target.ctl(*arguments, account=None)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refusals(kind):
    status = json.loads(operator("status", "--json"))["accounts_refused"]
    return status[kind] if kind in status else node.counter(kind)


def said(done):
    return done.stderr.strip() or "no reason given" if done.returncode else None


def route(*patterns):
    return lambda: target.deploy("thief", GOOD, routes=list(patterns))


def limits(**asked):
    return lambda: target.deploy("greedy", GOOD, limits=asked)


def command(*arguments, **who):
    return lambda: said(target.ctl(*arguments, **who))


def manifest(**changes):
    def send():
        good = {"name": "thief", "main": "index.js", "routes": [], "vars": {}, "modules": [{"name": "index.js", "bytes": len(GOOD)}]}
        reply = target.deploy_raw(json.dumps({**good, **changes}), GOOD.encode())
        return "closed" if reply is None else None if reply.get("ok") else reply.get("error", "")
    return send


def frame(**request):
    def send():
        reply = target.deploy_raw(None, frame=json.dumps(request).encode())
        return "closed" if reply is None else None if reply.get("ok") else reply.get("error", "")
    return send


@contextlib.contextmanager
def ceilings(**values):
    operator("account", "limit", target.ATTACKERS, *(f"{key}={value}" for key, value in values.items()))
    try:
        yield
    finally:
        operator("account", "limit", target.ATTACKERS, *(f"{key}=" for key in values))


def takeover(what, *patterns, kind="host", words="outside of the hosts"):
    return what, kind, words, route(*patterns)


TAKEOVERS = [
    takeover("the bystander's host", HOST),
    takeover("a path of it", f"{HOST}/login"),
    takeover("a path of it, and what is its own", f"mine.{target.ATTACKERS}.hearth.test", f"{HOST}/login"),
    takeover("all hosts of its account", f"*.{target.BYSTANDERS}.hearth.test/*"),
    takeover("all hosts", "*"),
    takeover("all hosts, a path", "*/login"),
    takeover("the zone", "*.hearth.test/*"),
    takeover("the zone's own name", "hearth.test"),
    takeover("a host of the operator's", "hello.hearth.test"),
    takeover("its account's name, which is no script's", f"{target.ATTACKERS}.hearth.test"),
    takeover("what ends as its own hosts do", f"x{target.ATTACKERS}.hearth.test"),
    takeover("all that ends so", f"*{target.ATTACKERS}.hearth.test"),
    takeover("an address", "10.77.0.1"),
    takeover("capitals", HOST.upper(), kind=None, words="lower"),
    takeover("a dot at the end", f"{HOST}.", kind=None, words=HOST),
    takeover("a port", f"{HOST}:443", kind=None, words=HOST),
    takeover("a user", f"x@{HOST}", kind=None, words=HOST),
    ("a NUL", None, "", manifest(routes=[f"{HOST}\0.{target.ATTACKERS}.hearth.test"])),
    takeover("another own script's host", f"steady.{target.ATTACKERS}.hearth.test/x", kind="route", words="steady"),
]

NAMES = [
    ("deploy as the bystander's account", "owner", "token does", manifest(owner=target.BYSTANDERS)),
    ("deploy as nobody's account", "owner", "token does", manifest(owner="")),
    ("a name with an account", None, "name", manifest(name=VICTIM)),
    ("a name that leads out", None, "name", manifest(name=f"../{VICTIM}")),
    ("delete the bystander", "foreign_script", "no script of the token's account", command("delete", VICTIM)),
    ("roll the bystander back", "foreign_script", "no script of the token's account", command("rollback", VICTIM)),
    ("look at the bystander", "foreign_script", "no script of the token's account", command("scripts", VICTIM)),
    ("tail the bystander", "foreign_script", "no script of the token's account", command("tail", VICTIM)),
    ("tail a whole account", "foreign_script", "no script of the token's account", command("tail", f"{target.BYSTANDERS}/*")),
    ("delete the operator's", "foreign_script", "no script of the token's account", command("delete", "default/hello")),
    ("another's script by a path", "foreign_script", "no script of the token's account", command("delete", f"{target.ATTACKERS}/../{VICTIM}")),
]

TOKENS = [
    ("no token", "no_token", "wants a token", frame(command="scripts")),
    ("no token, and a payload", "no_token", "wants a token", frame(command="deploy", payload=1 << 20, manifest={})),
    ("an empty token", "bad_token", "nobody's", frame(command="scripts", token="")),
    ("a token that is a number", "bad_token", "nobody's", frame(command="scripts", token=7)),
    ("a token that is null", "bad_token", "nobody's", frame(command="scripts", token=None)),
    ("a token that is a list", "bad_token", "nobody's", frame(command="scripts", token=["TOKEN"])),
    ("a guess", "bad_token", "nobody's", frame(command="scripts", token="hearth_" + "0" * 64)),
    ("its own in capitals", "bad_token", "nobody's", lambda: frame(command="scripts", token=target.token[target.ATTACKERS].upper())()),
    ("its own and more", "bad_token", "nobody's", frame(command="scripts", token="TOKEN0")),
    ("what the store keeps of a token", "bad_token", "nobody's", lambda: frame(command="scripts", token=kept_of(target.BYSTANDERS))()),
    ("the same, as a token is written", "bad_token", "nobody's", lambda: frame(command="scripts", token="hearth_" + kept_of(target.BYSTANDERS))()),
] + [(f"the operator's {' '.join(words)}", "operator_only", "only the operator", command(*words)) for words in (
    ("status",), ("stats",), ("metrics",), ("limits",), ("config",), ("reload",), ("tune", "warm_per_s=0"), ("node", "drain"), ("node", "undrain"),
    ("node", "status"), ("ring", "show"), ("ring", "locate", HOST), ("account", "add", "evil"), ("account", "token", target.BYSTANDERS),
    ("account", "limit", target.ATTACKERS, "cpu_ms="), ("account", "remove", target.BYSTANDERS), ("account", "revoke", target.BYSTANDERS, "0"))]


def kept_of(account):
    with open(f"{node.ROOT}/build/lab/n1/scripts/accounts.json") as file:
        return next(a for a in json.load(file)["accounts"] if a["name"] == account)["tokens"][0]["sha256"]


def over(ceiling, ask):
    def one():
        with ceilings(**{ceiling: CEILINGS[ceiling]}):
            return ask()
    return one


def third_script():
    with ceilings(scripts=2):  # steady and greedy
        target.deploy("greedy", GOOD)
        return target.deploy("one-more", GOOD)


OVER = [(f"more {key} than its ceiling", "ceiling", key, over(key, limits(**{key: CEILINGS[key] + 1}))) for key in ("cpu_ms", "subrequests")] + [
    ("more modules than its ceiling", "ceiling", "size_mb", over("size_mb", lambda: target.deploy("greedy", GOOD + "/" * (2 << 20)))),
    ("more scripts than its ceiling", "ceiling", "scripts", third_script),
    ("a limit that no script sets", None, "limits", manifest(limits={"wall_ms": 1})),
]

# What the ceiling of a script that asks for nothing does to it: the body of its answer, or its status.
HELD = [
    ("cpu_ms", "const t = Date.now(); for (let i = 0; i < 3e9; i++); return new Response('all');", 503),
    ("wall_ms", "await new Promise((r) => setTimeout(r, 2500)); return new Response('all');", 504),
    ("subrequests", "let n = 0; try { for (; n < 9; n++) await env.SELF.fetch(new Request(request, { headers: { nested: '1' } })); }"
     " catch { return new Response('held at ' + n); } return new Response('all');", "held at 5"),
    ("memory_mb", "const a = []; for (let i = 0; i < 60; i++) a.push(new Array(131072).fill(i)); return new Response('all' + a.length);", 503),
    ("timers", "let n = 0; try { for (; n < 99; n++) setTimeout(() => {}, 1e4); } catch { return new Response('held at ' + n); } return new Response('all');",
     "held at 10"),
]


def held(key, body, outcome):
    source = f"export default {{ async fetch(request, env) {{ if (request.headers.get('nested')) return new Response('n'); {body} }} }};\n"

    def one():
        name = f"held-{key.replace('_', '-')}"
        with ceilings(**{key: CEILINGS[key]}):
            refusal = target.deploy(name, source, services=[{"binding": "SELF", "service": name}])
            if refusal:
                return refusal
            status, text = target.ask(name)
            target.delete(name)
        return None if outcome in (status, text.decode()) else f"{status} {text[:80]!r}, not {outcome}"
    return one


# ---- what a script says of itself and of others ----------------------------------------------------------------------

RESERVED = ("x-real-ip", "X-Forwarded-For", "x-forwarded-proto", "X-Hearth-Caller", "x-hearth-request-id", "x-hearth-anything", "CF-Connecting-IP",
            "Forwarded", "traceparent")
TELLS = "export default { fetch(request) { return Response.json([...request.headers]); } };\n"
SPOOFS = ("export default { async fetch(request, env) { const headers = new Headers(); for (const name of %s) headers.set(name, 'spoofed');"
          " return env.CALLEE.fetch('https://spoofed.test/', { headers }); } };\n") % json.dumps(RESERVED)
ANSWERS = ("export default { fetch() { const headers = new Headers(); for (const name of %s) headers.set(name, 'spoofed');"
           " return new Response('x', { headers }); } };\n") % json.dumps(RESERVED)


def spoof_callee():
    """Of what the attackers' script says of itself the callee, of another account, reads nothing."""
    assert target.deploy("callee", TELLS, target.BYSTANDERS, allow_callers=[f"{target.ATTACKERS}/spoofs"]) is None
    assert target.deploy("spoofs", SPOOFS, services=[{"binding": "CALLEE", "service": f"{target.BYSTANDERS}/callee"}]) is None
    status, body = target.ask("spoofs")
    target.delete("spoofs")
    fields = json.loads(body) if status == 200 else []
    told = {name: value for name, value in fields}
    if "spoofed" in told.values() or told.get("x-hearth-caller") != f"{target.ATTACKERS}/spoofs" or len(told) != len(fields):
        return f"{status} {body[:300]!r}"
    return None


def spoof_edge():
    """A client's own words."""
    assert target.deploy("tells", TELLS) is None
    host = target.host_of("tells")
    with node.https(host, context=target.context) as client:
        lines = "".join(f"{name}: spoofed\r\n{name.upper()}: spoofed\r\n" for name in RESERVED)
        client.send(f"GET / HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n".encode())
        answer = client.response()
    target.delete("tells")
    fields = json.loads(answer.body)
    told = dict(fields)
    if "spoofed" in told.values() or len(told) != len(fields) or told["x-real-ip"] != "10.77.0.100" or "x-hearth-caller" in told:
        return f"{answer.body[:300]!r}"
    return None


def spoof_answer():
    """What a script answers is no word of hearth's: its client reads hearth's own, once."""
    assert target.deploy("answers", ANSWERS) is None
    host = target.host_of("answers")
    with node.https(host, context=target.context) as client:
        client.send(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        head = client.rest().split(b"\r\n\r\n")[0].decode("latin-1").lower().split("\r\n")
    target.delete("answers")
    bad = [line for line in head if line.startswith("x-hearth-") and "spoofed" in line]
    return f"{bad}" if bad else None


def call_who_does_not_list():
    """Of a script that lists nobody of the attackers."""
    assert target.deploy("private", TELLS, target.BYSTANDERS, allow_callers=[f"{target.ATTACKERS}/other", "default/*"]) is None
    assert target.deploy("calls", "export default { async fetch(request, env) { try { return await env.X.fetch(request); } catch (e) {"
                         " return new Response(String(e)); } } };\n", services=[{"binding": "X", "service": f"{target.BYSTANDERS}/private"}]) is None
    _, body = target.ask("calls")
    target.delete("calls")
    return body.decode()


def guess_ids():
    """From fifty ids of its own: the next ones, the ones between, the bits around, the bystander's own. None tells anything."""
    own = []
    with node.https(target.host_of("steady"), context=target.context) as client:
        for _ in range(50):
            own.append(int(client.request("GET / HTTP/1.1", target.host_of("steady")).headers["x-hearth-request-id"], 16))
    with node.https(HOST, context=target.context) as client:
        theirs = int(client.request("GET /?x HTTP/1.1", HOST).headers["x-hearth-request-id"], 16)
    step = own[-1] - own[-2]
    guesses = {theirs, *((own[-1] + n * s) % 2**64 for n in range(-3, 4) for s in (1, step) if n), *(own[-1] ^ 1 << bit for bit in range(0, 64, 8))}
    for guess in guesses - set(own):
        done = target.ctl("why", f"{guess:016x}")
        if done.returncode == 0 or "no node knows" not in done.stderr:
            return f"{guess:016x}: {done.stdout[:200]} {done.stderr[:200]}"
    if target.ctl("why", f"{own[-1]:016x}").returncode:
        return "of its own it is not told either"
    if len({b - a for a, b in zip(own, own[1:])}) < 45:
        return "ids come in steps"
    return None


def deploys_without_end():
    """Two at a time, of 31 MB each: the bystander's account has its scripts started all the same, and the attackers are told to wait."""
    for i in range(STARTED):
        assert target.deploy(f"cold-{i}", f"{GOOD}// {i}\n", target.BYSTANDERS) is None
    before, is_over, faults = refusals("share"), threading.Event(), []

    def flood(number):
        count = 0
        while not is_over.is_set():
            count += 1
            payload = f"{GOOD}// {number} {count}\n//".encode() + b"/" * (31 << 20)
            send = ('{"command":"deploy","token":"%s","payload":%d,"manifest":{"name":"large-%d","main":"index.js","routes":[],"vars":{},'
                    '"modules":[{"name":"index.js","bytes":%d}]}}' % (target.token[target.ATTACKERS], len(payload), number, len(payload)))
            target.send_raw(send.encode(), payload, None, False, target.PATIENCE)
    floods = [threading.Thread(target=flood, args=(number,)) for number in range(2)]
    for thread in floods:
        thread.start()
    try:
        node.until(lambda: refusals("share") > before, "the attackers to be told to wait", 60)
        for i in range(STARTED):
            for pid in node.cell_pids(f"{target.BYSTANDERS}/cold-{i}"):
                os.kill(pid, signal.SIGKILL)
            host = target.host_of(f"cold-{i}", target.BYSTANDERS)
            with node.https(host, context=target.context) as client:
                answer = client.request("GET / HTTP/1.1", host)
            if answer.status != 200:
                faults.append(f"cold-{i}: {answer}")
    finally:
        is_over.set()
        for thread in floods:
            thread.join()
    for i in range(STARTED):
        target.ctl("delete", f"cold-{i}", account=target.BYSTANDERS)
    return faults[0] if faults else None


def too_many_tails():
    """More tails than an account may have at a node: its places, and no more."""
    environment = {"PATH": os.environ["PATH"], "HEARTH_TOKEN": target.token[target.ATTACKERS]}
    tails = [subprocess.Popen([target.HEARTHCTL, "--socket", target.GUESTS, "tail"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
             for _ in range(7)]
    try:
        ended = node.until(lambda: [t for t in tails if t.poll() is not None], "a tail to be refused")
        return ended[0].stderr.read()
    finally:
        for tail in tails:
            tail.kill()
            tail.wait()
            tail.stderr.close()


def refused(kind, words, send):
    def one():
        before = refusals(kind) if kind else 0
        text = target.patiently(send, lambda said: said or "")
        if text is None:
            return "it was taken"
        if words not in text:
            return f"said {text[:200]!r}, not {words!r}"
        if kind and refusals(kind) <= before:
            return f"{kind} has not been counted"
        return None
    return one


def run(suite):
    assert target.deploy("steady", GOOD) is None
    node.until(lambda: target.ask("steady")[0] == 200, "an answer")
    for title, rows in (("takeovers", TAKEOVERS), ("names of others", NAMES), ("tokens", TOKENS), ("ceilings", OVER)):
        suite.run(f"tenants: {title}", [(what, refused(kind, words, send)) for what, kind, words, send in rows], 1)
    suite.run("tenants: held by their ceilings", [(row[0], held(*row)) for row in HELD], 1)
    suite.run("tenants: spoofs, bindings, ids", [
        ("what a script says of itself to its callee", spoof_callee),
        ("what a client says of itself", spoof_edge),
        ("what a script says for hearth in its answer", spoof_answer),
        ("a binding to who does not list it", refused("sub_forbidden", "allow_callers", call_who_does_not_list)),
        ("ids of others' requests", guess_ids),
        ("deploys without an end", deploys_without_end),
        ("more tails than its share", refused("tails", "as many tails", too_many_tails)),
    ], 1)
    target.delete("steady")
