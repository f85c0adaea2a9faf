//! What the commands about connections and the server promise beyond single replies. The clock is moved by
//! hand, so nothing sleeps.

mod support;

use magpie::clock::{Clock, Millis};
use magpie::config::Param;
use magpie::daemon::Daemon;
use magpie::observe::Counter;
use std::sync::atomic::Ordering::Relaxed;
use support::{Peer, Resp, daemon};

const DEBUG: &[(&str, &str)] = &[("enable-debug-command", "yes")];

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn info(daemon: &Daemon, section: &str, field: &str) -> String {
    let text = Resp::connect(daemon).ask(&format!("INFO {section}"));
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{field}:")).map(str::to_owned));
    line.unwrap_or_else(|| panic!("{field} in {text}"))
}

/// It lists many keys in slices; alone, with replies on, in a transaction, and muted.
#[test]
fn keys_lists_all_of_many_keys_once() {
    const KEYS: usize = 20_000;
    let daemon = daemon(&[]);
    let mut peer = Resp::connect(&daemon);
    let mut expected: Vec<String> = (0..KEYS).map(|number| format!("key:{number}")).collect();
    for key in &expected {
        peer.ask(&format!("SET {key} x"));
    }
    peer.ask("SET other x");
    expected.sort();
    let keys = |reply: &str| {
        let mut keys: Vec<String> =
            reply.split("\r\n").filter(|line| line.starts_with("key:")).map(str::to_owned).collect();
        keys.sort();
        keys
    };
    let reply = peer.ask("KEYS key:*");
    assert!(reply.starts_with(&format!("*{KEYS}\r\n")));
    assert!(keys(&reply) == expected);
    assert_eq!(peer.ask("PING"), "+PONG\r\n");
    // With its own connection, whose gates are looked at one by one.
    peer.ask("CLIENT TRACKING ON");
    assert!(keys(&peer.ask("KEYS key:*")) == expected);
    let transaction = text(&peer.send(b"MULTI\r\nKEYS key:*\r\nEXEC\r\n"));
    assert!(keys(&transaction) == expected);
    assert_eq!(text(&peer.send(b"CLIENT REPLY SKIP\r\nKEYS *\r\nPING\r\n")), "+PONG\r\n");
    assert!(peer.ask("INFO commandstats").contains("cmdstat_keys:calls=4,"));
}

#[test]
fn debug_sleep_answers_when_it_is_over() {
    let daemon = daemon(DEBUG);
    let mut peer = Resp::connect(&daemon);
    let start = peer.now;
    assert_eq!(peer.send(b"PING\r\nDEBUG SLEEP 0.5\r\nECHO after\r\n"), b"+PONG\r\n");
    peer.set_now(Millis(start.0 + 499));
    assert_eq!(peer.send(b""), b"");
    peer.set_now(Millis(start.0 + 500));
    assert_eq!(text(&peer.send(b"")), "+OK\r\n$5\r\nafter\r\n");
    // Others are served meanwhile; the time counts as the command's own.
    assert_eq!(daemon.slowlog.newest(9)[0].micros / 1000, 500);
}

#[test]
fn wait_ends_when_the_time_is_up_or_when_it_is_unblocked() {
    let daemon = daemon(&[]);
    let (mut waiting, mut other) = (Resp::connect(&daemon), Resp::connect(&daemon));
    assert_eq!(waiting.ask("WAIT 1 100"), "");
    assert!(waiting.client.blocked.load(Relaxed));
    assert!(other.ask("CLIENT LIST").contains("flags=b "));
    waiting.set_now(Millis(waiting.now.0 + 100));
    assert_eq!(waiting.send(b""), b":0\r\n");
    assert!(!waiting.client.blocked.load(Relaxed));

    let id = waiting.client.id;
    for (how, reply) in
        [("TIMEOUT", ":0\r\n"), ("ERROR", "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n")]
    {
        assert_eq!(waiting.ask("WAIT 1 0"), "");
        assert_eq!(other.ask(&format!("CLIENT UNBLOCK {id} {how}")), ":1\r\n");
        waiting.deliver();
        assert_eq!(text(&waiting.send(b"")), reply);
        assert_eq!(other.ask(&format!("CLIENT UNBLOCK {id}")), ":0\r\n");
    }
}

#[test]
fn a_client_that_kills_itself_gets_its_answer() {
    let daemon = daemon(&[]);
    let (mut me, other) = (Resp::connect(&daemon), Resp::connect(&daemon));
    assert_eq!(me.ask("CLIENT KILL TYPE normal"), ":1\r\n");
    assert!(!me.is_closed() && other.client.take_mail().close);
    assert_eq!(me.ask(&format!("CLIENT KILL ID {} SKIPME no", me.client.id)), ":1\r\n");
    assert!(me.is_closed());
}

