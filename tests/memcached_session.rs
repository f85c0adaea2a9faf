//! What a memcached connection promises beyond single replies: any split of the bytes, bounded buffers,
//! large replies in pieces, watchers, statistics.

mod memcached_support;
mod support;

use magpie::clock::{Clock, Millis};
use magpie::memcached::Session;
use magpie::store::{PolicyKind, Store, StoreOptions};
use memcached_support::{Peer, daemon};
use proptest::prelude::*;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Requests, good and bad, and junk; without lines of 2 kB and more, whose fate depends on how they arrive,
/// as in memcached, and without what may not be pipelined.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        4 => Just("a".to_owned()),
        4 => "[0-9]{1,3}",
        1 => "[ -~]{1,6}",
        1 => Just("noreply".to_owned()),
        1 => Just("k".repeat(251)),
        2 => "[bcfhklqstuvITMNRDJEFOC][0-9]{0,3}",
    ];
    let verb = prop::sample::select(vec![
        "get",
        "gets",
        "set",
        "add",
        "append",
        "cas",
        "incr",
        "decr",
        "delete",
        "touch",
        "gat",
        "mg",
        "ms",
        "md",
        "ma",
        "mn",
        "flush_all",
        "version",
        "bogus",
    ]);
    let line = (verb, prop::collection::vec(word, 0..6))
        .prop_map(|(verb, words)| format!("{verb} {}\r\n", words.join(" ")).into_bytes());
    let set =
        "[a-z\r\n]{0,20}".prop_map(|value| format!("set a 0 0 {}\r\n{value}\r\n", value.len()).into_bytes());
    let junk = prop::collection::vec(any::<u8>(), 0..12);
    let piece = prop_oneof![5 => line, 3 => set, 1 => junk, 1 => Just(b"\n".to_vec())];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_of_the_bytes_gets_the_same_replies(
        bytes in soup(),
        cuts in prop::collection::vec(1usize..40, 1..20),
    ) {
        let now = Clock::default().now();
        let (whole_daemon, split_daemon) = (daemon(&[]), daemon(&[]));
        let mut whole = Peer::connect(&whole_daemon, now);
        let mut split = Peer::connect(&split_daemon, now);
        let expected = whole.send(&bytes);
        let replies = split.send_in_pieces(&bytes, &cuts);
        prop_assert_eq!(text(&replies), text(&expected));
        prop_assert_eq!(split.is_closed, whole.is_closed);
    }

    #[test]
    fn junk_neither_panics_nor_piles_up(junk in prop::collection::vec(any::<u8>(), 0..6000)) {
        let daemon = daemon(&[]);
        let mut peer = Peer::connect(&daemon, Clock::default().now());
        for piece in junk.chunks(512) {
            peer.send(piece);
        }
        prop_assert!(peer.most_unread <= 2048 + 512, "{}", peer.most_unread);
    }
}

#[test]
fn an_endless_get_line_is_answered_as_it_comes() {
    let daemon = daemon(&[]);
    let mut peer = Peer::connect(&daemon, Clock::default().now());
    assert_eq!(peer.send(b"set k 0 0 1\r\nv\r\n"), b"STORED\r\n");
    let mut replies = peer.send(b"get ");
    for _ in 0..1000 {
        replies.extend(peer.send("k nosuch ".repeat(100).as_bytes()));
    }
    assert!(peer.most_unread < 5000, "{}", peer.most_unread);
    replies.extend(peer.send(b"k\r\nversion\r\n"));
    assert_eq!(text(&replies).matches("VALUE k 0 1\r\nv\r\n").count(), 100_001);
    assert!(replies.ends_with(b"v\r\nEND\r\nVERSION 1.6.39\r\n"));
}

#[test]
fn an_endless_get_line_with_a_nul_or_a_long_key_is_skipped_to_its_end() {
    for (bad, answer) in [("\0", "END\r\n"), (" xxx", "CLIENT_ERROR bad command line format\r\n")] {
        let daemon = daemon(&[]);
        let mut peer = Peer::connect(&daemon, Clock::default().now());
        let mut replies = peer.send("get a b c ".repeat(300).as_bytes());
        replies.extend(peer.send(bad.as_bytes()));
        for _ in 0..100 {
            replies.extend(peer.send(&[b'x'; 1000]));
        }
        assert!(peer.most_unread < 5000, "{}", peer.most_unread);
        replies.extend(peer.send(b"\r\nmn\r\n"));
        assert_eq!(text(&replies), format!("{answer}MN\r\n"));
    }
}

#[test]
fn large_replies_come_in_pieces_and_complete() {
    let daemon = daemon(&[]);
    let mut peer = Peer::connect(&daemon, Clock::default().now());
    let value = "v".repeat(10_000);
    peer.send(format!("set k 0 0 10000\r\n{value}\r\n").as_bytes());
    // One line, then many: both exceed what may pile up before it is written.
    let replies = peer.send(format!("get {}\r\nmn\r\n", "k ".repeat(500)).as_bytes());
    let one = format!("VALUE k 0 10000\r\n{value}\r\n");
    assert_eq!(text(&replies), format!("{}END\r\nMN\r\n", one.repeat(500)));
    let replies = peer.send("mg k v\r\n".repeat(500).as_bytes());
    assert_eq!(text(&replies), format!("VA 10000\r\n{value}\r\n").repeat(500));
}

