"""Accounts: who has a token deploys what is his, and each way to what is another's is refused, named and counted."""

import json
import os
import tempfile

from cases import case
from node import ROOT, SCRIPTS, counter, ctl, ctl_json, deploy, get, https, run, until

HEARTHCTL = os.path.join(ROOT, "build", "control", "hearthctl")
OPERATORS, GUESTS = "/run/hearth-lab/n1/ctl.sock", "/run/hearth-lab/n1/accounts.sock"
SAYS = "export default { async fetch(request, env) { console.log('ready'); return new Response(env.NAME); } };\n"
CALLS = ("export default { async fetch(request, env) { try { return await env.OTHER.fetch(new Request(request, { headers:"
         " { 'X-Real-IP': '6.6.6.6', 'x-hearth-caller': 'boss', 'X-Hearth-Request-Id': '1', Forwarded: 'for=6.6.6.6' } })); }"
         " catch (error) { return new Response(error.message, { status: 599 }); } } };\n")
TELLS = "export default { fetch(request) { return Response.json([...request.headers]); } };\n"
token = {}  # account: its token


def asked(account, *arguments, socket=GUESTS, check=True, **environment):
    """hearthctl with an account's token, as somebody who is not the operator."""
    environment = {"PATH": os.environ["PATH"], "HEARTH_TOKEN": token.get(account, ""), **environment}
    return run(HEARTHCTL, "--socket", socket, *arguments, check=check, env=environment)


def refused(kind, account, *arguments, **options):
    """What the refusal says; its counter grows."""
    def count():
        return ctl_json("status")["accounts_refused"][kind]
    before = count()
    done = asked(account, *arguments, check=False, **options)
    assert done.returncode == 1, (arguments, done.stdout, done.stderr)
    assert count() == before + 1, (kind, done.stderr)
    return done.stderr


def script(name, source=SAYS, **keys):
    folder = tempfile.mkdtemp()
    with open(f"{folder}/wrangler.json", "w") as file:
        json.dump({"name": name, "main": "i.js", "vars": {"NAME": name}, **keys}, file)
    with open(f"{folder}/i.js", "w") as file:
        file.write(source)
    return folder


@case("the operator adds two accounts; a token is shown once, and kept as a hash only")
def _():
    ctl("account", "add", "acme", "hosts=shop.hearth.test,*.acme.test", "cpu_ms=40", "requests=50", "log_lines=100")
    ctl("account", "add", "beta", "hosts=beta.hearth.test")
    for account in ("acme", "beta"):
        token[account] = ctl("account", "token", account).stdout.strip()
    listed = ctl("account", "list", "--json").stdout
    assert token["acme"] not in listed and "acme" in listed
    for bad in ("../x", "a\nb", "a/b", "A", "", "default"):
        assert ctl("account", "add", bad, check=False).returncode == 1, bad


@case("an account deploys on the guests' socket, and answers at its host and by its own name")
def _():
    asked("acme", "deploy", script("hello", routes=["shop.hearth.test"]))
    deploy(script("hello"))
    assert get("shop.hearth.test").body == b"hello"
    assert get("hello.hearth.test").body == b"hello"
    assert {s["name"] for s in json.loads(asked("acme", "scripts", "--json").stdout)["scripts"]} == {"acme/hello"}
    assert {"hello", "acme/hello"} <= {s["name"] for s in ctl_json("scripts")["scripts"]}


@case("another's host, a route for all, limits over the ceiling, somebody else's name: refused by name, and counted")
def _():
    assert "beta.hearth.test" in refused("host", "acme", "deploy", script("x", routes=["beta.hearth.test"]))
    assert '"*"' in refused("host", "acme", "deploy", script("x", routes=["*"]))
    assert "*.hearth.test" in refused("host", "acme", "deploy", script("x", routes=["*.hearth.test/*"]))
    assert "hello.hearth.test" in refused("host", "acme", "deploy", script("x", routes=["hello.hearth.test/login"]))
    said = refused("ceiling", "acme", "deploy", script("x", limits={"cpu_ms": 41}))
    assert "41" in said and "40" in said, said
    assert refused("foreign_script", "acme", "delete", "beta/hello")
    assert refused("foreign_script", "acme", "rollback", "default/hello")
    assert refused("foreign_script", "acme", "scripts", "../hello")
    assert refused("foreign_script", "acme", "tail", "default/hello")
    assert get("hello.hearth.test").body == b"hello"


