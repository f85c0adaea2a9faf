//! What a user of [`crate::acl`] may do here. Rules speak of Redis' commands, so each request counts as one of
//! those, with what it does to its key:
//!
//! | request, text or binary | as | key |
//! |---|---|---|
//! | `get` `gets` `mg`, binary `get` and `getk` | `get` | read |
//! | `gat` `gats`, `mg` with `T` | `getex` | read, write |
//! | `mg` with `N` (vivify) or `R` (recache) | `set` | read, write |
//! | `set` `add` `replace` `cas` `ms` | `set` | write |
//! | `append` `prepend`, `ms` with these modes | `append` | write |
//! | `incr` `decr` `ma` | `incrby` | read, write |
//! | `delete` `md` | `del` | write |
//! | `touch` | `expire` | write |
//! | `me` | `object\|encoding` | |
//! | `flush_all` | `flushall` | |
//! | `stats` | `info`; `stats reset`, `sizes_enable` and `detail` as `config\|resetstat` | |
//! | `stats cachedump`, `lru_crawler metadump`, `mgdump` | `keys` | |
//! | `watch` | `monitor` | |
//! | `shutdown` | `shutdown` | |
//! | `cache_memlimit` `verbosity` `slabs` `lru` and the rest | `config\|set` | |
//! | `version` `mn` `quit` `config get cluster`, binary `noop` and SASL | nothing | |

use super::decode::{Admin, Meta, Mode, Request, Retrieval};
use super::error::Refusal;
use super::session::Turn;
use super::words::Args;
use crate::acl::{Access, Denial, Origin, Reason};
use crate::config::Param;
use crate::observe::Counter;

/// A Redis command, and the key it is about.
pub(super) struct Need<'a> {
    command: &'static str,
    key: Option<(&'a [u8], Access)>,
}

impl<'a> Need<'a> {
    fn key(command: &'static str, key: &'a [u8], access: Access) -> Need<'a> {
        Need { command, key: Some((key, access)) }
    }

    fn command(command: &'static str) -> Need<'static> {
        Need { command, key: None }
    }

    pub(super) fn retrieval(how: Retrieval, key: &'a [u8]) -> Need<'a> {
        match how.touch {
            None => Need::key("get", key, Access::READ),
            Some(_) => Need::key("getex", key, Access::BOTH),
        }
    }

    pub(super) fn storage(mode: Mode, key: &'a [u8]) -> Need<'a> {
        match mode {
            Mode::Append | Mode::Prepend => Need::key("append", key, Access::WRITE),
            Mode::Set | Mode::Add | Mode::Replace | Mode::Cas => Need::key("set", key, Access::WRITE),
        }
    }

    pub(super) fn arithmetic(key: &'a [u8]) -> Need<'a> {
        Need::key("incrby", key, Access::BOTH)
    }

    pub(super) fn delete(key: &'a [u8]) -> Need<'a> {
        Need::key("del", key, Access::WRITE)
    }

    pub(super) fn touch(key: &'a [u8]) -> Need<'a> {
        Need::key("expire", key, Access::WRITE)
    }

    pub(super) fn flush_all() -> Need<'static> {
        Need::command("flushall")
    }

    /// `stats` with this word behind it.
    pub(super) fn stats(word: &[u8]) -> Need<'static> {
        Need::command(stats(word))
    }

    pub(super) fn verbosity() -> Need<'static> {
        Need::command("config|set")
    }

    fn meta_get(meta: &Meta<'a>) -> Need<'a> {
        if meta.vivify.is_some() || meta.recache.is_some() {
            Need::key("set", meta.key, Access::BOTH)
        } else if meta.exptime.is_some() {
            Need::key("getex", meta.key, Access::BOTH)
        } else {
            Need::key("get", meta.key, Access::READ)
        }
    }

    /// `None`: everybody may. Retrieval and storage are asked for with their keys.
    fn of(request: &Request<'a>) -> Option<Need<'a>> {
        Some(match request {
            Request::MetaGet(meta) => Need::meta_get(meta),
            Request::MetaDelete(meta) => Need::delete(meta.key),
            Request::MetaArithmetic(meta) => Need::arithmetic(meta.key),
            Request::MetaDebug { key, .. } => Need::key("object|encoding", key, Access::default()),
            Request::Arithmetic { key, .. } => Need::arithmetic(key),
            Request::Delete { key, .. } => Need::delete(key),
            Request::Touch { key, .. } => Need::touch(key),
            Request::FlushAll { .. } => Need::flush_all(),
            Request::Admin(Admin::Config, _) => return None,
            Request::Admin(what, line) => Need::command(admin(*what, &Args::of(line))),
            Request::Get { .. }
            | Request::Store(_)
            | Request::MetaSet(..)
            | Request::MetaNoop
            | Request::Version
            | Request::Quit => return None,
        })
    }
}

fn admin(what: Admin, args: &Args<'_>) -> &'static str {
    match (what, args.at(1)) {
        (Admin::Stats, word) => stats(word),
        (Admin::LruCrawler, b"metadump" | b"mgdump") => "keys",
        (Admin::Watch, _) => "monitor",
        (Admin::Shutdown, _) => "shutdown",
        _ => "config|set",
    }
}

fn stats(word: &[u8]) -> &'static str {
    match word {
        b"cachedump" => "keys",
        b"reset" | b"detail" | b"sizes_enable" | b"sizes_disable" => "config|resetstat",
        _ => "info",
    }
}

/// The user may not do that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Denied;

impl From<Denied> for Refusal {
    fn from(_: Denied) -> Refusal {
        Refusal::Denied
    }
}

/// May the connection's user make this request?
///
/// # Errors
/// It may not, which has been counted and logged.
pub(super) fn check(turn: &Turn<'_>, request: &Request<'_>) -> Result<(), Denied> {
    match Need::of(request) {
        Some(need) if turn.restricted.is_some() => ask(turn, &need),
        _ => Ok(()),
    }
}

/// The same for one need.
///
/// # Errors
/// It may not, which has been counted and logged.
#[inline]
pub(super) fn ask(turn: &Turn<'_>, need: &Need<'_>) -> Result<(), Denied> {
    let Some(user) = &turn.restricted else { return Ok(()) };
    user.may_do(need.command, need.key).map_err(|reason| {
        let (counter, object) = match need.key {
            Some((key, _)) if reason == Reason::Key => (Counter::AclKeyDenied, key),
            _ => (Counter::AclCommandDenied, need.command.as_bytes()),
        };
        turn.counters.add(counter, 1);
        log(turn, reason, object, &user.name);
        Denied
    })
}

/// Puts a denial into `ACL LOG`.
pub(super) fn log(turn: &Turn<'_>, reason: Reason, object: &[u8], user: &[u8]) {
    let client = turn.daemon.clients.get(turn.client);
    let client = client.map(|client| {
        format!("id={} addr={} laddr={} fd={}", client.id, client.addr, client.laddr, client.fd)
    });
    let denial = Denial {
        reason,
        origin: Origin::Toplevel,
        object: object.to_vec(),
        user: user.to_vec(),
        client: client.unwrap_or_default(),
    };
    turn.daemon.acl.log.lock().add(denial, turn.now, turn.daemon.config.size(Param::AclLogMaxLen));
}
