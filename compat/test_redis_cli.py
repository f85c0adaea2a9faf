"""redis-cli: typed at in a pty, in pipes, and in its special modes."""

import re
import subprocess

import pytest
import redis

from terminal import ESCAPES, Terminal, redis_cli


@pytest.fixture
def r(server):
    return redis.Redis.from_url(server.redis.url(), decode_responses=True)


@pytest.fixture(params=[[], ["-3"]], ids=["RESP2", "RESP3"])
def cli(request, server):
    address = f"{server.redis.host}:{server.redis.port}"
    arguments = ["-h", server.redis.host, "-p", str(server.redis.port), *request.param]
    with Terminal("redis-cli", *arguments, prompt=f"{address}> ") as terminal:
        terminal.wait_for(terminal.prompt)
        yield terminal


def test_typing_at_the_prompt(cli):
    assert cli.type("SET greeting 'hello world' EX 100") == "OK"
    assert cli.type("GET greeting") == '"hello world"'
    assert cli.type("get missing") == "(nil)"
    assert cli.type("INCR n") == "(integer) 1"
    assert cli.type("MGET n missing").split("\n")[0].startswith("1) ")
    assert cli.type("NONSENSE").startswith("(error) ERR unknown command 'NONSENSE', with args beginning with:")
    assert cli.type("GET").startswith("(error) ERR wrong number of arguments for 'get' command")
    assert "tcp_port:" in cli.type("INFO server")
    assert cli.type('SET bytes "\\x00\\xff\\n"') == "OK"
    assert cli.type("GET bytes") == '"\\x00\\xff\\n"'


def test_databases_and_transactions_show_in_the_prompt(cli):
    prompt = cli.prompt
    cli.prompt = prompt.replace("> ", "[3]> ")
    assert cli.type("SELECT 3") == "OK"
    cli.prompt = prompt.replace("> ", "[3](TX)> ")
    assert cli.type("MULTI") == "OK"
    assert cli.type("SET a 1") == "QUEUED"
    assert cli.type("INCR a") == "QUEUED"
    cli.prompt = prompt.replace("> ", "[3]> ")
    assert cli.type("EXEC") == "1) OK\n2) (integer) 2"


def test_repeating_a_command(cli):
    assert cli.type("3 INCR n") == "(integer) 1\n(integer) 2\n(integer) 3"


def test_help_is_there(cli):
    assert re.search("summary: Sets? the string value of a key", cli.type("HELP SET"))


def test_quit(cli):
    cli.enter("QUIT")
    cli.wait_for_end()


def test_monitor_is_left_with_control_c(cli, r):
    cli.enter("MONITOR")
    cli.wait_for("OK")
    r.set("seen", 1)
    cli.wait_for('"SET" "seen" "1"')


def test_a_command_on_the_command_line(server):
    assert redis_cli(server, "SET", "key", "value") == "OK\n"
    assert redis_cli(server, "GET", "key") == "value\n"
    assert redis_cli(server, "--no-raw", "GET", "key") == '"value"\n'
    assert redis_cli(server, "-3", "--no-raw", "GET", "missing") == "(nil)\n"
    assert redis_cli(server, "--csv", "MGET", "key", "missing") == '"value",NULL\n'
    assert redis_cli(server, "--json", "MGET", "key", "missing") == '["value",null]\n'
    assert redis_cli(server, "-r", "3", "INCR", "n") == "1\n2\n3\n"
    assert redis_cli(server, "-n", "5", "DBSIZE") == "0\n"
    assert redis_cli(server, "-x", "SET", "stdin", stdin=b"from stdin") == "OK\n"
    assert redis_cli(server, "GET", "stdin") == "from stdin\n"


def test_an_exit_status_tells_of_errors(server):
    command = ["redis-cli", "-h", server.redis.host, "-p", str(server.redis.port), "-e"]
    assert subprocess.run([*command, "NONSENSE"], capture_output=True).returncode == 1
    assert subprocess.run([*command, "PING"], capture_output=True).returncode == 0


def test_commands_from_a_pipe(server):
    assert redis_cli(server, stdin=b"SET a 1\nINCR a\nGET a\nMGET a b\n") == "OK\n2\n2\n2\n\n"


