//! The same requests go to `Session::feed` and to a real memcached; the replies must be the same.
//! CAS uniques are numbered in the order in which they appear on each side, since the two count
//! differently. Without a `memcached` on the PATH the tests say so and pass.

mod memcached_support;
mod support;

use magpie::clock::Clock;
use memcached_support::real::{Real, thrice};
use memcached_support::{Peer, daemon};
use proptest::prelude::*;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

/// What no other request is answered with: a deletion of what is never there.
const FENCE: &[u8] = b"md fence: Ofence\r\n";
const FENCED: &[u8] = b"NF Ofence\r\n";

/// Sends a request and a fence behind it; the replies without the fence's, and whether it was closed.
fn ask_real(socket: &mut TcpStream, request: &[u8]) -> (Vec<u8>, bool) {
    socket.write_all(request).expect("memcached reads");
    // By itself, so that memcached has answered the request before it sees the fence.
    socket.write_all(FENCE).expect("memcached reads");
    let mut reply = Vec::new();
    let mut buffer = [0; 65536];
    while !reply.ends_with(FENCED) {
        match socket.read(&mut buffer) {
            Ok(0) => return (reply, true),
            Ok(count) => reply.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return (reply, true),
            Err(error) => panic!("{error} after {:?} to {:?}", show(&reply), show(request)),
        }
    }
    reply.truncate(reply.len() - FENCED.len());
    (reply, false)
}

fn show(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(400)].escape_ascii().to_string()
}

/// Compares one sequence of requests on fresh connections and an emptied memcached.
///
/// # Errors
/// Tells the first difference.
fn compare(real: &Real, requests: &[Vec<u8>]) -> Result<(), String> {
    let daemon = daemon(&[("max-item-size", "1mb")]);
    let mut ours = Peer::connect(&daemon, Clock::default().now());
    let mut theirs = real.connect();
    ask_real(&mut theirs, b"flush_all\r\nlru_crawler enable\r\nstats detail off\r\n");
    let (mut our_uniques, mut their_uniques) = (Vec::new(), Vec::new());
    for (step, request) in requests.iter().enumerate() {
        let (expected, closed) = ask_real(&mut theirs, &with_unique(request, &their_uniques));
        let reply = ours.send(&with_unique(request, &our_uniques));
        let fence = ours.send(FENCE);
        if ours.is_closed != closed {
            return Err(format!(
                "closed {} where theirs {closed}, step {step}: {}",
                ours.is_closed,
                show(request)
            ));
        }
        if !closed && fence != FENCED {
            return Err(format!("lost the way, step {step}: {} {}", show(request), show(&fence)));
        }
        let reply = number_uniques(request, &reply, &mut our_uniques);
        let expected = number_uniques(request, &expected, &mut their_uniques);
        if reply != expected {
            return Err(format!(
                "step {step}: {}\n  ours:   {}\n  theirs: {}\n  before: {:#?}",
                show(request),
                show(&reply),
                show(&expected),
                requests[..step].iter().map(|request| show(request)).collect::<Vec<_>>()
            ));
        }
        if closed {
            break;
        }
    }
    Ok(())
}

/// The CAS uniques that were seen, each with its key.
type Uniques = Vec<(Vec<u8>, u64)>;

/// The word of a request that is its key.
fn key_of(request: &[u8]) -> &[u8] {
    request.split(|byte| b" \r\n".contains(byte)).nth(1).unwrap_or_default()
}

/// `@` in a request stands for the last CAS unique that was seen of its key, `@@` for the one before.
fn with_unique(request: &[u8], uniques: &Uniques) -> Vec<u8> {
    let key = key_of(request);
    let nth = |back: usize| {
        let of_key: Vec<u64> =
            uniques.iter().filter(|(of, _)| of == key).map(|(_, unique)| *unique).collect();
        of_key.len().checked_sub(back).map_or(1, |at| of_key[at]).to_string()
    };
    let text = request.split(|&byte| byte == b'@').collect::<Vec<_>>();
    let mut built = text[0].to_vec();
    let mut i = 1;
    while i < text.len() {
        let is_double = text[i].is_empty() && i + 1 < text.len();
        built.extend(nth(1 + usize::from(is_double)).bytes());
        i += usize::from(is_double);
        built.extend(text[i]);
        i += 1;
    }
    built
}

