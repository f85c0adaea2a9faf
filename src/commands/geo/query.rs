//! What GEOSEARCH and GEORADIUS are asked for.

use super::distance::{Outline, Shape};
use super::hash::{Place, place_of};
use super::{Args, CommandError, SortedSet, place, unit};

/// Which of the commands it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Search,
    SearchStore,
    /// GEORADIUS; may it store?
    Radius {
        stores: bool,
    },
    RadiusByMember {
        stores: bool,
    },
}

impl Command {
    fn is_search(self) -> bool {
        matches!(self, Command::Search | Command::SearchStore)
    }

    fn may_store(self) -> bool {
        matches!(self, Command::Radius { stores: true } | Command::RadiusByMember { stores: true })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Nearest,
    Farthest,
}

/// A query.
#[derive(Debug)]
pub(super) struct Query<'a> {
    /// `None`: there is no key, and no member to start from.
    pub(super) shape: Option<Shape>,
    pub(super) order: Option<Order>,
    pub(super) count: Option<usize>,
    /// The first that are found will do.
    pub(super) any: bool,
    pub(super) with_distance: bool,
    pub(super) with_hash: bool,
    pub(super) with_place: bool,
    /// Where the result goes.
    pub(super) destination: Option<&'a [u8]>,
    /// The score is to be the distance.
    pub(super) stores_distance: bool,
}

/// `Some(length)`, not negative, with the errors of a radius.
fn radius(args: &mut Args<'_>) -> Result<(Outline, f64), CommandError> {
    let radius = args.float().map_err(|_| CommandError::other("ERR need numeric radius"))?;
    if radius < 0.0 {
        return Err(CommandError::other("ERR radius cannot be negative"));
    }
    Ok((Outline::Circle { radius }, unit(args)?))
}

fn sides(args: &mut Args<'_>) -> Result<(Outline, f64), CommandError> {
    let width = args.float().map_err(|_| CommandError::other("ERR need numeric width"))?;
    let height = args.float().map_err(|_| CommandError::other("ERR need numeric height"))?;
    if width < 0.0 || height < 0.0 {
        return Err(CommandError::other("ERR height or width cannot be negative"));
    }
    Ok((Outline::Box { width, height }, unit(args)?))
}

fn member(set: Option<&SortedSet>, member: &[u8]) -> Result<Option<Place>, CommandError> {
    let Some(set) = set else { return Ok(None) };
    let error = || CommandError::other("ERR could not decode requested zset member");
    set.score(member).map(place_of).map(Some).ok_or_else(error)
}

impl<'a> Query<'a> {
    /// Reads all that comes behind the key. `destination` is that of GEOSEARCHSTORE.
    pub(super) fn parse(
        args: &mut Args<'a>,
        command: Command,
        set: Option<&SortedSet>,
        destination: Option<&'a [u8]>,
    ) -> Result<Query<'a>, CommandError> {
        let mut query = Query {
            shape: None,
            order: None,
            count: None,
            any: false,
            with_distance: false,
            with_hash: false,
            with_place: false,
            destination,
            stores_distance: false,
        };
        // Each of the two is `None` until it is said. A member that is not there is only minded where a key is.
        let mut from: Option<(Option<Place>, bool)> = None;
        let mut by: Option<(Outline, f64)> = None;
        match command {
            Command::Radius { .. } => {
                from = Some((Some(place(args)?), false));
                by = Some(radius(args)?);
            }
            Command::RadiusByMember { .. } if set.is_none() => drop(args.take(3)),
            Command::RadiusByMember { .. } => {
                from = Some((member(set, args.bytes()?)?, true));
                by = Some(radius(args)?);
            }
            Command::Search | Command::SearchStore => {}
        }
        let is_search = command.is_search();
        while !args.is_empty() {
            let behind = args.len() - 1;
            if args.accept("WITHDIST") {
                query.with_distance = true;
            } else if args.accept("WITHHASH") {
                query.with_hash = true;
            } else if args.accept("WITHCOORD") {
                query.with_place = true;
            } else if args.accept("ANY") {
                query.any = true;
            } else if args.accept("ASC") {
                query.order = Some(Order::Nearest);
            } else if args.accept("DESC") {
                query.order = Some(Order::Farthest);
            } else if behind >= 1 && args.accept("COUNT") {
                let count = usize::try_from(args.int()?).ok().filter(|&count| count > 0);
                query.count = Some(count.ok_or_else(|| CommandError::other("ERR COUNT must be > 0"))?);
            } else if behind >= 1 && command.may_store() && args.accept("STORE") {
                (query.destination, query.stores_distance) = (Some(args.key()?), false);
            } else if behind >= 1 && command.may_store() && args.accept("STOREDIST") {
                (query.destination, query.stores_distance) = (Some(args.key()?), true);
            } else if behind >= 1
                && is_search
                && from.is_none_or(|(_, by_member)| by_member)
                && args.accept("FROMMEMBER")
            {
                from = Some((member(set, args.bytes()?)?, true));
            } else if behind >= 2
                && is_search
                && from.is_none_or(|(_, by_member)| !by_member)
                && args.accept("FROMLONLAT")
            {
                from = Some((Some(place(args)?), false));
            } else if behind >= 2
                && is_search
                && !matches!(by, Some((Outline::Box { .. }, _)))
                && args.accept("BYRADIUS")
            {
                by = Some(radius(args)?);
            } else if behind >= 3
                && is_search
                && !matches!(by, Some((Outline::Circle { .. }, _)))
                && args.accept("BYBOX")
            {
                by = Some(sides(args)?);
            } else if command == Command::SearchStore && args.accept("STOREDIST") {
                query.stores_distance = true;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        query.check(args, command, from.is_some(), by.is_some())?;
        if let (Some((Some(centre), _)), Some((outline, unit))) = (from, by) {
            query.shape = Some(Shape { centre, outline, unit });
        }
        // The nearest must be known to count them.
        if query.count.is_some() && !query.any {
            query.order = query.order.or(Some(Order::Nearest));
        }
        Ok(query)
    }

    fn check(
        &self,
        args: &Args<'_>,
        command: Command,
        has_from: bool,
        has_by: bool,
    ) -> Result<(), CommandError> {
        if self.destination.is_some() && (self.with_distance || self.with_hash || self.with_place) {
            let what = if command.is_search() { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" };
            return Err(CommandError::other(format!(
                "ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        let name = args.argv().get(0).unwrap_or_default();
        if command.is_search() && !has_from {
            let text = "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ";
            return Err(CommandError::quoting(text, name, usize::MAX, ""));
        }
        if command.is_search() && !has_by {
            let text = "ERR exactly one of BYRADIUS and BYBOX can be specified for ";
            return Err(CommandError::quoting(text, name, usize::MAX, ""));
        }
        if self.any && self.count.is_none() {
            return Err(CommandError::other("ERR the ANY argument requires COUNT argument"));
        }
        Ok(())
    }
}
