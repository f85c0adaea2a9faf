//! HRANDFIELD.

use super::read::reply_value;
use super::{Args, Collection, CommandResult, Ctx, Done, lookup, purge};
use crate::commands::random::{Draw, Random};
use crate::store::value::Hash;
use crate::store::value::hash::Layout;

/// `HRANDFIELD key [count [WITHVALUES]]`
pub(super) fn hrandfield(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let key = args.key()?;
    let draw = if args.is_empty() { None } else { Some(Draw::parse(args)?) };
    let with_values = args.accept("WITHVALUES");
    args.finish()?;
    let draw = if with_values { draw.map(Draw::of_pairs).transpose()? } else { draw };
    let mut entry = ctx.db.entry(key);
    // All that is due goes first: what is drawn must be there.
    purge(&mut entry, ctx.now, usize::MAX)?;
    let hash = lookup::collection::<Hash>(ctx.counters, &mut entry)?;
    let Some(draw) = draw else {
        let drawn = hash.and_then(|hash| hash.nth(Random::new().below(hash.len())));
        reply_value(&mut ctx.reply, drawn.map(|(field, _)| field));
        return Ok(Done);
    };
    let Some(hash) = hash else {
        ctx.reply.array(0);
        return Ok(Done);
    };
    let places = draw.places(hash.len(), hash.bytes())?;
    let resp3 = ctx.reply.is_resp3();
    ctx.reply.array(if with_values && !resp3 { places.len() * 2 } else { places.len() });
    // In a listpack every place is looked for from an end: once for all is better.
    let listed: Vec<_> = match hash.layout() {
        Layout::Listpack(_) => hash.iter(ctx.now).collect(),
        Layout::Table(_) => Vec::new(),
    };
    for place in places {
        let Some((field, value)) = listed.get(place).copied().or_else(|| hash.nth(place)) else { continue };
        if with_values && resp3 {
            ctx.reply.array(2);
        }
        reply_value(&mut ctx.reply, Some(field));
        if with_values {
            reply_value(&mut ctx.reply, Some(value));
        }
    }
    Ok(Done)
}