#[test]
fn a_block_that_is_too_large_is_never_held() {
    let daemon = daemon(&[("max-item-size", "1mb")]);
    let mut peer = Peer::connect(&daemon, Clock::default().now());
    assert_eq!(peer.send(b"set k 0 0 1\r\nv\r\n"), b"STORED\r\n");
    let reply = peer.send(b"set k 0 0 2000000000\r\n");
    assert_eq!(reply, b"SERVER_ERROR object too large for cache\r\n");
    for _ in 0..100 {
        assert_eq!(peer.send(&[b'x'; 20_000]), b"");
    }
    assert!(peer.most_unread <= 20_000);
}

#[test]
fn a_flush_that_is_due_is_done_by_whoever_comes_first() {
    let daemon = daemon(&[]);
    let now = Clock::default().now();
    let mut peer = Peer::connect(&daemon, now);
    peer.send(b"set k 0 0 1\r\nv\r\nflush_all 10\r\n");
    daemon.memcached.schedule.run(&daemon.store, Millis(now.0 + 9_999));
    assert_eq!(daemon.store.count_of(0).items, 1);
    daemon.memcached.schedule.run(&daemon.store, Millis(now.0 + 10_000));
    assert_eq!(daemon.store.count_of(0).items, 0);
    peer.send(b"set k 0 0 1\r\nv\r\n");
    daemon.memcached.schedule.run(&daemon.store, Millis(now.0 + 20_000));
    assert_eq!(daemon.store.count_of(0).items, 1, "it is done once");
}

#[test]
fn a_dump_shows_every_item_and_goes_on_after_a_flush() {
    let daemon = daemon(&[]);
    let mut peer = Peer::connect(&daemon, Clock::default().now());
    for i in 0..20_000 {
        peer.send(format!("set key:{i} 0 0 1 noreply\r\nv\r\n").as_bytes());
    }
    let dump = text(&peer.send(b"lru_crawler metadump all\r\n"));
    assert!(dump.len() > 2 * magpie::wire::FLUSH_AT, "{}", dump.len());
    assert!(dump.ends_with("\nEND\r\n"));
    let mut keys: Vec<&str> = dump.lines().filter_map(|line| line.split(' ').next()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 20_001);
    let commands = text(&peer.send(b"lru_crawler mgdump hash\r\n"));
    assert_eq!(commands.lines().filter(|line| line.starts_with("mg key:")).count(), 20_000);
    assert_eq!(peer.send(b"mn\r\n"), b"MN\r\n");
    let listed = text(&peer.send(b"stats cachedump 1 100\r\n"));
    assert_eq!(listed.lines().count(), 101);
}

#[test]
fn dumps_and_watch_are_refused_behind_other_replies() {
    let daemon = daemon(&[]);
    let mut peer = Peer::connect(&daemon, Clock::default().now());
    let reply = text(&peer.send(b"mn\r\nwatch\r\n"));
    assert_eq!(reply, "MN\r\nERROR cannot pipeline other commands before watch\r\n");
    let reply = text(&peer.send(b"mn\r\nlru_crawler metadump all\r\n"));
    assert_eq!(reply, "MN\r\nERROR cannot pipeline other commands before metadump\r\n");
}

#[test]
fn a_watcher_is_told_of_fetches_and_stores() {
    let daemon = daemon(&[]);
    let now = Millis(1_700_000_000_123);
    let mut watcher = Peer::connect(&daemon, now);
    let mut peer = Peer::connect(&daemon, now);
    assert_eq!(watcher.send(b"watch fetchers mutations\r\n"), b"OK\r\n");
    peer.send(b"set a:b 0 60 3\r\nabc\r\nget a:b nosuch\r\nmg a:b v\r\nms a:b 1 ME\r\nx\r\n");
    let told = text(&watcher.client.take_mail().push);
    let expected = "\
        ts=1700000000.123000 gid=1 type=item_store key=a%3Ab status=stored cmd=set ttl=60 clsid=1 cfd=10 size=3\n\
        ts=1700000000.123000 gid=2 type=item_get key=a%3Ab status=found clsid=1 cfd=10 size=3\n\
        ts=1700000000.123000 gid=3 type=item_get key=nosuch status=not_found clsid=0 cfd=10 size=0\n\
        ts=1700000000.123000 gid=4 type=item_get key=a%3Ab status=found clsid=1 cfd=10 size=3\n\
        ts=1700000000.123000 gid=5 type=item_store key=a%3Ab status=not_stored cmd=add ttl=0 clsid=1 cfd=10 size=1\n";
    assert_eq!(told, expected);
    // Who is gone is forgotten.
    daemon.clients.forget(&watcher.client);
    peer.send(b"get a:b\r\n");
    assert_eq!(text(&watcher.client.take_mail().push), "");
    assert!(text(&peer.send(b"stats\r\n")).contains("STAT log_watchers 0\r\n"));
}

