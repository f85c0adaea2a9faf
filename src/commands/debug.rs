//! `DEBUG`: what client test suites use. Who may is up to `enable-debug-command`.

use super::args::parse_int;
use super::keyspace::encoding_of;
use super::table::{Arity, CommandSpec, Flag};
use super::{Args, CommandError, CommandResult, Ctx, Done, Outcome};
use crate::config::Param;
use crate::double;
use crate::store::{Event, Expiry, Put};
use std::sync::atomic::Ordering::Relaxed;

pub(super) const COMMANDS: &[CommandSpec] = &[CommandSpec {
    name: "debug",
    arity: Arity::AtLeast(2),
    flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
    group: "server",
    complexity: "Depends on subcommand.",
    summary: "A container for debugging commands.",
    guard: Some(Param::EnableDebugCommand),
    run: debug,
    ..CommandSpec::BASE
}];

/// `DEBUG subcommand …`. One command and no container, as in Redis: what is not known has words of its own.
fn debug(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let name = args.bytes()?;
    let rest: Vec<&[u8]> = args.rest().iter().collect();
    match (name.to_ascii_lowercase().as_slice(), rest.as_slice()) {
        (b"help", []) => return help(ctx),
        (b"sleep", [seconds]) => return sleep(ctx, seconds),
        (b"error", [text]) => return Err(CommandError::Other(String::from_utf8_lossy(text).into_owned())),
        (b"object", [key]) => return object(ctx, key),
        (b"protocol", [kind]) => return protocol(ctx, kind),
        (b"populate", [count, options @ ..]) if options.len() <= 2 => return populate(ctx, count, options),
        (b"log", [text]) => tracing::warn!("DEBUG LOG: {}", String::from_utf8_lossy(text)),
        (b"reload", options) => reload(options)?,
        (b"set-active-expire", [on]) => ctx.daemon.expires_actively.store(*on != b"0", Relaxed),
        (b"change-repl-id", []) => *ctx.daemon.replication_id.lock() = crate::daemon::random_id(),
        // Lists have no such threshold here; the size is checked as in Redis.
        (b"quicklist-packed-threshold", [size]) => packed_threshold(size)?,
        _ => {
            return Err(CommandError::other(format!(
                "ERR unknown subcommand or wrong number of arguments for '{}'. Try DEBUG HELP.",
                String::from_utf8_lossy(&name[..name.len().min(128)])
            )));
        }
    }
    ctx.reply.ok();
    Ok(Done)
}

/// Differs: only this client waits; Redis sleeps as a whole.
fn sleep(ctx: &mut Ctx<'_>, seconds: &[u8]) -> CommandResult {
    const LONGEST: f64 = 1e9;
    let seconds = double::parse(seconds).unwrap_or(0.0).clamp(0.0, LONGEST);
    ctx.reply.ok();
    let ms = (seconds * 1000.0).round() as u64;
    Ok(if ms == 0 { Done } else { Outcome::Sleep(ctx.now.saturating_add(ms)) })
}

fn object(ctx: &mut Ctx<'_>, key: &[u8]) -> CommandResult {
    let now = ctx.now;
    let entry = ctx.db.entry(key);
    let item = entry.item().ok_or(CommandError::NoSuchKey)?;
    let idle = item.idle_secs(now);
    let text = format!(
        "Value at:0x{:012x} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{idle}",
        item.string().map_or(0, |bytes| bytes.as_ptr() as usize),
        encoding_of(&item),
        item.string().map_or(item.bytes(), |bytes| bytes.len() + 1),
        now.secs().saturating_sub(idle) & 0xff_ffff,
    );
    ctx.reply.simple(&text);
    Ok(Done)
}

/// Data goes to no disk and comes back from none, so a reload that saves first changes nothing.
fn reload(options: &[&[u8]]) -> Result<(), CommandError> {
    for option in options {
        match option.to_ascii_lowercase().as_slice() {
            b"merge" | b"noflush" => {}
            b"nosave" => {
                return Err(CommandError::other("ERR Error trying to load the RDB dump, check server logs"));
            }
            _ => {
                return Err(CommandError::other(
                    "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
                ));
            }
        }
    }
    Ok(())
}

