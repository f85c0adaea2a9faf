"""Users through redis-py and valkey-py: what their acl_* calls parse, and what a program sees that may not do all."""

import contextlib

import pymemcache
import pytest
import redis
import valkey

from redis_clients import ResponseError, as_dict, connect, r, raw  # noqa: F401

NoPermission = (redis.exceptions.NoPermissionError, valkey.exceptions.NoPermissionError)
AuthenticationError = (redis.exceptions.AuthenticationError, valkey.exceptions.AuthenticationError)
ConnectionError_ = (redis.exceptions.ConnectionError, valkey.exceptions.ConnectionError)
HASH = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"  # of "password"


def words(shown) -> list[str]:
    """Patterns, which some versions of the libraries take apart."""
    return shown.split() if isinstance(shown, str) else list(shown)


@pytest.fixture
def admin(r):
    """A client as the default user; other users are gone afterwards."""
    yield r
    others = [user for user in r.acl_users() if user != "default"]
    if others:
        r.acl_deluser(*others)
    r.acl_log_reset()


@pytest.fixture
def bob(admin, connect):
    """A client as a user who may read, on keys that begin with `cache:`."""
    assert admin.acl_setuser(
        "bob", enabled=True, passwords=["+password"], keys=["cache:*"], channels=["news"], categories=["+@read"],
        commands=["+ping", "+publish", "+subscribe", "+client", "+multi", "+exec"],
    )  # fmt: skip
    return connect(decode_responses=True, username="bob", password="password")


def test_a_user_is_told_back(admin):
    assert admin.acl_whoami() == "default"
    assert admin.acl_getuser("nobody") is None
    admin.acl_setuser(
        "bob", enabled=True, passwords=["+password"], keys=["a*", "b"], channels=["news"],
        categories=["-@all", "+@read"], commands=["+config|get"], selectors=[("+set", "%W~c*")],
    )  # fmt: skip
    user = admin.acl_getuser("bob")
    assert {"on"} <= set(user["flags"]) and user["enabled"]
    assert user["passwords"] == [HASH]
    assert set(user["categories"]) == {"-@all", "+@read"} and "+config|get" in user["commands"]
    assert words(user["keys"]) == ["~a*", "~b"] and words(user["channels"]) == ["&news"]
    [selector] = (as_dict(selector) for selector in user["selectors"])
    assert {name: words(value) for name, value in selector.items()} == {
        "commands": ["-@all", "+set"], "keys": ["%W~c*"], "channels": [],
    }  # fmt: skip
    assert set(admin.acl_users()) == {"bob", "default"}
    [line] = (line for line in admin.acl_list() if line.startswith("user bob "))
    assert f"#{HASH}" in line and "~a* ~b resetchannels &news" in line and "(%W~c* resetchannels -@all +set)" in line


def test_what_is_reset_is_gone(admin):
    admin.acl_setuser("bob", enabled=True, nopass=True, keys=["*"], channels=["*"], categories=["+@all"])
    assert "nopass" in admin.acl_getuser("bob")["flags"]
    admin.acl_setuser("bob", reset=True)
    user = admin.acl_getuser("bob")
    assert "off" in user["flags"] and not user["enabled"]
    assert [words(user[field]) for field in ("keys", "channels", "passwords")] == [[], [], []]
    admin.acl_setuser("bob", hashed_passwords=["+" + HASH])
    assert admin.acl_getuser("bob")["passwords"] == [HASH]
    admin.acl_setuser("bob", hashed_passwords=["-" + HASH])
    assert admin.acl_getuser("bob")["passwords"] == []


def test_mistakes_change_nothing(admin):
    admin.acl_setuser("bob", enabled=True)
    before = admin.acl_list()
    with pytest.raises(ResponseError, match="Unknown command or category"):
        admin.acl_setuser("bob", enabled=False, commands=["+nosuch"])
    with pytest.raises(ResponseError, match="Adding a pattern after the"):
        admin.execute_command("ACL SETUSER", "bob", "~*", "~a")
    with pytest.raises(ResponseError, match="64 characters"):
        admin.execute_command("ACL SETUSER", "bob", "#123")
    with pytest.raises(ResponseError, match="cannot be removed"):
        admin.acl_deluser("default")
    assert admin.acl_list() == before


def test_categories(admin):
    assert {"read", "write", "admin", "dangerous", "fast", "slow"} <= set(admin.acl_cat())
    assert {"get", "mget", "strlen"} <= set(admin.acl_cat("read"))
    assert "set" not in admin.acl_cat("read")
    with pytest.raises(ResponseError, match="Unknown category"):
        admin.acl_cat("nosuch")


def test_passwords_are_made(admin):
    assert len(admin.acl_genpass()) == 64
    assert len(admin.acl_genpass(5)) == 2
    assert admin.acl_genpass() != admin.acl_genpass()


def test_a_user_may_do_what_the_rules_say(admin, bob):
    admin.set("cache:a", 1)
    admin.set("other", 1)
    assert bob.ping() and bob.get("cache:a") == "1"
    for forbidden in (
        lambda: bob.get("other"),
        lambda: bob.mget("cache:a", "other"),
        lambda: bob.set("cache:a", 2),
        lambda: bob.config_get("port"),
        lambda: bob.publish("olds", "x"),
        lambda: bob.flushall(),
    ):
        with pytest.raises(NoPermission):
            forbidden()
    assert bob.publish("news", "x") == 0
    with pytest.raises(AuthenticationError + ResponseError):
        bob.execute_command("AUTH", "bob", "wrong")
    assert bob.get("cache:a") == "1"


