//! Scripts that loop or allocate without end: others are told, and the daemon goes on.

use crate::support::process::Magpie;
use crate::support::real_redis::{RealClient, connect};
use std::io::{Read, Write};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

const THRESHOLD: Duration = Duration::from_millis(100);
const BUSY: &str =
    "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n";

fn start(name: &str) -> Magpie {
    let options = ["--busy-reply-threshold", "100", "--lua-memory-limit", "16mb"];
    Magpie::start(env!("CARGO_BIN_EXE_magpie"), name, &options)
}

fn ask(client: &mut RealClient, words: &[&str]) -> String {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    String::from_utf8_lossy(&client.call(&words)).into_owned()
}

/// Sends a request whose reply takes its time.
fn in_background(magpie: &Magpie, words: &[&str]) -> JoinHandle<String> {
    let mut client = RealClient::to(&magpie.socket());
    assert_eq!(ask(&mut client, &["PING"]), "+PONG\r\n");
    let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    let thread = std::thread::spawn(move || {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        ask(&mut client, &words)
    });
    sleep(THRESHOLD / 4);
    thread
}

#[test]
fn a_loop_is_killed_while_others_are_told_that_it_is_busy() {
    let magpie = start("script-loops");
    let mut other = RealClient::to(&magpie.socket());
    ask(&mut other, &["SET", "k", "v"]);
    for script in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do redis.call('get', 'k') end",
    ] {
        let looping = in_background(&magpie, &["EVAL", script, "0"]);
        let asked = Instant::now();
        assert_eq!(ask(&mut other, &["GET", "k"]), BUSY);
        assert!(asked.elapsed() > THRESHOLD / 4, "before the threshold others wait");
        for (words, reply) in [
            (&["PING"][..], BUSY),
            (&["FUNCTION", "KILL"], BUSY),
            (&["MULTI"], "+OK\r\n"),
            (&["GET", "k"], BUSY),
            (&["DISCARD"], "+OK\r\n"),
            (&["SCRIPT", "KILL"], "+OK\r\n"),
        ] {
            assert_eq!(ask(&mut other, words), reply, "{words:?}");
        }
        let error = looping.join().expect("it ends");
        assert!(error.starts_with("-ERR Script killed by user with SCRIPT KILL..."), "{error}");
        assert_eq!(ask(&mut other, &["GET", "k"]), "$1\r\nv\r\n");
        assert_eq!(ask(&mut other, &["SCRIPT", "KILL"]), "-NOTBUSY No scripts in execution right now.\r\n");
    }
}

#[test]
fn what_has_written_cannot_be_killed() {
    let magpie = start("script-unkillable");
    let mut other = RealClient::to(&magpie.socket());
    let script = "redis.call('set', 'k', 'v') \
                  local began = redis.call('time')[1] \
                  while redis.call('time')[1] - began < 2 do end \
                  return 'over'";
    let running = in_background(&magpie, &["EVAL", script, "0"]);
    sleep(THRESHOLD);
    assert!(ask(&mut other, &["SCRIPT", "KILL"]).starts_with("-UNKILLABLE "));
    assert_eq!(running.join().expect("it ends"), "$4\r\nover\r\n");
    assert_eq!(ask(&mut other, &["GET", "k"]), "$1\r\nv\r\n");
}

/// A script that was short runs on the worker that it was sent to, which here is everybody's; when it is long after
/// all, it begins again where it can be killed, and what has written goes on to its end.
#[test]
fn what_used_to_be_short_can_be_killed() {
    let magpie = Magpie::start(
        env!("CARGO_BIN_EXE_magpie"),
        "script-used-to-be-short",
        &["--busy-reply-threshold", "100", "--threads", "1"],
    );
    let mut other = RealClient::to(&magpie.socket());
    let reads = "local n = 0 for i = 1, tonumber(ARGV[1]) do n = n + redis.call('exists', 'k') end return n";
    let writes = "redis.call('incr', 'runs') for i = 1, tonumber(ARGV[1]) do end return 'over'";
    ask(&mut other, &["SET", "k", "v"]);
    for _ in 0..2 {
        for _ in 0..3 {
            assert_eq!(ask(&mut other, &["EVAL", reads, "0", "2"]), ":2\r\n");
            assert_eq!(ask(&mut other, &["EVAL", writes, "0", "2"]), "$4\r\nover\r\n");
        }
        let looping = in_background(&magpie, &["EVAL", reads, "0", "1e15"]);
        assert_eq!(ask(&mut other, &["GET", "k"]), BUSY);
        assert_eq!(ask(&mut other, &["SCRIPT", "KILL"]), "+OK\r\n");
        let error = looping.join().expect("it ends");
        assert!(error.starts_with("-ERR Script killed by user with SCRIPT KILL..."), "{error}");
        assert_eq!(ask(&mut other, &["EVAL", writes, "0", "2e7"]), "$4\r\nover\r\n");
    }
    assert_eq!(ask(&mut other, &["GET", "runs"]), "$1\r\n8\r\n", "each ran once");
    assert_eq!(ask(&mut other, &["SCRIPT", "KILL"]), "-NOTBUSY No scripts in execution right now.\r\n");
}

/// On the thread as on a worker, where scripts come to once they are known.
#[test]
fn what_a_script_leaves_in_shared_tables_is_gone() {
    let magpie = start("script-leavings");
    let mut client = RealClient::to(&magpie.socket());
    for leaves in
        ["table.insert(math, 7) return math[1]", "local t = 'in' return _G['ta'..'ble'][t..'sert'](math, 7)"]
    {
        for _ in 0..3 {
            assert_ne!(ask(&mut client, &["EVAL", leaves, "0"]), "");
            assert_eq!(ask(&mut client, &["EVAL", "return math[1]", "0"]), "$-1\r\n", "{leaves}");
        }
    }
}

