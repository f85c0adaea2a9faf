//! Finding keys: KEYS, SCAN, RANDOMKEY.

use super::{Args, CommandResult, Ctx, Done};
use crate::commands::{Outcome, Pause, scan};
use crate::glob;
use crate::resp::{Argv, OwnedArgv, Reply};
use crate::wire::Out;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// Items looked at under one lock.
const AT_ONCE: usize = 256;

/// `KEYS pattern`: in slices, but for where nobody may come between (`EXEC`, scripts).
pub(super) fn keys(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut walk = KeysWalk::new(args.bytes()?, args.argv());
    while !walk.step(ctx) {
        if !ctx.state.executing {
            ctx.pause = Some(Pause::Walking(walk));
            return Ok(Outcome::Later);
        }
    }
    Ok(Done)
}

/// A `KEYS` under way: what it has found so far.
pub struct KeysWalk {
    pattern: Box<[u8]>,
    cursor: u64,
    count: usize,
    /// Bulk strings, in pieces that are never moved again.
    full: Vec<Bytes>,
    piece: Out,
    /// The request, and the time spent on it: for the statistics at its end.
    pub(in crate::commands) argv: OwnedArgv,
    pub(in crate::commands) spent: Duration,
}

impl KeysWalk {
    /// Items looked at in a slice.
    const SLICE: usize = 4096;
    const PIECE: usize = 64 * 1024;

    fn new(pattern: &[u8], argv: Argv<'_>) -> KeysWalk {
        KeysWalk {
            pattern: pattern.into(),
            cursor: 0,
            count: 0,
            full: Vec::new(),
            piece: Out::new(),
            argv: argv.into(),
            spent: Duration::ZERO,
        }
    }

    /// Looks at some more items. `true`: that was all, and the reply is written.
    pub(in crate::commands) fn step(&mut self, ctx: &mut Ctx<'_>) -> bool {
        let began = Instant::now();
        let pattern = &*self.pattern;
        for _ in 0..Self::SLICE / AT_ONCE {
            let (count, mut piece) = (&mut self.count, Reply::new(&mut self.piece, false));
            self.cursor = ctx.db.scan(self.cursor, AT_ONCE, &mut |key, _| {
                if pattern == b"*" || glob::matches(pattern, key, false) {
                    piece.bulk(key);
                    *count += 1;
                }
            });
            if self.piece.len() >= Self::PIECE {
                self.full.push(self.piece.to_vec().into());
                self.piece.clear();
            }
            if self.cursor == 0 {
                ctx.reply.array(self.count);
                self.full.drain(..).for_each(|piece| ctx.reply.out().put_shared(&piece));
                ctx.reply.out().append(std::mem::take(&mut self.piece));
                break;
            }
        }
        self.spent += began.elapsed();
        self.cursor == 0
    }
}

/// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`
pub(super) fn scan(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut cursor = scan::cursor(args.bytes()?)?;
    let mut kind = None;
    let options = scan::Options::parse(args, |args| {
        let is_type = args.accept("TYPE");
        if is_type {
            kind = Some(args.bytes()?);
        }
        Ok(is_type)
    })?;
    let (mut found, mut left) = (Vec::new(), options.count);
    while left > 0 {
        let some = left.min(AT_ONCE);
        cursor = ctx.db.scan(cursor, some, &mut |key, item| {
            let fits = kind.is_none_or(|kind| item.kind().name().as_bytes().eq_ignore_ascii_case(kind))
                && options.shows(key);
            if fits {
                found.push(key.to_vec());
            }
        });
        left -= some;
        if cursor == 0 {
            break;
        }
    }
    scan::reply(&mut ctx.reply, cursor, &found);
    Ok(Done)
}

/// `RANDOMKEY`
pub(super) fn randomkey(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    let random = getrandom::u64().unwrap_or(ctx.now.0);
    match ctx.db.random_key(random) {
        Some(key) => ctx.reply.bulk(&key),
        None => ctx.reply.nil(),
    }
    Ok(Done)
}
