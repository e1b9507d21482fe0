"""What the other cases of requests to the world ask: always runs."""

from cases import case
from node import EXAMPLES, SCRIPTS, deploy


@case("egress: the scripts deploy")
def _():
    deploy(f"{EXAMPLES}/hello", f"{SCRIPTS}/fetcher")