#[test]
fn statistics_count_what_was_done() {
    let daemon = daemon(&[]);
    let mut peer = Peer::connect(&daemon, Clock::default().now());
    peer.send(
        b"set n 0 0 1\r\n1\r\nget n nosuch\r\nincr n 1\r\ndecr n 1\r\nincr nosuch 1\r\ndecr nosuch 1\r\n",
    );
    peer.send(
        b"gat 0 n nosuch\r\ntouch n 0\r\ntouch nosuch 0\r\ncas n 0 0 1 1\r\nx\r\ncas nosuch 0 0 1 1\r\nx\r\n",
    );
    peer.send(b"delete n\r\ndelete n\r\nmg n\r\nme n\r\nflush_all\r\nms k 1\r\n1\r\nset k 0 0 1\r\nbad\r\n");
    let stats = text(&peer.send(b"stats\r\n"));
    for (name, value) in [
        ("cmd_get", 3),
        ("get_hits", 1),
        ("get_misses", 2),
        ("cmd_set", 5),
        ("cmd_touch", 4),
        ("touch_hits", 2),
        ("touch_misses", 2),
        ("incr_hits", 1),
        ("incr_misses", 1),
        ("decr_hits", 1),
        ("decr_misses", 1),
        ("cas_badval", 1),
        ("cas_misses", 1),
        ("cas_hits", 0),
        ("delete_hits", 1),
        ("delete_misses", 1),
        ("cmd_flush", 1),
        ("cmd_meta", 1),
        ("curr_items", 1),
        ("total_items", 4),
    ] {
        assert!(stats.contains(&format!("STAT {name} {value}\r\n")), "{name}: {stats}");
    }
    assert_eq!(peer.send(b"stats reset\r\n"), b"RESET\r\n");
    assert!(text(&peer.send(b"stats\r\n")).contains("STAT cmd_get 0\r\n"));
    peer.send(b"stats sizes_enable\r\n");
    assert!(text(&peer.send(b"stats sizes\r\n")).contains("STAT 32 1\r\n"));
    let conns = text(&peer.send(b"stats conns\r\n"));
    assert!(conns.starts_with("STAT 10:addr tcp:127.0.0.1:50000\r\nSTAT 10:listen_addr tcp:"), "{conns}");
}

#[test]
fn a_full_store_that_evicts_nothing_refuses_in_memcached_s_words() {
    let mut daemon = daemon(&[]);
    let options = StoreOptions { limit: 4 << 20, policy: PolicyKind::NoEviction, ..StoreOptions::default() };
    daemon.set_store(Store::new(options));
    let mut peer = Peer::connect(&daemon, Clock::default().now());
    peer.send(b"set old 0 0 1\r\n1\r\nset meta 0 0 1\r\n1\r\nset kept 0 0 1\r\n1\r\n");
    let value = "v".repeat(100_000);
    let set = |key: &str| format!("set {key} 0 0 100000\r\n{value}\r\n").into_bytes();
    let mut stored = 0;
    while peer.send(&set(&format!("key:{stored}"))) == b"STORED\r\n" {
        stored += 1;
        assert!(stored < 100, "the limit holds");
    }
    assert_eq!(text(&peer.send(&set("old"))), "SERVER_ERROR out of memory storing object\r\n");
    let add = format!("append kept 0 0 100000\r\n{value}\r\n");
    assert_eq!(text(&peer.send(add.as_bytes())), "NOT_STORED\r\n");
    let ms = format!("ms meta 100000 q\r\n{value}\r\n");
    assert_eq!(text(&peer.send(ms.as_bytes())), "SERVER_ERROR out of memory storing object\r\n");
    // No outdated value stays behind a `set` that failed.
    assert_eq!(text(&peer.send(b"get old meta kept\r\n")), "VALUE kept 0 1\r\n1\r\nEND\r\n");
    assert!(text(&peer.send(b"stats\r\n")).contains("STAT store_no_memory 3\r\n"));
}

#[test]
fn shutdown_stops_the_daemon_where_it_is_enabled() {
    let closed = daemon(&[]);
    let mut peer = Peer::connect(&closed, Clock::default().now());
    assert_eq!(peer.send(b"shutdown\r\n"), b"ERROR: shutdown not enabled\r\n");
    assert!(!closed.shutdown.is_asked());
    let open = daemon(&[("enable-shutdown", "yes")]);
    let mut peer = Peer::connect(&open, Clock::default().now());
    assert_eq!(peer.send(b"shutdown graceful\r\n"), b"");
    assert!(open.shutdown.is_asked());
}

#[test]
fn a_connection_s_state_is_small() {
    assert!(size_of::<Session>() <= 64, "{}", size_of::<Session>());
}
