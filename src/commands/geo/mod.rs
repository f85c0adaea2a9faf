//! Geo commands: places in a sorted set, whose scores are their geohashes. Meaning follows the Redis command
//! pages; what is computed follows `src/geo.c` and `src/geohash_helper.c`, to the last bit of a distance.

mod change;
mod distance;
mod hash;
mod query;
mod read;
mod search;

use super::table::{Arity, Begin, CommandSpec, Find, Flag, KeySpec, KeyUse};
use super::{Args, CommandError, CommandResult, Ctx, Done, lookup, sorted_set};
use crate::store::value::SortedSet;
use hash::{LATITUDE, LONGITUDE, Place};

/// Reads a longitude and a latitude.
fn place(args: &mut Args<'_>) -> Result<Place, CommandError> {
    let (longitude, latitude) = (args.float()?, args.float()?);
    if !LONGITUDE.contains(longitude) || !LATITUDE.contains(latitude) {
        return Err(CommandError::other(format!(
            "ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}"
        )));
    }
    Ok(Place { longitude, latitude })
}

/// Reads a unit: how many metres it is.
fn unit(args: &mut Args<'_>) -> Result<f64, CommandError> {
    args.one_of(&[("m", 1.0), ("km", 1000.0), ("ft", 0.3048), ("mi", 1609.34)])
        .ok_or_else(|| CommandError::other("ERR unsupported unit provided. please use M, KM, FT, MI"))
}

/// A distance as it is printed.
fn distance_text(distance: f64) -> String {
    format!("{distance:.4}")
}

/// A coordinate as it is printed: seventeen digits behind the point, but no zeros at their end.
fn coordinate_text(degrees: f64) -> String {
    let text = format!("{degrees:.17}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

const GEO: CommandSpec = CommandSpec { acl: &["geo"], group: "geo", ..CommandSpec::BASE };

const READ: &[Flag] = &[Flag::ReadOnly];
const ADD: &[Flag] = &[Flag::Write, Flag::DenyOom];

/// The keys of GEORADIUS and its kin, whose options begin at the argument `from`.
const fn radius_keys(from: u8) -> [KeySpec; 3] {
    const fn stored(word: &'static str, from: u8) -> KeySpec {
        KeySpec {
            begin: Begin::GeoStore(word, from),
            find: Find::Range { last: 0, step: 1, limit: 0 },
            usage: KeyUse::Overwrite,
        }
    }
    [KeySpec::one(1, KeyUse::Read), stored("STORE", from), stored("STOREDIST", from)]
}

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "geoadd",
        arity: Arity::AtLeast(5),
        flags: ADD,
        keys: &[KeySpec::one(1, KeyUse::Update)],
        since: "3.2.0",
        complexity: "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
        summary: "Adds one or more members to a geospatial index. The key is created if it doesn't exist.",
        run: change::geoadd,
        ..GEO
    },
    CommandSpec {
        name: "geodist",
        arity: Arity::AtLeast(4),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        since: "3.2.0",
        complexity: "O(log(N))",
        summary: "Returns the distance between two members of a geospatial index.",
        run: read::geodist,
        ..GEO
    },
    CommandSpec {
        name: "geohash",
        arity: Arity::AtLeast(2),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        since: "3.2.0",
        complexity: "O(log(N)) for each member requested, where N is the number of elements in the sorted \
            set.",
        summary: "Returns members from a geospatial index as geohash strings.",
        run: read::geohash,
        ..GEO
    },
    CommandSpec {
        name: "geopos",
        arity: Arity::AtLeast(2),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        since: "3.2.0",
        complexity: "O(N) where N is the number of members requested.",
        summary: "Returns the longitude and latitude of members from a geospatial index.",
        run: read::geopos,
        ..GEO
    },
    CommandSpec {
        name: "georadius",
        arity: Arity::AtLeast(6),
        flags: &[Flag::Write, Flag::DenyOom, Flag::MovableKeys],
        keys: &radius_keys(6),
        deprecated: Some(("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument")),
        since: "3.2.0",
        complexity: "O(N+log(M)) where N is the number of elements inside the bounding box of the circular \
            area delimited by center and radius and M is the number of items inside the index.",
        summary: "Queries a geospatial index for members within a distance from a coordinate, optionally \
            stores the result.",
        run: search::georadius,
        ..GEO
    },
    CommandSpec {
        name: "georadius_ro",
        arity: Arity::AtLeast(6),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        deprecated: Some(("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument")),
        since: "3.2.10",
        complexity: "O(N+log(M)) where N is the number of elements inside the bounding box of the circular \
            area delimited by center and radius and M is the number of items inside the index.",
        summary: "Returns members from a geospatial index that are within a distance from a coordinate.",
        run: search::georadius_ro,
        ..GEO
    },
    CommandSpec {
        name: "georadiusbymember",
        arity: Arity::AtLeast(5),
        flags: &[Flag::Write, Flag::DenyOom, Flag::MovableKeys],
        keys: &radius_keys(5),
        deprecated: Some((
            "6.2.0",
            "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
        )),
        since: "3.2.0",
        complexity: "O(N+log(M)) where N is the number of elements inside the bounding box of the circular \
            area delimited by center and radius and M is the number of items inside the index.",
        summary: "Queries a geospatial index for members within a distance from a member, optionally stores \
            the result.",
        run: search::georadiusbymember,
        ..GEO
    },
    CommandSpec {
        name: "georadiusbymember_ro",
        arity: Arity::AtLeast(5),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        deprecated: Some(("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments")),
        since: "3.2.10",
        complexity: "O(N+log(M)) where N is the number of elements inside the bounding box of the circular \
            area delimited by center and radius and M is the number of items inside the index.",
        summary: "Returns members from a geospatial index that are within a distance from a member.",
        run: search::georadiusbymember_ro,
        ..GEO
    },
    CommandSpec {
        name: "geosearch",
        arity: Arity::AtLeast(7),
        flags: READ,
        keys: &[KeySpec::one(1, KeyUse::Read)],
        since: "6.2.0",
        complexity: "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area \
            around the shape provided as the filter and M is the number of items inside the shape",
        summary: "Queries a geospatial index for members inside an area of a box or a circle.",
        run: search::geosearch,
        ..GEO
    },
    CommandSpec {
        name: "geosearchstore",
        arity: Arity::AtLeast(8),
        flags: ADD,
        keys: &[KeySpec::one(1, KeyUse::Overwrite), KeySpec::one(2, KeyUse::Read)],
        since: "6.2.0",
        complexity: "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area \
            around the shape provided as the filter and M is the number of items inside the shape",
        summary: "Queries a geospatial index for members inside an area of a box or a circle, optionally \
            stores the result.",
        run: search::geosearchstore,
        ..GEO
    },
];
