//! The same binary packets go to `Session::feed` and to a real memcached; the replies must be the same. CAS uniques
//! are numbered in the order in which they appear on each side, since the two count differently. Without a
//! `memcached` on the PATH the tests say so and pass, and so does the one about SASL without `saslpasswd2`.
//!
//! Not sent, since they differ: `verbosity` and unknown commands with a key, `stat conns`, bodies of 2 GiB and more,
//! and a delayed flush, which in memcached brings back what an earlier one took away.

mod memcached_support;
mod support;

use magpie::clock::Clock;
use magpie::daemon::Daemon;
use memcached_support::packets::*;
use memcached_support::real::Real;
use memcached_support::{Peer, daemon};
use proptest::prelude::*;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

const FENCE: u32 = 0xfe_0ce0;

/// What a peer said to one request, and whether it hung up.
type Said = (Vec<Reply>, bool);

fn ask_real(socket: &mut TcpStream, bytes: &[u8]) -> Said {
    let mut received = Vec::new();
    let mut buffer = [0; 65536];
    // It may hang up before it has read all.
    let _ = socket.write_all(bytes).and_then(|()| socket.write_all(&request(NOOP).opaque(FENCE).bytes()));
    loop {
        match socket.read(&mut buffer) {
            Ok(0) => return (replies(&received).0, true),
            Ok(count) => received.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return (replies(&received).0, true),
            Err(error) => panic!("{error} after {:?} to {}", received.escape_ascii(), show(bytes)),
        }
        let (mut said, rest) = replies(&received);
        if rest.is_empty() && said.last().is_some_and(|reply| reply.opaque == FENCE) {
            // Who has not logged in is refused the fence too, and then hung up on.
            let closes = said.pop().is_some_and(|fence| fence.status != 0);
            return (said, closes);
        }
    }
}

fn ask_ours(peer: &mut Peer<'_>, bytes: &[u8]) -> Said {
    let mut received = peer.send(bytes);
    received.extend(peer.send(&request(NOOP).opaque(FENCE).bytes()));
    let (mut said, rest) = replies(&received);
    assert!(rest.is_empty(), "whole replies");
    let is_fenced = said.last().is_some_and(|reply| reply.opaque == FENCE);
    assert!(is_fenced || peer.is_closed, "lost the way after {}", show(bytes));
    if is_fenced {
        said.pop();
    }
    (said, peer.is_closed)
}

fn show(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(200)].escape_ascii().to_string()
}

/// A CAS unique that neither side comes to: they count up from 1.
const NOBODYS: u64 = 999_999_999;

/// CAS uniques that were seen, each with its key.
type Uniques = Vec<(Vec<u8>, u64)>;

/// Puts the number of its appearance in the place of every CAS unique.
fn number_uniques(key: &[u8], said: &mut Said, seen: &mut Uniques) {
    for reply in &mut said.0 {
        if reply.opcode == VERSION && reply.status == 0 {
            reply.value.clear(); // each says its own
        }
        if reply.cas != 0 {
            let known = (key.to_vec(), reply.cas);
            let place = seen.iter().position(|other| *other == known).unwrap_or_else(|| {
                seen.push(known);
                seen.len() - 1
            });
            reply.cas = place as u64 + 1;
        }
    }
}

/// The CAS field of a request 1 and 2 stand for the last unique that was seen of its key and the one before.
fn with_unique(request: &Request, seen: &Uniques) -> Request {
    let mut of_key = seen.iter().rev().filter(|(key, _)| *key == request.key).map(|(_, unique)| *unique);
    let cas = match request.cas {
        0 => 0,
        back @ 1..=2 => of_key.nth(back as usize - 1).unwrap_or(NOBODYS),
        other => other,
    };
    request.clone().cas(cas)
}

/// Both sides of a comparison.
struct Pair<'d> {
    ours: Peer<'d>,
    theirs: TcpStream,
    our_uniques: Uniques,
    their_uniques: Uniques,
}

