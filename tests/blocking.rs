//! Commands that wait, through real sockets: magpie as a process of its own with two workers, and beside it a
//! real `redis-server`, which must say the same. Every story is told to both.

mod support;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};
use support::process::Magpie;
use support::real_redis::RealRedis;

/// Long enough to be sure that no reply comes.
const SILENCE: Duration = Duration::from_millis(60);

struct Client(BufReader<UnixStream>);

impl Client {
    fn connect(socket: &Path) -> Client {
        let started = Instant::now();
        loop {
            match UnixStream::connect(socket) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
                    return Client(BufReader::new(stream));
                }
                Err(_) if started.elapsed() < Duration::from_secs(10) => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(error) => panic!("no answer from {}: {error}", socket.display()),
            }
        }
    }

    /// Sends a request of words with blanks between them.
    fn send(&mut self, words: &str) {
        let args: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
        self.0.get_mut().write_all(&support::request(&args)).expect("the server reads");
    }

    /// The next reply, on one line.
    fn reply(&mut self) -> String {
        let mut line = String::new();
        assert!(self.0.read_line(&mut line).expect("the server answers") > 0, "the server hung up");
        let text = line.trim_end();
        let count = text[1..].parse::<i64>().unwrap_or(-1);
        match text.as_bytes()[0] {
            b'$' if count >= 0 => {
                let mut bytes = vec![0; count as usize + 2];
                self.0.read_exact(&mut bytes).expect("the server answers");
                bytes.truncate(count as usize);
                String::from_utf8(bytes).expect("tests send text")
            }
            b'*' if count >= 0 => {
                format!("[{}]", (0..count).map(|_| self.reply()).collect::<Vec<_>>().join(" "))
            }
            b'%' => format!("{{{}}}", (0..count * 2).map(|_| self.reply()).collect::<Vec<_>>().join(" ")),
            _ => text.to_owned(),
        }
    }

    fn ask(&mut self, words: &str) -> String {
        self.send(words);
        self.reply()
    }

    /// Nothing comes, and the connection stays open.
    fn is_silent(&mut self) -> bool {
        let stream = self.0.get_mut();
        stream.set_read_timeout(Some(SILENCE)).expect("a socket");
        let read = self.0.fill_buf().map(<[u8]>::len);
        self.0.get_mut().set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
        matches!(read, Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    /// The connection is closed, with nothing said before.
    fn is_closed(&mut self) -> bool {
        self.0.fill_buf().map_or(true, <[u8]>::is_empty)
    }

    fn id(&mut self) -> String {
        self.ask("CLIENT ID")[1..].to_owned()
    }
}

/// A server, empty, and who tells it what to do.
struct Stage<'s> {
    name: &'static str,
    socket: &'s Path,
    main: Client,
}

