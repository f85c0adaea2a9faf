//! What a connection that speaks memcached's binary protocol promises: one and the same store as by text, any split
//! of the bytes, bounded buffers, log-ins. That single replies are memcached's own is compared with the real one in
//! `memcached_binary_differential.rs`.

mod memcached_support;
mod support;

use magpie::clock::{Clock, Millis};
use magpie::daemon::Daemon;
use magpie::store::{PolicyKind, Store, StoreOptions};
use memcached_support::packets::*;
use memcached_support::{Peer, daemon};
use proptest::prelude::*;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

fn connect(daemon: &Daemon) -> Peer<'_> {
    Peer::connect(daemon, Clock::default().now())
}

/// What comes back at once: whole replies.
fn ask(peer: &mut Peer<'_>, requests: &[Request]) -> Vec<Reply> {
    let bytes: Vec<u8> = requests.iter().flat_map(Request::bytes).collect();
    let received = peer.send(&bytes);
    let (replies, rest) = replies(&received);
    assert!(rest.is_empty(), "whole replies");
    replies
}

fn shown(peer: &mut Peer<'_>, requests: &[Request]) -> Vec<String> {
    ask(peer, requests).iter().map(Reply::show).collect()
}

fn plain(user: &str, password: &str) -> Request {
    request(SASL_AUTH).key("PLAIN").value(format!("\0{user}\0{password}"))
}

#[test]
fn both_protocols_see_one_item() {
    let daemon = daemon(&[]);
    let mut binary = connect(&daemon);
    let mut text = connect(&daemon);
    let stored = ask(&mut binary, &[store(SET, "k", 7, 300, "value")]);
    let got = String::from_utf8(text.send(b"gets k\r\n")).expect("text");
    assert_eq!(got, format!("VALUE k 7 5 {}\r\nvalue\r\nEND\r\n", stored[0].cas));
    assert_eq!(text.send(b"mg k t\r\n"), b"HD t300\r\n");
    assert_eq!(text.send(b"set n 5 0 2\r\n41\r\n"), b"STORED\r\n");
    assert_eq!(
        shown(
            &mut binary,
            &[count(INCREMENT, "n", 1, 0, 0), request(GETK).key("n"), store(SET, "k", 0, 0, "x").cas(1)]
        ),
        [
            "05 00 value=\\x00\\x00\\x00\\x00\\x00\\x00\\x00*",
            "0c 00 extras=\\x00\\x00\\x00\\x05 key=n value=42",
            "01 02 value=Data exists for key."
        ]
    );
    let mut redis = support::Resp::connect(&daemon);
    assert_eq!(redis.ask("RPUSH list a"), ":1\r\n");
    assert_eq!(
        shown(
            &mut binary,
            &[
                request(GET).key("list"),
                store(ADD, "list", 0, 0, "x"),
                request(APPEND).key("list").value("x"),
                count(INCREMENT, "list", 1, 0, 0),
                touch(TOUCH, "list", 300),
                store(SET, "list", 0, 0, "x"),
            ]
        ),
        [
            "00 01 value=Not found",
            "02 02 value=Data exists for key.",
            "0e 05 value=Not stored.",
            "05 06 value=Non-numeric server-side value for incr or decr",
            "1c 00 extras=\\x00\\x00\\x00\\x00",
            "01 00"
        ]
    );
}

#[test]
fn quiet_commands_are_answered_in_order_where_at_all() {
    let daemon = daemon(&[]);
    let mut peer = connect(&daemon);
    let requests: Vec<Request> = [
        store(SETQ, "a", 0, 0, "1"),
        request(GETKQ).key("a"),
        request(GETKQ).key("missing"),
        store(ADDQ, "a", 0, 0, "2"),
        request(GETQ).key("missing"),
        request(DELETEQ).key("missing"),
        count(INCREMENTQ, "a", 1, 0, 0),
        request(GETQ).key("a"),
        touch(GATKQ, "missing", 0),
        request(APPENDQ).key("a").value("0"),
        request(FLUSHQ),
        request(GETK).key("a"),
        request(NOOP),
    ]
    .into_iter()
    .zip(1..)
    .map(|(request, opaque)| request.opaque(opaque))
    .collect();
    let answered: Vec<(u32, u16)> =
        ask(&mut peer, &requests).iter().map(|reply| (reply.opaque, reply.status)).collect();
    assert_eq!(answered, [(2, 0), (4, 2), (6, 1), (8, 0), (12, 1), (13, 0)]);
}

