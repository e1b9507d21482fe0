"""What the other cases of nodes with two cores ask: always runs."""

from cases import case
from cluster import all_serving, make_script, unmake_scripts
from node import EXAMPLES, deploy, until


@case("three nodes of two cores: each takes the others for serving, and scripts deploy on all of them")
def _():
    until(all_serving, "all nodes to be serving")
    unmake_scripts()
    deploy(*(make_script(f"s{i:03d}", f"export default {{ fetch() {{ return new Response('{i}\\n'); }} }};\n") for i in range(40)),
           f"{EXAMPLES}/echo")
