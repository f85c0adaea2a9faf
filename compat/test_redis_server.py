"""Server commands through redis-py and valkey-py: what dashboards, exporters and test suites ask for."""

import threading
import time

import pytest
import redis

from redis_clients import ResponseError, as_dict, connect, r, raw  # noqa: F401

# What redis_exporter reads, by section.
INFO_FIELDS = {
    "server": {"redis_version", "redis_mode", "os", "arch_bits", "multiplexing_api", "process_id", "run_id", "tcp_port",
               "uptime_in_seconds", "uptime_in_days", "hz", "configured_hz", "lru_clock", "executable", "config_file",
               "io_threads_active"},
    "clients": {"connected_clients", "blocked_clients", "maxclients", "client_recent_max_input_buffer",
                "client_recent_max_output_buffer", "tracking_clients", "clients_in_timeout_table"},
    "memory": {"used_memory", "used_memory_human", "used_memory_rss", "used_memory_peak", "used_memory_overhead",
               "used_memory_startup", "used_memory_dataset", "used_memory_lua", "used_memory_scripts",
               "total_system_memory", "maxmemory", "maxmemory_human", "maxmemory_policy", "mem_fragmentation_ratio",
               "mem_allocator", "active_defrag_running", "lazyfree_pending_objects", "mem_clients_normal",
               "allocator_active", "allocator_allocated", "allocator_resident"},
    "persistence": {"loading", "rdb_changes_since_last_save", "rdb_bgsave_in_progress", "rdb_last_save_time",
                    "rdb_last_bgsave_status", "aof_enabled", "aof_rewrite_in_progress", "aof_last_write_status"},
    "stats": {"total_connections_received", "total_commands_processed", "instantaneous_ops_per_sec",
              "total_net_input_bytes", "total_net_output_bytes", "instantaneous_input_kbps",
              "instantaneous_output_kbps", "rejected_connections", "expired_keys", "expired_stale_perc",
              "expired_time_cap_reached_count", "evicted_keys", "keyspace_hits", "keyspace_misses", "pubsub_channels",
              "pubsub_patterns", "latest_fork_usec", "migrate_cached_sockets", "total_reads_processed",
              "total_writes_processed", "total_error_replies", "unexpected_error_replies"},
    "replication": {"role", "connected_slaves", "master_replid", "master_repl_offset", "second_repl_offset",
                    "repl_backlog_active", "repl_backlog_size"},
    "cpu": {"used_cpu_sys", "used_cpu_user", "used_cpu_sys_children", "used_cpu_user_children"},
    "modules": set(),
    "cluster": {"cluster_enabled"},
}  # fmt: skip


@pytest.mark.parametrize("section, fields", INFO_FIELDS.items(), ids=list(INFO_FIELDS))
def test_info_sections(r, section, fields):
    assert fields <= set(r.info(section))
    assert fields <= set(r.info())


def test_info_sections_of_choice(r):
    r.set("key", 1)
    assert set(r.info("keyspace")) == {"db0"}
    assert r.info("keyspace")["db0"]["keys"] == 1
    assert "cmdstat_set" in r.info("commandstats")
    assert {"redis_version", "used_memory"} <= set(r.info("server", "memory"))
    assert "cmdstat_set" in r.info("all")
    assert r.info("nonsense") == {}
    with pytest.raises(ResponseError, match="no such key|value is not"):
        r.rename("missing", "x")
    assert "errorstat_ERR" in r.info("errorstats")


def test_info_keyspace_counts_keys_with_expiry(connect, r):
    r.set("a", 1)
    r.set("b", 1, ex=100)
    connect(4).set("c", 1)
    keyspace = r.info("keyspace")
    assert keyspace["db0"]["keys"] == 2
    assert keyspace["db0"]["expires"] == 1
    assert 0 < keyspace["db0"]["avg_ttl"] <= 100_000 or keyspace["db0"]["avg_ttl"] == 0
    assert keyspace["db4"]["keys"] == 1


def test_hits_misses_and_resetstat(r):
    assert r.config_resetstat()
    r.set("key", 1)
    r.get("key")
    r.get("missing")
    stats = r.info("stats")
    assert (stats["keyspace_hits"], stats["keyspace_misses"]) == (1, 1)
    assert r.info("commandstats")["cmdstat_get"]["calls"] == 2
    r.config_resetstat()
    assert r.info("stats")["keyspace_hits"] == 0


@pytest.fixture
def config(r):
    """Sets parameters and restores them, for the tests that come after."""
    before = {}

    def set_parameter(name, value):
        before.setdefault(name, r.config_get(name)[name])
        return r.config_set(name, value)

    yield set_parameter
    for name, value in before.items():
        r.config_set(name, value)


