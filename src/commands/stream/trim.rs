//! XTRIM, XDEL, and the options of trimming that XADD has as well.

use super::{Args, CommandError, CommandResult, Ctx, Done, ids};
use crate::config::Param;
use crate::daemon::Daemon;
use crate::store::Event;
use crate::store::value::stream::{Keep, Stream, Trim};

/// `MAXLEN|MINID [~|=] threshold [LIMIT count]`, while it is being read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TrimOptions {
    keep: Option<Keep>,
    approximately: bool,
    limit: Option<u64>,
}

impl TrimOptions {
    /// Reads one of the options; `false` when the next argument is none.
    pub(super) fn accept(&mut self, args: &mut Args<'_>) -> Result<bool, CommandError> {
        // A word that nothing follows is not an option.
        if args.len() < 2 {
            return Ok(false);
        }
        if args.accept("MAXLEN") {
            self.begin_threshold(args)?;
            let most = args.int()?;
            let most = u64::try_from(most)
                .map_err(|_| CommandError::other("ERR The MAXLEN argument must be >= 0."))?;
            self.keep = Some(Keep::Last(most));
        } else if args.accept("MINID") {
            self.begin_threshold(args)?;
            self.keep = Some(Keep::From(ids::exact(args.bytes()?)?));
        } else if args.accept("LIMIT") {
            let limit = u64::try_from(args.int()?);
            self.limit =
                Some(limit.map_err(|_| CommandError::other("ERR The LIMIT argument must be >= 0."))?);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn begin_threshold(&mut self, args: &mut Args<'_>) -> Result<(), CommandError> {
        if self.keep.is_some() {
            return Err(CommandError::other(
                "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
            ));
        }
        // The sign needs a threshold behind it.
        self.approximately = args.len() >= 2 && args.accept("~");
        if !self.approximately && args.len() >= 2 {
            args.accept("=");
        }
        Ok(())
    }

    /// How to trim, or that nothing was said of it.
    pub(super) fn finish(self, daemon: &Daemon) -> Result<Option<Trim>, CommandError> {
        let error = |what: &str| {
            CommandError::other(format!("ERR syntax error, LIMIT cannot be used without {what}"))
        };
        if self.keep.is_none() && self.limit.is_some_and(|limit| limit > 0) {
            return Err(error("specifying a trimming strategy"));
        }
        if self.limit.is_some() && !self.approximately {
            return Err(error("the special ~ option"));
        }
        let limit = if self.approximately { self.limit.unwrap_or_else(|| default_limit(daemon)) } else { 0 };
        Ok(self.keep.map(|keep| Trim { keep, approximately: self.approximately, limit }))
    }
}

/// A hundred nodes, so that one command does not trim for long.
fn default_limit(daemon: &Daemon) -> u64 {
    match daemon.config.number(Param::StreamNodeMaxEntries).saturating_mul(100) {
        ..=0 => 10_000,
        limit => limit.min(1_000_000) as u64,
    }
}

/// `XTRIM key MAXLEN|MINID [~|=] threshold [LIMIT count]`
pub(super) fn xtrim(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let key = args.key()?;
    let mut options = TrimOptions::default();
    while !args.is_empty() {
        if !options.accept(args)? {
            return Err(CommandError::Syntax);
        }
    }
    let missing = || CommandError::other("ERR syntax error, XTRIM must be called with a trimming strategy");
    if options.keep.is_none() && options.limit == Some(0) {
        return Err(missing());
    }
    let trim = options.finish(ctx.daemon)?.ok_or_else(missing)?;
    let mut entry = ctx.db.entry(key);
    let mut trimmed = 0;
    if let Some(mut stream) = entry.change_existing::<Stream>(0)? {
        trimmed = stream.entries.trim(trim);
        if trimmed > 0 {
            stream.done(Event::XTrim);
        }
    }
    ctx.reply.int(trimmed);
    Ok(Done)
}

/// `XDEL key id [id …]`
pub(super) fn xdel(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let key = args.key()?;
    let mut entry = ctx.db.entry(key);
    let mut deleted = 0;
    if let Some(mut stream) = entry.change_existing::<Stream>(0)? {
        deleted = stream.entries.delete(&ids::all(args)?);
        if deleted > 0 {
            stream.done(Event::XDel);
        }
    }
    ctx.reply.int(deleted);
    Ok(Done)
}
