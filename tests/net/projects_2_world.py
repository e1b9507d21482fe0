"""Projects of tests/projects whose packages ask a server: it is here, in the client's namespace, and checks what it is asked."""

import hashlib
import hmac
import http.server
import json
import re
import threading
import time

from cases import case
from projects_1_answers import ask, expect

UPSTREAM = ("10.77.0.100", 8080)


class Upstream(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked = []  # (method, path, fields, body)
    busy = 0  # answers of 503 that come first

    def answer(self, status, body, content_type="application/json"):
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream_words(self):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for word in ("Hello", ", ", "Ada", None):
            event = b"data: [DONE]\n\n" if word is None else b"data: " + json.dumps(
                {"id": "c1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": word}}]}).encode() + b"\n\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def handle_any(self):
        if self.headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
        Upstream.asked.append((self.command, self.path, self.headers, body))
        path = self.path.partition("?")[0]
        if Upstream.busy:
            Upstream.busy -= 1
            return self.answer(503, b"{}")
        if path == "/echo":
            return self.answer(200, json.dumps({"path": self.path, "json": json.loads(body)}).encode())
        if path == "/bucket/key":
            return self.answer(200, b"stored %d" % len(body), "text/plain")
        if path == "/v1/chat/completions":
            return self.stream_words()
        if path == "/v1/customers":
            return self.answer(200, b'{"id": "cus_1", "object": "customer"}')
        return self.answer(404, b'{"error": {"message": "there is no such thing"}}')

    do_GET = do_POST = do_PUT = handle_any

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True
    made = None


def asked():
    """What the server has been asked by the case so far; the first call serves."""
    if not Server.made:
        Server.made = Server(UPSTREAM, Upstream)
        threading.Thread(target=Server.made.serve_forever, daemon=True).start()
    return Upstream.asked


@case("axios: a client with a base URL posts JSON, and tells what went wrong")
def _():
    asked().clear()
    expect(ask("axios", "GET", "/"), 200, {"data": {"path": "/echo?a=1", "json": {"from": "axios"}}, "status": 200})
    Upstream.busy = 1
    expect(ask("axios", "GET", "/"), 502, "upstream: 503")


@case("ky: a client posts JSON")
def _():
    asked().clear()
    expect(ask("ky", "GET", "/"), 200, {"path": "/echo?a=1", "json": {"from": "ky"}})
    Upstream.busy = 1
    expect(ask("ky", "GET", "/"), 502, "upstream said 503")


@case("aws4fetch: a request is signed, and tried again while the server is busy")
def _():
    asked().clear()
    signed = expect(ask("aws4fetch", "GET", "/sign"), 200).body.decode()
    assert re.fullmatch(r"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\d{8}/us-east-1/s3/aws4_request, "
                        r"SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=[0-9a-f]{64}", signed), signed
    Upstream.busy = 1
    expect(ask("aws4fetch", "POST", "/", "what is stored"), 200, "stored 14")
    assert len(asked()) == 2 and asked()[1][:2] == ("PUT", "/bucket/key"), asked()
    assert asked()[1][2]["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), asked()


@case("openai: a completion streams through, word by word")
def _():
    asked().clear()
    expect(ask("openai", "POST", "/", "Greet Ada"), 200, "Hello, Ada")
    [(method, path, fields, body)] = asked()
    assert (method, path, fields["authorization"]) == ("POST", "/v1/chat/completions", "Bearer sk-test"), asked()
    assert json.loads(body)["messages"] == [{"role": "user", "content": "Greet Ada"}], body


@case("stripe: a customer is made; a webhook is verified by its signature, and refused when it was changed")
def _():
    asked().clear()
    expect(ask("stripe", "POST", "/"), 200, {"id": "cus_1"})
    [(method, path, fields, body)] = asked()
    assert (method, path, body) == ("POST", "/v1/customers", b"email=ada%40example.com"), asked()
    assert fields["authorization"] == "Bearer sk_test_x", fields
    event, now = json.dumps({"id": "evt_1", "object": "event", "type": "charge.succeeded", "data": {"object": {}}}), int(time.time())
    signature = hmac.new(b"whsec_x", f"{now}.{event}".encode(), hashlib.sha256).hexdigest()
    expect(ask("stripe", "POST", "/webhook", event, stripe_signature=f"t={now},v1={signature}"), 200, {"type": "charge.succeeded"})
    expect(ask("stripe", "POST", "/webhook", event + " ", stripe_signature=f"t={now},v1={signature}"), 500)
