//! Adding to sorted sets and taking from them by name: ZADD, ZINCRBY, ZREM.

use super::{Args, CommandError, CommandResult, Ctx, Done, Limits, PER_MEMBER, SortedSet, limits};
use crate::store::Event;

/// When ZADD adds a member or gives it another score, and what it answers.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::commands) struct Options {
    pub(in crate::commands) nx: bool,
    pub(in crate::commands) xx: bool,
    gt: bool,
    lt: bool,
    pub(in crate::commands) ch: bool,
    incr: bool,
}

impl Options {
    /// Reads the words before the first score.
    fn parse(args: &mut Args<'_>) -> Options {
        let mut options = Options::default();
        type Set = fn(&mut Options);
        let words: [(&str, Set); 6] = [
            ("NX", |options| options.nx = true),
            ("XX", |options| options.xx = true),
            ("GT", |options| options.gt = true),
            ("LT", |options| options.lt = true),
            ("CH", |options| options.ch = true),
            ("INCR", |options| options.incr = true),
        ];
        while let Some(set) = args.one_of(&words) {
            set(&mut options);
        }
        options
    }

    fn check(self, members: usize) -> Result<(), CommandError> {
        let error = |text| Err(CommandError::other(text));
        if self.nx && self.xx {
            return error("ERR XX and NX options at the same time are not compatible");
        }
        if [self.gt, self.lt, self.nx].into_iter().filter(|&is_set| is_set).count() > 1 {
            return error("ERR GT, LT, and/or NX options at the same time are not compatible");
        }
        if self.incr && members > 1 {
            return error("ERR INCR option supports a single increment-element pair");
        }
        Ok(())
    }

    /// The score that a member is to get; `None` when it stays as it is.
    fn score(self, old: Option<f64>, given: f64) -> Result<Option<f64>, CommandError> {
        let Some(old) = old else { return Ok((!self.xx).then_some(given)) };
        if self.nx {
            return Ok(None);
        }
        let new = if self.incr { old + given } else { given };
        if new.is_nan() {
            return Err(CommandError::other("ERR resulting score is not a number (NaN)"));
        }
        let is_held_back = self.gt && new <= old || self.lt && new >= old;
        Ok((!is_held_back).then_some(new))
    }
}

/// `ZADD key [NX|XX] [GT|LT] [CH] [INCR] score member [score member ...]`
pub(super) fn zadd(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let key = args.key()?;
    let options = Options::parse(args);
    if args.is_empty() || !args.len().is_multiple_of(2) {
        return Err(CommandError::Syntax);
    }
    options.check(args.len() / 2)?;
    let mut members = Vec::with_capacity(args.len() / 2);
    while !args.is_empty() {
        members.push((args.float()?, args.bytes()?));
    }
    add(ctx, key, options, &members)
}

/// `ZINCRBY key increment member`
pub(super) fn zincrby(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let key = args.key()?;
    let member = (args.float()?, args.bytes()?);
    add(ctx, key, Options { incr: true, ..Options::default() }, &[member])
}

/// Adds members with their scores, and answers. GEOADD comes here too.
pub(in crate::commands) fn add(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    options: Options,
    members: &[(f64, &[u8])],
) -> CommandResult {
    let limits = limits(&ctx.daemon.config);
    let mut entry = ctx.db.entry(key);
    let is_absent = entry.collection::<SortedSet>()?.is_none();
    let mut done = Added::default();
    if !(is_absent && options.xx) {
        let cost = members.iter().map(|(_, member)| member.len() + PER_MEMBER).sum();
        let mut set = entry.change::<SortedSet>(cost)?;
        let first = members.first().map_or(0, |(_, member)| member.len());
        set.expect(members.len(), first, &limits);
        let result = members.iter().try_for_each(|member| done.add(&mut set, *member, options, &limits));
        if done.added + done.updated > 0 {
            set.done(if options.incr { Event::ZIncr } else { Event::ZAdd });
        }
        result?;
    }
    match (options.incr, done.score) {
        (true, Some(score)) => ctx.reply.double(score),
        (true, None) => ctx.reply.nil(),
        (false, _) => ctx.reply.int(done.added + if options.ch { done.updated } else { 0 }),
    }
    Ok(Done)
}

/// What came of adding.
#[derive(Default)]
struct Added {
    added: usize,
    updated: usize,
    /// Of the last member that was let through.
    score: Option<f64>,
}

impl Added {
    fn add(
        &mut self,
        set: &mut SortedSet,
        (given, member): (f64, &[u8]),
        options: Options,
        limits: &Limits,
    ) -> Result<(), CommandError> {
        let old = set.score(member);
        let Some(new) = options.score(old, given)? else { return Ok(()) };
        self.score = Some(new);
        if old != Some(new) {
            set.insert(member, new, limits);
            self.added += usize::from(old.is_none());
            self.updated += usize::from(old.is_some());
        }
        Ok(())
    }
}

/// `ZREM key member [member ...]`
pub(super) fn zrem(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let mut removed = 0;
    if let Some(mut set) = entry.change_existing::<SortedSet>(0)? {
        removed = args.rest().iter().filter(|member| set.remove(member).is_some()).count();
        if removed > 0 {
            set.done(Event::ZRem);
        }
    }
    ctx.reply.int(removed);
    Ok(Done)
}
