"""What the projects of tests/projects answer."""

import base64
import concurrent.futures
import gzip
import hashlib
import hmac
import json
import os
import struct
import uuid
import zlib

from cases import case
from node import Skip, Tail, ctl_json, https
from projects_0_deploy import PROJECTS

DEPLOYED = []


def ask(name, method, path, body=None, **fields):
    """One request to the project; fields are header fields, with _ for -."""
    if not DEPLOYED:
        DEPLOYED.extend(script["name"] for script in ctl_json("scripts")["scripts"])
    if f"p-{name}" not in DEPLOYED:
        raise Skip(f"{name} is not deployed")
    host = f"p-{name}.hearth.test"
    lines = [f"{field.replace('_', '-')}: {value}" for field, value in fields.items()]
    body = body if isinstance(body, bytes) or body is None else body.encode()
    with https(host) as client:
        return client.request("\r\n".join([f"{method} {path} HTTP/1.1", *lines]), host, body=body or b"")


def expect(answer, status, body=None, **fields):
    text = answer.body.decode(errors="replace")
    assert answer.status == status, (answer.status, text)
    if isinstance(body, str):
        assert text == body, text
    elif body is not None:
        assert json.loads(text) == body, text
    for field, value in fields.items():
        assert answer.headers.get(field.replace("_", "-")) == value, answer.headers
    return answer


@case("hono: routes, JSON, CORS, JSX, streams, errors")
def _():
    expect(ask("hono", "GET", "/"), 200, "Hello Hono!")
    expect(ask("hono", "GET", "/api/users/7?q=x", origin="https://example.com"), 200, {"id": 7, "query": "x"},
           access_control_allow_origin="https://example.com")
    expect(ask("hono", "POST", "/api/echo", '{"a":[1]}'), 201, {"a": [1]})
    expect(ask("hono", "GET", "/whoami"), 200, "ada")
    expect(ask("hono", "GET", "/page"), 200, "<html><body><h1>&lt;jsx&gt;</h1></body></html>")
    expect(ask("hono", "GET", "/text"), 200, "one\ntwo\nthree\n")
    expect(ask("hono", "GET", "/bytes"), 200, "hi")
    expect(ask("hono", "GET", "/nowhere"), 404)


@case("itty-router: parameters, queries, errors")
def _():
    expect(ask("itty-router", "GET", "/hello/ada"), 200, '"Hello, ada!"')
    expect(ask("itty-router", "GET", "/items?limit=3"), 200, {"limit": 3})
    expect(ask("itty-router", "POST", "/items", '{"a":1}'), 201, {"a": 1})
    expect(ask("itty-router", "GET", "/forbidden"), 403, {"status": 403, "error": "not yours"})
    expect(ask("itty-router", "GET", "/nowhere"), 404)


@case("zod: what is right is parsed, what is wrong is told")
def _():
    good = {"id": "1954cbc4-b659-4a88-8a10-0123456789ab", "email": "Ada@Example.com", "items": [{"sku": "x", "count": "2"}]}
    expect(ask("zod", "POST", "/", json.dumps(good)), 200, {**good, "email": "ada@example.com", "items": [{"sku": "x", "count": 2}]})
    answer = expect(ask("zod", "POST", "/", json.dumps({**good, "email": "nobody", "items": []})), 422)
    assert set(json.loads(answer.body)) == {"email", "items"}, answer


@case("graphql-yoga: queries, mutations, errors with their places")
def _():
    def query(text):
        return ask("graphql-yoga", "POST", "/graphql", json.dumps({"query": text}), content_type="application/json")

    expect(query('{ hello(name: "ada") numbers }'), 200, {"data": {"hello": "Hello, ada!", "numbers": [1, 2, 3]}})
    expect(query("mutation { add(a: 2, b: 3) }"), 200, {"data": {"add": 5}})
    answer = query("{ nothing }")
    assert json.loads(answer.body)["errors"][0]["locations"] == [{"line": 1, "column": 3}], answer.body


@case("nanoid: ids of the length and alphabet that were asked for, never the same")
def _():
    one, other = (json.loads(expect(ask("nanoid", "GET", "/"), 200).body) for _ in range(2))
    assert [len(one[key]) for key in ("id", "short", "digits")] == [21, 5, 8] and one["digits"].isdigit(), one
    assert one["id"] != other["id"], (one, other)


@case("uuid: versions 4, 5 and 7")
def _():
    expect(ask("uuid", "GET", "/"), 200, {"valid": True, "versions": [4, 7], "v5": str(uuid.uuid5(uuid.NAMESPACE_URL, "hearth")),
                                          "same": True, "nil": str(uuid.UUID(int=0))})


@case("date-fns: days, formats, a locale")
def _():
    expect(ask("date-fns", "GET", "/"), 200, {"due": "2026-02-04", "days": 30, "long": "Freitag, 30. Januar 2026", "ago": "3 days ago"})


@case("preact: components of TypeScript with JSX, rendered")
def _():
    expect(ask("preact", "GET", "/?word=a&word=%3Cb%3E"), 200,
           '<!doctype html><main><ul><li class="word">a</li><li class="word">&lt;b></li></ul></main>')