@case("without a token, with a wrong one, without the scope, for the operator's commands: refused, and counted")
def _():
    assert "token" in refused("no_token", None, "scripts")
    assert "revoked" in refused("bad_token", None, "scripts", HEARTH_TOKEN="hearth_" + 64 * "0")
    for command in (("status",), ("config",), ("account", "token", "acme"), ("account", "add", "x"), ("tune", "warm_per_s=1")):
        assert "operator" in refused("operator_only", "acme", *command)
        assert "operator" in refused("operator_only", "acme", *command, socket=OPERATORS)
    token["reader"] = ctl("account", "token", "acme", "read").stdout.strip()
    assert "deploy" in refused("scope", "reader", "deploy", script("x"))
    assert "tail" in refused("scope", "reader", "tail")
    asked("reader", "scripts")


@case("one script more than the account may have is refused, another version of one is not")
def _():
    ctl("account", "limit", "acme", "scripts=1")
    assert "ceiling" in refused("ceiling", "acme", "deploy", script("second"))
    asked("acme", "deploy", script("hello", SAYS + "// another version\n", routes=["shop.hearth.test"]))
    ctl("account", "limit", "acme", "scripts=")


@case("a token that is revoked opens nothing any more")
def _():
    mine = next(t["id"] for a in ctl_json("account", "list")["accounts"] if a["name"] == "acme" for t in a["tokens"] if t["scopes"] == ["read"])
    ctl("account", "revoke", "acme", mine)
    assert "revoked" in refused("bad_token", "reader", "scripts")


@case("a script of another account is called only if it lists its caller; it learns of its caller what hearth knows")
def _():
    asked("beta", "deploy", script("callee", TELLS))
    asked("acme", "deploy", script("caller", CALLS, routes=["shop.hearth.test/call"], services=[{"binding": "OTHER", "service": "beta/callee"}]))
    before = counter("sub_forbidden")
    answer = get("shop.hearth.test", "/call")
    assert answer.status == 599 and b"allow_callers" in answer.body, answer
    assert counter("sub_forbidden") == before + 1
    asked("beta", "deploy", script("callee", TELLS, allow_callers=["acme/other"]))
    assert get("shop.hearth.test", "/call").status == 599
    asked("beta", "deploy", script("callee", TELLS, allow_callers=["acme/caller"]))
    answer = get("shop.hearth.test", "/call")
    fields = json.loads(answer.body)
    told = dict(fields)
    assert len(fields) == len(told), fields
    assert told["x-hearth-caller"] == "acme/caller" and "forwarded" not in told, told
    assert told["x-hearth-request-id"] == answer.headers["x-hearth-request-id"], told
    assert told["x-real-ip"] == "10.77.0.100", told


@case("what only hearth says, a client cannot: in odd case, doubled, in trailers")
def _():
    asked("acme", "deploy", script("tell", TELLS, routes=["shop.hearth.test/tell"]))
    names = ("X-Real-IP", "x-real-ip", "X-FORWARDED-Proto", "x-forwarded-for", "X-Hearth-Caller", "x-hearth-request-id", "X-Hearth-New",
             "CF-Connecting-IP", "Forwarded", "TRACEPARENT", "traceparent")
    lines = "".join(f"{name}: spoofed\r\n" for name in names)
    with https("shop.hearth.test") as client:
        client.send(f"POST /tell HTTP/1.1\r\nHost: shop.hearth.test\r\nTransfer-Encoding: chunked\r\nTrailer: X-Real-IP\r\n{lines}\r\n"
                    f"1\r\nx\r\n0\r\n{lines}\r\n".encode())
        answer = client.response()
    fields = json.loads(answer.body)
    assert len(fields) == len(dict(fields)) and "spoofed" not in str(fields), fields
    assert dict(fields)["x-real-ip"] == "10.77.0.100" and "x-hearth-caller" not in dict(fields), fields