#[test]
fn client_kill_maxage_spares_the_young() {
    let daemon = daemon(&[]);
    let now = Clock::default().now();
    let old = Resp::connect_at(&daemon, Millis(now.0 - 60_000));
    let young = Resp::connect_at(&daemon, Millis(now.0 - 59_000));
    let mut me = Resp::connect_at(&daemon, now);
    assert_eq!(me.ask("CLIENT KILL MAXAGE 60"), ":1\r\n");
    assert!(old.client.take_mail().close && !young.client.take_mail().close);
}

#[test]
fn client_list_shows_what_redis_shows() {
    let daemon = daemon(&[]);
    let mut peer = Resp::connect(&daemon);
    peer.ask("CLIENT SETNAME me");
    peer.ask("CLIENT SETINFO LIB-NAME redis-py");
    peer.ask("CLIENT SETINFO lib-ver 8.0.0");
    peer.ask("CLIENT NO-TOUCH on");
    peer.ask("SELECT 3");
    peer.ask("MULTI");
    peer.ask("GET a");
    let line = Resp::connect(&daemon).ask(&format!("CLIENT LIST ID {}", peer.client.id));
    let line = line.lines().nth(1).expect("a bulk string");
    let fields: Vec<&str> = line.split(' ').map(|field| field.split('=').next().unwrap_or("")).collect();
    let names = "id addr laddr fd name age idle flags db sub psub ssub multi watch qbuf qbuf-free argv-mem multi-mem \
                 rbs rbp obl oll omem tot-mem events cmd user redir resp lib-name lib-ver";
    assert_eq!(fields, names.split_whitespace().collect::<Vec<_>>());
    for field in [
        "name=me",
        "flags=xT",
        "db=3",
        "multi=1",
        "cmd=multi",
        "user=default",
        "lib-name=redis-py",
        "lib-ver=8.0.0",
    ] {
        assert!(line.split(' ').any(|shown| shown == field), "{field} in {line}");
    }
}

#[test]
fn monitor_shows_what_runs_and_keeps_secrets() {
    let daemon = daemon(&[("requirepass", "secret")]);
    let mut monitor = Resp::connect(&daemon);
    let mut other = Resp::connect(&daemon);
    monitor.ask("AUTH secret");
    assert_eq!(monitor.ask("MONITOR"), "+OK\r\n");
    other.ask("GET refused");
    other.ask("AUTH secret");
    other.ask("HELLO 3 AUTH default secret");
    other.call(&[b"SET", b"a\r\n", b"\xff\"1\""]);
    other.ask("MULTI");
    other.ask("GET a");
    other.ask("EXEC");
    other.ask("CONFIG SET requirepass other");
    let lines = text(&monitor.client.take_mail().push);
    let shown: Vec<&str> =
        lines.lines().filter_map(|line| line.split_once("] ").map(|(_, words)| words)).collect();
    assert_eq!(
        shown,
        [
            r#""AUTH" "(redacted)""#,
            r#""HELLO" "3" "AUTH" "(redacted)" "(redacted)""#,
            r#""SET" "a\r\n" "\xff\"1\"""#,
            r#""MULTI""#,
            r#""GET" "a""#,
            r#""EXEC""#,
        ]
    );
    assert!(lines.starts_with('+') && lines.contains(" [0 127.0.0.1:50000] \"AUTH\""));
    assert!(monitor.ask("GET a").starts_with("-ERR Replica can't interact with the keyspace"));
    assert_eq!(monitor.ask("RESET"), "+RESET\r\n");
    assert_eq!(daemon.clients.monitors.load(Relaxed), 0);
    other.ask("PING");
    assert!(monitor.client.take_mail().push.is_empty());
}

#[test]
fn a_monitor_that_does_not_read_is_closed() {
    let daemon = daemon(&[("client-output-buffer-limit", "pubsub 1000 0 0")]);
    let (mut monitor, mut other) = (Resp::connect(&daemon), Resp::connect(&daemon));
    monitor.ask("MONITOR");
    (0..100).for_each(|_| drop(other.ask("PING")));
    let mail = monitor.client.take_mail();
    assert!(mail.overflowed && mail.push.is_empty());
}

