"""The life of a request: what a script may still do when its client leaves, what a HEAD costs, and what an author is told."""

import socket
import struct

import half_closed
from cases import case
from cluster import make_script
from node import Tail, counter, deploy, get, https, until

LEAVES = """const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const bytes = (pull, cancel) => new Response(new ReadableStream({ pull, cancel }));
export default { async fetch(request, env, ctx) {
  const path = new URL(request.url).pathname.slice(1);
  const cancel = (why) => console.log(`${path}: cancelled: ${why}`);
  if (path == 'ready') { console.log('ready'); return new Response('ready'); }
  if (path != 'no-promise') ctx.waitUntil(sleep(800).then(() => console.log(`${path}: done`)));
  if (path != 'no-signal')
    request.signal.addEventListener('abort', () => {
      console.log(`${path}: aborted: ${request.signal.reason.name}`);
      if (path == 'no-promise') ctx.waitUntil(sleep(50).then(() => console.log('no-promise: late promise')));
    });
  switch (path) {
  case 'early': case 'no-promise': case 'no-signal': await sleep(3000); return new Response('late');
  case 'upload': try { await request.text(); } catch (e) { console.log(`upload: ${e.message}`); throw e; } return new Response('whole');
  case 'throws': throw new Error('thrown');
  case 'big': return new Response('y'.repeat(5e6));
  case 'stream': return bytes(async (c) => { await sleep(50); c.enqueue(new Uint8Array(1)); }, cancel);
  case 'flood': return bytes((c) => c.enqueue(new Uint8Array(50000)), cancel);
  case 'call': ctx.waitUntil(env.SELF.fetch('https://x/stream').then((r) => r.text()).catch((e) => console.log(`call: ${e.message}`)));
    return bytes(async (c) => { await sleep(50); c.enqueue(new Uint8Array(1)); }, cancel);
  case 'nested': return env.SELF.fetch('https://x/inner');
  case 'inner': return bytes(async (c) => { await sleep(50); c.enqueue(new Uint8Array(1)); }, cancel);
  }
  return new Response('ok');
} };"""
HOST = "leaves.hearth.test"


def leave(path, head="GET", fields="", body=b"", wait_for=0, cut=False):
    """A client that asks, reads so many bytes, and goes: by a close, or by a reset."""
    client = https(HOST)
    client.send(f"{head} /{path} HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n".encode() + body)
    got = 0
    while got < wait_for:
        got += len(client.peer.recv(4096))
    if not wait_for:
        until(lambda: counter("job_started") > leave.started, "the job to start")
    if cut:
        client.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@case("the script that clients leave deploys")
def _():
    deploy(make_script("leaves", LEAVES, services=[{"binding": "SELF", "service": "leaves"}]))


def leaving(what, lines, **how):
    @case(f"waitUntil goes on when the client leaves: {what}")
    def _():
        with Tail("leaves") as tail:
            tail.begin(lambda: get(HOST, "/ready"))
            leave.started = counter("job_started")
            leave(**how)
            for line in lines:
                tail.await_line(line)


for cut in (False, True):
    way = "by a reset" if cut else "by a close"
    leaving(f"before the head, {way}", ["early: aborted: AbortError", "early: done"], path="early", cut=cut)
    leaving(f"without having asked for the signal, {way}", ["no-signal: done"], path="no-signal", cut=cut)
    leaving(f"work that begins with the abort, {way}", ["no-promise: aborted", "no-promise: late promise"], path="no-promise", cut=cut)
    leaving(f"in the middle of its own body, {way}", ["upload: aborted", "upload: the client is gone", "upload: done"],
            path="upload", head="POST", fields="Content-Length: 100\r\n", body=b"x", cut=cut)
    leaving(f"during a long answer, {way}", ["big: aborted", "big: done"], path="big", wait_for=5000, cut=cut)
    leaving(f"during a stream, {way}", ["stream: cancelled", "stream: aborted", "stream: done"], path="stream", wait_for=300, cut=cut)
    leaving(f"during a stream that waits for room, {way}", ["flood: cancelled", "flood: done"], path="flood", wait_for=5000, cut=cut)
    leaving(f"during a stream, with a call that goes on, {way}", ["call: cancelled", "call: done", "stream: done"], path="call",
            wait_for=300, cut=cut)
    leaving(f"during another script's answer, {way}", ["nested: done", "inner: cancelled", "inner: aborted", "inner: done"], path="nested",
            wait_for=300, cut=cut)