/// Replaces CAS uniques by their number in order of appearance.
fn number_uniques(request: &[u8], reply: &[u8], seen: &mut Uniques) -> Vec<u8> {
    let is_gets = request.starts_with(b"gets") || request.starts_with(b"gats");
    let is_meta = request.starts_with(b"m");
    let mut lines = Vec::new();
    for line in reply.split(|&byte| byte == b'\n') {
        let mut words: Vec<Vec<u8>> = line.split(|&byte| byte == b' ').map(<[u8]>::to_vec).collect();
        for (i, word) in words.iter_mut().enumerate() {
            let digits = match word.as_slice() {
                [b'c', digits @ ..] if is_meta && i > 0 => digits,
                digits if is_gets && line.starts_with(b"VALUE ") && i == 4 => digits,
                _ => continue,
            };
            let (digits, end) = match digits {
                [digits @ .., b'\r'] => (digits, "\r"),
                digits => (digits, ""),
            };
            let Ok(unique) = std::str::from_utf8(digits).unwrap_or("").parse::<u64>() else { continue };
            if unique == 0 {
                continue;
            }
            let known = (if is_gets { key_of(line) } else { key_of(request) }.to_vec(), unique);
            let place = seen.iter().position(|other| *other == known).unwrap_or_else(|| {
                seen.push(known);
                seen.len() - 1
            });
            *word = format!("#{place}{end}").into_bytes();
        }
        lines.push(words.join(&b' '));
    }
    lines.join(&b'\n')
}

/// Requests that a program or a person may get wrong, each of them alone on a connection.
#[test]
fn odd_requests_get_memcached_s_answers() {
    let Some(real) = Real::start(&[]) else { return };
    let long = "k".repeat(251);
    let most = "k".repeat(250);
    let mut odd: Vec<Vec<u8>> = include_str!("transcripts/memcached_odd_requests.txt")
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| unescape(&line.replace("{251}", &long).replace("{250}", &most)))
        .collect();
    odd.push([b"set k 0 0 1048577\r\n".to_vec(), vec![b'x'; 1_048_577], b"\r\nget k\r\n".to_vec()].concat());
    odd.push(
        [b"append k 0 0 1048577\r\n".to_vec(), vec![b'x'; 1_048_577], b"\r\nget k\r\n".to_vec()].concat(),
    );
    odd.push([b"ms k 1048577 MA\r\n".to_vec(), vec![b'x'; 1_048_577], b"\r\nmg k v\r\n".to_vec()].concat());
    odd.push(
        [b"set k 0 0 1048577 noreply\r\n".to_vec(), vec![b'x'; 1_048_577], b"\r\nget k\r\n".to_vec()]
            .concat(),
    );
    odd.push([b"get ".to_vec(), b"k ".repeat(20_000), b"\r\n".to_vec()].concat());
    odd.push([b"gets ".to_vec(), b"nosuch ".repeat(20_000), b"\r\n".to_vec()].concat());
    let start = [b"set k 7 0 1\r\na\r\n".to_vec(), b"set n 0 0 2\r\n10\r\n".to_vec()];
    let differences: Vec<String> = odd
        .into_iter()
        .filter_map(|request| compare(&real, &[start.as_slice(), &[request]].concat()).err())
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Every name that memcached's statistics have is there, in the same order, but for what describes parts that
/// magpie does not have. Exporters look for them.
#[test]
fn statistics_have_memcached_s_names() {
    let Some(real) = Real::start(&[]) else { return };
    let daemon = daemon(&[]);
    let mut ours = Peer::connect(&daemon, Clock::default().now());
    let mut theirs = real.connect();
    let missing = |name: &str| {
        ["libevent", "num_napi_ids", "memory_file", "slab_automove_freeratio"].contains(&name)
            || name.starts_with("ext_")
            || name.starts_with("ssl_")
    };
    let names = |reply: &[u8]| {
        let text = String::from_utf8_lossy(reply).into_owned();
        let names =
            text.lines().filter_map(|line| line.strip_prefix("STAT ")?.split(' ').next().map(str::to_owned));
        names.filter(|name| !missing(name)).collect::<Vec<_>>()
    };
    for request in
        ["set k 0 0 1\r\na\r\n", "stats\r\n", "stats settings\r\n", "stats items\r\n", "stats slabs\r\n"]
    {
        let (expected, _) = ask_real(&mut theirs, request.as_bytes());
        assert_eq!(names(&ours.send(request.as_bytes())), names(&expected), "{request}");
    }
}