fn packed_threshold(size: &[u8]) -> Result<(), CommandError> {
    let digits = size.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let unit = size[digits..].to_ascii_lowercase();
    let known: [&[u8]; 8] = [b"", b"b", b"k", b"kb", b"m", b"mb", b"g", b"gb"];
    if digits > 0 && known.contains(&unit.as_slice()) {
        return Ok(());
    }
    Err(CommandError::other("ERR argument must be a memory value bigger than 1 and smaller than 4gb"))
}

/// `DEBUG POPULATE count [prefix [size]]`: keys that are there stay as they are.
fn populate(ctx: &mut Ctx<'_>, count: &[u8], options: &[&[u8]]) -> CommandResult {
    const SIZE_MAX: i64 = 512 << 20;
    let positive = |text: &[u8]| parse_int(text).filter(|&n| n >= 0).ok_or(CommandError::NotPositive);
    let count = positive(count)?;
    let prefix = options.first().copied().unwrap_or(b"key");
    let size = options.get(1).map(|size| positive(size)).transpose()?;
    if size.is_some_and(|size| size > SIZE_MAX) {
        return Err(CommandError::TooLong);
    }
    for number in 0..count {
        let mut key = prefix.to_vec();
        key.extend_from_slice(format!(":{number}").as_bytes());
        let mut value = format!("value:{number}").into_bytes();
        if let Some(size) = size.and_then(|size| usize::try_from(size).ok()) {
            value.resize(size, 0);
        }
        let mut entry = ctx.db.entry(&key);
        if !entry.is_present() {
            entry.put(&value, Put::new(0, Expiry::Never, Event::Set))?;
        }
    }
    ctx.reply.ok();
    Ok(Done)
}

/// `DEBUG PROTOCOL type`
fn protocol(ctx: &mut Ctx<'_>, kind: &[u8]) -> CommandResult {
    let reply = &mut ctx.reply;
    match kind.to_ascii_lowercase().as_slice() {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.int(12345),
        b"double" => reply.double(3141.0 / 1000.0),
        b"null" => reply.nil(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|n| reply.int(n));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|n| reply.int(n));
        }
        b"map" => {
            reply.map(3);
            for n in 0..3 {
                reply.int(n);
                reply.bool(n == 1);
            }
        }
        b"attrib" => {
            if reply.is_resp3() {
                reply.out().put(b"|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n");
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        b"push" if !reply.is_resp3() => {
            return Err(CommandError::other("ERR RESP2 is not supported by this command"));
        }
        b"push" => {
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.int(42);
            reply.bulk(b"Some real reply following the push reply");
        }
        b"verbatim" => reply.verbatim("This is a verbatim\nstring"),
        b"true" => reply.bool(true),
        b"false" => reply.bool(false),
        b"bignum" => {
            let digits = b"1234567999999999999999999999999999999";
            if reply.is_resp3() {
                reply.out().put(b"(");
                reply.out().put(digits);
                reply.out().put(b"\r\n");
            } else {
                reply.bulk(digits);
            }
        }
        _ => {
            return Err(CommandError::other(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(Done)
}

fn help(ctx: &mut Ctx<'_>) -> CommandResult {
    ctx.help(
        "DEBUG",
        &[
            "CHANGE-REPL-ID",
            "    Change the replication IDs of the instance.",
            "    Dangerous: should be used only for testing the replication subsystem.",
            "ERROR <string>",
            "    Return a Redis protocol error with <string> as message. Useful for clients",
            "    unit tests to simulate Redis errors.",
            "LOG <message>",
            "    Write <message> to the server log.",
            "OBJECT <key>",
            "    Show low level info about `key` and associated value.",
            "POPULATE <count> [<prefix>] [<size>]",
            "    Create <count> string keys named key:<num>. If <prefix> is specified then",
            "    it is used instead of the 'key' prefix.",
            "PROTOCOL <type>",
            "    Reply with a test value of the specified type. <type> can be: string,",
            "    integer, double, bignum, null, array, set, map, attrib, push, verbatim,",
            "    true, false.",
            "QUICKLIST-PACKED-THRESHOLD <size>",
            "    Accepted; there is no such threshold.",
            "RELOAD [option ...]",
            "    Nothing is saved or loaded; the data stays as it is.",
            "SET-ACTIVE-EXPIRE <0|1>",
            "    Setting it to 0 disables expiring keys in background when they are not",
            "    accessed (otherwise the Redis behavior). Setting it to 1 reenables back the",
            "    default.",
            "SLEEP <seconds>",
            "    Let this connection wait for <seconds>. Decimals allowed.",
        ],
    )
}