#[test]
fn the_slow_log_holds_what_took_long_without_secrets() {
    let daemon = daemon(&[("slowlog-log-slower-than", "0")]);
    let mut peer = Resp::connect(&daemon);
    peer.ask("CLIENT SETNAME slow");
    peer.ask("GET a");
    peer.ask("CONFIG SET requirepass secret maxmemory 0");
    peer.ask("AUTH secret");
    peer.ask("MULTI");
    peer.ask("EXEC");
    let newest = daemon.slowlog.newest(9);
    let commands: Vec<String> = newest.iter().map(|entry| text(&entry.args.join(&b' '))).collect();
    assert_eq!(
        commands,
        [
            "MULTI",
            "AUTH (redacted)",
            "CONFIG SET requirepass (redacted) maxmemory 0",
            "GET a",
            "CLIENT SETNAME slow",
        ]
    );
    assert_eq!((newest[0].client_name.as_str(), newest[0].addr.as_str()), ("slow", "127.0.0.1:50000"));
    peer.ask("CONFIG SET slowlog-max-len 2");
    peer.ask("PING");
    assert_eq!(peer.ask("SLOWLOG LEN"), ":2\r\n");
    assert!(peer.ask("SLOWLOG GET 1").starts_with("*1\r\n*6\r\n:7\r\n:"));
    peer.ask("CONFIG SET slowlog-log-slower-than -1");
    peer.ask("SLOWLOG RESET");
    peer.ask("PING");
    assert_eq!(peer.ask("SLOWLOG LEN"), ":0\r\n");
}

#[test]
fn quick_commands_are_timed_by_sampling_and_told_for_all() {
    let daemon = daemon(&[]);
    let mut peer = Resp::connect(&daemon);
    for _ in 0..1000 {
        peer.ask("GET a");
    }
    let stats = info(&daemon, "commandstats", "cmdstat_get");
    assert!(
        stats.starts_with("calls=1000,usec=") && stats.ends_with("rejected_calls=0,failed_calls=0"),
        "{stats}"
    );
    peer.ask("GET");
    peer.ask("INCR a b");
    peer.ask("SET s text");
    peer.ask("INCR s");
    assert!(info(&daemon, "commandstats", "cmdstat_get").contains("rejected_calls=1,failed_calls=0"));
    assert!(info(&daemon, "commandstats", "cmdstat_incr").starts_with("calls=1,"));
    assert!(info(&daemon, "commandstats", "cmdstat_incr").ends_with("rejected_calls=1,failed_calls=1"));
    assert_eq!(info(&daemon, "errorstats", "errorstat_ERR"), "count=3");
    assert_eq!(info(&daemon, "stats", "total_error_replies"), "3");
    assert!(info(&daemon, "latencystats", "latency_percentiles_usec_get").starts_with("p50="));
    let histogram = peer.ask("LATENCY HISTOGRAM get");
    assert!(histogram.starts_with("*2\r\n$3\r\nget\r\n*4\r\n$5\r\ncalls\r\n:1000\r\n"), "{histogram}");
    assert!(histogram.ends_with(":1000\r\n"), "{histogram}");
    peer.ask("CONFIG RESETSTAT");
    assert!(!peer.ask("INFO commandstats").contains("cmdstat_get"));
    assert!(!peer.ask("INFO errorstats").contains("errorstat_ERR"));
    assert_eq!(daemon.count(Counter::ErrorReplies), 0);
}

#[test]
fn the_latency_monitor_keeps_slow_events() {
    let daemon = daemon(&[("enable-debug-command", "yes"), ("latency-monitor-threshold", "100")]);
    let mut peer = Resp::connect(&daemon);
    for ms in [300u64, 99, 200] {
        peer.ask(&format!("DEBUG SLEEP 0.{ms:03}"));
        peer.set_now(Millis(peer.now.0 + 2000));
        assert_eq!(peer.send(b""), b"+OK\r\n");
    }
    let (_, history) = daemon.latency.history(b"command").expect("slow commands");
    let times: Vec<u64> = history.samples.iter().map(|sample| sample.ms).collect();
    assert_eq!((times, history.worst), (vec![300, 200], 300));
    assert!(peer.ask("LATENCY LATEST").starts_with("*1\r\n*4\r\n$7\r\ncommand\r\n:"));
    assert!(peer.ask("LATENCY LATEST").ends_with(":200\r\n:300\r\n"));
    assert!(peer.ask("LATENCY HISTORY command").starts_with("*2\r\n*2\r\n:"));
    let graph = peer.ask("LATENCY GRAPH command");
    assert!(graph.contains("command - high 300 ms, low 200 ms (all time high 300 ms)"), "{graph}");
    assert!(peer.ask("LATENCY DOCTOR").contains("1. command: 2 latency spikes (average 250ms"));
    assert_eq!(peer.ask("LATENCY RESET"), ":1\r\n");
}

