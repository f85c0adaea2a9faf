"""A bare connection to one endpoint, for tests that care about every byte.

Answers are delimited by a sentinel, a request whose answer is known, rather than by waiting: `exchange`
sends it behind the request and returns what came before its answer.
"""

from __future__ import annotations

import socket
import struct

from servers import Server

# Larger than any answer that a test expects; a server that answers without end fails the test.
ANSWER_LIMIT = 64 * 1024 * 1024


class Wire:
    """One TCP connection to a server's `memcached` or `redis` side; `closed_by_peer` is known after a read."""

    def __init__(self, server: Server, protocol: str, timeout: float = 10) -> None:
        endpoint = getattr(server, protocol)
        self.protocol = protocol
        self._socket = socket.create_connection((endpoint.host, endpoint.port), timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = b""
        self.closed_by_peer = False

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_exception) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def reset(self) -> None:
        """Closes without a farewell: the server sees `Connection reset by peer`."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def half_close(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def set_timeout(self, seconds: float) -> None:
        self._socket.settimeout(seconds)

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def fill(self, data: bytes, limit: int) -> int:
        """Sends `data` again and again, up to `limit` bytes, until nothing more fits; returns the bytes taken."""
        taken = 0
        try:
            while taken < limit:
                taken += self._socket.send(data)
        except (TimeoutError, ConnectionError):
            pass
        return taken

    def read_line(self) -> bytes:
        return self.read_until(b"\r\n")

    def read_until(self, end: bytes) -> bytes:
        """Everything up to and with `end`, or up to the end of the connection."""
        while end not in self._unread and self._receive():
            pass
        position = self._unread.find(end)
        length = len(self._unread) if position < 0 else position + len(end)
        return self._take(length)

    def read_exactly(self, length: int) -> bytes:
        while len(self._unread) < length and self._receive():
            pass
        return self._take(min(length, len(self._unread)))

    def read_to_end(self) -> bytes:
        while self._receive():
            pass
        return self._take(len(self._unread))

    def ask(self, request: bytes) -> bytes:
        """Sends a request with an answer of one line and returns the line."""
        self.send(request)
        return self.read_line()

    def exchange(self, request: bytes) -> bytes:
        """All that the server says to `request`, however many lines or none."""
        question, answer = SENTINELS[self.protocol]
        try:
            self.send(request + question)
        except ConnectionError:
            pass  # refused before it was all sent; what the server said is still there to read
        received = self.read_until(answer)
        return received.removesuffix(answer)

    def is_open(self) -> bool:
        question, answer = SENTINELS[self.protocol]
        try:
            self.send(question)
            return self.read_until(answer) == answer
        except ConnectionError:
            return False

    def _receive(self) -> bool:
        try:
            piece = self._socket.recv(65536)
        except ConnectionError:
            piece = b""
        self._unread += piece
        assert len(self._unread) < ANSWER_LIMIT, "the server does not stop talking"
        self.closed_by_peer = not piece
        return bool(piece)

    def _take(self, length: int) -> bytes:
        taken, self._unread = self._unread[:length], self._unread[length:]
        return taken


SENTINELS = {
    "memcached": (b"mn\r\n", b"MN\r\n"),
    "redis": (b"*2\r\n$4\r\nECHO\r\n$8\r\nsentinel\r\n", b"$8\r\nsentinel\r\n"),
}
