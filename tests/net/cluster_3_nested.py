"""Scripts that call scripts, over the homes of all nodes; and what the operator sees of one request."""

import hashlib
import json
import os
import socket
import struct
import tempfile

from cases import case
from cluster import NODES, Growth, address, ask, home_of, make_script, name_at, others
from node import SCRIPTS, Tail, ctl, ctl_json, curl, deploy, https, until

chain = []  # names of three scripts, each of which calls the next; their homes are n1, n2, n3


def why(request_id, node):
    return ctl_json("why", request_id, node=node)


@case("three scripts with three homes call each other; each deploys with a binding to the next")
def _():
    with open(f"{SCRIPTS}/relay/src/index.js") as file:
        source = file.read()
    chain[:] = [name_at(node, "relay") for node in NODES]
    for script, following in zip(chain, [*chain[1:], None]):
        services = [{"binding": "NEXT", "service": following}] if following else []
        deploy(make_script(script, source, vars={"NAME": script}, services=services, limits={"cpu_ms": 10000}))
    assert [home_of(script) for script in chain] == list(NODES)


@case("10 MB through a chain of three scripts at three homes and back, unharmed")
def _():
    body = os.urandom(10 << 20)
    with tempfile.NamedTemporaryFile() as sent, tempfile.NamedTemporaryFile() as received, tempfile.NamedTemporaryFile("r") as head:
        sent.write(body)
        sent.flush()
        for node in NODES:
            curl("--fail", "--data-binary", f"@{sent.name}", "-D", head.name, "-o", received.name,
                 f"https://{chain[0]}.hearth.test/", address=address(node))
            received.seek(0)
            assert hashlib.sha256(received.read()).digest() == hashlib.sha256(body).digest()
            head.seek(0)
            assert f"x-trail: {' > '.join(chain)}" in head.read()


@case("one request through three homes is one story: why, at its entry, tells of all nodes")
def _():
    answer = ask(chain[0], NODES[1])
    request_id = answer.headers["x-hearth-request-id"]
    until(lambda: {event["node"] for event in why(request_id, NODES[1])["events"]} == set(NODES), "events of all three nodes")
    text = ctl("why", request_id, node=NODES[1]).stdout
    assert all(node in text for node in NODES), text


@case("a callee has no more CPU time than its caller's binding allows")
def _():
    inner, outer = name_at(NODES[1], "inner"), name_at(NODES[0], "outer")
    deploy(make_script(inner, "export default { fetch() { let x = 0; for (let i = 0; i < 2e8; i++) x = (x * 31 + i) | 0;"
                              " return new Response(`${x}\\n`); } };\n", limits={"cpu_ms": 30000}))
    source = ("export default { async fetch(request, env) { try { return await env.INNER.fetch(request); }"
              " catch (error) { return new Response(error.message, { status: 508 }); } } };\n")
    deploy(make_script(outer, source, services=[{"binding": "INNER", "service": inner}], limits={"cpu_ms": 30000}))
    assert ask(outer, NODES[2]).status == 200
    deploy(make_script(outer, source, services=[{"binding": "INNER", "service": inner, "limits": {"cpu_ms": 5}}],
                       limits={"cpu_ms": 30000}))
    answer = ask(outer, NODES[2])
    assert answer.status == 508 and b"CPU" in answer.body, answer
    return answer.body.decode()


