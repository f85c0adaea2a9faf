//! Places within an area: GEOSEARCH, GEOSEARCHSTORE and the older GEORADIUS.
//!
//! The area is covered by a cell of the grid and its eight neighbours, each a range of scores: `O(n + log m)` for
//! the n places in them.

use super::distance::Shape;
use super::hash::{Cell, Place, STEP_MAX, place_of};
use super::query::{Command, Order, Query};
use super::{Args, CommandResult, Ctx, Done, SortedSet, coordinate_text, distance_text, lookup, sorted_set};
use crate::commands::sorted_set::bounds::{ScoreBound, Span};
use crate::store::Event;
use crate::store::value::text::Text;

/// Half of the equator on Mercator's map, in metres.
const MERCATOR_MAX: f64 = 20_037_726.37;

/// A place that was found.
struct Found {
    member: Text,
    score: f64,
    place: Place,
    /// In metres.
    distance: f64,
}

/// `GEOSEARCH key FROMMEMBER member|FROMLONLAT longitude latitude BYRADIUS radius unit|BYBOX width height unit
/// [ASC|DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]`
pub(super) fn geosearch(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    search(ctx, args, Command::Search)
}

/// `GEOSEARCHSTORE destination source FROMMEMBER … [STOREDIST]`
pub(super) fn geosearchstore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    search(ctx, args, Command::SearchStore)
}

/// `GEORADIUS key longitude latitude radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]]
/// [ASC|DESC] [STORE key|STOREDIST key]`
pub(super) fn georadius(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    search(ctx, args, Command::Radius { stores: true })
}

/// `GEORADIUS_RO`: GEORADIUS that does not store.
pub(super) fn georadius_ro(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    search(ctx, args, Command::Radius { stores: false })
}

/// `GEORADIUSBYMEMBER key member radius unit …`
pub(super) fn georadiusbymember(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    search(ctx, args, Command::RadiusByMember { stores: true })
}

/// `GEORADIUSBYMEMBER_RO`: GEORADIUSBYMEMBER that does not store.
pub(super) fn georadiusbymember_ro(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    search(ctx, args, Command::RadiusByMember { stores: false })
}

fn search(ctx: &mut Ctx<'_>, args: &mut Args<'_>, command: Command) -> CommandResult {
    let destination = if command == Command::SearchStore { Some(args.key()?) } else { None };
    let mut entry = ctx.db.entry(args.key()?);
    let set = lookup::collection::<SortedSet>(ctx.counters, &mut entry)?;
    let query = Query::parse(args, command, set, destination)?;
    let mut found = match (set, &query.shape) {
        (Some(set), Some(shape)) => {
            places(set, shape, query.count.filter(|_| query.any).unwrap_or(usize::MAX))
        }
        _ => Vec::new(),
    };
    drop(entry);
    match query.order {
        Some(Order::Nearest) => found.sort_by(|a, b| a.distance.total_cmp(&b.distance)),
        Some(Order::Farthest) => found.sort_by(|a, b| b.distance.total_cmp(&a.distance)),
        None => {}
    }
    found.truncate(query.count.unwrap_or(usize::MAX));
    let unit = query.shape.map_or(1.0, |shape| shape.unit);
    match query.destination {
        Some(destination) => {
            let event = match command {
                Command::SearchStore => Event::GeoSearchStore,
                _ => Event::GeoRadiusStore,
            };
            store(ctx, destination, &found, query.stores_distance.then_some(unit), event)
        }
        None => {
            reply(ctx, &query, &found, unit);
            Ok(Done)
        }
    }
}

