"""What the other cases of the knobs ask: always runs."""

from cases import case
from cluster import ask, make_script, unmake_scripts
from node import ctl_json, deploy, is_as_unit

SCRIPTS = [f"k{i}" for i in range(6)]


@case("two nodes: scripts deploy, some at home at each")
def _():
    unmake_scripts()
    deploy(*(make_script(name, "export default { fetch() { return new Response('well'); } };\n") for name in SCRIPTS))
    homes = {script["home"] for name in SCRIPTS for script in ctl_json("ring", "locate", name)["scripts"]}
    assert homes == {"n1", "n2"}, homes
    for node in ("n1", "n2"):
        assert is_as_unit(node)
        assert all(ask(name, node).status == 200 for name in SCRIPTS)