#[test]
fn config_set_takes_effect_at_once() {
    let daemon = daemon(&[]);
    let mut peer = Resp::connect(&daemon);
    assert_eq!(peer.ask("CONFIG SET maxmemory 10mb maxmemory-policy volatile-lfu"), "+OK\r\n");
    assert_eq!((daemon.store.limit(), daemon.store.policy().name()), (10 << 20, "volatile-lfu"));
    assert_eq!(info(&daemon, "memory", "maxmemory"), "10485760");
    assert_eq!(info(&daemon, "memory", "maxmemory_policy"), "volatile-lfu");
    assert!(!daemon.times_all.load(Relaxed));
    peer.ask("CONFIG SET slowlog-log-slower-than 0");
    assert!(daemon.times_all.load(Relaxed));
    peer.ask("CONFIG SET slowlog-log-slower-than 10000");
    assert!(!daemon.times_all.load(Relaxed));
    peer.ask("CONFIG SET latency-monitor-threshold 5");
    assert!(daemon.times_all.load(Relaxed));
}

#[test]
fn a_password_that_is_taken_away_lets_everybody_in() {
    let daemon = daemon(&[("requirepass", "secret")]);
    let (mut stranger, mut friend) = (Resp::connect(&daemon), Resp::connect(&daemon));
    assert_eq!(stranger.ask("GET a"), "-NOAUTH Authentication required.\r\n");
    friend.ask("AUTH secret");
    friend.call(&[b"CONFIG", b"SET", b"requirepass", b""]);
    assert_eq!(stranger.ask("GET a"), "$-1\r\n");
    friend.ask("CONFIG SET requirepass new");
    assert_eq!(friend.ask("GET a"), "$-1\r\n");
    assert_eq!(stranger.ask("GET a"), "-NOAUTH Authentication required.\r\n");
    assert_eq!(info_as(&mut friend, "acl_access_denied_auth"), "0");
    assert!(stranger.ask("AUTH wrong").starts_with("-WRONGPASS"));
    assert_eq!(info_as(&mut friend, "acl_access_denied_auth"), "1");
}

fn info_as(peer: &mut Resp<'_>, field: &str) -> String {
    let text = peer.ask("INFO");
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{field}:")).map(str::to_owned));
    line.expect("the field is there")
}

#[test]
fn a_login_and_a_large_request_may_come_together() {
    let daemon = daemon(&[("requirepass", "secret")]);
    let mut peer = Resp::connect(&daemon);
    let value = vec![b'x'; 100_000];
    let both = [support::request(&[b"AUTH", b"secret"]), support::request(&[b"SET", b"a", &value])].concat();
    assert_eq!(text(&peer.send(&both)), "+OK\r\n+OK\r\n");
}

#[test]
fn shutdown_asks_the_server_and_says_nothing() {
    let daemon = daemon(&[]);
    let mut peer = Resp::connect(&daemon);
    assert_eq!(peer.ask("SHUTDOWN SAVE"), "-ERR Errors trying to SHUTDOWN. Check logs.\r\n");
    assert!(!daemon.shutdown.is_asked());
    assert_eq!(peer.ask("SHUTDOWN NOSAVE NOW"), "");
    assert!(peer.is_closed() && daemon.shutdown.is_asked());
}

#[test]
fn a_pause_holds_commands_back_and_unpause_wakes_them() {
    let daemon = daemon(&[]);
    let (mut peer, mut other) = (Resp::connect(&daemon), Resp::connect(&daemon));
    peer.ask("CLIENT PAUSE 1000 WRITE");
    assert_eq!(other.ask("GET a"), "$-1\r\n");
    assert_eq!(other.ask("SET a b"), "");
    peer.ask("CLIENT PAUSE 10 ALL");
    let until = daemon.clients.paused_until.load(Relaxed);
    assert_eq!(until, peer.now.0 + 1000, "a pause is never made shorter");
    assert!(!other.client.wants_attention());
    assert_eq!(peer.ask("CLIENT UNPAUSE"), "+OK\r\n");
    assert!(other.client.wants_attention());
    assert_eq!(other.send(b""), b"+OK\r\n");
}

