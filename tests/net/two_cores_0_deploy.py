"""What the other cases of two cores ask: always runs."""

from cases import case
from node import EXAMPLES, deploy


@case("two cores: the examples deploy")
def _():
    for name in ("hello", "echo", "count", "router"):
        deploy(f"{EXAMPLES}/{name}")
