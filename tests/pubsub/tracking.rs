//! Client-side caching: who is told of which change, in every mode, beside a real `redis-server`.

use crate::script::{Player, compare, compare_with, play};
use crate::support::Dice;
use crate::support::process::Magpie;
use crate::support::real_redis::{RealRedis, connect};
use std::io::{Read, Write};

#[test]
fn what_was_read_is_invalidated_once() {
    compare_with(
        "tracking-default",
        &["--enable-debug-command", "yes"],
        "
        a: CLIENT TRACKING ON
        a: GET k
        b: SET k 1
        b: SET k 2
        a: MGET k x y z
        b: MSET k 5 x 5
        b: DEL y
        b: EXPIRE k 100
        a: GET k
        b: EXPIRE k 100
        a: TTL k
        b: PERSIST k
        a: GET k
        b: RENAME k k2
        a: GET k2
        b: COPY x k2 REPLACE
        a: GET k2
        b: MOVE k2 1
        a: EXISTS e1 e2
        a: STRLEN e3
        a: TYPE e4
        a: TOUCH e5
        a: OBJECT FREQ e6
        a: GETEX e7 EX 10
        a: GETDEL e8
        a: KEYS *
        a: SCAN 0 COUNT 100
        b: MSET e1 1 e2 1 e3 1 e4 1 e5 1 e6 1 e7 1 e8 1
        # Errors count as reading; another database has the same keys.
        a: GET list
        b: HSET list f 1
        a: GET list
        b: HSET list f 2
        a: GET d
        b: SELECT 1
        b: SET d 1
        # What changes nothing.
        a: GET d
        b: SETRANGE d 0 ''
        b: GET d
        b: SET d 1 NX
        b: DEL nothing
        # Expiry: by whoever looks.
        b: SELECT 0
        b: DEBUG SET-ACTIVE-EXPIRE 0
        b: SET soon 1 PX 500
        a: GET soon
        b: SLEEP 600
        b: GET soon
        a: GET soon
        b: SET soon 1
        b: FLUSHDB
        a: GET k
        b: FLUSHALL
        b: SET k 1
        a: CLIENT TRACKING OFF
        a: GET k
        b: SET k 2
        ",
    );
}

#[test]
fn own_changes_are_told_behind_the_reply_unless_noloop() {
    compare(
        "tracking-own",
        "
        a: CLIENT TRACKING ON
        a: GET k
        a: SET k 1
        a: SET k 2
        a: GET k
        a: MULTI
        a: GET k
        a: SET k 3
        a: GET k
        a: EXEC
        b: SET k 4
        a: FLUSHALL
        a: CLIENT TRACKING ON NOLOOP
        a: GET k
        a: SET k 1
        b: SET k 1
        a: GET k
        b: SET k 1
        a: FLUSHALL
        b: CLIENT TRACKING ON NOLOOP
        a: GET k
        b: GET k
        a: SET k 1
        ",
    );
}

#[test]
fn opting_in_and_out() {
    compare(
        "tracking-opt",
        "
        a: CLIENT TRACKING ON OPTIN
        a: GET k
        b: SET k 1
        a: CLIENT CACHING YES
        a: CLIENT TRACKINGINFO
        a: GET k
        a: GET l
        b: MSET k 1 l 1
        a: CLIENT CACHING YES
        a: PING
        a: GET k
        b: SET k 1
        a: CLIENT CACHING YES
        a: NOSUCH
        a: GET k
        b: SET k 1
        a: CLIENT CACHING YES
        a: MULTI
        a: GET k
        a: GET l
        a: EXEC
        a: GET m
        b: MSET k 1 l 1 m 1
        a: MULTI
        a: GET k
        a: CLIENT CACHING YES
        a: GET l
        a: EXEC
        a: GET m
        b: MSET k 1 l 1 m 1
        a: CLIENT CACHING NO
        a: CLIENT CACHING MAYBE
        a: CLIENT TRACKING ON OPTOUT
        a: CLIENT TRACKING OFF
        a: CLIENT TRACKING ON OPTOUT
        a: CLIENT CACHING YES
        a: GET k
        a: CLIENT CACHING NO
        a: CLIENT TRACKINGINFO
        a: GET l
        b: MSET k 1 l 1
        a: CLIENT TRACKING ON
        a: CLIENT TRACKINGINFO
        a: CLIENT CACHING NO
        ",
    );
}