impl<'d> Pair<'d> {
    /// Fresh connections, to an emptied memcached.
    fn new(daemon: &'d Daemon, real: &Real) -> Pair<'d> {
        let mut theirs = real.connect();
        for start in [request(FLUSH), request(STAT).key("detail off"), request(STAT).key("reset")] {
            ask_real(&mut theirs, &start.bytes());
        }
        let ours = Peer::connect(daemon, Clock::default().now());
        Pair { ours, theirs, our_uniques: Vec::new(), their_uniques: Vec::new() }
    }

    /// Sends it to both. Tells whether they hung up.
    fn compare(&mut self, key: &[u8], ours: &[u8], theirs: &[u8]) -> Result<bool, String> {
        let mut expected = ask_real(&mut self.theirs, theirs);
        let mut said = ask_ours(&mut self.ours, ours);
        number_uniques(key, &mut expected, &mut self.their_uniques);
        number_uniques(key, &mut said, &mut self.our_uniques);
        if said == expected {
            return Ok(said.1);
        }
        let list = |(replies, closed): &Said| {
            let lines: Vec<String> =
                replies.iter().map(|reply| format!("{} #{}", reply.show(), reply.cas)).collect();
            format!("{lines:#?}{}", if *closed { " closed" } else { "" })
        };
        Err(format!("{}\n  ours:   {}\n  theirs: {}", show(ours), list(&said), list(&expected)))
    }

    fn request(&mut self, request: &Request) -> Result<bool, String> {
        let ours = with_unique(request, &self.our_uniques).bytes();
        let theirs = with_unique(request, &self.their_uniques).bytes();
        self.compare(&request.key, &ours, &theirs)
    }
}

fn key() -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => Just("a"), 3 => Just("b"), 2 => Just("c:d"), 1 => Just("n o\r\n"), 1 => Just("nosuch")]
}

/// Never, later, a date that has passed, dates after 2038.
fn expiration() -> impl Strategy<Value = u32> {
    prop::sample::select(vec![0, 0, 0, 300, 2_592_000, 2_592_001, 4_000_000_000, u32::MAX])
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (0u64..200).prop_map(|n| n.to_string()),
        1 => Just("18446744073709551615".to_owned()),
        1 => Just(" 7 ".to_owned()),
        1 => Just(String::new()),
        3 => "[a-z]{1,8}",
        1 => Just("x".repeat(6000)),
        1 => Just("x".repeat(20_000)),
    ]
}

fn number() -> impl Strategy<Value = u64> {
    prop::sample::select(vec![0, 1, 1, 9, 95, 1000, u64::MAX])
}

fn packet() -> BoxedStrategy<Request> {
    let one_of = |opcodes: &'static [u8]| prop::sample::select(opcodes);
    let request = prop_oneof![
        5 => (one_of(&[GET, GETQ, GETK, GETKQ]), key()).prop_map(|(opcode, key)| request(opcode).key(key)),
        6 => (one_of(&STORES), key(), 0u32..3, expiration(), value())
            .prop_map(|(opcode, key, flags, expiration, value)| store(opcode, key, flags, expiration, &value)),
        3 => (one_of(&[APPEND, APPENDQ, PREPEND, PREPENDQ]), key(), value())
            .prop_map(|(opcode, key, value)| request(opcode).key(key).value(value)),
        4 => (one_of(&[INCREMENT, INCREMENTQ, DECREMENT, DECREMENTQ]), key(), number(), number(), expiration())
            .prop_map(|(opcode, key, delta, initial, expiration)| count(opcode, key, delta, initial, expiration)),
        2 => (one_of(&[DELETE, DELETEQ]), key()).prop_map(|(opcode, key)| request(opcode).key(key)),
        4 => (one_of(&[TOUCH, GAT, GATQ, GATK, GATKQ]), key(), expiration())
            .prop_map(|(opcode, key, expiration)| touch(opcode, key, expiration)),
        1 => (one_of(&[FLUSH, FLUSHQ]), prop::sample::select(vec![None, Some(0)])).prop_map(
            |(opcode, delay)| request(opcode).extras(delay.map_or(vec![], |delay: u32| delay.to_be_bytes().to_vec()))
        ),
        1 => (one_of(&[NOOP, 0x1f, 0x25, 0x40, 0xff])).prop_map(request),
        1 => prop::sample::select(vec![
            "reset", "resetx", "detail on", "detail off", "detail dump", "detail x", "bogus", "items ",
            "sizes_enable", "sizes_disable", "extstore", "cachedump 1 0",
        ])
        .prop_map(|key| request(STAT).key(key)),
    ];
    let cas = prop::sample::select(vec![0, 0, 0, 0, 1, 1, 2, NOBODYS]);
    (request, cas, any::<u32>())
        .prop_map(|(request, cas, opaque)| request.cas(cas).opaque(opaque & 0xffff))
        .boxed()
}

