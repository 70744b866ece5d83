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
from dataclasses import dataclass, field

LOOPBACK = "127.0.0.1"

Pair = tuple[str, int]
"""Address and port of the pretended network."""

_QUEUE = 1
_FILLERS = 4
"""Linux takes one connection more than the queue is long, macOS half as many more."""


@dataclass(slots=True)
class _Place:
    local_port: int
    bound: socket.socket
    fillers: list[socket.socket] = field(default_factory=list)
    """Connections that keep the queue full; none where the port refuses."""


class Network:
    """The pretended network. Addresses that nobody serves refuse, but for those that were silenced."""

    def __init__(self) -> None:
        self._places: dict[Pair, _Place] = {}
        self._pairs: dict[int, Pair] = {}
        self._silent: set[str] = set()
        self._served: set[Pair] = set()

    def port_of(self, address: str, port: int) -> int:
        """The local port of a pair; it is made if it was never asked for."""
        pair = (address, port)
        if pair not in self._places:
            bound = _bound(0)
            local_port = bound.getsockname()[1]
            self._places[pair] = _Place(local_port, bound)
            self._pairs[local_port] = pair
            if address in self._silent:
                _fill(self._places[pair])
        return self._places[pair].local_port

    def pair_of(self, local_port: int) -> Pair | None:
        """The pair that a local port plays, None for a port that is none of ours."""
        return self._pairs.get(local_port)

    def refuses(self, address: str, port: int) -> bool:
        """Whether a connection to a pair is refused at once."""
        return address not in self._silent and (address, port) not in self._served

    def silence(self, address: str) -> None:
        """Nobody answers at an address any more, but for servers that run there."""
        self._silent.add(address)
        for pair, place in self._places.items():
            if pair[0] == address and pair not in self._served and not place.fillers:
                _fill(place)

    @contextlib.contextmanager
    def serving(self, address: str, port: int) -> Iterator[socket.socket]:
        """A listening socket for a pair's server, until the end of the block; then it is as without a server."""
        self.port_of(address, port)
        pair = (address, port)
        place = self._places[pair]
        if pair in self._served:
            raise ValueError(f"{address}:{port} has a server")
        if place.fillers:
            _rebind(place)
        self._served.add(pair)
        place.bound.listen(128)
        try:
            yield place.bound
        finally:
            self._served.remove(pair)
            _rebind(place)
            if address in self._silent:
                _fill(place)

    def close(self) -> None:
        """Give all local ports back."""
        for place in self._places.values():
            _close(place)
        self._places.clear()
        self._pairs.clear()


def _bound(local_port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # For a port whose last connections are in TIME_WAIT.
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((LOOPBACK, local_port))
    return made


def _close(place: _Place) -> None:
    for filler in place.fillers:
        filler.close()
    place.fillers.clear()
    place.bound.close()


def _rebind(place: _Place) -> None:
    _close(place)
    place.bound = _bound(place.local_port)


def _fill(place: _Place) -> None:
    place.bound.listen(_QUEUE)
    for _ in range(_FILLERS):
        filler = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        filler.setblocking(False)
        filler.connect_ex((LOOPBACK, place.local_port))
        place.fillers.append(filler)
