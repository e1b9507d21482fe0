"""What the other cases of two devices ask: always runs."""

from cases import case
from node import EXAMPLES, deploy


@case("failover: the examples deploy")
def _():
    for name in ("hello", "echo"):
        deploy(f"{EXAMPLES}/{name}")
