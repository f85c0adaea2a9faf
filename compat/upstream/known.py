"""What upstream tests magpie cannot pass, and why: the one list. Everything else that passes on the real server must
pass on magpie, and what fails there must not fail here either unless the real server fails it too.

Keys are the suite and the test's name as pytest prints it; a name that ends with `*` stands for all that begin so.
"""

REDIS_PY = {
    "tests/test_commands.py::TestRedisCommands::test_bgsave": "there is no disk to save to: BGSAVE is an error",
}

KNOWN: dict[str, dict[str, str]] = {
    "redis-py, blocking, RESP2": REDIS_PY,
    "redis-py, blocking, RESP3": REDIS_PY,
}
