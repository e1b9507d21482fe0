"""What the other cases ask: always runs."""

from cases import case
from node import EXAMPLES, SCRIPTS, Tail, deploy, get


@case("every example and test script deploys")
def _():
    for name in ("hello", "echo", "count", "router", "chain-a", "chain-b", "chain-c", "digest"):
        deploy(f"{EXAMPLES}/{name}")
    for name in ("throw", "silent", "no-response", "slow", "loop", "wasm-loop", "hoard", "version", "heads", "pack"):
        deploy(f"{SCRIPTS}/{name}")


@case("a TypeScript project is built, deployed and answers; what it notes of a request is in its log")
def _():
    said = deploy(f"{EXAMPLES}/typescript").stdout
    assert "Total Upload: " in said and "src/index.ts" in said, said
    with Tail("typescript") as tail:
        tail.begin(lambda: get("typescript.hearth.test", "/ready"))
        answer = get("typescript.hearth.test", "/page?name=%3Cada%3E")
        assert answer.status == 200 and b"<p>Hello, &lt;ada>!</p>" in answer.body, (answer, answer.body)
        assert tail.await_line("<ada>")["text"] == "path /page, name <ada>"