#[test]
fn info_has_what_redis_exporter_reads() {
    let daemon = daemon(&[]);
    let mut peer = Resp::connect(&daemon);
    peer.ask("SET a 1 EX 100");
    peer.ask("SET b 1");
    peer.ask("GET b");
    peer.ask("GET c");
    let all = peer.ask("INFO everything");
    for section in [
        "Server",
        "Clients",
        "Memory",
        "Persistence",
        "Stats",
        "Replication",
        "CPU",
        "Modules",
        "Commandstats",
        "Errorstats",
        "Latencystats",
        "Cluster",
        "Keyspace",
    ] {
        assert!(all.contains(&format!("# {section}\r\n")), "{section}");
    }
    assert_eq!(info_as(&mut peer, "keyspace_hits"), "1");
    assert_eq!(info_as(&mut peer, "keyspace_misses"), "1");
    let db = info_as(&mut peer, "db0");
    assert!(db.starts_with("keys=2,expires=1,avg_ttl="), "{db}");
    let ttl: u64 = db.split(['=', ',']).nth(5).and_then(|ttl| ttl.parse().ok()).expect("a number");
    assert!((99_000..=100_000).contains(&ttl), "{db}");
    assert_eq!(info_as(&mut peer, "redis_mode"), "standalone");
    assert_eq!(info_as(&mut peer, "role"), "master");
    assert_eq!(info_as(&mut peer, "run_id").len(), 40);
    assert!(info_as(&mut peer, "used_memory_rss").parse::<usize>().expect("a number") > 1 << 20);
    let some = peer.ask("INFO keyspace CPU");
    assert!(some.contains("# CPU") && some.contains("# Keyspace") && !some.contains("# Server"));
    assert!(some.find("# CPU") < some.find("# Keyspace"));
    assert!(!peer.ask("INFO").contains("# Commandstats"));
    assert!(peer.ask("INFO all").contains("# Commandstats"));
    peer.ask("HELLO 3");
    assert!(peer.ask("INFO server").starts_with('='));
}

#[test]
fn what_looks_at_the_whole_store_may_stand_in_a_transaction() {
    let daemon = daemon(&[]);
    let mut peer = Resp::connect(&daemon);
    peer.ask("MULTI");
    for command in ["INFO everything", "MEMORY STATS", "MEMORY DOCTOR", "MEMORY PURGE", "CONFIG RESETSTAT"] {
        assert_eq!(peer.ask(command), "+QUEUED\r\n");
    }
    assert!(peer.ask("EXEC").starts_with("*5\r\n$"));
}

#[test]
fn every_parameter_that_is_a_secret_is_hidden() {
    let daemon = daemon(&[("slowlog-log-slower-than", "0")]);
    let mut peer = Resp::connect(&daemon);
    for spec in magpie::config::TABLE.iter().filter(|spec| spec.sensitive) {
        peer.ask(&format!("CONFIG SET {} hush", spec.name.to_ascii_uppercase()));
        let entry = &daemon.slowlog.newest(1)[0];
        assert_eq!(text(&entry.args[3]), "(redacted)", "{}", spec.name);
    }
    assert_eq!(&*daemon.config.text(Param::RequirePass), "hush");
}

#[test]
fn a_transaction_is_bounded_as_a_request_is() {
    let daemon = daemon(&[("client-query-buffer-limit", "1mb")]);
    let mut client = Resp::connect(&daemon);
    assert_eq!(client.ask("MULTI"), "+OK\r\n");
    let value = vec![b'x'; 100_000];
    for _ in 0..9 {
        assert_eq!(client.call(&[b"SET", b"k", &value]), b"+QUEUED\r\n");
    }
    let other = Resp::connect(&daemon).ask("CLIENT LIST");
    let queued = other.lines().find(|line| line.contains("multi=9")).expect("the transaction is listed");
    assert!(queued.contains("multi-mem=90"), "{queued}");
    client.call(&[b"SET", b"k", &value]);
    client.call(&[b"SET", b"k", &value]);
    assert!(client.is_closed());
    assert_eq!(Resp::connect(&daemon).ask("EXISTS k"), ":0\r\n");
}

/// Commands that take long let other connections have their turns in the middle of a batch.
#[test]
fn a_batch_of_long_commands_that_comes_in_pieces_is_executed_whole() {
    let daemon = daemon(&[]);
    let mut peer = Resp::connect(&daemon);
    let mut batch = Vec::new();
    for first in (0..20_000).step_by(500) {
        let members: Vec<String> = (first..first + 500).map(|number| format!("member-{number:08}")).collect();
        let words: Vec<&[u8]> = [&b"SADD"[..], b"big"]
            .into_iter()
            .chain(members.iter().map(|member| member.as_bytes()))
            .collect();
        batch.extend(support::request(&words));
    }
    let replies: String = batch.chunks(65_536).map(|piece| text(&peer.send(piece))).collect();
    assert_eq!(replies, ":500\r\n".repeat(40));
}