fn reply(ctx: &mut Ctx<'_>, query: &Query<'_>, found: &[Found], unit: f64) {
    let options = [query.with_distance, query.with_hash, query.with_place];
    let options = options.iter().filter(|&&option| option).count();
    let reply = &mut ctx.reply;
    reply.array(found.len());
    for found in found {
        if options > 0 {
            reply.array(1 + options);
        }
        reply.bulk(found.member.as_bytes());
        if query.with_distance {
            reply.bulk(distance_text(found.distance / unit).as_bytes());
        }
        if query.with_hash {
            reply.int(found.score as i64);
        }
        if query.with_place {
            reply.array(2);
            reply.double_as(&coordinate_text(found.place.longitude));
            reply.double_as(&coordinate_text(found.place.latitude));
        }
    }
}

/// Stores the places with their hashes as scores, or with their distances in a unit.
fn store(
    ctx: &mut Ctx<'_>,
    destination: &[u8],
    found: &[Found],
    unit: Option<f64>,
    event: Event,
) -> CommandResult {
    let (mut set, limits) = (SortedSet::default(), sorted_set::limits(&ctx.daemon.config));
    let longest = found.iter().map(|found| found.member.as_bytes().len()).max();
    set.expect(found.len(), longest.unwrap_or(0), &limits);
    for found in found {
        let score = unit.map_or(found.score, |unit| found.distance / unit);
        set.insert(found.member.as_bytes(), score, &limits);
    }
    sorted_set::store(ctx, destination, set, event)
}

/// The places of a set within a shape, up to `most`.
fn places(set: &SortedSet, shape: &Shape, most: usize) -> Vec<Found> {
    let (mut found, mut buffer) = (Vec::new(), itoa::Buffer::new());
    let mut last = None;
    for cell in cells(shape) {
        // Where cells are very large, neighbours on both sides are the same one.
        if last.replace(cell) == Some(cell) {
            continue;
        }
        let (from, to) = cell.scores();
        let span = Span::Scores(ScoreBound::inclusive(from as f64), ScoreBound::exclusive(to as f64));
        for (member, score) in set.range(span.ranks(set, false)) {
            if found.len() >= most {
                return found;
            }
            let place = place_of(score);
            if let Some(distance) = shape.distance(place) {
                found.push(Found { member: Text::new(member.text(&mut buffer)), score, place, distance });
            }
        }
    }
    found
}

/// The step at which a cell is about as wide as the radius.
fn step_for(radius: f64, latitude: f64) -> u32 {
    if radius == 0.0 {
        return STEP_MAX;
    }
    let (mut step, mut radius) = (1i32, radius);
    while radius < MERCATOR_MAX {
        radius *= 2.0;
        step += 1;
    }
    // So that the radius is covered mostly; and cells are narrower near the poles.
    step -= 2 + i32::from(latitude.abs() > 66.0) + i32::from(latitude.abs() > 80.0);
    step.clamp(1, STEP_MAX as i32) as u32
}

/// The cells that cover a shape, in the order in which Redis looks at them.
fn cells(shape: &Shape) -> impl Iterator<Item = Cell> {
    let bounds = shape.bounds();
    let mut step = step_for(shape.radius(), shape.centre.latitude);
    let mut cell = Cell::of(shape.centre, step);
    let too_small = cell.beside(0, 1).latitudes().max < bounds.north
        || cell.beside(0, -1).latitudes().min > bounds.south
        || cell.beside(1, 0).longitudes().max < bounds.east
        || cell.beside(-1, 0).longitudes().min > bounds.west;
    if step > 1 && too_small {
        step -= 1;
        cell = Cell::of(shape.centre, step);
    }
    let (longitudes, latitudes) = (cell.longitudes(), cell.latitudes());
    let is_needed = move |(east, north): (i8, i8)| {
        let leaves_out = north < 0 && latitudes.min < bounds.south
            || north > 0 && latitudes.max > bounds.north
            || east < 0 && longitudes.min < bounds.west
            || east > 0 && longitudes.max > bounds.east;
        step < 2 || !leaves_out
    };
    let all = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];
    all.into_iter().filter(move |&to| is_needed(to)).map(move |(east, north)| cell.beside(east, north))
}
