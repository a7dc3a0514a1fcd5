"""Refuse the network to this Python: only this machine itself can be reached.

Python runs a file of this name at every start where its folder is on PYTHONPATH. tests/conftest.py puts it on
that path, so that kernels and servers that tests start are held to the same rule as the tests.
"""

import ipaddress
import socket
import sys

CONNECTS = ("socket.connect", "socket.sendto", "socket.sendmsg")  # arguments: the socket, the address
LOOKS_UP = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")  # first argument: the name
OWN_NAMES = ("localhost", socket.gethostname().lower())


class NetworkRefused(RuntimeError):
    """Something reached for the network, which nothing in this project may do after set-up."""


def is_here(host):
    """Whether a host's name or number means this machine; None and "" do.

    host   str or bytes, e.g. "localhost", "127.0.0.1", "::1", "fe80::1%eth0"
    """
    host = (host.decode("ascii", "replace") if isinstance(host, bytes) else host or "").lower()
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "" or host.endswith(".localhost") or host.removesuffix(".local") in OWN_NAMES


def refuse_network(event, arguments):
    """Audit hook: raises NetworkRefused where a socket is about to reach another machine."""
    if event in CONNECTS:
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) and address else None  # a unix socket has a path
    elif event in LOOKS_UP:
        host = arguments[0]
    else:
        return
    if not is_here(host):
        raise NetworkRefused(
            f"{event} to {host!r} is refused: tests run offline, and only this machine may be reached. "
            "Ship the data, or read it from a file that the test makes."
        )


if not getattr(sys, "network_refused", False):
    sys.network_refused = True
    sys.addaudithook(refuse_network)
