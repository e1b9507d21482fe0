"""What good clients ask for beside the floods: always runs."""

from cases import case
from node import EXAMPLES, deploy


@case("flood: an example deploys")
def _():
    deploy(f"{EXAMPLES}/hello")