def test_mass_insertion(server, r):
    commands = b"".join(b"SET key%d value%d\r\n" % (number, number) for number in range(20_000))
    assert "errors: 0, replies: 20000" in redis_cli(server, "--pipe", stdin=commands)
    assert r.dbsize() == 20_000
    resp = b"".join(
        b"*3\r\n$3\r\nSET\r\n$%d\r\nkey%d\r\n$3\r\nnew\r\n" % (len(b"key%d" % number), number) for number in range(5000)
    )
    assert "errors: 0, replies: 5000" in redis_cli(server, "--pipe", stdin=resp)
    assert r.get("key4999") == "new"
    assert "errors: 1, replies: 2" in redis_cli(server, "--pipe", stdin=b"SET a x\r\nINCR a\r\n")


def test_scan(server, r):
    r.mset({f"key{number}": number for number in range(1000)})
    assert sorted(redis_cli(server, "--scan").split()) == sorted(f"key{number}" for number in range(1000))
    assert len(redis_cli(server, "--scan", "--pattern", "key1*").split()) == 111


def test_big_keys(server, r):
    r.mset({"small": "x", "big": "x" * 10_000, "middle": "x" * 100})
    printed = ESCAPES.sub("", redis_cli(server, "--bigkeys"))
    assert "Sampled 3 keys in the keyspace!" in printed
    assert re.search(r'Biggest string found +\S*"big"\S* has 10000 bytes', printed)
    assert "3 strings with 10101 bytes" in printed


def test_mem_keys(server, r):
    r.mset({"small": "x", "big": "x" * 10_000})
    printed = ESCAPES.sub("", redis_cli(server, "--memkeys"))
    assert "Sampled 2 keys in the keyspace!" in printed
    assert re.search(r'Biggest string found +\S*"big"\S* has 1\d{4} bytes', printed)


def test_hot_keys_need_an_lfu_policy(server, r):
    r.set("key", 1)
    assert "LFU maxmemory policy is not selected" in redis_cli(server, "--hotkeys")


def test_stat(server, r):
    r.set("key", 1)
    with Terminal("redis-cli", "-h", server.redis.host, "-p", str(server.redis.port), "--stat", prompt="") as terminal:
        terminal.wait_for("keys")
        terminal.wait_for("requests")
        assert re.search(r"\n1 +\S+M? ", terminal.wait_for("(+0)"))


def test_latency(server):
    with Terminal(
        "redis-cli", "-h", server.redis.host, "-p", str(server.redis.port), "--latency", "-i", "1", prompt=""
    ) as terminal:
        terminal.wait_for("avg: ")
        terminal.wait_for("samples)")


def test_latency_for_scripts(server):
    printed = redis_cli(server, "--latency", "--raw", "-i", "1")
    assert re.fullmatch(r"\d+ \d+ \d+\.\d+ \d+\n", printed)


def test_a_password(kind, make_server):
    server = make_server(kind, password="secret")
    assert "NOAUTH" in redis_cli(server, "GET", "key")
    assert redis_cli(server, "-a", "secret", "--no-auth-warning", "PING") == "PONG\n"
    assert (
        redis_cli(
            server, "-u", server.redis.url(2).replace("//:", "//default:"), "--no-auth-warning", "SET", "key", "1"
        )
        == "OK\n"
    )
    assert redis_cli(server, "--user", "default", "--pass", "secret", "--no-auth-warning", "PING") == "PONG\n"


def test_a_unix_socket(kind, make_server):
    server = make_server(kind, unix_sockets=True)
    command = ["redis-cli", "-s", str(server.redis.socket), "PING"]
    assert subprocess.run(command, capture_output=True).stdout == b"PONG\n"


def test_the_benchmark_tool_runs(server):
    command = ["redis-benchmark", "-h", server.redis.host, "-p", str(server.redis.port), "-q"]
    options = ["-t", "ping,set,get,incr,mset", "-n", "2000", "-c", "20", "-P", "8", "-r", "100"]
    done = subprocess.run([*command, *options], capture_output=True, timeout=60)
    assert done.returncode == 0
    assert done.stdout.count(b"requests per second") == 6
    assert b"ERR" not in done.stdout + done.stderr