#[test]
fn a_quiet_set_leaves_the_item_as_small_as_a_text_one() {
    let (by_text, by_binary) = (daemon(&[]), daemon(&[]));
    connect(&by_text).send(b"set key 0 0 5\r\nvalue\r\n");
    ask(&mut connect(&by_binary), &[store(SETQ, "key", 0, 0, "value")]);
    assert_eq!(by_binary.store.used(), by_text.store.used());
}

#[test]
fn expirations_are_without_sign() {
    let daemon = daemon(&[]);
    let mut peer = connect(&daemon);
    let now = peer.now;
    ask(
        &mut peer,
        &[
            store(SET, "month", 0, 2_592_000, "v"),
            store(SET, "date", 0, u32::MAX, "v"),
            store(SET, "past", 0, 2_592_001, "v"),
            count(INCREMENT, "n", 1, 5, 60),
            touch(GAT, "month", 10),
        ],
    );
    let present = |peer: &mut Peer<'_>| {
        let keys = ["month", "date", "past", "n"].map(|key| request(GETKQ).key(key));
        let replies = ask(peer, &keys);
        replies.iter().map(|reply| String::from_utf8_lossy(&reply.key).into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(present(&mut peer), ["month", "date", "n"]);
    peer.now = Millis(now.0 + 10_001);
    assert_eq!(present(&mut peer), ["date", "n"]);
    peer.now = Millis(now.0 + 60_001);
    assert_eq!(present(&mut peer), ["date"]);
}

#[test]
fn a_delayed_flush_comes_when_it_is_due() {
    let daemon = daemon(&[]);
    let mut peer = connect(&daemon);
    let flush = request(FLUSH).extras(10u32.to_be_bytes());
    ask(&mut peer, &[store(SET, "k", 0, 0, "v"), flush]);
    assert_eq!(ask(&mut peer, &[request(GET).key("k")])[0].status, 0);
    peer.now = Millis(peer.now.0 + 10_000);
    assert_eq!(ask(&mut peer, &[request(GET).key("k")])[0].status, 1);
}

#[test]
fn a_value_that_is_too_large_is_never_held() {
    let daemon = daemon(&[("max-item-size", "1mb")]);
    let mut peer = connect(&daemon);
    ask(&mut peer, &[store(SET, "k", 0, 0, "v")]);
    let mut head = store(SET, "k", 0, 0, "").bytes();
    head[8..12].copy_from_slice(&3_000_000_009u32.to_be_bytes());
    let (said, _) =
        replies(&peer.send(&head)).0.iter().map(Reply::show).fold((vec![], ()), |mut all, line| {
            all.0.push(line);
            all
        });
    assert_eq!(said, ["01 03 value=Too large."]);
    for _ in 0..100 {
        assert_eq!(peer.send(&[b'x'; 20_000]), b"");
    }
    assert!(peer.most_unread <= 20_000, "{}", peer.most_unread);
}

#[test]
fn an_unknown_command_is_skipped_with_its_key() {
    let daemon = daemon(&[]);
    let mut peer = connect(&daemon);
    let unknown = request(0x77).key("key").extras("extras").value("value");
    let said = shown(&mut peer, &[unknown, request(NOOP)]);
    assert_eq!(said, ["77 81 value=Unknown command", "0a 00"]);
}

#[test]
fn verbosity_is_as_its_document_says() {
    let daemon = daemon(&[]);
    let mut peer = connect(&daemon);
    assert_eq!(shown(&mut peer, &[request(VERBOSITY).extras([0, 0, 0, 2])]), ["1b 00"]);
    let settings = peer.send(&request(STAT).key("settings").bytes());
    assert!(settings.escape_ascii().to_string().contains("verbosity2"));
}

#[test]
fn statistics_are_those_of_the_text_protocol() {
    let daemon = daemon(&[]);
    let mut binary = connect(&daemon);
    let mut text = connect(&daemon);
    ask(&mut binary, &[store(SET, "k:1", 0, 0, "v"), request(GET).key("k:1"), request(GET).key("none")]);
    for subject in ["", "settings", "items", "slabs", "sizes", "conns"] {
        // Each by the other first, so that both have the same to tell.
        let lines = text.send(format!("stats {subject}\r\n").as_bytes());
        let stats = ask(&mut binary, &[request(STAT).key(subject)]);
        let (end, rows) = stats.split_last().expect("an end");
        assert_eq!(end.show(), "10 00");
        let names: Vec<String> =
            rows.iter().map(|row| String::from_utf8_lossy(&row.key).into_owned()).collect();
        let lines = String::from_utf8(lines).expect("text");
        let expected: Vec<&str> =
            lines.lines().filter_map(|line| line.strip_prefix("STAT ")?.split(' ').next()).collect();
        assert_eq!(names, expected, "{subject}");
        assert!(rows.len() > 1 || subject == "sizes", "{subject}");
    }
    let value = |stats: &[Reply], name: &str| {
        let row = stats.iter().find(|row| row.key == name.as_bytes()).expect("a row of that name");
        String::from_utf8_lossy(&row.value).into_owned()
    };
    let stats = ask(&mut binary, &[request(STAT)]);
    for (name, expected) in [("cmd_get", "2"), ("get_hits", "1"), ("cmd_set", "1"), ("curr_items", "1")] {
        assert_eq!(value(&stats, name), expected, "{name}");
    }
    let settings = ask(&mut binary, &[request(STAT).key("settings")]);
    assert_eq!(value(&settings, "auth_enabled_sasl"), "no");
    assert_eq!(value(&settings, "binding_protocol"), "auto-negotiate");
    ask(&mut binary, &[request(STAT).key("detail on"), request(GET).key("k:1"), request(STAT).key("reset")]);
    ask(&mut binary, &[request(GET).key("k:1"), touch(TOUCH, "k:1", 0), request(DELETE).key("k:1")]);
    let detail = ask(&mut binary, &[request(STAT).key("detail dump")]);
    assert_eq!(value(&detail, "detailed"), "PREFIX k get 2 hit 2 set 0 del 1\r\nEND\r\n");
}

#[test]
fn a_full_store_that_evicts_nothing_refuses_in_memcached_s_words() {
    let mut daemon = daemon(&[]);
    let options = StoreOptions { limit: 4 << 20, policy: PolicyKind::NoEviction, ..StoreOptions::default() };
    daemon.set_store(Store::new(options));
    let mut peer = connect(&daemon);
    let value = "v".repeat(100_000);
    ask(&mut peer, &[store(SET, "old", 0, 0, "1"), store(SET, "kept", 0, 0, "1")]);
    let full =
        (0..100).find(|i| ask(&mut peer, &[store(ADD, &format!("key:{i}"), 0, 0, &value)])[0].status != 0);
    assert!(full.is_some(), "the limit holds");
    assert_eq!(
        shown(
            &mut peer,
            &[
                store(SETQ, "old", 0, 0, &value),
                request(GET).key("old"),
                request(APPEND).key("kept").value(&value),
                request(GET).key("kept"),
            ]
        ),
        [
            "11 82 value=Out of memory allocating item",
            "00 01 value=Not found",
            "0e 05 value=Not stored.",
            "00 00 extras=\\x00\\x00\\x00\\x00 value=1"
        ]
    );
}

#[test]
fn the_first_byte_chooses_unless_the_configuration_does() {
    let noop = request(NOOP).bytes();
    for (setting, text_works, binary_works) in
        [("auto", true, true), ("ascii", true, false), ("binary", false, true)]
    {
        let daemon = daemon(&[("memcached-protocol", setting)]);
        let mut text = connect(&daemon);
        assert_eq!(
            text.send(b"mn\r\nmn\r\nmn\r\nmn\r\nmn\r\nmn\r\n").starts_with(b"MN\r\n"),
            text_works,
            "{setting}"
        );
        assert_eq!(text.is_closed, !text_works, "{setting}");
        let mut binary = connect(&daemon);
        assert_eq!(binary.send(&noop).starts_with(b"\x81\x0a"), binary_works, "{setting}");
    }
}

#[test]
fn the_same_users_guard_both_protocols() {
    let daemon = daemon(&[("requirepass", "secret")]);
    let rules: [&[u8]; 9] =
        [b"on", b">pass", b"+get", b"+set", b"+incrby", b"+append", b"%R~r*", b"~a*", b"+info"];
    daemon.acl.set_user(b"bob", &rules, false).expect("rules");
    let mut peer = connect(&daemon);
    assert_eq!(shown(&mut peer, &[request(SASL_LIST)]), ["20 00 value=PLAIN"]);
    assert_eq!(shown(&mut peer, &[plain("default", "wrong")]), ["21 20 value=Auth failure."]);
    assert_eq!(shown(&mut peer, &[plain("bob", "pass")]), ["21 00 value=Authenticated"]);
    let denied = |opcode: u8| format!("{opcode:02x} 20 value=Permission denied");
    for (request, said) in [
        (store(SET, "a", 0, 0, "1"), "01 00".to_owned()),
        (store(SET, "r", 0, 0, "1"), denied(SET)),
        (store(SETQ, "r", 0, 0, "1"), denied(SETQ)),
        (request(APPEND).key("a").value("0"), "0e 00".to_owned()),
        (request(APPEND).key("r").value("0"), denied(APPEND)),
        (request(GET).key("r"), "00 01 value=Not found".to_owned()),
        (request(GETQ).key("x"), denied(GETQ)),
        (touch(GAT, "a", 0), denied(GAT)),
        (touch(TOUCH, "a", 0), denied(TOUCH)),
        (request(DELETE).key("a"), denied(DELETE)),
        (count(INCREMENT, "r", 1, 0, 0), denied(INCREMENT)),
        (request(FLUSH), denied(FLUSH)),
        (request(STAT).key("reset"), denied(STAT)),
        (request(STAT).key("detail on"), denied(STAT)),
        (request(VERBOSITY).extras([0; 4]), denied(VERBOSITY)),
        (request(NOOP), "0a 00".to_owned()),
    ] {
        assert_eq!(shown(&mut peer, std::slice::from_ref(&request)), [said], "{request:?}");
    }
    assert!(ask(&mut peer, &[request(STAT)]).len() > 50);
    // A denied value is skipped, however long, and the user may go while its connection is there.
    assert_eq!(daemon.acl.delete([&b"bob"[..]].into_iter()).len(), 1);
    assert_eq!(shown(&mut peer, &[request(NOOP)]), [] as [&str; 0]);
    assert!(peer.is_closed);
}

#[test]
fn a_second_log_in_works_and_a_failed_one_logs_out() {
    let daemon = daemon(&[("requirepass", "secret")]);
    let mut peer = connect(&daemon);
    let good = plain("default", "secret");
    assert_eq!(shown(&mut peer, &[good.clone(), good.clone(), request(NOOP)])[2], "0a 00");
    let said = shown(&mut peer, &[plain("default", "wrong"), request(NOOP)]);
    assert_eq!(said, ["21 20 value=Auth failure.", "0a 20 value=Auth failure."]);
    assert!(peer.is_closed);
    assert_eq!(daemon.acl.log.lock().latest(10).len(), 1, "ACL LOG has the failure");
}

#[test]
fn without_anybody_to_log_in_as_sasl_is_unknown() {
    let daemon = daemon(&[]);
    let mut peer = connect(&daemon);
    let said = shown(&mut peer, &[request(SASL_LIST), plain("a", "b"), request(NOOP)]);
    assert_eq!(said, ["20 81 value=Unknown command", "21 81 value=Unknown command", "0a 00"]);
    daemon.acl.set_user(b"bob", &[b"on", b">pass", b"+@all", b"~bob:*"], false).expect("rules");
    let said = shown(&mut peer, &[plain("bob", "pass"), request(GET).key("a"), request(GET).key("bob:a")]);
    assert_eq!(said, ["21 00 value=Authenticated", "00 20 value=Permission denied", "00 01 value=Not found"]);
}

/// Packets, some of them cut, and junk.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let key = prop::sample::select(vec!["a", "a", "b", "", "c d"]);
    let extras = prop::sample::select(vec![0usize, 0, 4, 8, 8, 20]);
    let packet =
        (0u8..0x26, key, extras, "[a-z0-9]{0,30}", any::<u32>(), prop::sample::select(vec![0u64, 0, 5]))
            .prop_map(|(opcode, key, extras, value, opaque, cas)| {
                request(opcode).key(key).extras(vec![0; extras]).value(value).opaque(opaque).cas(cas).bytes()
            });
    let good = (prop::sample::select(&STORES[..]), "[ab]", "[0-9]{0,40}")
        .prop_map(|(opcode, key, value)| store(opcode, &key, 0, 0, &value).bytes());
    let get = prop::sample::select(vec![GET, GETQ, GETK, GETKQ])
        .prop_map(|opcode| request(opcode).key("a").bytes());
    let piece = prop_oneof![
        6 => good,
        6 => get,
        2 => packet,
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ];
    let first = request(NOOP).bytes();
    prop::collection::vec(piece, 0..30).prop_map(move |pieces| [first.clone(), pieces.concat()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_of_the_bytes_gets_the_same_replies(
        bytes in soup(),
        cuts in prop::collection::vec(1usize..60, 1..20),
        password in prop::sample::select(vec!["", "", "secret"]),
    ) {
        let now = Clock::default().now();
        let settings = [("requirepass", password)];
        let (whole_daemon, split_daemon) = (daemon(&settings), daemon(&settings));
        let mut whole = Peer::connect(&whole_daemon, now);
        let mut split = Peer::connect(&split_daemon, now);
        let expected = whole.send(&bytes);
        let received = split.send_in_pieces(&bytes, &cuts);
        prop_assert!(replies(&expected).1.is_empty());
        prop_assert_eq!(received.escape_ascii().to_string(), expected.escape_ascii().to_string());
        prop_assert_eq!(split.is_closed, whole.is_closed);
    }

    #[test]
    fn junk_neither_panics_nor_piles_up(junk in prop::collection::vec(any::<u8>(), 0..6000)) {
        let daemon = daemon(&[("max-item-size", "1kb")]);
        let mut peer = connect(&daemon);
        peer.send(&request(NOOP).bytes());
        for piece in junk.chunks(512) {
            peer.send(piece);
        }
        prop_assert!(peer.most_unread <= 2048 + 512, "{}", peer.most_unread);
    }
}

/// A real socket: values larger than any buffer on the way, both ways, and a hang-up that is seen.
#[test]
fn large_values_and_hang_ups_over_a_socket() {
    let server = support::process::Magpie::start(env!("CARGO_BIN_EXE_magpie"), "binary", &[]);
    let path = server.memcached_socket();
    let mut socket = (0..500)
        .find_map(|_| {
            let socket = UnixStream::connect(&path).ok();
            if socket.is_none() {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            socket
        })
        .expect("magpie listens");
    let value = "v".repeat(5_000_000);
    let mut requests = store(SETQ, "k", 3, 0, &value).bytes();
    (0..4u32).for_each(|opaque| requests.extend(request(GETK).key("k").opaque(opaque).bytes()));
    requests.extend(request(QUIT).opaque(9).bytes());
    let mut writer = socket.try_clone().expect("a second handle");
    let sender = std::thread::spawn(move || writer.write_all(&requests).expect("magpie reads"));
    let mut received = Vec::new();
    socket.read_to_end(&mut received).expect("magpie answers, then hangs up");
    sender.join().expect("all was sent");
    let (said, rest) = replies(&received);
    assert!(rest.is_empty());
    assert_eq!(said.iter().map(|reply| reply.opaque).collect::<Vec<_>>(), [0, 1, 2, 3, 9]);
    assert!(said[..4].iter().all(|reply| reply.value == value.as_bytes() && reply.extras == [0, 0, 0, 3]));
}