/// A packet as it should be, or one whose lengths or command make no sense.
fn odd_packet() -> BoxedStrategy<Vec<u8>> {
    let lengths = (0u8..0x25, prop::sample::select(vec![0usize, 4, 8, 20]), 0usize..4, 0usize..30);
    let any_shape = lengths
        .prop_filter("each side has its own statistics", |&(opcode, extras, key, _)| {
            opcode != STAT || extras > 0 || key > 0
        })
        .prop_filter("verbosity is ours alone", |(opcode, ..)| *opcode != VERBOSITY && *opcode != 0x1f)
        .prop_map(|(opcode, extras, key, value)| {
            // What follows these is the next packet, and memcached keeps its replies to itself if that is none.
            let is_open = [STAT, TOUCH, GAT, GATQ, GATK, GATKQ].contains(&opcode);
            let value = if is_open { 0 } else { value };
            request(opcode).extras(vec![0; extras]).key(vec![b'a'; key]).value(vec![b'v'; value]).bytes()
        });
    let with = |at: usize, byte: u8| {
        packet().prop_map(move |request| {
            let mut bytes = request.bytes();
            bytes[at] = byte;
            bytes
        })
    };
    prop_oneof![
        4 => any_shape,
        1 => with(0, 0x81),
        1 => with(0, b'g'),
        1 => with(2, 0x20).prop_map(|bytes| [bytes, vec![b'k'; 8500]].concat()), // a key longer than its body
        1 => with(5, 7),                                                           // the data type is not read
        1 => (251usize..600).prop_map(|length| request(GET).key(vec![b'k'; length]).bytes()),
    ]
    .boxed()
}

