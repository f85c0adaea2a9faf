//! Looking at single places: GEODIST, GEOHASH, GEOPOS.

use super::{
    Args, CommandError, CommandResult, Ctx, Done, SortedSet, coordinate_text, distance, distance_text, hash,
    lookup, unit,
};

/// `GEODIST key member1 member2 [M|KM|FT|MI]`
pub(super) fn geodist(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (key, a, b) = (args.key()?, args.bytes()?, args.bytes()?);
    let unit = match args.len() {
        0 => 1.0,
        1 => unit(args)?,
        _ => return Err(CommandError::Syntax),
    };
    let mut entry = ctx.db.entry(key);
    let set = lookup::collection::<SortedSet>(ctx.counters, &mut entry)?;
    let place = |member| set.and_then(|set| set.score(member)).map(hash::place_of);
    match (place(a), place(b)) {
        (Some(a), Some(b)) => {
            ctx.reply.bulk(distance_text(distance::between(a, b) / unit).as_bytes());
        }
        _ => ctx.reply.nil(),
    }
    Ok(Done)
}

/// `GEOHASH key [member [member ...]]`
pub(super) fn geohash(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let set = lookup::collection::<SortedSet>(ctx.counters, &mut entry)?;
    ctx.reply.array(args.len());
    for member in args.rest().iter() {
        match set.and_then(|set| set.score(member)) {
            Some(score) => ctx.reply.bulk(hash::text(score).as_bytes()),
            None => ctx.reply.nil(),
        }
    }
    Ok(Done)
}

/// `GEOPOS key [member [member ...]]`
pub(super) fn geopos(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut entry = ctx.db.entry(args.key()?);
    let set = lookup::collection::<SortedSet>(ctx.counters, &mut entry)?;
    ctx.reply.array(args.len());
    for member in args.rest().iter() {
        match set.and_then(|set| set.score(member)).map(hash::place_of) {
            Some(place) => {
                ctx.reply.array(2);
                ctx.reply.double_as(&coordinate_text(place.longitude));
                ctx.reply.double_as(&coordinate_text(place.latitude));
            }
            None => ctx.reply.nil_array(),
        }
    }
    Ok(Done)
}
