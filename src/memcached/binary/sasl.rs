//! SASL with the one mechanism PLAIN (RFC 4616): `[authorization] NUL user NUL password`, at once or in a second step.
//! The users are those of [`crate::acl`], as for RESP's `AUTH`.
//!
//! As in memcached, whoever asks for the mechanisms or starts one is logged out until it has succeeded. While nobody
//! has a password to give, these commands are unknown, as to a memcached without `-S`; some clients then go on without.
//!
//! Differs: logging in again without reconnecting works; the library that memcached uses fails it.

use super::super::auth::{self, MAX_CREDENTIALS};
use super::super::session::Turn;
use super::decode::{Header, Packet};
use super::encode;
use super::session::{Conversation, Then};
use super::status::{CONTINUE, Status};
use crate::acl::{Acl, Login};

const PLAIN: &[u8] = b"PLAIN";
/// Longest name of a mechanism.
const MAX_MECHANISM: usize = 32;

/// Is there anybody to log in as?
fn is_offered(acl: &Acl) -> bool {
    !acl.is_open() || acl.all().len() > 1
}

pub(super) fn list(turn: &mut Turn<'_>, login: &mut Login, header: &Header) -> Then {
    if is_offered(&turn.daemon.acl) {
        log_out(turn, login);
        encode::text(turn.out, header, PLAIN);
    } else {
        encode::error(turn.out, header, Status::Unknown);
    }
    Then::Go
}

/// What is refused before the credentials have come.
pub(super) fn refuse(turn: &Turn<'_>, mechanism: &[u8], length: usize) -> Option<Status> {
    if !is_offered(&turn.daemon.acl) {
        Some(Status::Unknown)
    } else if mechanism.len() > MAX_MECHANISM {
        Some(Status::Invalid)
    } else if length > MAX_CREDENTIALS {
        Some(Status::OutOfMemory)
    } else {
        None
    }
}

/// `sasl auth` (`starts`) and `sasl step`.
pub(super) fn answer(
    conversation: &mut Conversation,
    turn: &mut Turn<'_>,
    login: &mut Login,
    packet: &Packet<'_>,
    starts: bool,
) -> Then {
    log_out(turn, login);
    if starts {
        conversation.is_stepping = packet.key.eq_ignore_ascii_case(PLAIN);
        if conversation.is_stepping && packet.value.is_empty() {
            encode::bare(turn.out, &packet.header, CONTINUE);
            return Then::Go;
        }
    }
    let credentials = if conversation.is_stepping { credentials(packet.value) } else { None };
    let succeeds = match credentials {
        Some((name, password)) => auth::authenticate(turn, login, name, password),
        None => {
            auth::count_failure(turn, b"");
            false
        }
    };
    if succeeds {
        encode::text(turn.out, &packet.header, b"Authenticated");
    } else {
        encode::error(turn.out, &packet.header, Status::Unauthenticated);
    }
    Then::Go
}

fn log_out(turn: &Turn<'_>, login: &mut Login) {
    *login = Login::new(&turn.daemon.acl);
}

/// User and password of a message; nobody may act as another.
fn credentials(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = message.split(|&byte| byte == 0);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(authorization), Some(name), Some(password), None) => {
            (authorization.is_empty() || authorization == name).then_some((name, password))
        }
        _ => None,
    }
}