fn cases(default: u32) -> ProptestConfig {
    ProptestConfig {
        cases: std::env::var("CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(default),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

#[test]
fn random_packets_get_memcached_s_answers() {
    let Some(real) = Real::start(&["-o", "no_modern"]) else { return };
    let requests = (prop::collection::vec(packet(), 1..40), odd_packet());
    proptest!(cases(300), |((requests, odd) in requests)| {
        let daemon = daemon(&[("max-item-size", "1mb")]);
        let mut pair = Pair::new(&daemon, &real);
        for (step, request) in requests.iter().enumerate() {
            let before = || requests[..step].iter().map(|request| show(&request.bytes())).collect::<Vec<_>>();
            let closed = pair
                .request(request)
                .map_err(|error| TestCaseError::fail(format!("{error}\n  before: {:#?}", before())))?;
            prop_assert!(!closed);
        }
        pair.compare(b"a", &odd, &odd).map_err(TestCaseError::fail)?;
    });
}

/// Sends raw bytes to both on a connection of its own; all differences.
fn compare_all(daemon: &Daemon, real: &Real, all: &[Vec<Request>]) -> Vec<String> {
    let mut differences = Vec::new();
    for requests in all {
        let mut pair = Pair::new(daemon, real);
        for request in requests {
            match pair.request(request) {
                Ok(false) => (),
                Ok(true) => break,
                Err(error) => {
                    differences.push(error);
                    break;
                }
            }
        }
    }
    differences
}

#[test]
fn values_that_are_too_large_are_skipped_as_memcached_does() {
    let Some(real) = Real::start(&[]) else { return };
    let daemon = daemon(&[("max-item-size", "1mb")]);
    let large = "x".repeat(1_048_577);
    let all: Vec<Vec<Request>> = STORES
        .iter()
        .map(|&opcode| store(opcode, "a", 0, 0, &large))
        .chain([APPEND, APPENDQ, PREPEND].map(|opcode| request(opcode).key("a").value(&large)))
        .map(|request_| vec![store(SET, "a", 1, 0, "old"), request_, request(GET).key("a")])
        .collect();
    let differences = compare_all(&daemon, &real, &all);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn quitting_says_what_memcached_says() {
    let Some(real) = Real::start(&[]) else { return };
    let daemon = daemon(&[]);
    for opcode in [QUIT, QUITQ] {
        let mut pair = Pair::new(&daemon, &real);
        assert_eq!(pair.request(&request(opcode)), Ok(true));
    }
}

/// memcached's SASL with one user in a database of its own; `None`, aloud, where the tools are missing.
fn real_with_sasl(folder: &std::path::Path) -> Option<Real> {
    use std::process::{Command, Stdio};
    std::fs::create_dir_all(folder).expect("the temporary folder is writable");
    let database = folder.join("sasldb");
    let made = Command::new("saslpasswd2")
        .args(["-p", "-c", "-a", "memcached", "-u", "localhost", "-f"])
        .arg(&database)
        .arg("bob")
        .stdin(Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            child.stdin.take().expect("a pipe").write_all(b"secret")?;
            child.wait()
        });
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("NOT COMPARED: there is no `saslpasswd2` on the PATH (Debian: apt-get install sasl2-bin)");
        return None;
    }
    let options = format!(
        "mech_list: plain\npwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {}\n",
        database.display()
    );
    std::fs::write(folder.join("memcached.conf"), options).expect("writable");
    for path in [folder, &database] {
        // memcached reads it as another user.
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("ours");
    }
    Real::start_with(&["-S"], &[("SASL_CONF_PATH", folder.as_os_str())])
}

#[test]
fn logging_in_is_answered_as_memcached_does() {
    let folder = std::env::temp_dir().join(format!("magpie-sasl-{}", std::process::id()));
    let real = real_with_sasl(&folder);
    let real = real.as_ref();
    let Some(real) = real else { return };
    let daemon = daemon(&[("requirepass", "x")]);
    daemon.acl.set_user(b"bob@localhost", &[b"on", b">secret", b"+@all", b"~*"], false).expect("rules");
    let plain = |opcode: u8, message: &str| request(opcode).key("PLAIN").value(message);
    let auth = |message: &str| plain(SASL_AUTH, message);
    let step = |message: &str| plain(SASL_STEP, message);
    let good = "\0bob@localhost\0secret";
    let noop = || request(NOOP);
    let list = || request(SASL_LIST);
    let version = || request(VERSION);
    let all = [
        vec![noop()],
        vec![request(GETQ).key("a")],
        vec![request(QUITQ)],
        vec![request(0x77)],
        vec![request(GET).key("k".repeat(251))],
        vec![version(), list(), version(), noop()],
        vec![auth(good), noop(), request(GET).key("k".repeat(251))],
        vec![auth(good), list(), noop()],
        vec![auth(good), auth("\0bob@localhost\0wrong"), noop()],
        vec![auth("bob@localhost\0bob@localhost\0secret"), noop()],
        vec![auth("eve\0bob@localhost\0secret"), version(), noop()],
        vec![auth("\0bob@localhost\0wrong"), version(), auth(good), noop()],
        vec![auth("\0nobody\0secret"), noop()],
        vec![auth(""), step(good), noop()],
        vec![auth(""), step(""), step("\0bob@localhost\0wrong"), step(good), noop()],
        vec![step(good), version(), noop()],
        vec![request(SASL_AUTH).key("plain").value(good), noop()],
        vec![request(SASL_AUTH).key("CRAM-MD5").value(good), step(good), noop()],
        vec![request(SASL_AUTH).key("P".repeat(33)).value(good), version(), noop()],
        vec![auth(""), request(SASL_STEP).key("XX").value(good), noop()],
        vec![auth("bob@localhost"), auth("\0bob@localhost"), auth("\0bob@localhost\0secret\0x"), version()],
        vec![auth("\0\0secret"), auth("\0\0"), version()],
        vec![auth(&"x".repeat(2_000_000)), version(), auth(good), noop()],
        vec![request(SASL_AUTH).value(good)],
        vec![auth(good).extras("1234")],
        vec![list().key("k")],
    ];
    // The first two requests of `Pair::new` are refused on either side: each conversation is begun by hand.
    let mut differences = Vec::new();
    for requests in &all {
        let mut pair = Pair {
            ours: Peer::connect(&daemon, Clock::default().now()),
            theirs: real.connect(),
            our_uniques: Vec::new(),
            their_uniques: Vec::new(),
        };
        let bytes: Vec<u8> = requests.iter().flat_map(Request::bytes).collect();
        differences.extend(pair.compare(b"", &bytes, &bytes).err());
    }
    let _ = std::fs::remove_dir_all(&folder);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
