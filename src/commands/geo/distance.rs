//! Distances on the sphere, by the haversine formula, in metres; the shapes that are searched.

use super::hash::Place;

const EARTH_RADIUS: f64 = 6_372_797.560_856;
const DEGREE: f64 = std::f64::consts::PI / 180.0;

fn along_meridian(a: f64, b: f64) -> f64 {
    EARTH_RADIUS * (b * DEGREE - a * DEGREE).abs()
}

pub(super) fn between(a: Place, b: Place) -> f64 {
    let v = ((b.longitude * DEGREE - a.longitude * DEGREE) / 2.0).sin();
    if v == 0.0 {
        return along_meridian(a.latitude, b.latitude);
    }
    let (a_latitude, b_latitude) = (a.latitude * DEGREE, b.latitude * DEGREE);
    let u = ((b_latitude - a_latitude) / 2.0).sin();
    2.0 * EARTH_RADIUS * (u * u + a_latitude.cos() * b_latitude.cos() * v * v).sqrt().asin()
}

/// What is searched around a place; lengths in the unit of the query.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outline {
    Circle { radius: f64 },
    Box { width: f64, height: f64 },
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) centre: Place,
    pub(super) outline: Outline,
    /// Metres.
    pub(super) unit: f64,
}

/// Degrees to the west, south, east and north that a shape reaches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) west: f64,
    pub(super) south: f64,
    pub(super) east: f64,
    pub(super) north: f64,
}

impl Shape {
    /// From the centre to a place, if that is within.
    pub(super) fn distance(&self, place: Place) -> Option<f64> {
        match self.outline {
            Outline::Circle { radius } => {
                // At the antipodes rounding can lead to NaN, which Redis takes to be within.
                let is_beyond = |distance: f64| distance > radius * self.unit;
                Some(between(self.centre, place)).filter(|&distance| !is_beyond(distance))
            }
            Outline::Box { width, height } => {
                // What costs less to compute is looked at first.
                if along_meridian(place.latitude, self.centre.latitude) > height * self.unit / 2.0 {
                    return None;
                }
                let beside = Place { latitude: place.latitude, ..self.centre };
                if between(place, beside) > width * self.unit / 2.0 {
                    return None;
                }
                Some(between(self.centre, place))
            }
        }
    }

    /// The radius of a circle that covers it, in metres.
    pub(super) fn radius(&self) -> f64 {
        let radius = match self.outline {
            Outline::Circle { radius } => radius,
            Outline::Box { width, height } => {
                ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt()
            }
        };
        radius * self.unit
    }

    pub(super) fn bounds(&self) -> Bounds {
        let (width, height) = match self.outline {
            Outline::Circle { radius } => (self.unit * radius, self.unit * radius),
            Outline::Box { width, height } => (self.unit * (width / 2.0), self.unit * (height / 2.0)),
        };
        let Place { longitude, latitude } = self.centre;
        let up = height / EARTH_RADIUS / DEGREE;
        // A degree is shorter on the side of the nearer pole.
        let narrow = if latitude < 0.0 { latitude - up } else { latitude + up };
        let aside = width / EARTH_RADIUS / (narrow * DEGREE).cos() / DEGREE;
        Bounds {
            west: longitude - aside,
            south: latitude - up,
            east: longitude + aside,
            north: latitude + up,
        }
    }
}
