"""redis-py's asyncio client, in RESP2 and RESP3."""

import asyncio
import contextlib

import pytest
import redis.asyncio as redis
from redis.exceptions import ConnectionError, ResponseError, WatchError


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
async def r(request, server):
    client = redis.Redis.from_url(server.redis.url(), protocol=request.param, decode_responses=True)
    yield client
    await client.aclose()


async def test_strings(r):
    assert await r.set("key", "value", ex=100)
    assert await r.get("key") == "value"
    assert await r.getex("key", persist=True) == "value"
    assert await r.ttl("key") == -1
    assert await r.set("key", "new", get=True) == "value"
    assert await r.mset({"a": 1, "b": 2})
    assert await r.mget("a", "missing", "b") == ["1", None, "2"]
    assert await r.incrby("a", 5) == 6
    assert await r.delete("a", "b") == 2


async def test_many_tasks_share_a_pool(server):
    pool = redis.BlockingConnectionPool.from_url(server.redis.url(), max_connections=5, timeout=30)
    client = redis.Redis(connection_pool=pool)
    await asyncio.gather(*(client.incr("n") for _ in range(500)))
    assert await client.get("n") == b"500"
    await client.aclose()
    await pool.aclose()


@pytest.mark.parametrize("transaction", [True, False])
async def test_pipelines(r, transaction):
    async with r.pipeline(transaction=transaction) as pipe:
        for number in range(1000):
            pipe.set(f"key{number}", number)
        pipe.get("key7").incr("key8")
        replies = await pipe.execute()
    assert replies[-2:] == ["7", 9]


async def test_watch(r, server):
    other = redis.Redis.from_url(server.redis.url())
    await r.set("key", 1)
    async with r.pipeline() as pipe:
        await pipe.watch("key")
        await other.set("key", 2)
        pipe.multi()
        pipe.set("key", 3)
        with pytest.raises(WatchError):
            await pipe.execute()
    assert await r.get("key") == "2"
    await other.aclose()


async def test_transaction_helper(r):
    async def double(pipe):
        value = int(await pipe.get("n"))
        pipe.multi()
        pipe.set("n", value * 2)

    await r.set("n", 21)
    await r.transaction(double, "n")
    assert await r.get("n") == "42"


async def test_scan_iter(r):
    keys = {f"key{number}" for number in range(500)}
    await r.mset(dict.fromkeys(keys, 1))
    assert {key async for key in r.scan_iter("key*", count=50)} == keys


async def test_errors(r):
    await r.set("text", "x")
    with pytest.raises(ResponseError, match="not an integer"):
        await r.incr("text")
    assert await r.ping()


async def test_cancelled_reads_do_not_mix_up_replies(r):
    """What asyncio clients are known for: a reply that nobody waited for must not go to the next one."""
    await r.set("key", "value")
    for _ in range(50):
        task = asyncio.create_task(r.get("key"))
        await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert await r.echo("mine") == "mine"


async def test_client_kill(r, server):
    other = redis.Redis.from_url(server.redis.url(), single_connection_client=True, retry=None)
    assert await r.client_kill_filter(_id=str(await other.client_id())) == 1
    with pytest.raises(ConnectionError):
        await other.execute_command("PING")
    await other.aclose()


async def test_monitor(r):
    async with r.monitor() as monitor:
        await r.set("seen", 1)
        async with asyncio.timeout(5):
            while (await monitor.next_command())["command"] != "SET seen 1":
                pass
