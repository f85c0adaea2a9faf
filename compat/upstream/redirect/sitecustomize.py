"""Leads connections to well-known ports elsewhere: upstream suites and the workers they start find `localhost:6379`
wherever the server under test listens, and nothing in them has to be changed. What they listen on themselves moves
likewise.

COMPAT_REDIRECT holds `port=port` pairs with commas between them. Python imports this module by itself when its
directory is on PYTHONPATH.
"""

import os
import socket

PORTS = dict(tuple(map(int, pair.split("="))) for pair in os.environ.get("COMPAT_REDIRECT", "").split(",") if pair)
LOCAL = {"localhost", "127.0.0.1", "::1", "0.0.0.0", ""}


def _elsewhere(address):
    if isinstance(address, tuple) and address[0] in LOCAL and address[1] in PORTS:
        return ("127.0.0.1", PORTS[address[1]], *address[2:])
    return address


class _Socket(socket.socket):
    def bind(self, address):
        return super().bind(_elsewhere(address))

    def connect(self, address):
        return super().connect(_elsewhere(address))

    def connect_ex(self, address):
        return super().connect_ex(_elsewhere(address))


if PORTS:
    socket.socket = _Socket
