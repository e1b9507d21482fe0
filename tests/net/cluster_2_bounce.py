"""A home that is overloaded hands work back: no client notices, and no body byte makes the way twice."""

import hashlib
import os
import re
import tempfile

from cases import case
from cluster import Capture, Growth, address, ask, home_of, make_script, name_at, others, refusing
from load import Load
from node import curl, deploy, https

W = 65536  # body bytes that may go before the home has said yes


@case("a request into a home that refuses is answered where it entered")
def _():
    home = home_of("hello")
    entry = others(home)[0]
    with refusing(home):
        growth = Growth(entry, home)
        answer = ask("hello", entry)
        assert (answer.status, answer.body) == (200, b"Hello, world!\n"), answer
        assert answer.headers["x-hearth-path"] == "bounced" and answer.headers["x-hearth-home"] == home, answer.headers
        assert growth[entry]["call_bounced"] == growth[entry]["call_bounced_served"] == growth[home]["serve_bounced"] == 1
    assert ask("hello", entry).headers["x-hearth-path"] == "forwarded"


@case("a 100 MB POST into a home that refuses: the right answer, at most 64 KiB wasted, and no body byte comes back over the wire")
def _():
    home = home_of("digest")
    entry = others(home)[0]
    body = os.urandom(1 << 20)
    with tempfile.NamedTemporaryFile() as sent:
        digest = hashlib.sha256()
        for _ in range(100):
            sent.write(body)
            digest.update(body)
        sent.flush()
        with refusing(home):
            growth = Growth(entry)
            with Capture(home) as wire:
                answer = curl("--fail", "-D", "-", "--data-binary", f"@{sent.name}", "https://digest.hearth.test/",
                              address=address(entry)).stdout
    assert f"{digest.hexdigest()}  -\n" in answer, answer
    assert "x-hearth-path: bounced" in answer and f"x-hearth-home: {home}" in answer, answer
    wasted = growth[entry]["call_wasted_bytes"]
    there, back = wire.between(entry, home), wire.between(home, entry)
    assert wasted <= W, f"{wasted} body bytes wasted"
    assert there < 2 * W, f"{there} bytes went to the home"
    assert 0 < back < W, f"{back} bytes came from the home"
    return f"{wasted} body bytes wasted; {there} bytes went to the home, {back} came back"


@case("a 100 MB POST into a home that accepts: the right answer, and the body makes the way once")
def _():
    home = home_of("digest")
    entry = others(home)[0]
    body = os.urandom(100 << 20)
    with tempfile.NamedTemporaryFile() as sent:
        sent.write(body)
        sent.flush()
        with Capture(home) as wire:
            answer = curl("--fail", "-D", "-", "--data-binary", f"@{sent.name}", "https://digest.hearth.test/",
                          address=address(entry)).stdout
    assert f"{hashlib.sha256(body).hexdigest()}  -\n" in answer, answer
    assert "x-hearth-path: forwarded" in answer, answer
    there = wire.between(entry, home)
    assert len(body) <= there < 1.2 * len(body), f"{there} bytes went to the home"


@case("a home that refuses and accepts again and again in the middle of load: no client sees an error")
def _():
    home = home_of("hello")
    mirror = name_at(home, "mirror")
    deploy(make_script(mirror, "export default { fetch(request) { return new Response(request.body); } };\n"))
    entries = [address(node) for node in others(home)]
    growth = Growth()
    with Load(addresses=entries) as gets, \
            Load(clients=4, host=f"{mirror}.hearth.test", addresses=entries, method="POST", body=os.urandom(200_000), pause_s=0.01) as posts:
        for _ in range(8):
            with refusing(home):
                gets.more(100)
                posts.more(10)
            gets.more(100)
            posts.more(10)
    gets.assert_clean()
    posts.assert_clean()
    assert growth.sum("call_wasted_bytes") <= W * growth.sum("call_bounced")
    paths = {name: count for (header, name), count in gets.headers.items() if header == "x-hearth-path"}
    assert paths.get("forwarded") and paths.get("bounced"), paths
    return f"{len(gets.answers) + len(posts.answers)} answers, all 200; of the GETs {paths['bounced']} bounced"


@case("when nobody can take a request, the answer is 503 with Retry-After, and the next one is good again")
def _():
    home = home_of("hello")
    entry = others(home)[0]
    with refusing(home, entry), https(address=address(entry)) as client:
        growth = Growth(entry)
        answer = client.request("GET / HTTP/1.1")
        assert answer.status == 503 and re.fullmatch(r"\d+", answer.headers.get("retry-after", "")), (answer, answer.headers)
        assert growth[entry]["place_refused"] == 1
    assert ask("hello", entry).status == 200