@case("react: server rendering streams, and what comes late comes behind")
def _():
    text = expect(ask("react", "GET", "/"), 200).body.decode()
    assert "<h1>Streamed</h1>" in text and text.index("waiting") < text.index("came later"), text


@case("marked: a text module that rules name, and Markdown of a request")
def _():
    expect(ask("marked", "GET", "/"), 200, "<h1>A page</h1>\n<p>with <em>some</em> <code>marks</code></p>\n")
    expect(ask("marked", "POST", "/", "- a\n- b"), 200, "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n")


@case("superjson: dates, sets and big integers there and back")
def _():
    text = expect(ask("superjson", "GET", "/"), 200).body
    expect(ask("superjson", "POST", "/", text), 200, [True, True, "12345678901234567891"])


@case("fflate: gzip that others read, gzip that others wrote, zip")
def _():
    assert gzip.decompress(ask("fflate", "GET", "/gzip").body) == b"hearth " * 1000
    expect(ask("fflate", "POST", "/gunzip", gzip.compress(b"from here")), 200, "from here")
    expect(ask("fflate", "GET", "/"), 200, [["a.txt", "A"], ["dir/", ""], ["dir/b.txt", "B"]])


@case("noble-hashes: digests as Python has them")
def _():
    answer = json.loads(expect(ask("noble-hashes", "POST", "/", "hearth"), 200).body)
    assert answer["sha256"] == hashlib.sha256(b"hearth").hexdigest(), answer
    assert answer["hmac"] == hmac.new(b"key", b"hearth", "sha256").hexdigest(), answer


@case("bcryptjs: hashes, and a known one")
def _():
    expect(ask("bcryptjs", "POST", "/", "secret"), 200, {"form": True, "right": True, "wrong": False, "known": True})


@case("cookie: parsed and set")
def _():
    expect(ask("cookie", "GET", "/", cookie="visits=3; a=%C3%A9"), 200, {"visits": "3", "a": "é"},
           set_cookie="visits=4; Max-Age=60; Path=/; HttpOnly")


@case("otplib: the token of this half minute is right, another is not")
def _():
    answer = json.loads(expect(ask("otplib", "GET", "/"), 200).body)
    assert answer["uri"].startswith("otpauth://totp/"), answer
    expect(ask("otplib", "GET", f"/?token={answer['token']}"), 200, True)
    expect(ask("otplib", "GET", f"/?token={(int(answer['token']) + 1) % 1000000:06}"), 200, False)


@case("drizzle: a query is SQL with parameters, and rows are typed")
def _():
    answer = json.loads(expect(ask("drizzle", "GET", "/"), 200).body)
    assert answer["asked"] == [['select "id", "name", "born" from "users" where ("users"."name" like ? and "users"."id" = 1 + ?) '
                                'order by "users"."name" limit ?', ["a%", 0, 2]]], answer
    assert answer["found"][0] == {"id": 1, "name": "ada", "born": "1815-12-16T00:00:00.000Z"}, answer


@case("an MCP server with the official SDK: a tool is listed and called")
def _():
    def call(method, **params):
        text = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        answer = expect(ask("mcp", "POST", "/", text, content_type="application/json", accept="application/json, text/event-stream"), 200)
        return json.loads(answer.body)["result"]

    begun = call("initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo={"name": "test", "version": "1"})
    assert begun["serverInfo"]["name"] == "sums", begun
    assert [tool["name"] for tool in call("tools/list")["tools"]] == ["add"]
    assert call("tools/call", name="add", arguments={"a": 2, "b": 3})["content"] == [{"type": "text", "text": "5"}]


def png(width, height):
    """A picture of one colour."""
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    row = b"\0" + bytes([200, 100, 50]) * width
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunk(
        b"IDAT", zlib.compress(row * height)) + chunk(b"IEND", b"")


@case("a WebAssembly image library makes a picture smaller")
def _():
    answer = expect(ask("wasm-image", "POST", "/?width=8", png(64, 64)), 200, content_type="image/png")
    assert struct.unpack(">II", answer.body[16:24]) == (8, 8), answer.body[:32]


@case("modules of all kinds, wrangler.toml, define, alias, an entrypoint class; bytes are not compiled")
def _():
    expect(ask("formats", "GET", "/"), 200, {
        "answer": 42, "module": True, "bytes": [0, 1, 255], "own": 3, "page": "<p>page</p>", "query": "SELECT 1;", "settings": {"a": [1, 2]},
        "text": "text é", "replaced": "by an alias", "version": "1.2.3", "place": ["top", "top"], "nested": {"list": [1, 2]},
        "compiled": "CompileError"})


@case("a service worker: addEventListener, vars are globals")
def _():
    expect(ask("service-worker", "GET", "/ada"), 200, "Hello, ada!")


@case("node: modules with nodejs_compat, CommonJS too")
def _():
    answer = json.loads(expect(ask("node", "GET", "/"), 200).body)
    assert answer.pop("fs") == "[unenv] fs.readFileSync is not implemented yet!", answer
    assert answer.pop("assert") == "Expected values to be strictly deep-equal:", answer
    assert answer == {
        "buffer": ["aMOpYXJ0aA", "hé", "6100"], "context": [None, 1], "decoder": "é", "env": ["abc", None, "production", "linux"], "events": "came",
        "older": "78 true true function", "path": ["b", "b"], "promisify": 2, "querystring": {"a": ["1", "3"], "b": "2"}, "seen": ["told"],
        "stream": "ONE TWO", "types": [True, True], "url": "example.com:8080", "util": 'a 1 {"b":2}{ a: [Object] }'}, answer


@case("node:async_hooks: each request sees its own store behind timers and promises")
def _():
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda id: ask("node", "GET", f"/?id={id}").body.decode(), range(100, 148)))
    assert answers == [str(id) for id in range(100, 148)], answers


