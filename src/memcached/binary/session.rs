//! Which bytes are packets, and what becomes of those that cannot be served.

use super::super::decode::{MAX_KEY, Retrieval};
use super::super::permission::{self, Need};
use super::super::session::{Step, Turn};
use super::decode::{self, HEADER, Header, Packet, Verb};
use super::status::Status;
use super::{commands, encode, sasl, stat};
use crate::acl::Login;
use crate::observe::Counter;
use crate::wire::Next;

/// What a binary connection is in the middle of.
pub(in super::super) struct Conversation {
    /// Bytes still to come of a value that is not wanted.
    swallow: usize,
    /// A SASL mechanism was started, and may be asked to go on.
    pub(super) is_stepping: bool,
}

/// What a packet comes to, beyond its reply.
pub(super) enum Then {
    Go,
    Close,
}

impl Conversation {
    pub(in super::super) fn new() -> Conversation {
        Conversation { swallow: 0, is_stepping: false }
    }

    /// Executes the packet at the start of `rest`, which is not empty.
    #[inline]
    pub(in super::super) fn step(&mut self, turn: &mut Turn<'_>, login: &mut Login, rest: &[u8]) -> Step {
        if self.swallow > 0 {
            let used = rest.len().min(self.swallow);
            self.swallow -= used;
            return Step::used(used);
        }
        let Some((head, body)) = rest.split_first_chunk::<HEADER>() else {
            return Step::read(HEADER - rest.len());
        };
        let Some(header) = Header::read(head) else {
            return Step::stop(rest.len(), Next::Close); // nobody knows where the next packet begins
        };
        if !header.is_sound() {
            return self.give_up(turn, &header, Status::Unknown, rest);
        }
        let command = decode::command(header.opcode);
        if login.is_stranger(&turn.daemon.acl) && !command.is_some_and(|(verb, _)| is_for_strangers(verb)) {
            return self.give_up(turn, &header, Status::Unauthenticated, rest);
        }
        if header.key > MAX_KEY {
            return self.give_up(turn, &header, Status::Invalid, rest);
        }
        let Some((verb, quiet)) = command else {
            turn.counters.add(Counter::Commands, 1);
            encode::error(turn.out, &header, Status::Unknown);
            self.swallow = header.body;
            return Step::used(HEADER);
        };
        if !verb.takes(&header) {
            return self.give_up(turn, &header, Status::Invalid, rest);
        }
        self.execute(turn, login, header, (verb, quiet), body)
    }

    #[inline]
    fn execute(
        &mut self,
        turn: &mut Turn<'_>,
        login: &mut Login,
        header: Header,
        (verb, quiet): (Verb, bool),
        body: &[u8],
    ) -> Step {
        let Some(packet) = Packet::cut(header, body, false) else {
            return Step::read(header.extras + header.key - body.len());
        };
        // All that can be refused is refused before the value is waited for.
        let refused = refuse(turn, verb, &packet);
        let begin = HEADER + header.extras + header.key;
        if let Some(status) = refused {
            turn.counters.add(Counter::Commands, 1);
            encode::error(turn.out, &header, status);
            self.swallow = if verb.has_value() { header.value() } else { 0 };
            return Step::used(begin);
        }
        let (packet, used) = if verb.has_value() {
            match Packet::cut(header, body, true) {
                Some(packet) => (packet, HEADER + header.body),
                None => return Step::read(header.body - body.len()),
            }
        } else {
            (packet, begin)
        };
        turn.counters.add(Counter::Commands, 1);
        let then = match verb {
            Verb::SaslList => sasl::list(turn, login, &header),
            Verb::SaslStart | Verb::SaslStep => {
                sasl::answer(self, turn, login, &packet, verb == Verb::SaslStart)
            }
            Verb::Stat => stat::run(turn, &packet),
            _ => commands::run(turn, verb, quiet, &packet),
        };
        match then {
            Then::Go => Step::used(used),
            Then::Close => Step::stop(used, Next::Close),
        }
    }

    /// Answers a packet after which memcached hangs up.
    #[cold]
    fn give_up(&mut self, turn: &mut Turn<'_>, header: &Header, status: Status, rest: &[u8]) -> Step {
        turn.counters.add(Counter::Commands, 1);
        encode::error(turn.out, header, status);
        Step::stop(rest.len(), Next::Close)
    }
}

/// What a client may send before it has logged in.
fn is_for_strangers(verb: Verb) -> bool {
    matches!(verb, Verb::SaslList | Verb::SaslStart | Verb::SaslStep | Verb::Version)
}

/// What the connection's user must be allowed to do. `None`: everybody may.
fn need<'a>(verb: Verb, key: &'a [u8]) -> Option<Need<'a>> {
    Some(match verb {
        Verb::Get { .. } => Need::retrieval(Retrieval { with_cas: true, touch: None }, key),
        Verb::GetAndTouch { .. } => Need::retrieval(Retrieval { with_cas: true, touch: Some(0) }, key),
        Verb::Touch => Need::touch(key),
        Verb::Store(mode) | Verb::Extend(mode) => Need::storage(mode, key),
        Verb::Delete => Need::delete(key),
        Verb::Count(_) => Need::arithmetic(key),
        Verb::Flush => Need::flush_all(),
        Verb::Stat => stat::need(key),
        Verb::Verbosity => Need::verbosity(),
        Verb::Noop | Verb::Version | Verb::Quit | Verb::SaslList | Verb::SaslStart | Verb::SaslStep => {
            return None;
        }
    })
}

/// May the user do that, and will the value that is announced be taken?
#[inline]
fn refuse(turn: &mut Turn<'_>, verb: Verb, packet: &Packet<'_>) -> Option<Status> {
    if turn.restricted.is_some()
        && let Some(need) = need(verb, packet.key)
        && let Err(denied) = permission::ask(turn, &need)
    {
        return Some(denied.into());
    }
    let length = packet.header.value();
    match verb {
        Verb::Store(mode) | Verb::Extend(mode) if length > turn.max_item => {
            commands::too_large(turn, mode, packet.key);
            Some(Status::TooLarge)
        }
        Verb::SaslStart | Verb::SaslStep => sasl::refuse(turn, packet.key, length),
        _ => None,
    }
}