#[test]
fn prefixes_are_broadcast_in_one_message_each() {
    compare(
        "tracking-broadcast",
        "
        a: CLIENT TRACKING ON BCAST PREFIX x PREFIX y
        b: SET k 1
        b: SET x1 1
        b: MSET x2 1 x1 1 y1 1 z1 1 x1 2
        b: DEL nosuch x1 y1
        b: MULTI
        b: SET x3 1
        b: SET y3 1
        b: INCR x3
        b: EXEC
        a: GET q
        b: SET q 1
        a: CLIENT TRACKING ON BCAST PREFIX z
        a: CLIENT TRACKINGINFO
        b: SET z1 1
        a: CLIENT TRACKING ON BCAST PREFIX xx
        a: CLIENT TRACKING ON BCAST PREFIX f PREFIX foo
        a: CLIENT TRACKING ON BCAST PREFIX ''
        c: CLIENT TRACKING ON BCAST NOLOOP
        c: MSET x1 1 c1 1
        b: MSET x1 1 c1 1
        c: GET c1
        b: SET c1 1
        c: CLIENT TRACKINGINFO
        b: FLUSHDB
        c: CLIENT TRACKING OFF
        b: SET x1 2
        a: CLOSE
        b: SET x1 2
        c: CLIENT TRACKING ON
        c: GET x1
        b: SET x1 2
        ",
    );
}

#[test]
fn redirected_messages_reach_another_client() {
    compare(
        "tracking-redirect",
        "
        a: CLIENT GETREDIR
        r: SUBSCRIBE __redis__:invalidate
        a: CLIENT TRACKING ON REDIRECT {r}
        a: CLIENT GETREDIR
        a: CLIENT TRACKINGINFO
        a: GET k
        b: SET k 1
        a: GET k
        a: SET k 1
        b: FLUSHALL
        r: UNSUBSCRIBE
        a: GET k
        b: SET k 1
        r: SUBSCRIBE other
        a: GET k
        b: SET k 1
        b: CLIENT TRACKING ON BCAST REDIRECT {r} PREFIX p
        a: MSET p1 1 p2 2
        a: GET k
        r: CLOSE
        a: CLIENT TRACKINGINFO
        b: SET k 1
        a: CLIENT TRACKINGINFO
        a: GET k
        b: SET k 1
        c: SET p 1
        c: FLUSHALL
        a: CLIENT TRACKING ON
        a: CLIENT TRACKINGINFO
        ",
    );
}

#[test]
fn options_that_do_not_fit_are_refused() {
    compare(
        "tracking-options",
        "
        a: CLIENT TRACKING
        a: CLIENT TRACKING MAYBE
        a: CLIENT TRACKING OFF NOSUCH
        a: CLIENT TRACKING ON REDIRECT 99999
        a: CLIENT TRACKING ON REDIRECT x
        a: CLIENT TRACKING ON REDIRECT
        a: CLIENT TRACKING ON REDIRECT {a} REDIRECT {a}
        a: CLIENT TRACKING ON PREFIX
        a: CLIENT TRACKING ON PREFIX x
        a: CLIENT TRACKING ON OPTIN OPTOUT
        a: CLIENT TRACKING ON BCAST OPTIN
        a: CLIENT TRACKING ON BCAST OPTOUT PREFIX x
        a: CLIENT TRACKING ON BCAST PREFIX foo PREFIX fo
        a: CLIENT TRACKINGINFO
        a: CLIENT CACHING YES
        a: CLIENT CACHING
        a: CLIENT TRACKING ON BCAST PREFIX foo
        a: CLIENT TRACKING ON BCAST PREFIX fo
        a: CLIENT TRACKING ON
        a: CLIENT TRACKING ON OPTIN
        a: CLIENT CACHING YES
        a: CLIENT TRACKING OFF
        a: CLIENT TRACKING OFF
        a: CLIENT TRACKING ON
        a: CLIENT TRACKING ON BCAST
        a: CLIENT TRACKING ON OPTIN
        a: CLIENT TRACKING ON
        a: CLIENT TRACKING ON OPTOUT
        a: CLIENT GETREDIR
        a: RESET
        a: CLIENT GETREDIR
        a: CLIENT TRACKINGINFO
        ",
    );
}

