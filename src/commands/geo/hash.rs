//! Geohashes as Redis has them: longitude and latitude cut into 2^step parts each, their numbers' bits by turns,
//! the longitude's first. At the finest, 26 steps, that is 52 bits, which a double holds exactly.

/// Degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) longitude: f64,
    pub(super) latitude: f64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Span {
    pub(super) fn contains(self, degrees: f64) -> bool {
        (self.min..=self.max).contains(&degrees)
    }

    /// The number of the part of 2^`step` in which these degrees are.
    fn part(self, degrees: f64, step: u32) -> u32 {
        ((degrees - self.min) / (self.max - self.min) * (1u64 << step) as f64) as u32
    }

    /// The part with a number.
    fn part_at(self, number: u32, step: u32) -> Span {
        let scale = self.max - self.min;
        let edge = |number: f64| self.min + (number / (1u64 << step) as f64) * scale;
        Span { min: edge(number.into()), max: edge(f64::from(number) + 1.0) }
    }

    fn middle(self) -> f64 {
        (self.min + self.max) / 2.0
    }
}

pub(super) const LONGITUDE: Span = Span { min: -180.0, max: 180.0 };
/// As far as Mercator's projection of the web's maps goes (EPSG:900913).
pub(super) const LATITUDE: Span = Span { min: -85.05112878, max: 85.05112878 };
/// What other people's geohashes cover.
const ALL_LATITUDES: Span = Span { min: -90.0, max: 90.0 };

pub(super) const STEP_MAX: u32 = 26;

/// Every second bit, from the lowest on: the latitude's; and the others.
const EVEN: u64 = 0x5555_5555_5555_5555;
const ODD: u64 = !EVEN;

/// Spreads the bits to every second one.
fn spread(number: u32) -> u64 {
    let mut bits = u64::from(number);
    for (shift, mask) in [
        (16, 0x0000_FFFF_0000_FFFF),
        (8, 0x00FF_00FF_00FF_00FF),
        (4, 0x0F0F_0F0F_0F0F_0F0F),
        (2, 0x3333_3333_3333_3333),
        (1, EVEN),
    ] {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// Takes every second bit.
fn gather(bits: u64) -> u32 {
    let mut bits = bits & EVEN;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0F0F_0F0F_0F0F_0F0F),
        (4, 0x00FF_00FF_00FF_00FF),
        (8, 0x0000_FFFF_0000_FFFF),
        (16, 0x0000_0000_FFFF_FFFF),
    ] {
        bits = (bits | bits >> shift) & mask;
    }
    bits as u32
}

/// A cell of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    bits: u64,
    step: u32,
}

impl Cell {
    pub(super) fn of(place: Place, step: u32) -> Cell {
        Cell::within(LATITUDE, place, step)
    }

    fn within(latitudes: Span, place: Place, step: u32) -> Cell {
        let (x, y) = (LONGITUDE.part(place.longitude, step), latitudes.part(place.latitude, step));
        Cell { bits: spread(y) | spread(x) << 1, step }
    }

    pub(super) fn longitudes(self) -> Span {
        LONGITUDE.part_at(gather(self.bits >> 1), self.step)
    }

    pub(super) fn latitudes(self) -> Span {
        LATITUDE.part_at(gather(self.bits), self.step)
    }

    /// The cell so many to the east (or west, when negative) and to the north; the edges of the map meet.
    pub(super) fn beside(self, east: i8, north: i8) -> Cell {
        let within = u64::MAX >> (64 - self.step * 2);
        let moved = |own: u64, other: u64, by: i8| {
            let bits = self.bits & own;
            // A one in all bits that are not its own lets the carry through.
            let gaps = other & within;
            let moved = match by {
                0 => return bits,
                1.. => bits.wrapping_add(gaps + 1),
                _ => (bits | gaps).wrapping_sub(gaps + 1),
            };
            moved & own & within
        };
        Cell { bits: moved(ODD, EVEN, east) | moved(EVEN, ODD, north), ..self }
    }

    /// The scores of the places within: from the first one to before the second.
    pub(super) fn scores(self) -> (u64, u64) {
        let shift = 2 * (STEP_MAX - self.step);
        (self.bits << shift, self.bits.wrapping_add(1) << shift)
    }
}

/// The score of a place.
pub(super) fn score(place: Place) -> f64 {
    Cell::of(place, STEP_MAX).bits as f64
}

/// The middle of the cell that a score stands for, whatever score it is.
pub(super) fn place_of(score: f64) -> Place {
    let cell = Cell { bits: to_bits(score), step: STEP_MAX };
    Place {
        longitude: cell.longitudes().middle().clamp(LONGITUDE.min, LONGITUDE.max),
        latitude: cell.latitudes().middle().clamp(LATITUDE.min, LATITUDE.max),
    }
}

/// C's conversion of a double to 64 bits without sign, as x86 does it where C leaves it open.
fn to_bits(score: f64) -> u64 {
    const HALF: f64 = (1u64 << 63) as f64;
    if score >= 2.0 * HALF {
        0
    } else if score >= HALF {
        score as u64
    } else if score < -HALF {
        1 << 63
    } else {
        score as i64 as u64
    }
}

/// The geohash that all others use too, of eleven characters: of a place, to which it has to be worked out anew,
/// for it covers all latitudes. The last character would take more bits than there are.
pub(super) fn text(score: f64) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
    let bits = Cell::within(ALL_LATITUDES, place_of(score), STEP_MAX).bits;
    let char_at = |at: u32| match at {
        10 => char::from(ALPHABET[0]),
        at => char::from(ALPHABET[(bits >> (47 - 5 * at)) as usize % 32]),
    };
    (0..11).map(char_at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn palermo_is_where_the_manual_says() {
        let palermo = Place { longitude: 13.361389, latitude: 38.115556 };
        let score = score(palermo);
        assert_eq!(score, 3479099956230698.0);
        assert_eq!(text(score), "sqc8b49rny0");
        let place = place_of(score);
        assert!((place.longitude - 13.361389338970184).abs() < 1e-14);
        assert!((place.latitude - 38.1155563954963).abs() < 1e-13);
    }

    #[test]
    fn any_score_is_a_place_somewhere() {
        for score in [-1.0, f64::INFINITY, f64::NEG_INFINITY, 1e17, 1e19, 1e300, -1e300, 0.5] {
            let place = place_of(score);
            assert!(LONGITUDE.contains(place.longitude) && LATITUDE.contains(place.latitude), "{score}");
            assert_eq!(text(score).len(), 11);
        }
    }

    proptest! {
        #[test]
        fn a_cell_holds_its_places(longitude in -180.0..180.0f64, latitude in -85.05..85.05f64, step in 1..=26u32) {
            let place = Place { longitude, latitude };
            let cell = Cell::of(place, step);
            prop_assert!(cell.longitudes().contains(longitude) && cell.latitudes().contains(latitude));
            let (from, to) = cell.scores();
            prop_assert!((from as f64..to as f64).contains(&score(place)));
        }

        #[test]
        fn there_and_back(longitude in -180.0..180.0f64, latitude in -85.05..85.05f64, step in 1..=26u32) {
            let cell = Cell::of(Place { longitude, latitude }, step);
            for (east, north) in [(1, 0), (0, 1), (1, 1), (1, -1)] {
                prop_assert_eq!(cell.beside(east, north).beside(-east, -north), cell);
            }
            let east = cell.beside(1, 0).longitudes().min;
            prop_assert!(east == cell.longitudes().max || east == -180.0);
        }
    }
}
