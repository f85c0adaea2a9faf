//! Values that do not lie in the log: large strings now, collections when their families come.
//! Plain data structures; they know neither the store nor a protocol.

pub mod listpack;

use super::memory::allocated;
use bytes::Bytes;

/// The type of a value, as `TYPE` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    String,
}

impl Kind {
    /// The name in `TYPE`'s reply and in `SCAN … TYPE`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
        }
    }
}

/// A value on the heap.
#[derive(Clone, Debug)]
pub enum Object {
    /// A string too large for the log; a clone shares it.
    String(Bytes),
}

impl Object {
    pub fn kind(&self) -> Kind {
        match self {
            Object::String(_) => Kind::String,
        }
    }

    /// Bytes allocated behind the object itself. `O(1)`.
    pub fn bytes(&self) -> usize {
        match self {
            Object::String(bytes) => allocated(bytes.len()),
        }
    }
}