@case("waitUntil goes on when the handler throws")
def _():
    with Tail("leaves") as tail:
        tail.begin(lambda: get(HOST, "/ready"))
        assert get(HOST, "/throws").status == 500
        tail.await_line("throws: done")


@case("a script whose clients close their half deploys")
def _():
    deploy(make_script("halves", half_closed.SCRIPT))


def half_closing(way, what, line, rest, answer, until_bytes):
    @case(f"who closes its half is answered, and the script's signal aborts: {what}, {way}")
    def _():
        begun = counter("job_started")
        got, = half_closed.ask("halves.hearth.test", way, line, rest, until_bytes,
                               begun=lambda: until(lambda: counter("job_started") > begun, "the job to start"))
        assert (got.status, got.body) == (200, answer), got


for way in half_closed.WAYS:
    for phase in half_closed.PHASES:
        half_closing(way, *phase)


@case("requests that were sent ahead are answered before the half-close is heard: the last one hears it")
def _():
    host = "halves.hearth.test"
    for way in half_closed.WAYS:
        ahead = b"".join(f"GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() for path in ("quick", "quick", "head"))
        bodies = [answer.body for answer in half_closed.ask(host, way, "GET /quick", b"\r\n", ahead=ahead)]
        assert bodies == [b"quick"] * 3 + [half_closed.ABORTED], bodies


STREAMS = """let made = 0;
export default { fetch(request) {
  const path = new URL(request.url).pathname.slice(1);
  if (path == 'made') { const n = made; made = 0; return new Response(`${n}`); }
  if (path == 'null') return new Response(null, { headers: { 'content-length': '77' } });
  if (path == 'text') return new Response('text');
  let n = 0;
  return new Response(new ReadableStream({ async pull(c) {
    await new Promise((r) => setTimeout(r, 50));
    made++;
    c.enqueue(new Uint8Array(10));
    if (++n == 40) c.close();
  } }, { highWaterMark: 0 }));
} };"""


@case("HEAD of a stream makes no body and is over at once")
def _():
    deploy(make_script("streams", STREAMS))
    host = "streams.hearth.test"
    with https(host) as client:
        client.request("GET /made HTTP/1.1", host)
        for _ in range(3):
            head = client.request("HEAD /stream HTTP/1.1", host)
            assert head.status == 200 and "content-length" not in head.headers, head.headers
            made = client.request("GET /made HTTP/1.1", host)
            assert made.body == b"0", made
        assert client.request("HEAD /text HTTP/1.1", host).headers["content-length"] == "4"
        assert client.request("HEAD /null HTTP/1.1", host).headers["content-length"] == "77"


LENGTHS = """const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
export default { fetch(request, env) {
  const [, how, length] = new URL(request.url).pathname.split('/');
  if (how == 'ready') { console.log('ready'); return new Response('ready'); }
  const headers = { 'content-length': length };
  const chunk = () => new Uint8Array(10).fill(120);
  switch (how) {
  case 'once': return new Response(new ReadableStream({ start(c) { c.enqueue(new Uint8Array(5000).fill(120)); c.close(); } }), { headers });
  case 'chunks': { let n = 0;
    return new Response(new ReadableStream({ async pull(c) { await sleep(10); c.enqueue(chunk()); if (++n == 4) c.close(); } }), { headers }); }
  case 'echo': return new Response(request.body, { headers });
  case 'null': return new Response(null, { headers });
  case 'text': return new Response('text', { headers });
  case 'other': return env.SELF.fetch('https://x/stream').then((r) => new Response(r.body, { headers }));
  default: return new Response(new ReadableStream({ start(c) { c.enqueue(chunk()); c.close(); } }));
  }
} };"""


@case("a body that differs from its Content-Length: its author is told, and the client gets 500 or a true beginning")
def _():
    deploy(make_script("lengths", LENGTHS, services=[{"binding": "SELF", "service": "lengths"}]))
    host = "lengths.hearth.test"

    def ask(path, body=b""):
        with https(host) as client:
            head = f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
            client.send((head + (f"Content-Length: {len(body)}\r\n" if body else "") + "\r\n").encode() + body)
            return client.rest()

    with Tail("lengths") as tail:
        tail.begin(lambda: get(host, "/ready/0"))
        for path, told in (("/once/70", "longer than its Content-Length, 70"), ("/null/71", "shorter than its Content-Length, 71"),
                           ("/once/x", "Content-Length is no length")):
            answer = ask(path)
            assert answer.startswith(b"HTTP/1.1 500 "), answer
            assert tail.await_line(told)["level"] == "error"
        answer = ask("/chunks/25")
        assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"\r\n\r\n" + b"x" * 25), answer
        assert tail.await_line("longer than its Content-Length, 25")["level"] == "error"
        answer = ask("/chunks/45")
        assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"\r\n\r\n" + b"x" * 40), answer
        assert tail.await_line("shorter than its Content-Length, 45")["level"] == "error"
        answer = ask("/echo/3", b"12345")
        assert b"12345" not in answer, answer
        assert tail.await_line("longer than its Content-Length, 3")["level"] == "error"
        answer = ask("/other/4")
        assert b"x" * 5 not in answer, answer
        assert tail.await_line("longer than its Content-Length, 4")["level"] == "error"
        assert get(host, "/text/9").body == b"text"