@pytest.mark.parametrize(
    "name, value, reads_as",
    [
        ("maxmemory", "300mb", str(300 * 1024 * 1024)),
        ("maxmemory", "1gb", str(1024**3)),
        ("maxmemory-policy", "allkeys-lru", "allkeys-lru"),
        ("maxmemory-policy", "volatile-ttl", "volatile-ttl"),
        ("maxmemory-samples", "7", "7"),
        ("timeout", "300", "300"),
        ("maxclients", "500", "500"),
        ("slowlog-log-slower-than", "5000", "5000"),
        ("slowlog-max-len", "64", "64"),
        ("latency-monitor-threshold", "100", "100"),
        ("tcp-keepalive", "60", "60"),
        ("hz", "20", "20"),
        ("lfu-log-factor", "5", "5"),
    ],
)
def test_config_set_takes_effect_at_once(r, config, name, value, reads_as):
    assert config(name, value)
    assert r.config_get(name) == {name: reads_as}


def test_config_get_by_pattern(r):
    assert r.config_get("maxmemory")["maxmemory"] == str(256 * 1024 * 1024)
    assert {"maxmemory", "maxmemory-policy", "maxmemory-samples"} <= set(r.config_get("maxmemory*"))
    assert {"timeout", "hz"} <= set(r.config_get("timeout", "hz"))
    assert r.config_get("nonsense") == {}
    known = r.config_get("*")
    assert {
        "save",
        "appendonly",
        "databases",
        "bind",
        "port",
        "requirepass",
        "maxclients",
        "proto-max-bulk-len",
    } <= set(known)
    assert known["databases"] == "16"


def test_config_set_refuses(r):
    for name, value in [
        ("nonsense", "1"),
        ("maxmemory", "much"),
        ("maxmemory-policy", "x"),
        ("timeout", "-1"),
        ("port", "x"),
    ]:
        with pytest.raises(ResponseError):
            r.config_set(name, value)
    with pytest.raises(ResponseError):
        r.execute_command("CONFIG", "SET", "databases", "4")


def test_config_set_of_several_is_all_or_nothing(r, config):
    config("hz", "15")
    with pytest.raises(ResponseError):
        r.execute_command("CONFIG", "SET", "hz", "30", "maxmemory-policy", "nonsense")
    assert r.config_get("hz") == {"hz": "15"}


def test_command_introspection(r):
    commands = r.command()
    assert {"get", "set", "client", "config"} <= {name.lower() for name in commands}
    get = commands["get"]
    assert (get["name"], get["arity"], get["first_key_pos"], get["last_key_pos"], get["step_count"]) == (
        "get",
        2,
        1,
        1,
        1,
    )
    assert {"readonly", "fast"} <= set(get["flags"])
    assert commands["mset"]["step_count"] == 2
    assert {"write", "denyoom"} <= set(commands["mset"]["flags"])
    assert r.command_count() == len(commands)


def test_command_getkeys(r):
    assert r.command_getkeys("GET", "a") == ["a"]
    assert r.command_getkeys("MSET", "a", "1", "b", "2") == ["a", "b"]
    assert r.command_getkeys("SET", "a", "1", "EX", "1") == ["a"]
    with pytest.raises(ResponseError):
        r.command_getkeys("PING", "x")


def test_command_list_docs_and_info(r):
    assert {"get", "set"} <= set(r.command_list())
    assert set(r.execute_command("COMMAND LIST", "FILTERBY", "PATTERN", "xrev*")) <= {"xrevrange"}
    assert "mget" in r.execute_command("COMMAND LIST", "FILTERBY", "PATTERN", "mg*")
    docs = as_dict(r.execute_command("COMMAND DOCS", "get"))
    assert set(docs) == {"get"}
    getkeys = r.execute_command("COMMAND GETKEYSANDFLAGS", "SET", "a", "1")
    assert getkeys[0][0] == "a"
    info = r.execute_command("COMMAND INFO", "get", "nonsense")
    assert info[0][0] == "get"
    assert info[1] is None


def test_slowlog(r, config):
    config("slowlog-log-slower-than", "0")
    r.slowlog_reset()
    r.get("watched key")
    entries = r.slowlog_get(10)
    (entry,) = [entry for entry in entries if entry["command"] == b"GET watched key"]
    assert entry["duration"] >= 0
    assert abs(entry["start_time"] - time.time()) < 5
    assert entry["client_address"]
    assert r.slowlog_len() >= 1
    config("slowlog-log-slower-than", "-1")
    r.slowlog_reset()
    r.get("key")
    assert r.slowlog_len() == 0


def test_slowlog_shortens_long_commands(r, config):
    config("slowlog-log-slower-than", "0")
    r.slowlog_reset()
    r.mset({f"key{number}": "x" * 500 for number in range(40)})
    entry = next(entry for entry in r.slowlog_get() if entry["command"].startswith(b"MSET"))
    assert b"more arguments)" in entry["command"]
    assert b"more bytes)" in entry["command"]


