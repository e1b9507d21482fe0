"""What the other cases of a cluster ask: always runs."""

from cases import case
from cluster import NODES, all_serving, make_script, unmake_scripts
from node import EXAMPLES, SCRIPTS, deploy, is_as_unit, until


@case("three nodes with the unit's capabilities: each takes the others for serving")
def _():
    assert all(is_as_unit(node) for node in NODES)
    until(all_serving, "all nodes to be serving")


@case("three nodes: 200 small scripts, the examples and the test scripts deploy on all of them")
def _():
    unmake_scripts()
    small = [make_script(f"s{i:03d}", f"export default {{ fetch() {{ return new Response('{i}\\n'); }} }};\n") for i in range(200)]
    deploy(*small, *(f"{EXAMPLES}/{name}" for name in ("hello", "echo", "digest", "loop")),
           f"{SCRIPTS}/chatter")
