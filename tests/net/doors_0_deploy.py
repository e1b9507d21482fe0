"""What the cases of a crowd ask: always runs."""

from cases import case
from node import EXAMPLES, deploy


@case("a node with few connections: scripts deploy")
def _():
    deploy(f"{EXAMPLES}/hello", f"{EXAMPLES}/echo")
