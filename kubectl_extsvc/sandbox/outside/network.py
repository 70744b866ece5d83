"""Which port of 127.0.0.1 plays which (address, port) of the pretended network.

A pair has one local port as long as the network lives, whether somebody listens there or not, so that what knows a
local port (Envoy's endpoints, curl's write-out) need not follow servers that come and go.

A local port that refuses is one that is bound and does not listen: the kernel answers with RST, and nobody else can get
it. A silent one listens with a queue of connections that is full and never read: Linux then drops a SYN without a word
(tcp_conn_request in net/ipv4/tcp_input.c), and so does macOS (sonewconn in bsd/kern/uipc_socket2.c of xnu).
"""

import contextlib
import socket
from collections.abc import Iterator

from kubectl_extsvc.sandbox.outside.hosts import SILENT

LOOPBACK = "127.0.0.1"

Pair = tuple[str, int]
"""Address and port of the pretended network."""

_QUEUE = 1
_FILLERS = 4
"""Linux takes one connection more than the queue is long, macOS half as many more."""


class Network:
    """The pretended network. Where nobody serves, connections are refused, but for the one silent address."""

    def __init__(self) -> None:
        self._bound: dict[Pair, socket.socket] = {}
        self._pairs: dict[int, Pair] = {}
        self._fillers: list[socket.socket] = []
        self._served: set[Pair] = set()

    def port_of(self, address: str, port: int) -> int:
        """The local port of a pair; it is made if it was never asked for."""
        pair = (address, port)
        if pair not in self._bound:
            self._bound[pair] = _bound(0)
            if address == SILENT:
                self._fillers += _filled(self._bound[pair])
        local_port = int(self._bound[pair].getsockname()[1])
        self._pairs[local_port] = pair
        return local_port

    def pair_of(self, local_port: int) -> Pair | None:
        """The pair that a local port plays, None for a port that is none of ours."""
        return self._pairs.get(local_port)

    def refuses(self, address: str, port: int) -> bool:
        """Whether a connection to a pair is refused at once."""
        return address != SILENT and (address, port) not in self._served

    @contextlib.contextmanager
    def serving(self, address: str, port: int) -> Iterator[socket.socket]:
        """A listening socket for a pair's server, until the end of the block; then it refuses again."""
        pair, local_port = (address, port), self.port_of(address, port)
        listener = self._bound[pair]
        listener.listen(128)
        self._served.add(pair)
        try:
            yield listener
        finally:
            self._served.remove(pair)
            listener.close()
            self._bound[pair] = _bound(local_port)

    def close(self) -> None:
        """Give all local ports back."""
        for one in (*self._fillers, *self._bound.values()):
            one.close()


def _bound(local_port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # For a port whose last connections are in TIME_WAIT.
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((LOOPBACK, local_port))
    return made


def _filled(bound: socket.socket) -> Iterator[socket.socket]:
    """Connections that keep a socket's queue full."""
    bound.listen(_QUEUE)
    for _ in range(_FILLERS):
        filler = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        filler.setblocking(False)
        filler.connect_ex(bound.getsockname())
        yield filler
