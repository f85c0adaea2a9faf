//! The one question that users are made for: may this be run?

use super::selector::{Access, Selector};
use super::user::User;
use crate::commands::table::{Command, KeyUse};
use crate::resp::Argv;

/// Why something was denied, the furthest last: a command that may be run at all came further than one that may
/// not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    Command,
    Key,
    Auth,
    Channel,
}

impl Reason {
    /// As `ACL LOG` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Command => "command",
            Reason::Key => "key",
            Reason::Auth => "auth",
            Reason::Channel => "channel",
        }
    }
}

/// A command that may not be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denied {
    pub reason: Reason,
    /// The argument that names the key or channel; 0 when it is about the command.
    pub at: usize,
}

/// Commands with channels among their arguments: from 1 on, one or all; as patterns or as they are.
const CHANNELS: &[(&str, How, bool)] = &[
    ("psubscribe", How::All, true),
    ("publish", How::One, false),
    ("spublish", How::One, false),
    ("ssubscribe", How::All, false),
    ("subscribe", How::All, false),
];

#[derive(Clone, Copy)]
enum How {
    One,
    All,
}

/// Tries one selector after the other.
pub(super) fn check(user: &User, command: &Command, argv: Argv<'_>) -> Result<(), Denied> {
    let mut furthest = Denied { reason: Reason::Command, at: 0 };
    for selector in user.selectors() {
        match check_selector(selector, command, argv) {
            Ok(()) => return Ok(()),
            Err(denied) => {
                if (denied.reason, denied.at) > (furthest.reason, furthest.at) {
                    furthest = denied;
                }
            }
        }
    }
    Err(furthest)
}

pub(super) fn check_selector(selector: &Selector, command: &Command, argv: Argv<'_>) -> Result<(), Denied> {
    if !selector.allows_command(command, argv.get(1)) {
        return Err(Denied { reason: Reason::Command, at: 0 });
    }
    if !selector.allows_all_keys() {
        for (at, usage) in command.keys(argv) {
            if argv.get(at).is_some_and(|key| !selector.allows_key(key, access(usage))) {
                return Err(Denied { reason: Reason::Key, at });
            }
        }
    }
    let channels = CHANNELS.iter().find(|(name, ..)| *name == command.full_name);
    if let (Some(&(_, how, is_pattern)), Some(_)) = (channels, selector.channels()) {
        let count = match how {
            How::One => 1,
            How::All => argv.len().saturating_sub(1),
        };
        for at in 1..=count {
            if argv.get(at).is_some_and(|channel| !selector.allows_channel(channel, is_pattern)) {
                return Err(Denied { reason: Reason::Channel, at });
            }
        }
    }
    Ok(())
}

/// What a key's use asks of a pattern. A key that is only looked at (`EXISTS`) has to fit some pattern.
fn access(usage: KeyUse) -> Access {
    let flags = usage.flags();
    Access {
        read: flags.contains(&"access"),
        write: flags.iter().any(|flag| matches!(*flag, "insert" | "update" | "delete")),
    }
}