impl Stage<'_> {
    fn client(&self) -> Client {
        Client::connect(self.socket)
    }

    /// A client that waits in this command, which the server knows it does before this returns.
    fn waiting(&mut self, words: &str) -> Client {
        self.waiting_in("", words)
    }

    /// The same after another command.
    fn waiting_in(&mut self, before: &str, words: &str) -> Client {
        let mut client = self.client();
        if !before.is_empty() {
            client.ask(before);
        }
        let waiting = self.blocked() + 1;
        client.send(words);
        self.until_blocked(waiting);
        client
    }

    fn blocked(&mut self) -> usize {
        let info = self.main.ask("INFO clients");
        let line =
            info.lines().find_map(|line| line.strip_prefix("blocked_clients:")).expect("INFO tells it");
        line.trim().parse().expect("a number")
    }

    fn until_blocked(&mut self, count: usize) {
        let started = Instant::now();
        while self.blocked() != count {
            assert!(started.elapsed() < Duration::from_secs(10), "{}: never {count} blocked", self.name);
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn ask(&mut self, words: &str) -> String {
        self.main.ask(words)
    }

    /// Asks, and compares.
    fn says(&mut self, words: &str, expected: &str) {
        let reply = self.main.ask(words);
        assert_eq!(reply, expected, "{}: {words}", self.name);
    }

    fn hears(&self, client: &mut Client, expected: &str) {
        let reply = client.reply();
        assert_eq!(reply, expected, "{}", self.name);
    }
}

/// Tells a story to magpie and, unless it is of later releases than the one installed, to `redis-server`.
fn story(name: &str, is_newer: bool, tell: impl Fn(&mut Stage<'_>)) {
    let magpie = Magpie::start(env!("CARGO_BIN_EXE_magpie"), &format!("blocking-{name}"), &[]);
    let real = if is_newer { None } else { RealRedis::start(&format!("blocking-{name}"), &[]) };
    let sockets =
        [Some(("magpie", magpie.socket())), real.as_ref().map(|real| ("redis-server", real.socket()))];
    for (name, socket) in sockets.into_iter().flatten() {
        tell(&mut Stage { name, socket: &socket, main: Client::connect(&socket) });
    }
}

#[test]
fn who_came_first_is_served_first() {
    story("order", false, |stage| {
        let mut clients: Vec<Client> = (0..5).map(|_| stage.waiting("BLPOP k 0")).collect();
        let mut right = stage.waiting("BRPOP k 0");
        stage.says("RPUSH k a b c", ":3");
        stage.says("RPUSH k d", ":1");
        stage.says("EXISTS k", ":0");
        for (client, expected) in clients.iter_mut().zip(["[k a]", "[k b]", "[k c]", "[k d]"]) {
            stage.hears(client, expected);
        }
        assert!(clients[4].is_silent());
        stage.says("RPUSH k e f g", ":3");
        stage.hears(&mut clients[4], "[k e]");
        stage.hears(&mut right, "[k g]");
        stage.says("LRANGE k 0 -1", "[f]");
        stage.until_blocked(0);
    });
}

#[test]
fn a_timeout_ends_in_nil_of_the_right_form() {
    story("timeouts", false, |stage| {
        for (command, nil) in [
            ("BLPOP k 0.02", "*-1"),
            ("BRPOP k x 0.02", "*-1"),
            ("BLMOVE k x LEFT LEFT 0.02", "*-1"),
            ("BRPOPLPUSH k x 0.02", "*-1"),
            ("BLMPOP 0.02 2 k x LEFT COUNT 3", "*-1"),
        ] {
            let started = Instant::now();
            stage.says(command, nil);
            // Deadlines are in whole milliseconds.
            assert!(started.elapsed() >= Duration::from_millis(19), "{command}");
            let mut client = stage.client();
            client.ask("HELLO 3");
            assert_eq!(client.ask(command), "_", "{command}");
        }
        // What it waited for and did not get is not lost.
        stage.says("RPUSH k a", ":1");
        stage.says("LLEN k", ":1");
        stage.says("BLPOP k -1", "-ERR timeout is negative");
        stage.says("BLPOP k one", "-ERR timeout is not a float or out of range");
        stage.says("LLEN k", ":1");
    });
}

#[test]
fn a_timeout_below_a_millisecond_below_zero_is_for_ever() {
    story("tiny", false, |stage| {
        let mut client = stage.waiting("BLPOP k -0.0001");
        assert!(client.is_silent());
        stage.says("RPUSH k a", ":1");
        stage.hears(&mut client, "[k a]");
    });
}

#[test]
fn several_keys_are_looked_at_in_order() {
    story("keys", false, |stage| {
        let mut client = stage.waiting("BLPOP a b a c 0");
        stage.says("RPUSH c 1", ":1");
        stage.hears(&mut client, "[c 1]");
        // Both at once: the first key counts, not the first push.
        let mut client = stage.waiting("BLPOP a b 0");
        stage.says("MULTI", "+OK");
        stage.says("RPUSH b 1", "+QUEUED");
        stage.says("RPUSH a 2", "+QUEUED");
        stage.says("EXEC", "[:1 :1]");
        // Differs between releases: 7.0 serves the key that was ready first, 7.2 runs the command again.
        let reply = client.reply();
        assert!(["[a 2]", "[b 1]"].contains(&&*reply), "{reply}");
        stage.ask("DEL a b");
        let mut client = stage.waiting("BLMPOP 0 2 a b RIGHT COUNT 2");
        stage.says("RPUSH b 1 2 3", ":3");
        stage.hears(&mut client, "[b [3 2]]");
        stage.says("LRANGE b 0 -1", "[1]");
        stage.until_blocked(0);
    });
}

#[test]
fn nothing_waits_inside_a_transaction() {
    story("multi", false, |stage| {
        stage.ask("MULTI");
        let commands =
            ["BLPOP k 0", "BRPOP k 0", "BLMOVE k x LEFT LEFT 0", "BRPOPLPUSH k x 0", "BLMPOP 0 1 k LEFT"];
        for command in commands {
            stage.says(command, "+QUEUED");
        }
        stage.says("RPUSH k a", "+QUEUED");
        stage.says("BLPOP k 0", "+QUEUED");
        stage.says("EXEC", "[*-1 *-1 $-1 $-1 *-1 :1 [k a]]");
        // What a transaction leaves is what counts, not what passed through it.
        let mut client = stage.waiting("BLPOP k 0");
        stage.ask("MULTI");
        stage.ask("LPUSH k a");
        stage.ask("DEL k");
        stage.says("EXEC", "[:1 :1]");
        assert!(client.is_silent());
        stage.ask("MULTI");
        stage.ask("LPUSH k a");
        stage.ask("LPUSH k b");
        stage.says("EXEC", "[:1 :2]");
        stage.hears(&mut client, "[k b]");
    });
}

#[test]
fn moves_feed_other_clients_that_wait() {
    story("chains", false, |stage| {
        let mut last = stage.waiting("BLPOP c 0");
        let mut second = stage.waiting("BLMOVE b c LEFT RIGHT 0");
        let mut first = stage.waiting("BRPOPLPUSH a b 0");
        stage.says("RPUSH a x", ":1");
        stage.hears(&mut first, "x");
        stage.hears(&mut second, "x");
        stage.hears(&mut last, "[c x]");
        stage.says("EXISTS a b c", ":0");
        stage.until_blocked(0);
        // In a circle, and onto itself.
        let mut one = stage.waiting("BLMOVE a b LEFT RIGHT 0");
        let mut two = stage.waiting("BLMOVE b a LEFT RIGHT 0");
        stage.says("RPUSH a x", ":1");
        stage.hears(&mut one, "x");
        stage.hears(&mut two, "x");
        stage.says("LRANGE a 0 -1", "[x]");
        stage.ask("DEL a");
        let mut rotation = stage.waiting("BLMOVE a a LEFT RIGHT 0");
        stage.says("RPUSH a 1 2 3", ":3");
        stage.hears(&mut rotation, "1");
        stage.says("LRANGE a 0 -1", "[2 3 1]");
    });
}

#[test]
fn the_lowest_and_the_highest_are_waited_for() {
    story("sorted sets", false, |stage| {
        let mut lowest = stage.waiting("BZPOPMIN none z 0");
        let mut highest = stage.waiting("BZPOPMAX z 0");
        let mut many = stage.waiting("BZMPOP 0 2 none z MAX COUNT 2");
        stage.says("ZADD z 1 a 2 b 3 c 4 d 5 e", ":5");
        stage.hears(&mut lowest, "[z a 1]");
        stage.hears(&mut highest, "[z e 5]");
        stage.hears(&mut many, "[z [[d 4] [c 3]]]");
        stage.says("ZRANGE z 0 -1", "[b]");
        stage.ask("DEL z");
        // Other ways for a sorted set to come about.
        for (command, reply) in [
            ("ZUNIONSTORE z 1 source", ":1"),
            ("ZRANGESTORE z source 0 0", ":1"),
            ("ZINCRBY z 1 x", "1"),
            ("GEOADD z 0 0 x", ":1"),
            ("COPY source z", ":1"),
            ("RENAME copy z", "+OK"),
        ] {
            stage.ask("ZADD source 1 x");
            stage.ask("ZADD copy 1 x");
            let mut client = stage.waiting("BZPOPMIN z 0");
            stage.says(command, reply);
            assert!(client.reply().starts_with("[z x "), "{command}");
            stage.says("EXISTS z", ":0");
        }
        stage.says("BZPOPMIN z 0.02", "*-1");
        stage.says("BZMPOP 0.02 1 z MIN", "*-1");
        let mut client = stage.waiting("BZPOPMIN z 0");
        stage.says("RPUSH z a list", ":2");
        stage.says("DEL z", ":1");
        assert!(client.is_silent());
        stage.says("ZADD z 1.5 a", ":1");
        stage.hears(&mut client, "[z a 1.5]");
        stage.until_blocked(0);
    });
}

#[test]
fn a_value_of_another_type_is_waited_past() {
    const WRONG: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    story("types", false, |stage| {
        let mut client = stage.waiting("BLPOP k 0");
        stage.says("SET k text", "+OK");
        stage.says("DEL k", ":1");
        stage.says("SADD k member", ":1");
        assert!(client.is_silent());
        stage.says("DEL k", ":1");
        stage.says("RPUSH k a", ":1");
        stage.hears(&mut client, "[k a]");
        stage.says("SET k text", "+OK");
        stage.says("BLPOP k 0", WRONG);
        stage.says("BLMPOP 0 1 k LEFT", WRONG);
        stage.says("BLMOVE k x LEFT LEFT 0", WRONG);
        // The destination's type matters only when there is something to move; then nothing is lost.
        let mut client = stage.waiting("BLMOVE x k LEFT LEFT 0");
        stage.says("RPUSH x a", ":1");
        stage.hears(&mut client, WRONG);
        stage.says("LRANGE x 0 -1", "[a]");
    });
}

/// As in 7.2, which runs the command again: a key before it that holds another type is an error now.
#[test]
fn another_key_of_the_wrong_type_is_an_error_once_the_command_can_go_on() {
    story("types-newer", true, |stage| {
        let mut client = stage.waiting("BLPOP a b 0");
        stage.says("SET a text", "+OK");
        assert!(client.is_silent());
        stage.says("RPUSH b 1", ":1");
        stage.hears(&mut client, "-WRONGTYPE Operation against a key holding the wrong kind of value");
        stage.says("LLEN b", ":1");
    });
}

#[test]
fn lists_that_come_from_elsewhere_are_noticed() {
    story("elsewhere", false, |stage| {
        let mut client = stage.waiting("BLPOP k 0");
        stage.ask("RPUSH other renamed");
        stage.says("RENAME other k", "+OK");
        stage.hears(&mut client, "[k renamed]");
        let mut client = stage.waiting("BLPOP k 0");
        stage.ask("RPUSH other copied");
        stage.says("COPY other k", ":1");
        stage.hears(&mut client, "[k copied]");
        stage.says("LLEN other", ":1");
        let mut client = stage.waiting_in("SELECT 1", "BLPOP other 0");
        stage.says("MOVE other 1", ":1");
        stage.hears(&mut client, "[other copied]");
        // A client waits in its database, not in what was put into it.
        let mut client = stage.waiting_in("SELECT 2", "BLPOP k 0");
        stage.says("RPUSH k swapped", ":1");
        stage.says("SWAPDB 0 2", "+OK");
        stage.hears(&mut client, "[k swapped]");
        stage.says("FLUSHALL", "+OK");
        stage.until_blocked(0);
    });
}

#[test]
fn what_a_transaction_makes_of_a_key_is_what_is_served() {
    story("swap-in-multi", false, |stage| {
        let mut client = stage.waiting_in("SELECT 1", "BLPOP k 0");
        stage.ask("MULTI");
        stage.ask("RPUSH k a b");
        stage.ask("SWAPDB 0 1");
        stage.says("EXEC", "[:2 +OK]");
        stage.hears(&mut client, "[k a]");
        stage.ask("SELECT 1");
        stage.says("LRANGE k 0 -1", "[b]");
    });
}

#[test]
fn nothing_is_lost_to_a_client_that_has_gone() {
    story("gone", false, |stage| {
        let client = stage.waiting("BLPOP k 0");
        let mut other = stage.waiting("BLPOP k 0");
        drop(client);
        stage.until_blocked(1);
        stage.says("RPUSH k a b", ":2");
        stage.hears(&mut other, "[k a]");
        stage.says("LRANGE k 0 -1", "[b]");
        stage.ask("DEL k");
        // Killed: in the same breath as the push.
        let mut client = stage.client();
        let id = client.id();
        client.send("BLPOP k 0");
        stage.until_blocked(1);
        stage.main.send(&format!("CLIENT KILL ID {id}"));
        stage.main.send("RPUSH k a");
        stage.main.send("LLEN k");
        assert_eq!([stage.main.reply(), stage.main.reply(), stage.main.reply()], [":1", ":1", ":1"]);
        assert!(client.is_closed());
        stage.until_blocked(0);
    });
}

#[test]
fn client_unblock_ends_a_wait_at_once() {
    const UNBLOCKED: &str = "-UNBLOCKED client unblocked via CLIENT UNBLOCK";
    story("unblock", false, |stage| {
        for (how, reply) in [("", "*-1"), (" TIMEOUT", "*-1"), (" ERROR", UNBLOCKED)] {
            let mut client = stage.client();
            let id = client.id();
            stage.says(&format!("CLIENT UNBLOCK {id}{how}"), ":0");
            client.send("BLPOP k 0");
            stage.until_blocked(1);
            let line = stage.ask(&format!("CLIENT LIST ID {id}"));
            assert!(line.contains(" flags=bU ") && line.contains(" cmd=blpop "), "{}: {line}", stage.name);
            // What is pushed in the same breath is not given to it, and it cannot be ended twice.
            stage.main.send(&format!("CLIENT UNBLOCK {id}{how}"));
            stage.main.send(&format!("CLIENT UNBLOCK {id}{how}"));
            stage.main.send("RPUSH k a");
            stage.main.send("LPOP k");
            let replies: Vec<String> = (0..4).map(|_| stage.main.reply()).collect();
            assert_eq!(replies, [":1", ":0", ":1", "a"], "{}", stage.name);
            stage.hears(&mut client, reply);
            assert_eq!(client.ask("PING"), "+PONG");
            stage.until_blocked(0);
        }
        stage.says("CLIENT UNBLOCK 123456789", ":0");
    });
}

#[test]
fn requests_behind_one_that_waits_are_executed_after_it() {
    story("pipeline", false, |stage| {
        let mut client = stage.waiting("BLPOP k 0");
        client.send("RPUSH seen 1");
        client.send("BRPOP k 0");
        client.send("RPUSH seen 2");
        client.send("PING");
        assert!(client.is_silent());
        stage.says("LLEN seen", ":0");
        stage.says("RPUSH k a", ":1");
        stage.hears(&mut client, "[k a]");
        stage.hears(&mut client, ":1");
        stage.until_blocked(1);
        assert!(client.is_silent());
        stage.says("LLEN seen", ":1");
        stage.says("RPUSH k b", ":1");
        stage.hears(&mut client, "[k b]");
        stage.hears(&mut client, ":2");
        stage.hears(&mut client, "+PONG");
    });
}

#[test]
fn a_client_may_wait_again_and_again() {
    story("again", false, |stage| {
        let mut client = stage.client();
        let mut other = stage.client();
        for round in 0..300 {
            client.send("BLPOP k 0");
            other.send(&format!("RPUSH k {round}"));
            // Whichever comes first.
            assert_eq!(other.reply(), ":1", "{}", stage.name);
            assert_eq!(client.reply(), format!("[k {round}]"), "{}", stage.name);
        }
        stage.says("EXISTS k", ":0");
        stage.until_blocked(0);
    });
}

#[test]
fn a_pause_holds_the_push_back_and_not_the_wait() {
    story("pause", false, |stage| {
        let mut client = stage.waiting("BLPOP k 0");
        let mut hasty = stage.waiting("BLPOP k2 0.1");
        stage.says("CLIENT PAUSE 10000 WRITE", "+OK");
        let mut pusher = stage.client();
        pusher.send("RPUSH k a");
        assert!(pusher.is_silent() && client.is_silent());
        stage.hears(&mut hasty, "*-1");
        stage.says("CLIENT UNPAUSE", "+OK");
        assert_eq!(pusher.reply(), ":1");
        stage.hears(&mut client, "[k a]");
    });
}

#[test]
fn muted_clients_hear_nothing() {
    story("muted", false, |stage| {
        let mut client = stage.client();
        client.send("CLIENT REPLY OFF");
        client.send("BLPOP k 0");
        stage.until_blocked(1);
        stage.says("RPUSH k a b", ":2");
        stage.until_blocked(0);
        client.send("CLIENT REPLY ON");
        assert_eq!(client.reply(), "+OK");
        stage.says("LRANGE k 0 -1", "[b]");
    });
}

#[test]
fn a_large_element_reaches_a_client_that_waits() {
    story("large", false, |stage| {
        let large = "x".repeat(3_000_000);
        let mut client = stage.waiting("BLMOVE k x LEFT LEFT 0");
        let mut next = stage.waiting("BLPOP x 0");
        stage.says(&format!("RPUSH k {large}"), ":1");
        assert!(client.reply() == large);
        assert!(next.reply() == format!("[x {large}]"));
    });
}

/// A stream that nobody took away through Redis: it expires, is evicted, or goes by the memcached port. No command
/// of a Redis client follows that could serve those who wait by the way.
#[test]
fn a_consumer_learns_that_its_stream_went_by_itself() {
    const NO_GROUP: &str = "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option";
    const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    let magpie = Magpie::start(env!("CARGO_BIN_EXE_magpie"), "blocking-gone", &["--maxmemory", "16mb"]);
    let socket = magpie.socket();
    let mut stage = Stage { name: "magpie", socket: &socket, main: Client::connect(&socket) };
    let mut memcached = support::real_redis::connect(&magpie.memcached_socket());
    let mut through_memcached = |request: &[u8]| {
        memcached.write_all(request).expect("the server reads");
        let mut reply = [0; 64];
        assert!(memcached.read(&mut reply).expect("the server answers") > 0, "the server hung up");
    };
    let value = [b'x'; 100_000];
    for (way, expected) in
        [("expiry", NO_GROUP), ("set", WRONG_TYPE), ("flush_all", NO_GROUP), ("eviction", NO_GROUP)]
    {
        stage.ask("DEL s");
        stage.says("XGROUP CREATE s g $ MKSTREAM", "+OK");
        let mut reader = stage.waiting("XREADGROUP GROUP g alice BLOCK 0 STREAMS s >");
        match way {
            "set" => through_memcached(b"set s 0 0 1\r\nx\r\n"),
            "flush_all" => through_memcached(b"flush_all\r\n"),
            "eviction" => {
                // Then nothing else can be.
                stage.says("CONFIG SET maxmemory-policy volatile-ttl", "+OK");
                stage.says("EXPIRE s 10000", ":1");
                for number in 0..300 {
                    let head = format!("set {number} 0 0 {}\r\n", value.len());
                    through_memcached(&[head.as_bytes(), &value, b"\r\n"].concat());
                }
            }
            _ => stage.says("PEXPIRE s 20", ":1"),
        }
        assert_eq!(reader.reply(), expected, "{way}");
    }
}

/// Many who wait, many who push, on both workers: every element arrives once.
#[test]
fn every_element_arrives_once() {
    const CONSUMERS: usize = 8;
    const EACH: usize = 400;
    let magpie = Magpie::start(env!("CARGO_BIN_EXE_magpie"), "blocking-many", &[]);
    let socket = magpie.socket();
    Client::connect(&socket);
    let mut received: Vec<String> = std::thread::scope(|scope| {
        let consumers: Vec<_> = (0..CONSUMERS)
            .map(|number| {
                let socket = &socket;
                scope.spawn(move || {
                    let mut client = Client::connect(socket);
                    let mut mine = Vec::new();
                    loop {
                        let command = ["BLPOP k other 0", "BRPOP other k 0", "BLMPOP 0 1 k LEFT COUNT 1"];
                        let reply = client.ask(command[number % command.len()]);
                        let element =
                            reply.trim_end_matches(']').rsplit([' ', '[']).next().expect("an element");
                        if element == "stop" {
                            return mine;
                        }
                        mine.push(element.to_owned());
                    }
                })
            })
            .collect();
        let producers: Vec<_> = (0..4)
            .map(|number| {
                let socket = &socket;
                scope.spawn(move || {
                    let mut client = Client::connect(socket);
                    for step in 0..EACH {
                        client.ask(&format!("RPUSH k {number}:{step}:a {number}:{step}:b"));
                    }
                })
            })
            .collect();
        producers.into_iter().for_each(|producer| producer.join().expect("it pushed"));
        let mut client = Client::connect(&socket);
        (0..CONSUMERS).for_each(|_| {
            client.ask("RPUSH k stop");
        });
        consumers.into_iter().flat_map(|consumer| consumer.join().expect("it popped")).collect()
    });
    assert_eq!(received.len(), 4 * EACH * 2);
    received.sort();
    received.dedup();
    assert_eq!(received.len(), 4 * EACH * 2);
}