@case("a stack trace in the log shows the author's files and lines")
def _():
    with Tail("p-hono") as tail:
        tail.begin(lambda: ask("hono", "GET", "/ready"))
        expect(ask("hono", "GET", "/fail"), 500, "broken on purpose")
        text = tail.await_line("broken on purpose")["text"]
    with open(os.path.join(PROJECTS, "hono", "src", "index.tsx")) as file:
        line = next(number for number, text in enumerate(file, 1) if "broken on purpose" in text)
    assert f"src/index.tsx:{line}:11" in text and "node_modules/hono/dist/" in text and "index.js" not in text.split("\n")[1], text


@case("hono: basic auth, JWT, ETag, compression")
def _():
    def basic(text):
        return "Basic " + base64.b64encode(text).decode()

    expect(ask("hono-auth", "GET", "/admin/page"), 401)
    expect(ask("hono-auth", "GET", "/admin/page", authorization=basic(b"ada:byron")), 401)
    expect(ask("hono-auth", "GET", "/admin/page", authorization=basic(b"ada:lovelace")), 200, "secret")
    token = expect(ask("hono-auth", "GET", "/token"), 200).body.decode()
    expect(ask("hono-auth", "GET", "/jwt/me"), 401)
    expect(ask("hono-auth", "GET", "/jwt/me", authorization=f"Bearer {token}"), 200, {"sub": "ada", "exp": 4102444800})
    expect(ask("hono-auth", "GET", "/jwt/me", authorization=f"Bearer {token[:-4]}AAAA"), 401)
    etag = expect(ask("hono-auth", "GET", "/etag/page"), 200, "the same again").headers["etag"]
    expect(ask("hono-auth", "GET", "/etag/page", if_none_match=etag), 304, "")
    answer = expect(ask("hono-auth", "GET", "/large", accept_encoding="gzip"), 200, content_encoding="gzip")
    assert gzip.decompress(answer.body) == b"hearth " * 1000


@case("jose: tokens signed and verified, with a shared secret and with a key pair")
def _():
    answer = json.loads(expect(ask("jose", "GET", "/"), 200).body)
    assert answer["es256"] == ["ES256", "ada", "P-256"], answer
    payload = json.loads(expect(ask("jose", "POST", "/", answer["token"]), 200).body)
    assert payload["sub"] == "ada" and payload["iss"] == "hearth", payload
    expect(ask("jose", "POST", "/", answer["token"] + "x"), 500)


@case("node:crypto and node:zlib: what Python computes too")
def _():
    answer = json.loads(expect(ask("node", "POST", "/", "hearth"), 200).body)
    assert gzip.decompress(base64.b64decode(answer.pop("gzip"))) == b"hearth " * 30000
    assert answer == {
        "sha256": hashlib.sha256(b"hearth!").hexdigest(), "md5": base64.b64encode(hashlib.md5(b"hearth").digest()).decode(),
        "hmac": hmac.new(b"key", b"hearth", "sha512").hexdigest(), "pbkdf2": hashlib.pbkdf2_hmac("sha256", b"hearth", b"salt", 1000, 16).hex(),
        "hkdf": hmac.new(hmac.new(b"salt", b"hearth", "sha256").digest(), b"info\1", "sha256").hexdigest()[:32],
        "random": [100000, True], "equal": [True, "Input buffers must have the same byte length"],
        "digested": 'the digest "sha999" is not supported', "gunzip": 210000, "streamed": 210000, "raw": "hearth", "brotli": "hearth",
        "bad": "incorrect or incomplete data"}, answer


@case("jsonwebtoken: signed, verified, and refused when it was changed")
def _():
    token = expect(ask("jsonwebtoken", "GET", "/"), 200).body.decode()
    head, body, signature = token.split(".")
    assert signature == base64.urlsafe_b64encode(hmac.new(b"it is a secret", f"{head}.{body}".encode(), "sha256").digest()).rstrip(b"=").decode()
    assert json.loads(expect(ask("jsonwebtoken", "POST", "/", token), 200).body)["sub"] == "ada"
    expect(ask("jsonwebtoken", "POST", "/", f"{head}.{body}.{signature[::-1]}"), 401, "invalid signature")