@case("waitUntil goes on at home when the client leaves the node where it came in, also in the script that was called")
def _():
    inner, outer = name_at(NODES[1], "stays"), name_at(NODES[0], "leaves")
    source = """const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
export default { async fetch(request, env, ctx) {
  if (request.url.endsWith('/ready')) { console.log('ready'); return new Response('ready'); }
  ctx.waitUntil(sleep(700).then(() => console.log('done')));
  request.signal.onabort = () => console.log('aborted');
  return env.INNER?.fetch(request) ?? new Response(new ReadableStream({
    async pull(c) { await sleep(20); c.enqueue(new Uint8Array(100)); }, cancel() { console.log('cancelled'); } }));
} };
"""
    deploy(make_script(inner, source))
    deploy(make_script(outer, source, services=[{"binding": "INNER", "service": inner}]))
    with Tail(outer, NODES[0]) as of_outer, Tail(inner, NODES[1]) as of_inner:
        of_outer.begin(lambda: ask(outer, NODES[0], "/ready"))
        of_inner.begin(lambda: ask(inner, NODES[1], "/ready"))
        host = f"{outer}.hearth.test"
        client = https(host, address=address(NODES[2]))
        client.send(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        while b"\r\n\r\n" not in client.buffer:
            client._fill()
        client.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        for line in ("aborted", "done"):
            of_outer.await_line(line)
        for line in ("cancelled", "aborted", "done"):
            of_inner.await_line(line)


@case("a script that calls itself without end is told at depth 16 that the chain is too deep")
def _():
    growth = Growth()
    answer = ask("loop", NODES[0])
    assert answer.status == 508 and answer.body.startswith(b"depth 16: "), answer
    assert b"16 scripts call each other already" in answer.body, answer
    assert growth.sum("sub_depth") == 1
    return answer.body.decode().strip()


@case("three scripts with three homes that call each other make as many calls as the first one's request may, and no more")
def _():
    source = """export default { async fetch(request, env) {
  const { depth, fan, how } = Object.fromEntries(new URL(request.url).searchParams);
  let made = 0, why = '';
  const call = async () => {
    try {
      const answer = await (await env.NEXT.fetch(`https://tree/?depth=${depth - 1}&fan=${fan}&how=${how}`)).json();
      made += 1 + answer.made;
      why ||= answer.why;
    } catch (error) { why = error.message; }
  };
  if (how === 'together')
    await Promise.all(Array.from({ length: depth > 0 ? fan : 0 }, call));
  else
    for (let i = 0; depth > 0 && i < fan; i++) await call();
  return Response.json({ made, why });
} };
"""
    tree = [name_at(node, "tree") for node in NODES]
    for script, following in zip(tree, [*tree[1:], tree[0]]):
        limits = {"cpu_ms": 10000, "subrequests": 100 if script == tree[0] else 1000}
        deploy(make_script(script, source, services=[{"binding": "NEXT", "service": following}], limits=limits))

    def grow(depth, fan, how):
        growth = Growth()
        answer = ask(tree[0], NODES[1], f"/?depth={depth}&fan={fan}&how={how}")
        assert answer.status == 200, answer
        told = json.loads(answer.body)
        refused = growth.sum("sub_budget")
        assert growth.sum("sub_started") == told["made"], told
        assert (refused > 0) == ("as many calls as it may" in told["why"]) == (told["made"] < sum(fan ** n for n in range(1, depth + 1)))
        return told["made"]

    assert grow(3, 3, "in-turn") == 39
    assert grow(3, 10, "in-turn") == 100
    assert grow(1, 100, "in-turn") == 100
    together = grow(3, 10, "together")
    assert 50 < together <= 100, together
    return f"100 of 1,110 calls one after another, {together} of them at the same time"


@case("three scripts with three homes that call each other compute for as long as the first one's request may, and no longer")
def _():
    source = """const work = (n) => { let x = 1; for (let i = 0; i < n; i++) x = (x * 31 + i) | 0; return x; };
export default { async fetch(request, env) {
  const { depth, fan, n } = Object.fromEntries(new URL(request.url).searchParams);
  let made = 0, why = '';
  work(n * 1e5);
  for (let i = 0; depth > 0 && i < fan; i++) {
    try {
      const answer = await (await env.NEXT.fetch(`https://tree/?depth=${depth - 1}&fan=${fan}&n=${n}`)).json();
      made += 1 + answer.made;
      why ||= answer.why;
    } catch (error) { why = error.message; }
  }
  return Response.json({ made, why });
} };
"""
    tree = [name_at(node, "toil") for node in NODES]
    limit_ms = 400

    def deploy_all(first_ms):
        for script, following in zip(tree, [*tree[1:], tree[0]]):
            limits = {"cpu_ms": first_ms if script == tree[0] else 60000}
            deploy(make_script(script, source, services=[{"binding": "NEXT", "service": following}], limits=limits))

    def used_ms(answer):
        events = why(answer.headers["x-hearth-request-id"], NODES[1])["events"]
        return [event["value"] / 1000 for event in events if event["kind"] == "SPENT"]

    def toil(depth, n):
        answer = ask(tree[0], NODES[1], f"/?depth={depth}&fan=10&n={n}")
        assert answer.status == 200, answer
        return answer, json.loads(answer.body)

    deploy_all(60000)
    answer, told = toil(1, 1)
    assert told == {"made": 10, "why": ""}, told
    deploy_all(limit_ms)
    growth = Growth()
    answer, told = toil(3, 10)  # 1,111 of them
    assert told["made"] < 1110 and "CPU" in told["why"], told
    spent = max(used_ms(answer))
    assert spent <= 2 * limit_ms, spent  # in turn: the limit, and what callers compute behind their calls
    assert growth.sum("sub_cpu") > 0
    return f"{told['made']} of 1,110 calls, {spent:.0f} ms of {limit_ms}"


@case("the ring is the same at every node, and names the home that requests find")
def _():
    rings = [ctl_json("ring", "show", node=node) for node in NODES]
    assert len({ring["digest"] for ring in rings}) == 1, [ring["digest"] for ring in rings]
    for script in ("hello", "echo", "s000", "s123", "s199"):
        seen = {home_of(script, node) for node in NODES} | {ask(script, node).headers["x-hearth-home"] for node in NODES}
        assert len(seen) == 1, f"{script}: {seen}"
        assert {home_of(f"{script}.hearth.test", node) for node in NODES} == seen


@case("ring plan names just the scripts of a node that would go, and where they would")
def _():
    planned = ctl_json("ring", "plan", "--remove", "n3")["moves"]
    at_n3 = [script["name"] for script in ctl_json("scripts")["scripts"] if home_of(script["name"]) == "n3"]
    assert sorted(script for move in planned for script in move["scripts"]) == sorted(at_n3)
    assert all(move["from"] == "n3" and move["to"] in ("n1", "n2") for move in planned)


@case("tail at one node shows the lines of a script that runs at another")
def _():
    node = others(home_of("chatter"))[0]
    with Tail("chatter", node) as tail:
        def heard():
            assert ask("chatter", node, "/?say=good-morning").status == 200
            return tail.heard("good-morning")
        until(heard, "a line of the script")
