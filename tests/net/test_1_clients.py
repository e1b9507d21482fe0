"""Ordinary clients: curl and openssl, both IP versions, both TLS versions."""

import re
import subprocess

from cases import case
from node import ADDRESS, ADDRESS6, CA, Http, connect, ctl_json, curl, get, https, run

URL = "https://hello.hearth.test/"


@case("curl over IPv4 gets a script's answer with a verified certificate")
def _():
    assert curl(URL).stdout == "Hello, world!\n"


@case("curl over IPv6 gets the same")
def _():
    assert curl(URL, address=ADDRESS6).stdout == "Hello, world!\n"


@case("TLS 1.3 and TLS 1.2 are both spoken, and 1.1 is not")
def _():
    for version in ("1.3", "1.2"):
        seen = curl("-v", f"--tlsv{version}", "--tls-max", version, URL)
        assert f"SSL connection using TLSv{version}" in seen.stderr, seen.stderr
        assert seen.stdout == "Hello, world!\n"
    old = curl("--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0", URL, check=False)
    assert old.returncode == 35, (old.returncode, old.stderr)


@case("two requests share a connection")
def _():
    seen = curl("-v", URL, URL)
    assert seen.stdout == "Hello, world!\n" * 2
    assert "Re-using existing connection" in seen.stderr, seen.stderr


@case("the query and env variables reach the script")
def _():
    assert curl(f"{URL}?name=hearth").stdout == "Hello, hearth!\n"


@case("debug headers name the node, the start and the request")
def _():
    headers = get().headers
    assert headers["x-hearth-node"] == "n1", headers
    assert headers["x-hearth-start"] in ("warm", "warming", "cold"), headers
    assert headers["x-hearth-request-id"], headers


@case("the second request of a script meets a warm cell")
def _():
    with https() as client:
        client.request("GET / HTTP/1.1")
        assert client.request("GET / HTTP/1.1").headers["x-hearth-start"] == "warm"


@case("the plain HTTP port answers over IPv4 and IPv6")
def _():
    for address in (ADDRESS, ADDRESS6):
        with Http(connect(address, 80)) as client:
            answer = client.request("GET / HTTP/1.1")
            assert (answer.status, answer.body) == (200, b"Hello, world!\n"), answer


def s_client(*arguments):
    return run("openssl", "s_client", "-connect", f"{ADDRESS}:443", "-CAfile", CA, *arguments,
               stdin=subprocess.DEVNULL).stdout


@case("openssl s_client verifies with SNI, and without SNI meets the default certificate")
def _():
    assert "Verify return code: 0 (ok)" in s_client("-servername", "hello.hearth.test", "-verify_return_error")
    seen = s_client("-noservername", "-verify_return_error")
    assert "Verify return code: 0 (ok)" in seen and re.search(r"subject=.*CN = hearth\.test", seen), seen


@case("the certificate is chosen by SNI: ECDSA by wildcard, RSA by exact name")
def _():
    assert re.search(r"subject=.*CN = hearth\.test", s_client("-servername", "echo.hearth.test"))
    seen = s_client("-servername", "rsa.hearth.test", "-verify_return_error")
    assert re.search(r"subject=.*CN = rsa\.hearth\.test", seen), seen
    assert "Peer signature type: RSA" in seen, seen


@case("a host without a script is 404")
def _():
    assert get("nobody.hearth.test").status == 404


@case("a host that the certificate does not cover is 421")
def _():
    with https("hello.hearth.test") as client:
        assert client.request("GET / HTTP/1.1", host="hello.example.com").status == 421


@case("a connection to one host may ask for another one of the same certificate")
def _():
    with https("hello.hearth.test") as client:
        assert client.request("GET /x HTTP/1.1", host="echo.hearth.test").headers["x-echo-method"] == "GET"


@case("routes of wrangler.jsonc: a path of another host, and nothing beside it")
def _():
    assert get("router.hearth.test", "/notes").body == b"[]\n"
    assert get("www.hearth.test", "/api/x").status == 404  # the script's own 404 ...
    assert b"not found" in get("www.hearth.test", "/api/x").body
    assert b"not found" not in get("www.hearth.test", "/elsewhere").body  # ... and hearth's


@case("a script of several modules keeps state while it is warm")
def _():
    with https("router.hearth.test") as client:
        made = client.request("POST /notes HTTP/1.1", "router.hearth.test", b'{"text":"remember"}')
        assert made.status == 201, made
        assert b"remember" in client.request("GET /notes HTTP/1.1", "router.hearth.test").body


@case("hearthctl lists the deployed scripts")
def _():
    assert "hello" in str(ctl_json("scripts"))