#[test]
fn a_transaction_with_a_loop_goes_on_behind_it() {
    let magpie = start("script-transactions");
    let (mut client, mut other) = (RealClient::to(&magpie.socket()), RealClient::to(&magpie.socket()));
    for words in [&["MULTI"][..], &["SET", "k", "1"], &["EVAL", "while true do end", "0"], &["INCR", "k"]] {
        ask(&mut client, words);
    }
    let executing = std::thread::spawn(move || ask(&mut client, &["EXEC"]));
    sleep(THRESHOLD);
    while ask(&mut other, &["SCRIPT", "KILL"]) != "+OK\r\n" {
        sleep(THRESHOLD / 10);
    }
    let reply = executing.join().expect("it ends");
    assert!(
        reply.starts_with("*3\r\n+OK\r\n-ERR Script killed by user") && reply.ends_with(":2\r\n"),
        "{reply}"
    );
}

#[test]
fn memcached_clients_wait_for_the_end() {
    let magpie = start("script-memcached");
    let mut other = RealClient::to(&magpie.socket());
    let mut memcached = connect(&magpie.memcached_socket());
    let looping = in_background(&magpie, &["EVAL", "while true do end", "0"]);
    memcached.write_all(b"set k 0 0 1\r\nv\r\n").expect("it reads");
    sleep(THRESHOLD * 2);
    assert_eq!(ask(&mut other, &["SCRIPT", "KILL"]), "+OK\r\n");
    looping.join().expect("it ends");
    let mut reply = [0; 8];
    memcached.read_exact(&mut reply).expect("it answers");
    assert_eq!(&reply, b"STORED\r\n");
}

/// Whoever watches keys and whoever waits for the script's reply may leave meanwhile.
#[test]
fn clients_that_leave_are_no_obstacle() {
    let magpie = start("script-leavers");
    let mut other = RealClient::to(&magpie.socket());
    let mut watcher = RealClient::to(&magpie.socket());
    ask(&mut watcher, &["WATCH", "k"]);
    let mut caller = connect(&magpie.socket());
    caller.write_all(b"EVAL \"while true do end\" 0\r\n").expect("it reads");
    sleep(THRESHOLD * 2);
    drop((watcher, caller));
    assert_eq!(ask(&mut other, &["PING"]), BUSY);
    assert_eq!(ask(&mut other, &["SCRIPT", "KILL"]), "+OK\r\n");
    while ask(&mut other, &["PING"]) != "+PONG\r\n" {
        sleep(THRESHOLD / 10);
    }
}

#[test]
fn a_memory_bomb_harms_nobody_else() {
    let magpie = start("script-bombs");
    let mut client = RealClient::to(&magpie.socket());
    ask(&mut client, &["SET", "k", &"v".repeat(100_000)]);
    let varied: String = (0..20_000).map(|n| format!("{n:05}")).collect();
    ask(&mut client, &["SET", "varied", &varied]);
    for bomb in [
        // Nothing but replies takes memory here.
        "local t = {} for i = 1, 5000 do t[i] = 0 end
         for i = 1, 5000 do t[i] = redis.call('getrange', 'varied', i, i + 60000) end return #t",
        "return string.rep('x', 1e9)",
        "local t = {} while true do t[#t + 1] = redis.call('get', 'k') .. #t end",
        "local s = redis.call('get', 'k') local t = {} for i = 1, 1e4 do t[i] = s end return t",
        "local s = string.rep('x', 4e6) for i = 1, 5 do redis.call('append', 'big', s) end
         return #redis.call('get', 'big')",
        "local function f() return f() + 1 end f()",
    ] {
        let reply = ask(&mut client, &["EVAL", bomb, "0"]);
        assert!(reply.starts_with('-'), "{bomb}: {}", &reply[..reply.len().min(200)]);
        assert_eq!(
            ask(&mut client, &["EVAL", "return redis.call('strlen', KEYS[1])", "1", "k"]),
            ":100000\r\n"
        );
    }
}

#[test]
fn scripts_are_atomic_for_other_workers() {
    const CLIENTS: usize = 4;
    const ROUNDS: usize = 300;
    let magpie = start("script-atomicity");
    let script = "local a, b = redis.call('incr', 'a'), redis.call('incr', 'b') return a == b";
    let threads: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let mut client = RealClient::to(&magpie.socket());
            std::thread::spawn(move || {
                for _ in 0..ROUNDS {
                    if number % 2 == 0 {
                        assert_eq!(ask(&mut client, &["EVAL", script, "0"]), ":1\r\n");
                    } else {
                        let both = ask(&mut client, &["MGET", "a", "b"]);
                        let values: Vec<&str> =
                            both.lines().filter(|line| !line.starts_with(['*', '$'])).collect();
                        assert!(values.is_empty() || values[0] == values[1], "{both}");
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no half is seen"));
}

#[test]
fn scripts_can_be_turned_off() {
    let magpie = Magpie::start(env!("CARGO_BIN_EXE_magpie"), "script-off", &["--scripting", "no"]);
    let mut client = RealClient::to(&magpie.socket());
    for words in [&["EVAL", "return 1", "0"][..], &["SCRIPT", "LOAD", "return 1"], &["FUNCTION", "LIST"]] {
        assert_eq!(ask(&mut client, words), "-ERR scripts are turned off (scripting no)\r\n");
    }
}
