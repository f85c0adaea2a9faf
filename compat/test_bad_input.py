"""Input that no client sends on purpose. Exact answers are in `transcripts/`; here the daemon has to survive."""

import random

import pytest

from wire import Wire

JUNK = {
    "NUL": b"\x00\r\n",
    "NULs": b"\x00" * 100_000,
    "NUL in a word": b"SE\x00T a b\r\nge\x00t a\r\n",
    "NUL in a memcached key": b"set a\x00b 0 0 1\r\nx\r\n",
    "TLS hello": bytes.fromhex("16030102000100fc0303") + bytes(range(256)) * 2,
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "memcached binary": b"\x80\x00\x00\x01" + b"\x00" * 20 + b"a",
    "memcached binary with an endless body": b"\x80\x01\x00\x01\x08\x00\x00\x00\xff\xff\xff\xff" + b"\x00" * 12,
    "random": random.Random(1).randbytes(50_000),
    "random lines": b"\r\n".join(random.Random(seed).randbytes(40) for seed in range(1000)),
    "a million newlines": b"\n" * 1_000_000,
    "a million stars": b"*" * 1_000_000,
    "nested arrays": b"*1\r\n" * 100_000,
    "nested arrays of two": b"*2\r\n" * 100_000,
    "an array of the largest size": b"*2147483647\r\n",
    "an array of a million that never comes": b"*1048576\r\n" + b"$1\r\na\r\n" * 10,
    "many arrays of a million": b"*1048576\r\n$1\r\na\r\n" * 1000,
    "a bulk of 512 MB that never comes": b"*1\r\n$536870912\r\nabc",
    "a set of 100 MB that never comes": b"set a 0 0 100000000\r\nabc",
    "a meta set of 100 MB that never comes": b"ms a 100000000\r\nabc",
    "a get of 100,000 keys without an end": b"get " + b"abcdefgh " * 100_000,
    "a long line": b"x" * 10_000_000,
    "half a RESP request": b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$10\r\nabc",
    "half a memcached request": b"set a 0 0 10\r\nabc",
    "half a command": b"ge",
    "a lone carriage return": b"get a\r",
    "RESP3 types": b"%1\r\n+a\r\n:1\r\n~1\r\n:1\r\n(12345678901234567890\r\n",
}


@pytest.mark.parametrize("protocol", ["memcached", "redis"])
@pytest.mark.parametrize("junk", JUNK.values(), ids=list(JUNK))
@pytest.mark.parametrize("ending", ["close", "half-close", "reset"])
def test_junk_harms_nobody_else(server, protocol, junk, ending):
    with Wire(server, protocol) as bystander:
        assert bystander.is_open()
        wire = Wire(server, protocol)
        wire.set_timeout(0.5)
        wire.fill(junk, len(junk))
        end(wire, ending)
        assert bystander.is_open()
    with Wire(server, protocol) as newcomer:
        assert newcomer.is_open()


def end(wire: Wire, ending: str) -> None:
    if ending == "half-close":
        try:
            wire.half_close()
            wire.read_to_end()  # the server says what it has to say and closes, too
        except (TimeoutError, OSError):
            pass
    if ending == "reset":
        wire.reset()
    wire.close()


CONVERSATIONS = {
    "memcached": (
        b"set key 0 0 5\r\nvalue\r\nget key\r\nmg key v\r\n",
        b"STORED\r\nVALUE key 0 5\r\nvalue\r\nEND\r\nVA 5\r\nvalue\r\n",
    ),
    "redis": (
        b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\nGET key\r\n*1\r\n$4\r\nPING\r\n",
        b"+OK\r\n$5\r\nvalue\r\n+PONG\r\n",
    ),
}


@pytest.mark.parametrize("protocol", CONVERSATIONS)
def test_requests_may_come_in_any_pieces(server, protocol):
    request_bytes, answer = CONVERSATIONS[protocol]
    for size in (1, 2, 3, 7):
        with Wire(server, protocol) as wire:
            for start in range(0, len(request_bytes), size):
                wire.send(request_bytes[start : start + size])
            assert wire.read_exactly(len(answer)) == answer


@pytest.mark.parametrize("protocol", ["memcached", "redis"])
def test_half_closed_clients_get_their_answers(server, protocol):
    """`printf 'get a\\r\\n' | nc` closes its side before it reads."""
    with Wire(server, protocol) as wire:
        wire.send(b"version\r\n" * 100 if protocol == "memcached" else b"PING\r\n" * 100)
        wire.half_close()
        assert wire.read_to_end().count(b"\r\n") == 100


@pytest.mark.parametrize("protocol, request_bytes, answer", [
    ("memcached", b"mn\r\n", b"MN\r\n"),
    ("redis", b"PING\r\n", b"+PONG\r\n"),
])  # fmt: skip
def test_a_hundred_thousand_pipelined_requests(server, protocol, request_bytes, answer):
    count = 100_000
    with Wire(server, protocol, timeout=30) as wire:
        for _ in range(10):
            wire.send(request_bytes * (count // 10))
            assert wire.read_exactly(len(answer) * (count // 10)) == answer * (count // 10)


def test_an_oversized_memcached_item_is_swallowed_and_the_connection_goes_on(kind, make_server):
    server = make_server(kind, magpie_args=("-I", "1m"), memcached_args=("-I", "1m"))
    for request, answer in [
        (b"set key 0 0 1100000\r\n", b"SERVER_ERROR object too large for cache\r\n"),
        (b"ms key 1100000\r\n", b"SERVER_ERROR object too large for cache\r\n"),
    ]:
        with Wire(server, "memcached") as wire:
            wire.exchange(b"set key 0 0 1\r\nx\r\n")
            assert wire.exchange(request + b"x" * 1_100_000 + b"\r\n") == answer
            assert wire.exchange(b"get key\r\n") == b"END\r\n", "the old value must not be served"
            quiet = b"set key 0 0 1100000 noreply\r\n" if request.startswith(b"set") else b"ms key 1100000 q\r\n"
            assert wire.exchange(quiet + b"x" * 1_100_000 + b"\r\n") in (b"", answer)


def test_a_bulk_over_proto_max_bulk_len_is_refused(server):
    with Wire(server, "redis") as wire:
        wire.send(b"*2\r\n$3\r\nGET\r\n$536870913\r\n")
        assert wire.read_to_end() == b"-ERR Protocol error: invalid bulk length\r\n"


def test_before_auth_requests_are_small(kind, make_server):
    """A client that has no password cannot make the server set memory aside: as Redis since 6.2."""
    server = make_server(kind, password="secret")
    for request, answer in [
        (b"*11\r\n", b"-ERR Protocol error: unauthenticated multibulk length\r\n"),
        (b"*2\r\n$16385\r\n", b"-ERR Protocol error: unauthenticated bulk length\r\n"),
    ]:
        with Wire(server, "redis") as wire:
            wire.send(request)
            assert wire.read_to_end() == answer