@case("an account has so many requests at once, and the next one gets 429; others are served, and then it is again")
def _():
    with open(f"{SCRIPTS}/slow/src/index.js") as file:
        asked("acme", "deploy", script("slow", file.read(), routes=["shop.hearth.test/slow*"]))
    ctl("account", "limit", "acme", "requests=1")
    before = counter("account_full")
    with https("shop.hearth.test") as client:
        client.send(b"GET /slow?ms=20000 HTTP/1.1\r\nHost: shop.hearth.test\r\n\r\n")
        until(lambda: next(a for a in ctl_json("account", "list")["accounts"] if a["name"] == "acme")["requests"] == 1, "a request under way")
        answer = get("shop.hearth.test")
        assert answer.status == 429 and b"account" in answer.body, answer
        assert get("hello.hearth.test").status == 200
    assert counter("account_full") == before + 1
    until(lambda: get("shop.hearth.test").status == 200, "room again")
    ctl("account", "limit", "acme", "requests=")


@case("an account's timers: one more than its ceiling is an error that the script can catch; others have theirs")
def _():
    ctl("account", "limit", "acme", "timers=3")
    source = ("export default { fetch() { let n = 0; try { for (; n < 9; n++) setTimeout(() => {}, 1e5); }"
              " catch (error) { return new Response(`${n} ${error}`); } return new Response(`${n}`); } };\n")
    asked("acme", "deploy", script("clock", source, routes=["shop.hearth.test/clock"]))
    deploy(script("clock", source))
    assert get("shop.hearth.test", "/clock").body.startswith(b"3 RangeError: too many timers")
    assert get("clock.hearth.test").body == b"9"
    asked("acme", "delete", "clock")
    ctl("delete", "clock")
    ctl("account", "limit", "acme", "timers=")


@case("log lines over the account's ceiling are dropped, and counted for it")
def _():
    ctl("account", "limit", "acme", "log_lines=1")
    for _ in range(3):
        for _ in range(10):
            get("shop.hearth.test")
    over = next(a for a in ctl_json("account", "list")["accounts"] if a["name"] == "acme")["log_lines_over"]
    assert over > 0, over
    ctl("account", "limit", "acme", "log_lines=")


@case("the operator's route for all does not shadow what an account's script is called")
def _():
    deploy(script("all", SAYS, routes=["*"]))
    hosts = ctl_json("ring", "locate", "hello.acme.hearth.test")
    assert "acme/hello" in json.dumps(hosts) and '"all"' not in json.dumps(hosts), hosts
    assert '"all"' in json.dumps(ctl_json("ring", "locate", "nobody.acme.hearth.test"))
    assert "acme/hello" in ctl("deploy", script("thief", routes=["hello.acme.hearth.test/x"]), check=False).stderr
    ctl("delete", "all")


@case("an id of another's request tells an account nothing; of its own it is told")
def _():
    theirs, mine = get("hello.hearth.test"), get("shop.hearth.test")
    done = asked("acme", "why", theirs.headers["x-hearth-request-id"], check=False)
    assert done.returncode == 1 and "no node knows" in done.stderr, done
    assert "acme/hello" in asked("acme", "why", mine.headers["x-hearth-request-id"]).stdout
    assert ctl("why", theirs.headers["x-hearth-request-id"]).returncode == 0


@case("an account with scripts stays; without them it goes, and its tokens with it")
def _():
    assert "delete them first" in ctl("account", "remove", "beta", check=False).stderr
    asked("beta", "delete", "callee")
    for name in ("hello", "caller", "tell", "slow"):
        asked("acme", "delete", name)
    ctl("account", "remove", "acme")
    ctl("account", "remove", "beta")
    assert "revoked" in refused("bad_token", "beta", "scripts")