@case("Cookie lines are one value, joined as cookies are; other fields by commas; callees see the same")
def _():
    deploy(make_script("cookies", "export default { fetch(r, env) { if (r.url.endsWith('/call')) return env.SELF.fetch(new Request('https://x/', r));"
                                  " return new Response(`${r.headers.get('cookie')} | ${new Map(r.headers).get('cookie')} | ${r.headers.get('x-a')}`); } };",
                       services=[{"binding": "SELF", "service": "cookies"}]))
    host = "cookies.hearth.test"
    with https(host) as client:
        for path in ("/", "/call"):
            client.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: a=1\r\nX-A: 1\r\nCOOKIE: b=2; c=3\r\nX-A: 2\r\n\r\n".encode())
            assert client.response().body == b"a=1; b=2; c=3 | a=1; b=2; c=3 | 1, 2"


@case("an error that cannot be described is an exception, and its author gets a line")
def _():
    deploy(make_script("evil", """export default { async fetch(request) {
  const path = new URL(request.url).pathname.slice(1);
  const boom = () => { throw new Error('hook'); };
  if (path == 'ready') { console.log('ready'); return new Response('ready'); }
  const e = new TypeError('x');
  Object.defineProperty(e, 'stack', { get: boom });
  if (path == 'stack') throw e;
  if (path == 'proxy') throw new Proxy({}, new Proxy({}, { get: boom }));
  if (path == 'answer') return new Proxy({}, new Proxy({}, { get: boom }));
  if (path == 'status') { const r = new Response('x'); Object.defineProperty(r, 'status', { get: boom }); return r; }
  Promise.reject(e);
  return new Response('ok');
} };"""))
    with Tail("evil") as tail:
        tail.begin(lambda: get("evil.hearth.test", "/ready"))
        answer = get("evil.hearth.test", "/stack")
        assert answer.status == 500 and b"threw an exception" in answer.body, answer
        assert "TypeError" in tail.await_line("stack cannot be read")["text"]
        answer = get("evil.hearth.test", "/proxy")
        assert answer.status == 500 and b"threw an exception" in answer.body, answer
        answer = get("evil.hearth.test", "/answer")
        assert answer.status == 500 and b"nothing is pending" not in answer.body, answer
        answer = get("evil.hearth.test", "/status")
        assert answer.status in (200, 500) and b"nothing is pending" not in answer.body, answer
        assert get("evil.hearth.test", "/rejection").status == 200
        tail.await_line("unhandled rejection: ")


@case("an answer may have 1,000 fields; with more it is 500, and its author is told the limit")
def _():
    deploy(make_script("fields", "export default { fetch(r) { const headers = new Headers(); const n = Number(new URL(r.url).search.slice(1));"
                                 " for (let i = 0; i < n; i++) headers.append(`x-${i}`, 'v');"
                                 " console.log('ready'); return new Response('', { headers }); } };"))
    with Tail("fields") as tail:
        tail.begin(lambda: get("fields.hearth.test", "/?1"))
        answer = get("fields.hearth.test", "/?1000")
        assert answer.status == 200 and answer.headers["x-999"] == "v", answer
        assert get("fields.hearth.test", "/?1100").status == 500
        assert "1024" in tail.await_line("fields")["text"]