/// Random commands of three clients, one of which tracks in default mode and one broadcasts.
#[test]
fn random_commands_invalidate_the_same_keys() {
    const COMMANDS: &[&str] = &[
        "GET {k}",
        "GET {k}",
        "MGET {k} {k}",
        "SET {k} 1",
        "SET {k} 1 NX",
        "SET {k} 1 EX 100",
        "GETSET {k} 1",
        "GETEX {k} EX 100",
        "INCR {k}",
        "APPEND {k} 1",
        "DEL {k} {k}",
        "EXPIRE {k} 100",
        "PERSIST {k}",
        "RENAME {k} {k}",
        "COPY {k} {k}",
        "MSET {k} 1 {k} 2",
        "EXISTS {k}",
        "MOVE {k} 1",
        "SELECT 1",
        "SELECT 0",
        "FLUSHDB",
    ];
    let Some(redis) = RealRedis::start("tracking-random", &[]) else { return };
    let magpie = Magpie::start(env!("CARGO_BIN_EXE_magpie"), "tracking-random", &[]);
    let (mut ours, mut theirs) = (Player::new(magpie.socket(), true), Player::new(redis.socket(), true));
    let mut dice = Dice(0x0123_4567_89ab_cdef);
    for step in 0..2000 {
        let line = match step {
            0 => "a: CLIENT TRACKING ON".to_owned(),
            1 => "b: CLIENT TRACKING ON BCAST NOLOOP PREFIX k1 PREFIX k2".to_owned(),
            2 => "c: CLIENT TRACKING ON NOLOOP".to_owned(),
            _ => {
                let words: Vec<String> = dice
                    .pick(COMMANDS)
                    .split(' ')
                    .map(|word| word.replace("{k}", dice_key(&mut dice)))
                    .collect();
                format!("{}: {}", dice.pick(&["a", "b", "c", "d"]), words.join(" "))
            }
        };
        assert_eq!(ours.step(&line), theirs.step(&line), "ours, then theirs: {line}");
    }
}

fn dice_key(dice: &mut Dice) -> &'static str {
    dice.pick(&["k1", "k2", "k3", "x"])
}

