"""What the projects of tests/projects answer."""

import json

from cases import case
from node import Skip, ctl_json, https

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
    text = answer.body.decode()
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