def test_a_dry_run_tells_the_same(admin, bob):
    assert admin.acl_dryrun("bob", "get", "cache:a") in (b"OK", "OK")
    assert "permissions" in admin.acl_dryrun("bob", "get", "other")
    assert "permissions" in admin.acl_dryrun("bob", "set", "cache:a", 1)
    with pytest.raises(ResponseError, match="not found"):
        admin.acl_dryrun("nobody", "get", "a")


def test_a_pipeline_of_one_who_may_not(admin, bob):
    with bob.pipeline(transaction=True) as pipe:
        pipe.get("cache:a")
        pipe.get("other")
        with pytest.raises(NoPermission):
            pipe.execute()
    with bob.pipeline(transaction=False) as pipe:
        pipe.get("cache:a").get("other").ping()
        first, second, third = pipe.execute(raise_on_error=False)
    assert first is None and isinstance(second, NoPermission) and third


def test_denials_are_logged(admin, bob, connect):
    admin.acl_log_reset()
    for _ in range(2):
        with pytest.raises(NoPermission):
            bob.get("other")
    with pytest.raises(NoPermission):
        bob.flushall()
    with pytest.raises(AuthenticationError):
        connect(username="bob", password="wrong").ping()
    auth, command, key = admin.acl_log()
    assert (auth["reason"], auth["username"]) == ("auth", "bob")
    assert (command["reason"], command["object"], command["context"]) == ("command", "flushall", "toplevel")
    assert (key["reason"], key["object"], key["count"]) == ("key", "other", 2)
    assert float(key["age-seconds"]) < 60
    client = key["client-info"]  # taken apart in RESP2 only
    assert client["user"] == "bob" if isinstance(client, dict) else " user=bob " in client
    assert len(admin.acl_log(count=1)) == 1
    assert admin.acl_log_reset() and admin.acl_log() == []


def test_a_deleted_user_is_disconnected(admin, bob):
    assert bob.ping()
    assert admin.acl_deluser("bob", "nobody") == 1
    with pytest.raises(ConnectionError_ + AuthenticationError):
        bob.ping()  # hung up on; the client comes again, and is not let in
    with pytest.raises(AuthenticationError):
        bob.ping()


def test_a_change_holds_at_once(admin, bob):
    assert bob.get("cache:a") is None
    admin.acl_setuser("bob", commands=["-get"])
    with pytest.raises(NoPermission):
        bob.get("cache:a")
    admin.acl_setuser("bob", commands=["+get"], reset_keys=True, keys=["*"])
    assert bob.get("other") is None


def test_clients_tell_their_user(admin, bob):
    bob.ping()
    assert [client["user"] for client in admin.client_list() if client["user"] == "bob"] == ["bob"]
    assert admin.execute_command("CLIENT", "KILL", "USER", "bob") == 1
    with contextlib.suppress(*ConnectionError_):
        bob.ping()
    assert bob.ping()  # comes again


def test_users_live_in_a_file(kind, make_server, tmp_path):
    file = tmp_path / "users.acl"
    file.write_text(f"user default on nopass ~* &* +@all\nuser bob on #{HASH} ~* &* +@all\n")
    option = ("--aclfile", str(file))
    server = make_server(kind, magpie_args=option, redis_args=option)
    with redis.Redis.from_url(server.redis.url(), decode_responses=True) as admin:
        assert admin.acl_users() == ["bob", "default"]
        before = admin.acl_list()
        file.write_text("user bob nonsense\n")
        with pytest.raises(ResponseError, match="no change to the previously active ACL rules was performed"):
            admin.acl_load()
        assert admin.acl_list() == before
        assert admin.acl_save()
        admin.acl_setuser("eve", enabled=True)
        assert admin.acl_load()
        assert admin.acl_list() == before
        with redis.Redis.from_url(server.redis.url(), username="bob", password="password") as bob:
            assert bob.ping()


def test_the_same_users_guard_memcached(magpie):
    """A client of memcached's logs in with its first `set`; a user's rules hold for both ports."""
    with redis.Redis.from_url(magpie.redis.url(), decode_responses=True) as admin:
        admin.acl_setuser("bob", enabled=True, passwords=["+password"], keys=["cache:*"], commands=["+get", "+set"])
        admin.acl_setuser("default", enabled=False)
        try:
            address = (magpie.memcached.host, magpie.memcached.port)
            with contextlib.closing(pymemcache.Client(address, default_noreply=False)) as client:
                with pytest.raises(pymemcache.MemcacheClientError, match="unauthenticated"):
                    client.get("cache:a")
                for forbidden in (lambda: client.set("other", "1"), lambda: client.delete("cache:a")):
                    # The library hangs up after an error.
                    assert client.set("auth", "bob password")
                    assert client.set("cache:a", "1") and client.get("cache:a") == b"1"
                    with pytest.raises(pymemcache.MemcacheClientError, match="permission denied"):
                        forbidden()
        finally:
            admin.acl_setuser("default", enabled=True)
            admin.acl_deluser("bob")
