"""Connections to servers of strangers: bounded in time and in bytes, and to public addresses alone.

A server may send a byte a second for ever, in its head as in its body, so every read from a socket
looks at one clock and one count. It may name an address within this machine or its network, or a
host that resolves to one; so what is looked at is the address that is connected to, in whatever way
it was written, and no other is asked for in between.
"""

import http.client
import io
import ipaddress
import socket
import time
import urllib.parse

import requests
import urllib3

ADDRESSES = 4  # of a host, that are tried
PORTS = {"http": 80, "https": 443}
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")  # IPv4 in a network that has IPv6 alone


class Refused(Exception):
    """What a server does or names, and what it does not get."""


class Gate:
    """What the connections of a session may do from now on.

    Args:
        local: (address, port) of servers that may be asked although they are not public.
    """

    def __init__(self, local=frozenset()):
        self._local = frozenset(local)
        self._ends, self._patience, self._room = 0.0, 0.0, 0

    def open(self, seconds: float, patience: float, room: int) -> None:
        """Lets connections be made and read for `seconds`, `patience` for one read of them, until
        `room` bytes have come."""
        self._ends, self._patience, self._room = time.monotonic() + seconds, patience, room

    def wait(self) -> float:
        """Seconds that a socket may wait now; `TimeoutError` where the time is over."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("an answer without end")
        return min(left, self._patience)

    def count(self, size: int) -> None:
        """Counts bytes that have come; raises `Refused` where they are too many."""
        self._room -= size
        if self._room < 0:
            raise Refused("an answer that is too large")

    def connect(self, connection) -> socket.socket:
        """A socket to the first of a connection's addresses that is open and may be asked."""
        host, port = connection.host, connection.port
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise urllib3.exceptions.NewConnectionError(
                connection, f"no address: {error}"
            ) from None
        allowed = [one for one in found if one[4][:2] in self._local or is_public(one[4][0])]
        if not allowed:
            raise Refused("an address within this machine or its network, which is not asked")
        for family, kind, protocol, _, place in allowed[:ADDRESSES]:
            opened = socket.socket(family, kind, protocol)
            try:
                for option in connection.socket_options or ():
                    opened.setsockopt(*option)
                opened.settimeout(self.wait())
                opened.connect(place)
                return opened
            except OSError as error:
                opened.close()
                reason = error
        raise urllib3.exceptions.NewConnectionError(connection, f"no connection: {reason}")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, and of one host."""
    found = ipaddress.ip_address(address)
    if found.version == 6:
        translated = (
            ipaddress.IPv4Address(int(found) & 0xFFFFFFFF) if found in _TRANSLATED else None
        )
        found = found.ipv4_mapped or found.sixtofour or translated or found
    closed = found.is_multicast or found.is_reserved or found.is_link_local or found.is_unspecified
    return found.is_global and not closed and not getattr(found, "is_site_local", False)


def local_places(address: str) -> frozenset:
    """(address, port) of a server that its user names, where none of its addresses is public."""
    parts = urllib.parse.urlsplit(address)
    try:
        port = parts.port or PORTS[parts.scheme]
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return frozenset()  # the first request says so
    places = frozenset(one[4][:2] for one in found)
    return frozenset() if any(is_public(host) for host, _ in places) else places


def session(gate: Gate) -> requests.Session:
    """A session of `requests` whose connections go through a gate, without what this machine says
    of proxies and passwords. It follows no redirects."""
    made = _Session()
    made.trust_env = False
    for scheme in PORTS:
        made.mount(f"{scheme}://", _Adapter(gate))
    return made


class _Session(requests.Session):
    def get_redirect_target(self, resp) -> None:
        """None: `requests` would read a redirect's body whole, even where it is not to follow."""


class _Adapter(requests.adapters.HTTPAdapter):
    def __init__(self, gate: Gate):
        self._gate = gate
        super().__init__()

    def init_poolmanager(self, *arguments, **options) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _pool(urllib3.HTTPConnectionPool, self._gate),
            "https": _pool(urllib3.HTTPSConnectionPool, self._gate),
        }


def _pool(kind: type, gate: Gate) -> type:
    """A kind of pool whose connections go through a gate."""

    class Connection(kind.ConnectionCls):
        def _new_conn(self) -> socket.socket:
            return gate.connect(self)

        def response_class(self, sock, *arguments, **options) -> http.client.HTTPResponse:
            answer = http.client.HTTPResponse(sock, *arguments, **options)
            answer.fp = io.BufferedReader(_Counted(answer.fp.detach(), sock, gate))
            return answer

    class Pool(kind):
        ConnectionCls = Connection

    return Pool


class _Counted(io.RawIOBase):
    """What comes from a socket: head, body and all that is between them."""

    def __init__(self, raw, sock, gate: Gate):
        self._raw, self._sock, self._gate = raw, sock, gate

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int | None:
        self._sock.settimeout(self._gate.wait())
        size = self._raw.readinto(buffer)
        self._gate.count(size or 0)
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()
