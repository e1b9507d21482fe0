"""The life of a request that runs at another node than it entered."""

import half_closed
from cases import case
from cluster import NODES, Growth, address, ask, deploy, make_script, name_at, others, refusing
from node import until


def half_closed_at(node, name, way, phase):
    what, line, rest, answer, until_bytes = phase
    growth = Growth()
    got, = half_closed.ask(f"{name}.hearth.test", way, line, rest, until_bytes, address=address(node),
                           begun=lambda: until(lambda: growth.sum("job_started"), "the job to start"))
    assert (got.status, got.body) == (200, answer), f"{what}, {way}: {got}"
    return got.headers["x-hearth-path"]


@case("who closes its half is answered, and the script's signal aborts at its home, or where it was handed back to")
def _():
    home, entry = NODES[1], NODES[0]
    name = name_at(home, "halves")
    deploy(make_script(name, half_closed.SCRIPT))
    for node in NODES:
        assert ask(name, node, "/quick").status == 200
    for way in half_closed.WAYS:
        for phase in half_closed.PHASES:
            path = half_closed_at(entry, name, way, phase)
            assert path == "forwarded", path
    with refusing(home):
        for phase in half_closed.PHASES:
            path = half_closed_at(others(home)[1], name, "plain", phase)
            assert path == "bounced", path
