//! Transcripts: what goes in and what comes back, byte for byte, all at once, byte by byte and in pieces.
//! `transcripts/README.md` describes the format.

use super::Peer;
use magpie::clock::{Clock, Millis};
use magpie::daemon::Daemon;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// How a protocol's tests set up a daemon and connect to it.
pub struct Setup {
    pub daemon: fn(&[(&str, &str)]) -> Daemon,
    pub connect: for<'d> fn(&'d Daemon, Millis) -> Box<dyn Peer + 'd>,
}

/// Names and the bytes that they stand for.
type Captures = HashMap<String, Vec<u8>>;

#[derive(Debug)]
enum Step {
    Send(Vec<u8>),
    Expect(Vec<u8>),
    Advance(u64),
    Closed,
    Reconnect,
}

struct Transcript {
    settings: Vec<(String, String)>,
    /// With the number of its line.
    steps: Vec<(usize, Step)>,
}

fn parse(text: &str) -> Transcript {
    let mut transcript = Transcript { settings: Vec::new(), steps: Vec::new() };
    for (number, line) in text.lines().enumerate() {
        let (mark, rest) = line.split_at(line.find(' ').unwrap_or(line.len()));
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        let ended = || [unescape(rest), b"\r\n".to_vec()].concat();
        let step = match mark {
            "" | "#" => continue,
            "%" => {
                let (name, value) = rest.split_once(' ').expect("a setting has a value");
                transcript.settings.push((name.into(), value.into()));
                continue;
            }
            ">" => Step::Send(ended()),
            ">|" => Step::Send(unescape(rest)),
            "<" => Step::Expect(ended()),
            "<|" => Step::Expect(unescape(rest)),
            "~" => {
                Step::Advance(rest.strip_suffix("ms").and_then(|ms| ms.parse().ok()).expect("a time in ms"))
            }
            "=" if rest == "closed" => Step::Closed,
            "=" if rest == "new" => Step::Reconnect,
            _ => panic!("line {}: {line}", number + 1),
        };
        transcript.steps.push((number + 1, step));
    }
    transcript
}

/// `\r \n \t \0 \xNN \\`, and `{a*1000}` for a repeated character.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.chars();
    while let Some(char) = rest.next() {
        match char {
            '\\' => match rest.next().expect("something is escaped") {
                'r' => bytes.push(b'\r'),
                'n' => bytes.push(b'\n'),
                't' => bytes.push(b'\t'),
                '0' => bytes.push(0),
                'x' => {
                    let digits: String = rest.by_ref().take(2).collect();
                    bytes.push(u8::from_str_radix(&digits, 16).expect("two hexadecimal digits"));
                }
                other => bytes.push(other as u8),
            },
            '{' => {
                let inner: String = rest.by_ref().take_while(|&char| char != '}').collect();
                match inner.split_once('*') {
                    Some((char, count)) => bytes.extend(char.repeat(count.parse().expect("a count")).bytes()),
                    None => bytes.extend(format!("{{{inner}}}").bytes()),
                }
            }
            char => bytes.extend(char.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    bytes
}

/// Puts what was captured where `{name}` stands.
fn fill(text: &[u8], captures: &Captures) -> Vec<u8> {
    let mut filled = text.to_vec();
    for (name, value) in captures {
        let mark = format!("{{{name}}}").into_bytes();
        while let Some(at) = filled.windows(mark.len()).position(|window| window == mark) {
            filled.splice(at..at + mark.len(), value.iter().copied());
        }
    }
    filled
}

/// Does `reply` begin with `expected`, in which `{name}` stands for a number (and is remembered)?
/// The length that matched.
fn matches(expected: &[u8], reply: &[u8], captures: &mut Captures) -> Option<usize> {
    let expected = fill(expected, captures);
    let (mut at, mut i) = (0, 0);
    while i < expected.len() {
        if expected[i] == b'{' {
            let end = i + expected[i..].iter().position(|&byte| byte == b'}')?;
            let digits = reply[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            let name = String::from_utf8_lossy(&expected[i + 1..end]).into_owned();
            captures.insert(name, reply[at..at + digits].to_vec());
            (at, i) = (at + digits, end + 1);
        } else {
            if reply.get(at) != Some(&expected[i]) {
                return None;
            }
            (at, i) = (at + 1, i + 1);
        }
    }
    Some(at)
}

/// Plays a transcript, sending `piece` bytes at a time.
fn play(setup: &Setup, path: &Path, transcript: &Transcript, piece: usize) {
    let settings: Vec<(&str, &str)> =
        transcript.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let daemon = (setup.daemon)(&settings);
    let mut now = Clock::default().now();
    let mut peer = (setup.connect)(&daemon, now);
    let mut captures = Captures::new();
    let mut replies: Vec<u8> = Vec::new();
    let at = |line: &usize| format!("{}:{line} ({piece} bytes at a time)", path.display());
    for (line, step) in &transcript.steps {
        if !matches!(step, Step::Expect(_)) && !matches!(step, Step::Send(_)) {
            assert!(replies.is_empty(), "{}: unexpected {}", at(line), replies.escape_ascii());
        }
        match step {
            Step::Send(bytes) => {
                for piece in fill(bytes, &captures).chunks(piece) {
                    replies.extend(peer.send(piece));
                }
            }
            Step::Expect(expected) => match matches(expected, &replies, &mut captures) {
                Some(count) => drop(replies.drain(..count)),
                None => panic!(
                    "{}: expected {}\n got {}",
                    at(line),
                    expected.escape_ascii(),
                    replies[..replies.len().min(500)].escape_ascii()
                ),
            },
            Step::Advance(ms) => {
                now = Millis(now.0 + ms);
                peer.set_now(now);
            }
            Step::Closed => assert!(peer.is_closed(), "{}: not closed", at(line)),
            Step::Reconnect => peer = (setup.connect)(&daemon, now),
        }
    }
    assert!(replies.is_empty(), "{}: unexpected {}", path.display(), replies.escape_ascii());
}

fn transcripts(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(folder);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the transcripts are there")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

/// Plays all transcripts of a folder.
///
/// # Panics
/// Something else came back.
pub fn play_all(setup: &Setup, folder: &str) {
    for path in transcripts(folder) {
        let transcript = parse(&fs::read_to_string(&path).expect("a readable file"));
        play(setup, &path, &transcript, usize::MAX);
        let bytes: usize = transcript
            .steps
            .iter()
            .map(|(_, step)| if let Step::Send(bytes) = step { bytes.len() } else { 0 })
            .sum();
        // A megabyte byte by byte takes long and shows no more.
        for piece in [1, 2, 3, 7, 64] {
            if bytes < 100_000 {
                play(setup, &path, &transcript, piece);
            }
        }
    }
}
