"""How the tests of the Redis family reach a server: each test runs with each client library and protocol."""

import pytest
import redis
import valkey

CLIENTS = {
    "redis-py RESP2": (redis.Redis, 2),
    "redis-py RESP3": (redis.Redis, 3),
    "valkey-py RESP2": (valkey.Valkey, 2),
    "valkey-py RESP3": (valkey.Valkey, 3),
}
# valkey-py has its own, which are not redis-py's.
ResponseError = (redis.ResponseError, valkey.ResponseError)


@pytest.fixture(params=CLIENTS)
def connect(request, server):
    """`connect(db=0, **options)` gives a client of the library and protocol in turn."""
    library, protocol = CLIENTS[request.param]
    clients = []

    def make(db: int = 0, **options):
        clients.append(library.from_url(server.redis.url(db), **{"protocol": protocol} | options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def as_dict(reply) -> dict:
    """A map, which RESP2 has no type for: there it is a list of keys and values."""
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))


class OneConnection:
    """A single connection of a client's, for what a pool would hide."""

    def __init__(self, client) -> None:
        pool = client.connection_pool
        self.connection = pool.get_connection("_") if isinstance(client, valkey.Valkey) else pool.get_connection()

    def __call__(self, *words):
        self.connection.send_command(*words)
        return self.connection.read_response()

    def send_many(self, *commands) -> None:
        self.connection.send_packed_command(self.connection.pack_commands(commands))

    def read(self, count: int) -> list:
        return [self.connection.read_response() for _ in range(count)]


@pytest.fixture
def r(connect):
    return connect(decode_responses=True)


@pytest.fixture
def raw(connect):
    """A client that leaves replies as bytes."""
    return connect()
