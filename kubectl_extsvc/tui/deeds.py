"""What dialogs do to the cluster: the same operations as the command line's, with answers as values."""

from kubectl_extsvc.cluster.client import Cluster
from kubectl_extsvc.operations.fixing import WishesOf
from kubectl_extsvc.operations.living import Live


class Deeds:
    """Of one connection."""

    def __init__(self, cluster: Cluster, live: Live, wishes_of: WishesOf) -> None:
        self.cluster, self.live, self.wishes_of = cluster, live, wishes_of