fn unescape(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line.bytes();
    while let Some(byte) = rest.next() {
        match (byte, if byte == b'\\' { rest.next() } else { None }) {
            (b'\\', Some(b'r')) => bytes.push(b'\r'),
            (b'\\', Some(b'n')) => bytes.push(b'\n'),
            (b'\\', Some(b't')) => bytes.push(b'\t'),
            (b'\\', Some(b'0')) => bytes.push(0),
            (b'\\', Some(b'x')) => {
                let digits = [rest.next(), rest.next()].map(|digit| char::from(digit.expect("two digits")));
                bytes.push(
                    u8::from_str_radix(&String::from_iter(digits), 16).expect("two hexadecimal digits"),
                );
            }
            (byte, None) => bytes.push(byte),
            (_, Some(other)) => bytes.push(other),
        }
    }
    bytes
}

fn key() -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => Just("a"), 3 => Just("b"), 2 => Just("c:d"), 1 => Just("nosuch")]
}

fn exptime() -> impl Strategy<Value = &'static str> {
    prop_oneof![8 => Just("0"), 3 => Just("300"), 1 => Just("-1"), 1 => Just("1000"), 1 => Just("x"), 1 => Just("4000000000")]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (0u64..200).prop_map(|n| n.to_string()),
        1 => Just("18446744073709551615".to_owned()),
        1 => Just(" 7 ".to_owned()),
        1 => Just(String::new()),
        3 => "[a-z]{1,8}",
        1 => Just("\r\nget a\r\n".to_owned()),
        1 => Just("x".repeat(6000)),
    ]
}

fn number() -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => Just("1"), 2 => Just("9"), 2 => Just("95"), 1 => Just("18446744073709551615"), 1 => Just("-1"), 1 => Just("x"), 1 => Just("0")]
}

/// A storage line with its block, some with a wrong length.
fn storage() -> impl Strategy<Value = String> {
    let verb = prop_oneof![4 => Just("set"), 2 => Just("add"), 2 => Just("replace"), 2 => Just("append"), 2 => Just("prepend")];
    let noreply = prop_oneof![5 => Just(""), 1 => Just(" noreply")];
    let error = prop_oneof![12 => Just(0isize), 1 => Just(-1), 1 => Just(1)];
    (verb, key(), 0u32..3, exptime(), value(), noreply, error).prop_map(
        |(verb, key, flags, exptime, value, noreply, error)| {
            // One too many would wait for ever: the block is made longer instead.
            let length = value.len().saturating_add_signed(error);
            let more = if error > 0 { "yy" } else { "" };
            format!("{verb} {key} {flags} {exptime} {length}{noreply}\r\n{value}{more}\r\n")
        },
    )
}

fn meta_flags(choices: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::sample::subsequence(choices, 0..=choices.len().min(7))
        .prop_shuffle()
        .prop_map(|flags| flags.iter().map(|flag| format!(" {flag}")).collect())
}

