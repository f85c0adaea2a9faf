"""memcached's statistics and dumps: what exporters, dashboards and debugging tools read."""

import re
import time

import pytest

from wire import Wire

# Every general field that memcached_exporter reads.
GENERAL = set(
    """pid uptime time version rusage_user rusage_system curr_connections total_connections rejected_connections
    connection_structures max_connections cmd_get cmd_set cmd_flush cmd_touch cmd_meta get_hits get_misses get_expired
    get_flushed delete_misses delete_hits incr_misses incr_hits decr_misses decr_hits cas_misses cas_hits cas_badval
    touch_hits touch_misses auth_cmds auth_errors bytes_read bytes_written limit_maxbytes accepting_conns
    listen_disabled_num threads conn_yields hash_power_level hash_bytes hash_is_expanding bytes curr_items total_items
    expired_unfetched evicted_unfetched evicted_active evictions reclaimed store_too_large store_no_memory malloc_fails
    lru_crawler_running lru_crawler_starts lru_maintainer_juggles crawler_reclaimed crawler_items_checked
    lrutail_reflocked moves_to_cold moves_to_warm moves_within_lru direct_reclaims slabs_moved
    slab_reassign_running slab_global_page_pool""".split()
)
SETTINGS = set(
    """maxbytes maxconns tcpport udpport inter verbosity oldest evictions domain_socket umask growth_factor chunk_size
    num_threads stat_key_prefix detail_enabled cas_enabled tcp_backlog binding_protocol auth_enabled_sasl item_size_max
    maxconns_fast hashpower_init slab_reassign slab_automove lru_crawler lru_crawler_sleep lru_crawler_tocrawl
    flush_enabled dump_enabled hash_algorithm lru_maintainer_thread lru_segmented hot_lru_pct warm_lru_pct
    hot_max_factor warm_max_factor temp_lru idle_timeout""".split()
)
ITEMS = set(
    """number number_hot number_warm number_cold age mem_requested evicted evicted_nonzero evicted_time outofmemory
    tailrepairs reclaimed expired_unfetched evicted_unfetched crawler_reclaimed crawler_items_checked lrutail_reflocked
    moves_to_cold moves_to_warm moves_within_lru""".split()
)
SLABS = set(
    """chunk_size chunks_per_page total_pages total_chunks used_chunks free_chunks free_chunks_end get_hits cmd_set
    delete_hits incr_hits decr_hits cas_hits cas_badval touch_hits""".split()
)


@pytest.fixture
def wire(server):
    with Wire(server, "memcached") as wire:
        yield wire


@pytest.fixture
def stats(wire):
    def ask(arguments: str = "") -> dict[str, str]:
        wire.send(f"stats {arguments}".strip().encode() + b"\r\n")
        lines = wire.read_until(b"END\r\n").decode().splitlines()
        assert lines.pop() == "END"
        assert all(line.startswith("STAT ") for line in lines)
        return dict((line + " ").split(" ", 2)[1:] for line in lines)

    return lambda arguments="": {name: value.strip() for name, value in ask(arguments).items()}


def store(wire: Wire, key: str, value: str = "x") -> None:
    assert wire.exchange(f"set {key} 0 0 {len(value)}\r\n{value}\r\n".encode()) == b"STORED\r\n"


def test_general_fields(stats):
    assert GENERAL <= set(stats())


def test_settings_fields(stats, server):
    settings = stats("settings")
    assert SETTINGS <= set(settings)
    assert settings["tcpport"] == str(server.memcached.port)
    assert settings["maxbytes"] == str(256 * 1024 * 1024)


def test_item_and_slab_fields_by_class(wire, stats):
    store(wire, "key")
    items = {name.split(":")[2] for name in stats("items")}
    assert ITEMS <= items
    slabs = stats("slabs")
    assert SLABS <= {name.split(":")[1] for name in slabs if ":" in name}
    assert int(slabs["active_slabs"]) >= 1
    assert int(slabs["total_malloced"]) > 0


@pytest.mark.parametrize(
    "request_line, counted",
    [
        ("get a", {"cmd_get": 1, "get_hits": 1}),
        ("get nope", {"cmd_get": 1, "get_misses": 1}),
        ("get a nope a", {"cmd_get": 3, "get_hits": 2, "get_misses": 1}),
        ("gets a", {"cmd_get": 1, "get_hits": 1}),
        ("set a 0 0 1\r\nx", {"cmd_set": 1, "total_items": 1}),
        ("add a 0 0 1\r\nx", {"cmd_set": 1}),
        ("delete a", {"delete_hits": 1}),
        ("delete nope", {"delete_misses": 1}),
        ("incr n 1", {"incr_hits": 1}),
        ("incr nope 1", {"incr_misses": 1}),
        ("decr n 1", {"decr_hits": 1}),
        ("decr nope 1", {"decr_misses": 1}),
        ("touch a 10", {"cmd_touch": 1, "touch_hits": 1}),
        ("touch nope 10", {"cmd_touch": 1, "touch_misses": 1}),
        ("gat 10 a", {"cmd_touch": 1, "touch_hits": 1}),
        ("cas nope 0 0 1 1\r\nx", {"cas_misses": 1, "cmd_set": 1}),
        ("cas a 0 0 1 1\r\nx", {"cas_badval": 1, "cmd_set": 1}),
        ("mg a v", {"cmd_get": 1, "get_hits": 1}),
        ("mg nope v", {"cmd_get": 1, "get_misses": 1}),
        ("md a", {"delete_hits": 1}),
        ("ma n", {"incr_hits": 1}),
    ],
)
def test_what_is_counted(wire, stats, request_line, counted):
    store(wire, "a")
    store(wire, "n", "5")
    before = stats()
    wire.send(request_line.encode() + b"\r\n")
    after = stats_behind_answer(wire)
    assert {name: int(after[name]) - int(before[name]) for name in counted} == counted