def test_latency(r, config):
    config("latency-monitor-threshold", "1")
    r.execute_command("LATENCY", "RESET")
    r.execute_command("DEBUG", "SLEEP", "0.05")
    latest = r.latency_latest()
    assert any(event[0] == "command" and event[3] >= 40 for event in latest)
    assert r.latency_history("command")
    assert r.latency_reset() >= 1
    assert r.latency_latest() == []


def test_latency_histogram(r):
    r.set("key", 1)
    histogram = as_dict(r.execute_command("LATENCY", "HISTOGRAM", "set"))
    assert set(histogram) == {"set"}


def test_monitor_shows_what_others_do(connect):
    other = connect(3)
    with connect().monitor() as monitor:
        other.set("key", 'a "quoted" value')
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            command = monitor.next_command()
            if command["command"].startswith("SET"):
                break
        assert command["db"] == 3
        assert command["command"] == 'SET key a "quoted" value'
        assert command["client_address"] == "127.0.0.1"


def test_memory_commands(r):
    stats = r.memory_stats()
    assert {"peak.allocated", "total.allocated", "startup.allocated", "keys.count", "dataset.bytes"} <= set(stats)
    assert isinstance(r.execute_command("MEMORY", "DOCTOR"), str)
    assert r.memory_purge()
    with pytest.raises(NotImplementedError):
        r.memory_doctor()


def test_used_memory_follows_the_data(r):
    before = r.info("memory")["used_memory"]
    r.set("key", "x" * 20_000_000)
    assert r.info("memory")["used_memory"] - before > 19_000_000
    r.delete("key")
    deadline = time.monotonic() + 5
    while r.info("memory")["used_memory"] - before > 5_000_000 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert r.info("memory")["used_memory"] - before < 5_000_000


def test_lolwut_lastsave_role(r):
    assert "Redis ver" in r.lolwut()
    assert r.lastsave()
    assert r.role()[0] == "master"


def test_debug_commands_that_test_suites_use(r):
    began = time.monotonic()
    assert r.execute_command("DEBUG", "SLEEP", "0.1") in ("OK", True)
    assert time.monotonic() - began >= 0.1
    r.set("key", 1, px=30)
    assert r.execute_command("DEBUG", "SET-ACTIVE-EXPIRE", "0") in ("OK", True)
    time.sleep(0.3)
    assert r.dbsize() == 1
    assert r.execute_command("DEBUG", "SET-ACTIVE-EXPIRE", "1") in ("OK", True)
    with pytest.raises(ResponseError, match="DEBUG ERROR|^ERR|boom"):
        r.execute_command("DEBUG", "ERROR", "ERR boom")
    r.set("key", "text")
    assert "encoding:embstr" in str(r.debug_object("key")) or r.debug_object("key")["encoding"] == "embstr"


def test_flushdb_and_flushall_modes(r):
    for command in ("FLUSHDB", "FLUSHDB SYNC", "FLUSHDB ASYNC", "FLUSHALL SYNC", "FLUSHALL ASYNC"):
        r.set("key", 1)
        r.execute_command(*command.split())
        assert r.dbsize() == 0
    with pytest.raises(ResponseError, match="syntax error"):
        r.execute_command("FLUSHALL", "NOW")


def test_eviction_keeps_to_maxmemory(kind, make_server):
    server = make_server(kind, maxmemory="64mb")
    client = redis.Redis.from_url(server.redis.url())
    client.config_set("maxmemory-policy", "allkeys-lru")
    for start in range(0, 1000):
        client.mset({f"key{start}:{number}": b"x" * 10_000 for number in range(20)})
    assert client.info("stats")["evicted_keys"] > 5000
    assert client.dbsize() < 64 * 1024 * 1024 / 10_000
    assert client.info("memory")["used_memory"] < 64 * 1024 * 1024 * 1.1


def test_noeviction_refuses_writes_and_still_reads(kind, make_server):
    server = make_server(kind, maxmemory="64mb")
    client = redis.Redis.from_url(server.redis.url())
    client.config_set("maxmemory-policy", "noeviction")
    client.set("first", 1)
    with pytest.raises(redis.exceptions.OutOfMemoryError, match="used memory > 'maxmemory'"):
        for number in range(100_000):
            client.set(f"key{number}", b"x" * 100_000)
    assert client.get("first") == b"1"
    assert client.delete("key0") == 1
    client.flushall()
    assert client.set("again", 1)


def test_many_clients_at_once_lose_nothing(connect, r):
    def work():
        client = connect()
        for _ in range(500):
            client.incr("n")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert r.get("n") == "4000"
