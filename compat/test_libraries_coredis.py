"""coredis, the asynchronous client on anyio: the types, pipelines, scripts, publish and subscribe, locks, streams."""

from __future__ import annotations

import anyio
import coredis
import pytest


@pytest.fixture
def client(server):
    return coredis.Redis(host=server.redis.host, port=server.redis.port, decode_responses=True)


async def test_the_types(client):
    async with client:
        assert await client.set("string", "value", ex=100)
        assert await client.get("string") == "value"
        assert await client.hset("hash", {"a": "1", "b": "2"}) == 2
        assert await client.hgetall("hash") == {"a": "1", "b": "2"}
        assert await client.rpush("list", ["x", "y", "z"]) == 3
        assert await client.lrange("list", 0, -1) == ["x", "y", "z"]
        assert await client.sadd("set", ["m", "n"]) == 2
        assert await client.smembers("set") == {"m", "n"}
        assert await client.zadd("zset", {"one": 1, "two": 2.5}) == 2
        assert [tuple(pair) for pair in await client.zrange("zset", 0, -1, withscores=True)] == [("one", 1), ("two", 2.5)]
        entry = await client.xadd("stream", {"field": "value"})
        assert [item.identifier for item in await client.xrange("stream")] == [entry]


async def test_a_pipeline_is_one_transaction(client):
    async with client:
        async with client.pipeline(transaction=True) as pipe:
            first, second = pipe.incr("n"), pipe.incr("n")
        assert (await first, await second) == (1, 2)


async def test_a_script_runs(client):
    async with client:
        script = client.register_script("return {KEYS[1], ARGV[1], redis.call('INCRBY', KEYS[1], ARGV[1])}")
        assert await script(keys=["n"], args=["5"]) == ["n", "5", 5]


async def test_publish_and_subscribe(client):
    async with client:
        async with client.pubsub(channels=["news"], ignore_subscribe_messages=True) as pubsub:
            with anyio.fail_after(20):
                assert await client.publish("news", "hello") == 1
                while (message := await pubsub.get_message(timeout=1)) is None:
                    pass
        assert (message["channel"], message["data"]) == ("news", "hello")


async def test_a_blocked_pop_is_served(client):
    async with client:
        popped = []

        async def pop():
            popped.append(await client.blpop(["queue"], timeout=20))

        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(pop)
                await anyio.sleep(0.2)
                await client.rpush("queue", ["job"])
        assert popped == [["queue", "job"]]
