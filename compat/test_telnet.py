"""telnet to both ports, as a person types."""

import pytest

from terminal import Terminal


@pytest.fixture
def memcached(server):
    with Terminal("telnet", server.memcached.host, str(server.memcached.port), prompt="") as terminal:
        terminal.wait_for("Escape character is '^]'.")
        yield terminal


@pytest.fixture
def redis(server):
    with Terminal("telnet", server.redis.host, str(server.redis.port), prompt="") as terminal:
        terminal.wait_for("Escape character is '^]'.")
        yield terminal


def test_memcached(memcached):
    memcached.enter("set greeting 0 100 5")
    memcached.enter("hello")
    memcached.wait_for("STORED")
    memcached.enter("get greeting")
    memcached.wait_for("VALUE greeting 0 5\r\nhello\r\nEND\r\n")
    memcached.enter("incr greeting 1")
    memcached.wait_for("CLIENT_ERROR cannot increment or decrement non-numeric value")
    memcached.enter("mg greeting v t")
    memcached.wait_for("VA 5 t")
    memcached.enter("what")
    memcached.wait_for("\r\nERROR\r\n")
    memcached.enter("stats")
    memcached.wait_for("STAT cmd_get ")
    memcached.wait_for("END")
    memcached.enter("delete greeting")
    memcached.wait_for("DELETED")
    memcached.enter("version")
    memcached.wait_for("VERSION ")
    memcached.enter("quit")
    memcached.wait_for("Connection closed by foreign host.")


def test_redis(redis):
    redis.enter("PING")
    redis.wait_for("+PONG")
    redis.enter("set greeting 'hello world'")
    redis.wait_for("+OK")
    redis.enter("GET greeting")
    redis.wait_for("$11\r\nhello world\r\n")
    redis.enter("")
    redis.enter("INCR n")
    redis.wait_for(":1")
    redis.enter("MGET n missing")
    redis.wait_for("*2\r\n$1\r\n1\r\n$-1\r\n")
    redis.enter('SET quoted "a \\"b\\" \\x41"')
    redis.wait_for("+OK")
    redis.enter("STRLEN quoted")
    redis.wait_for(":7")
    redis.enter("what is this")
    redis.wait_for("-ERR unknown command 'what', with args beginning with: 'is' 'this'")
    redis.enter("HELLO 3")
    redis.wait_for("%7")
    redis.enter("GET missing")
    redis.wait_for("\r\n_\r\n")
    redis.enter("INFO clients")
    redis.wait_for("connected_clients:")
    redis.enter("QUIT")
    redis.wait_for("+OK")
    redis.wait_for("Connection closed by foreign host.")


def test_unbalanced_quotes_end_the_connection(redis):
    redis.enter('SET a "b')
    redis.wait_for("-ERR Protocol error: unbalanced quotes in request")
    redis.wait_for("Connection closed by foreign host.")


def test_leaving_through_the_escape_character(redis):
    redis.enter("PING")
    redis.wait_for("+PONG")
    redis.press("]")
    redis.wait_for("telnet> ")
    redis.enter("quit")
    redis.wait_for("Connection closed.")