/// What no Redis does: two protocols, an exchange of databases, eviction.
#[test]
fn every_way_a_key_changes_is_told() {
    let options = ["--maxmemory", "4mb", "--tracking-table-max-keys", "100"];
    let magpie = Magpie::start(env!("CARGO_BIN_EXE_magpie"), "tracking-ways", &options);
    let mut player = Player::new(magpie.socket(), true);
    let mut memcached = connect(&magpie.memcached_socket());
    let mut say = |request: &str, reply: &str| {
        memcached.write_all(request.as_bytes()).expect("magpie reads");
        let mut answer = vec![0; reply.len()];
        memcached.read_exact(&mut answer).expect("magpie answers");
        assert_eq!(String::from_utf8_lossy(&answer), reply);
    };
    let is_told = |player: &mut Player, name: &str, key: &str| {
        let read = player.step("other: ECHO x").remove(name).unwrap_or_default();
        read.contains("invalidate") && read.contains(&format!("\\r\\n{key}\\r\\n"))
    };
    player.step("a: CLIENT TRACKING ON");
    player.step("b: CLIENT TRACKING ON BCAST PREFIX k");
    for (request, reply) in [
        ("set k 0 0 1\r\n1\r\n", "STORED\r\n"),
        ("incr k 5\r\n", "6\r\n"),
        ("touch k 100\r\n", "TOUCHED\r\n"),
        ("ms k 1\r\n1\r\n", "HD\r\n"),
        ("delete k\r\n", "DELETED\r\n"),
    ] {
        player.step("a: GET k");
        say(request, reply);
        assert!(is_told(&mut player, "a", "k"), "{request}");
        player.step("a: GET k");
        say("set k 0 0 1\r\n1\r\n", "STORED\r\n");
        assert!(is_told(&mut player, "b", "k"), "{request}");
    }
    player.step("a: GET k");
    assert!(player.step("other: SWAPDB 0 1")["a"].contains("invalidate\\r\\n_"));
    say("flush_all\r\n", "OK\r\n");
    assert!(player.step("other: ECHO x")["a"].contains("invalidate\\r\\n_"));
    // By itself, when its time has come.
    player.step("other: SET k 1 PX 10");
    player.step("a: GET k");
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !is_told(&mut player, "a", "k") {
        assert!(std::time::Instant::now() < until, "expiry was not told");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    // The table is bounded: who has read more is told early.
    for number in 0..150 {
        player.step(&format!("a: GET read:{number}"));
    }
    let info = player.step("other: INFO stats")["other"].clone();
    assert!(info.contains("tracking_total_keys:100\\r\\ntracking_total_items:100"), "{info}");
    // Eviction.
    player.step("other: SET k 1");
    let told = (0..6000).any(|number| {
        let read = player.step(&format!("other: SET fill:{number} {}", "x".repeat(1000)));
        read.get("b").is_some_and(|read| read.contains("invalidate"))
    });
    assert!(told, "eviction was not told");
}

#[test]
fn one_that_tracks_and_subscribes_reads_both() {
    play(
        "tracking-and-events",
        &["--notify-keyspace-events", "E$"],
        "
        a: CLIENT TRACKING ON => a +OK\\r\\n
        a: PSUBSCRIBE * => a >3\\r\\n$10\\r\\npsubscribe\\r\\n$1\\r\\n*\\r\\n:1\\r\\n
        a: GET k => a _\\r\\n
        b: SET k 1 => a >2\\r\\n$10\\r\\ninvalidate\\r\\n*1\\r\\n$1\\r\\nk\\r\\n>4\\r\\n$8\\r\\npmessage\\r\\n$1\\r\\n*\\r\\n$18\\r\\n__keyevent@0__:set\\r\\n$1\\r\\nk\\r\\n b +OK\\r\\n
        ",
    );
}

/// The script runs long enough for its connection to look at its mail meanwhile.
#[test]
fn what_a_script_changes_is_told_behind_its_reply() {
    play(
        "tracking-scripts",
        &["--busy-reply-threshold", "60000"],
        "
        a: CLIENT TRACKING ON => a +OK\\r\\n
        a: GET k => a _\\r\\n
        a: EVAL redis.call('set',KEYS[1],1)for\ti=1,5000000\tdo\tend\treturn\t7 1 k => a :7\\r\\n>2\\r\\n$10\\r\\ninvalidate\\r\\n*1\\r\\n$1\\r\\nk\\r\\n
        a: GET k => a $1\\r\\n1\\r\\n
        b: EVAL for\ti=1,5000000\tdo\tend\treturn\tredis.call('incr',KEYS[1]) 1 k => a >2\\r\\n$10\\r\\ninvalidate\\r\\n*1\\r\\n$1\\r\\nk\\r\\n b :2\\r\\n
        ",
    );
}
