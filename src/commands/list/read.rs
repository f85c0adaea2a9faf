//! Looking at lists: LLEN, LINDEX, LRANGE, LPOS.

use super::{
    Args, Collection, CommandError, CommandResult, Ctx, Done, End, List, absolute, lookup, range_of,
};
use super::{reply_element, reply_elements, signed_count};

/// `LLEN key`
pub(super) fn llen(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let list = lookup::collection::<List>(ctx.counters, &mut entry)?;
    ctx.reply.int(list.map_or(0, List::len));
    Ok(Done)
}

/// `LINDEX key index`. The index is not even read when there is no list.
pub(super) fn lindex(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let Some(list) = lookup::collection::<List>(ctx.counters, &mut entry)? else {
        ctx.reply.nil();
        return Ok(Done);
    };
    match absolute(args.int()?, list.len()).and_then(|index| list.get(index)) {
        Some(element) => reply_element(&mut ctx.reply, element),
        None => ctx.reply.nil(),
    }
    Ok(Done)
}

/// `LRANGE key start stop`
pub(super) fn lrange(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, start, stop) = (args.key()?, args.int()?, args.int()?);
    let mut entry = ctx.db.entry(key);
    match lookup::collection::<List>(ctx.counters, &mut entry)? {
        None => ctx.reply.array(0),
        Some(list) => {
            let range = range_of(start, stop, list.len());
            reply_elements(&mut ctx.reply, list.iter_from(range.start), range.len());
        }
    }
    Ok(Done)
}

/// What LPOS looks for.
struct Search {
    from: End,
    /// Matches passed over before the first that counts.
    skip: usize,
    /// How many are wanted, in an array; `None`: one, by itself.
    count: Option<usize>,
    /// How many elements are looked at.
    most: usize,
}

impl Search {
    fn parse(args: &mut Args<'_>) -> Result<Search, CommandError> {
        let or_all = |count| if count == 0 { usize::MAX } else { count };
        let mut search = Search { from: End::Head, skip: 0, count: None, most: usize::MAX };
        while !args.is_empty() {
            if args.len() < 2 {
                return Err(CommandError::Syntax);
            } else if args.accept("RANK") {
                let rank = signed_count(args)?;
                let skip = usize::try_from(rank.unsigned_abs()).unwrap_or(usize::MAX).checked_sub(1);
                search.skip = skip.ok_or_else(|| {
                    CommandError::other(
                        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or \
                         use negative to start from the end of the list",
                    )
                })?;
                search.from = if rank < 0 { End::Tail } else { End::Head };
            } else if args.accept("COUNT") {
                search.count = Some(or_all(not_negative(args, "COUNT")?));
            } else if args.accept("MAXLEN") {
                search.most = or_all(not_negative(args, "MAXLEN")?);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(search)
    }

    fn found<'a>(&self, list: &'a List, wanted: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        let (from, last) = (self.from, list.len() - 1);
        let found = list.matches(wanted, from).take(self.most).enumerate().filter(|(_, is_match)| *is_match);
        found.skip(self.skip).take(self.count.unwrap_or(1)).map(move |(step, _)| match from {
            End::Head => step,
            End::Tail => last - step,
        })
    }
}

fn not_negative(args: &mut Args<'_>, option: &str) -> Result<usize, CommandError> {
    let number = args.int().ok().and_then(|number| usize::try_from(number).ok());
    number.ok_or_else(|| CommandError::other(format!("ERR {option} can't be negative")))
}

/// `LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]`
pub(super) fn lpos(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, wanted) = (args.key()?, args.bytes()?);
    let search = Search::parse(args)?;
    let mut entry = ctx.db.entry(key);
    let list = lookup::collection::<List>(ctx.counters, &mut entry)?;
    let mut found = list.into_iter().flat_map(|list| search.found(list, wanted));
    if search.count.is_none() {
        match found.next() {
            Some(index) => ctx.reply.int(index),
            None => ctx.reply.nil(),
        }
        return Ok(Done);
    }
    ctx.reply.array_of(|reply| found.map(|index| reply.int(index)).count());
    Ok(Done)
}