def stats_behind_answer(wire: Wire) -> dict[str, str]:
    wire.send(b"stats\r\n")
    wire.read_until(b"STAT pid ")
    text = wire.read_until(b"END\r\n").decode()
    return dict(line.split(" ", 2)[1:] for line in text.splitlines() if line.startswith("STAT "))


def test_items_and_bytes_follow_the_data(wire, stats):
    """Real memcached still counts what was flushed, until it comes across it."""
    before = stats()
    for number in range(100):
        store(wire, f"key{number}", "x" * 1000)
    after = stats()
    assert 100 <= int(after["curr_items"]) <= int(before["curr_items"]) + 100
    assert 100_000 < int(after["bytes"]) < int(before["bytes"]) + 200_000


def test_reset_sets_the_counters_to_0(wire, stats):
    wire.exchange(b"get nope\r\n")
    assert wire.ask(b"stats reset\r\n") == b"RESET\r\n"
    assert stats()["get_misses"] == "0"


def test_connections_are_listed(wire, stats):
    connections = stats("conns")
    fields = {name.split(":")[1] for name in connections}
    assert {"addr", "state", "secs_since_last_cmd"} <= fields
    assert any(re.fullmatch(r"tcp:127\.0\.0\.1:\d+", value) for value in connections.values())


def test_sizes_are_off_by_default(stats):
    assert stats("sizes") == {"sizes_status": "disabled"}


def test_details_by_prefix(wire):
    assert wire.ask(b"stats detail on\r\n") == b"OK\r\n"
    store(wire, "user:1")
    wire.exchange(b"get user:1\r\nget user:2 user:1\r\ndelete user:1\r\nget page:1\r\n")
    dump = wire.exchange(b"stats detail dump\r\n").splitlines()
    assert dump.pop() == b"END"
    assert {b"PREFIX user get 3 hit 2 set 1 del 1", b"PREFIX page get 1 hit 0 set 0 del 0"} <= set(dump)
    assert wire.ask(b"stats detail off\r\n") == b"OK\r\n"
    assert wire.exchange(b"get user:1\r\n") == b"END\r\n"
    assert b"PREFIX user get 3 hit 2 set 1 del 1" in wire.exchange(b"stats detail dump\r\n")


def test_metadump_lists_every_key(wire):
    """In real memcached it walks what has left the front of the LRU, which takes up to a second or two."""
    keys = {f"key:{number}" for number in range(50)}
    for key in keys:
        store(wire, key)
    wire.exchange(b"touch key:1 100\r\n")

    def dump() -> list[str]:
        wire.send(b"lru_crawler metadump all\r\n")
        return wire.read_until(b"END\r\n").decode().splitlines()

    deadline = time.monotonic() + 10
    while len(lines := dump()) <= len(keys) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert lines.pop() == "END"
    form = r"key=(\S+) exp=(-?\d+) la=(\d+) cas=(\d+) fetch=(yes|no) cls=\d+ size=\d+"
    matches = [re.fullmatch(form, line) for line in lines]
    assert {match[1].replace("%3A", ":") for match in matches} == keys
    (touched,) = [match for match in matches if match[1] == "key%3A1"]
    assert abs(int(touched[2]) - time.time() - 100) < 5


def test_watch_streams_what_others_do(server):
    with Wire(server, "memcached") as watcher, Wire(server, "memcached") as other:
        assert watcher.ask(b"watch fetchers mutations\r\n") == b"OK\r\n"
        store(other, "watched", "abc")
        other.exchange(b"get watched\r\nget missing\r\n")
        lines = []
        while not lines or b"key=missing" not in lines[-1]:
            lines.append(watcher.read_until(b"\n"))
        seen = b"".join(lines).decode()
    assert re.search(
        r"ts=\d+\.\d+ gid=\d+ type=item_store key=watched status=stored cmd=set ttl=0 clsid=\d+ cfd=\d+ size=\d+", seen
    )
    assert re.search(r"type=item_get key=watched status=found ", seen)
    assert re.search(r"type=item_get key=missing status=not_found ", seen)
