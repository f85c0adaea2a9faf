//! `stat`: the text protocol's reports, a packet for each line, and an empty one at the end.
//!
//! Differs: memcached answers `conns` in text only. Dumps of keys are text here too.

use super::super::permission::Need;
use super::super::session::Turn;
use super::super::stats::{self, Subject};
use super::decode::Packet;
use super::encode;
use super::session::Then;
use super::status::Status;

/// What `stat` is asked for. memcached looks at the beginning of some of these words only.
enum Asked {
    Report(Subject),
    Reset,
    DumpDetail,
    SwitchDetail(bool),
}

impl Asked {
    fn of(key: &[u8]) -> Option<Asked> {
        if key.starts_with(b"reset") {
            return Some(Asked::Reset);
        }
        if key.starts_with(b"settings") {
            return Some(Asked::Report(Subject::Settings));
        }
        match key.strip_prefix(b"detail") {
            Some(what) if what.starts_with(b" dump") => Some(Asked::DumpDetail),
            Some(what) if what.starts_with(b" on") => Some(Asked::SwitchDetail(true)),
            Some(what) if what.starts_with(b" off") => Some(Asked::SwitchDetail(false)),
            Some(_) => None,
            None => Subject::of(key).filter(|subject| *subject != Subject::Extstore).map(Asked::Report),
        }
    }
}

pub(super) fn need(key: &[u8]) -> Need<'static> {
    let word = key.split(|&byte| byte == b' ').next().unwrap_or_default();
    let word = if word.starts_with(b"reset") { b"reset" } else { word };
    let word = if word.starts_with(b"detail") { b"detail" } else { word };
    Need::stats(word)
}

pub(super) fn run(turn: &mut Turn<'_>, packet: &Packet<'_>) -> Then {
    let header = &packet.header;
    let mut has_end = true;
    match Asked::of(packet.key) {
        Some(Asked::Report(subject)) => {
            for (name, value) in stats::report(turn, subject).rows {
                encode::stat(turn.out, header, name.as_bytes(), value.as_bytes());
            }
            has_end = subject.has_end();
        }
        Some(Asked::Reset) => stats::reset(turn),
        Some(Asked::DumpDetail) => {
            let text = turn.state.prefixes.dump();
            encode::stat(turn.out, header, b"detailed", &text);
        }
        Some(Asked::SwitchDetail(on)) => stats::switch_detail(turn, on),
        None => {
            encode::error(turn.out, header, Status::NotFound);
            has_end = false;
        }
    }
    if has_end {
        encode::stat(turn.out, header, b"", b"");
    }
    Then::Go
}