fn meta() -> impl Strategy<Value = String> {
    // `N` with `q` in `ma`, `E`, `x` and long names of modes are newer than 1.6.18; a passed TTL with
    // `t`, `ma … T` where the number grows, and the key's spelling in replies, are deliberate differences.
    let get = &["v", "k", "s", "t", "f", "c", "h", "q", "O12", "u", "N300", "R30", "R3000", "T400", "z"];
    let set = &["k", "c", "q", "Oabc", "T300", "F5", "I", "C@", "C@@", "C1", "MA", "T0", "Fx", "b"];
    let delete = &["k", "q", "O1", "I", "T30", "C@", "C@@", "C0"];
    let count = &["v", "k", "t", "c", "O1", "D5", "C@", "C0", "J7", "MD"];
    let modes =
        prop_oneof![4 => Just(""), 1 => Just(" ME"), 1 => Just(" MR"), 1 => Just(" MP"), 1 => Just(" MX")];
    prop_oneof![
        4 => (key(), meta_flags(get)).prop_map(|(key, flags)| format!("mg {key}{flags}\r\n")),
        3 => (key(), value(), meta_flags(set), modes).prop_map(|(key, value, flags, mode)| {
            format!("ms {key} {}{flags}{mode}\r\n{value}\r\n", value.len())
        }),
        2 => (key(), meta_flags(delete)).prop_map(|(key, flags)| format!("md {key}{flags}\r\n")),
        2 => (key(), meta_flags(count)).prop_map(|(key, flags)| format!("ma {key}{flags}\r\n")),
        1 => (key(), Just(())).prop_map(|(key, ())| format!("ma {key} N60 v t\r\n")),
    ]
}

fn classic() -> impl Strategy<Value = String> {
    let noreply = || prop_oneof![6 => Just(""), 1 => Just(" noreply"), 1 => Just(" 0")];
    prop_oneof![
        4 => (prop_oneof![Just("get"), Just("gets")], proptest::collection::vec(key(), 0..4))
            .prop_map(|(verb, keys)| format!("{verb} {}\r\n", keys.join(" "))),
        1 => (prop_oneof![Just("gat"), Just("gats")], exptime(), proptest::collection::vec(key(), 0..3))
            .prop_map(|(verb, exptime, keys)| format!("{verb} {exptime} {}\r\n", keys.join(" "))),
        5 => storage(),
        2 => (key(), prop_oneof![3 => Just("@"), 1 => Just("@@"), 1 => Just("1"), 1 => Just("x"), 1 => Just("0")], value(), noreply())
            .prop_map(|(key, unique, value, noreply)| format!("cas {key} 0 0 {} {unique}{noreply}\r\n{value}\r\n", value.len())),
        3 => (prop_oneof![Just("incr"), Just("decr")], key(), number(), noreply())
            .prop_map(|(verb, key, number, noreply)| format!("{verb} {key} {number}{noreply}\r\n")),
        2 => (key(), noreply()).prop_map(|(key, noreply)| format!("delete {key}{noreply}\r\n")),
        1 => (key(), exptime(), noreply()).prop_map(|(key, exptime, noreply)| format!("touch {key} {exptime}{noreply}\r\n")),
        1 => prop_oneof![Just("flush_all\r\n"), Just("flush_all noreply\r\n"), Just("flush_all 0\r\n"), Just("bogus a b\r\n"), Just("\r\n")]
            .prop_map(str::to_owned),
    ]
}

#[test]
fn random_requests_get_memcached_s_answers() {
    // A flat LRU: the threads of the modern one hold items for a moment, and then `incr` makes a new item,
    // without marks, where it would have changed the old one.
    let Some(real) = Real::start(&["-o", "no_modern"]) else { return };
    let requests = proptest::collection::vec(prop_oneof![classic(), meta()], 1..40);
    let config = ProptestConfig {
        cases: std::env::var("CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(300),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(requests in requests)| {
        // `b` in `ms` marks how the key is spelt from then on.
        let requests: Vec<Vec<u8>> = requests.into_iter().map(String::into_bytes).collect();
        thrice(|| compare(&real, &requests)).map_err(TestCaseError::fail)?;
    });
}
