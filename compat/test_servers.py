"""The fixtures themselves: what the other tests take for granted."""

import redis


def test_server_answers_on_both_protocols(server):
    assert server.memcached.talk(b"version\r\n").startswith(b"VERSION ")
    assert server.redis.talk(b"PING\r\n") == b"+PONG\r\n"


def test_every_test_starts_with_an_empty_store(server):
    left_behind = b"set left_behind 0 0 1\r\nx\r\n"
    for _ in range(2):
        assert server.memcached.talk(b"get left_behind\r\n") == b"END\r\n"
        assert redis.Redis.from_url(server.redis.url(db=3)).dbsize() == 0
        assert server.memcached.talk(left_behind) == b"STORED\r\n"
        redis.Redis.from_url(server.redis.url(db=3)).set("left_behind", "x")
        server.flush()


def test_a_server_of_ones_own_can_have_a_password_and_be_restarted(kind, make_server):
    server = make_server(kind, password="secret")
    client = redis.Redis.from_url(server.redis.url())
    assert client.ping()
    assert b"NOAUTH" in server.redis.talk(b"GET key\r\n")
    server.flush()
    server.restart()
    assert client.ping()


def test_a_server_of_ones_own_can_have_unix_sockets(kind, make_server):
    server = make_server(kind, unix_sockets=True)
    assert redis.Redis(unix_socket_path=str(server.redis.socket)).ping()
    assert server.memcached.socket.is_socket()
    server.flush()


def test_sigterm_ends_a_server_cleanly(kind, make_server):
    server = make_server(kind)
    assert server.stop() == [0] * len(server.processes)
