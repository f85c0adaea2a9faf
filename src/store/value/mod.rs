//! Values that do not lie in the log: large strings and collections. Plain data structures; they know
//! neither the store nor a protocol.

pub mod chunks;
pub mod hash;
pub mod intset;
pub mod list;
pub mod listpack;
pub mod members;
pub mod set;
pub mod stream;
pub mod text;

pub use hash::Hash;
pub use list::List;
pub use set::Set;
pub use stream::Stream;

use super::memory::allocated;
use crate::clock::{Deadline, Millis};
use bytes::Bytes;

/// The type of a value, as `TYPE` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    String,
    List,
    Set,
    SortedSet,
    Hash,
    Stream,
}

impl Kind {
    /// As the first byte of a packed collection tells it.
    pub(super) fn from_byte(byte: u8) -> Kind {
        use Kind::{Hash, List, Set, SortedSet, Stream, String};
        let all = [String, List, Set, SortedSet, Hash, Stream];
        all.into_iter().find(|&kind| kind as u8 == byte).expect("a packed collection begins with its kind")
    }

    /// The name in `TYPE`'s reply and in `SCAN … TYPE`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::List => "list",
            Kind::Set => "set",
            Kind::SortedSet => "zset",
            Kind::Hash => "hash",
            Kind::Stream => "stream",
        }
    }
}

/// A type of value other than the string.
pub trait Collection: Default + Clone + Stored {
    const KIND: Kind;

    /// Members, fields, elements, entries. `O(1)`.
    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Is there to stay when it has no members: a stream has more to remember than its entries.
    fn stays_when_empty(&self) -> bool {
        false
    }

    /// Bytes allocated behind the struct itself, rounded as the allocator does. `O(1)`.
    fn bytes(&self) -> usize;

    /// What `OBJECT ENCODING` calls its layout.
    fn encoding(&self) -> &'static str;

    /// The earliest deadline of what is in it.
    fn due_at(&self) -> Option<Deadline> {
        None
    }

    /// All of it, when it is small and lies in few bytes: then it need not be on the heap.
    fn packed(&self) -> Option<&[u8]> {
        None
    }

    /// What `packed` gave, made a collection again. `O(bytes)`.
    fn unpack(_bytes: &[u8]) -> Self {
        Self::default()
    }

    /// Removes up to `most` of what is due in it; returns how many it was.
    fn purge(&mut self, _now: Millis, _most: usize) -> usize {
        0
    }
}

/// How a collection goes into an [`Object`] and is found in it.
pub trait Stored: Sized {
    fn of(object: &Object) -> Option<&Self>;
    fn of_mut(object: &mut Object) -> Option<&mut Self>;
    fn into_object(self) -> Object;
}

/// Declares [`Object`] and what leads from it to each collection.
macro_rules! objects {
    ($($name:ident),* $(,)?) => {
        /// A value on the heap.
        #[derive(Clone, Debug)]
        pub enum Object {
            /// A string too large for the log; a clone shares it.
            String(Bytes),
            $($name(Box<$name>),)*
        }

        impl Object {
            pub fn kind(&self) -> Kind {
                match self {
                    Object::String(_) => Kind::String,
                    $(Object::$name(_) => <$name as Collection>::KIND,)*
                }
            }

            /// Bytes allocated behind the object itself. `O(1)`.
            pub fn bytes(&self) -> usize {
                match self {
                    Object::String(bytes) => allocated(bytes.len()),
                    $(Object::$name(value) => allocated(size_of::<$name>()) + value.bytes(),)*
                }
            }

            /// Members of a collection; a string has one.
            pub fn len(&self) -> usize {
                match self {
                    Object::String(_) => 1,
                    $(Object::$name(value) => value.len(),)*
                }
            }

            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// The kind and the bytes of a collection that can be packed.
            pub fn packed(&self) -> Option<(Kind, &[u8])> {
                match self {
                    Object::String(_) => None,
                    $(Object::$name(value) => Some((<$name as Collection>::KIND, value.packed()?)),)*
                }
            }

            /// A collection of this kind that was packed.
            pub fn unpack(kind: Kind, bytes: &[u8]) -> Object {
                match kind {
                    $(<$name as Collection>::KIND => $name::unpack(bytes).into_object(),)*
                    #[allow(unreachable_patterns, reason = "until there are all kinds of collections")]
                    _ => Object::String(Bytes::copy_from_slice(bytes)),
                }
            }

            /// The earliest deadline of what is in a collection.
            pub fn due_at(&self) -> Option<Deadline> {
                match self {
                    Object::String(_) => None,
                    $(Object::$name(value) => value.due_at(),)*
                }
            }

            /// Removes up to `most` of what is due in a collection; returns how many it was.
            pub fn purge(&mut self, now: Millis, most: usize) -> usize {
                match self {
                    Object::String(_) => 0,
                    $(Object::$name(value) => value.purge(now, most),)*
                }
            }

            /// What `OBJECT ENCODING` answers for it.
            pub fn encoding(&self) -> &'static str {
                match self {
                    Object::String(_) => "raw",
                    $(Object::$name(value) => value.encoding(),)*
                }
            }
        }

        $(impl Stored for $name {
            #[inline]
            fn of(object: &Object) -> Option<&$name> {
                // With a single type of collection there would be nothing else.
                #[allow(unreachable_patterns)]
                match object {
                    Object::$name(value) => Some(value),
                    _ => None,
                }
            }

            #[inline]
            fn of_mut(object: &mut Object) -> Option<&mut $name> {
                #[allow(unreachable_patterns)]
                match object {
                    Object::$name(value) => Some(value),
                    _ => None,
                }
            }

            fn into_object(self) -> Object {
                Object::$name(Box::new(self))
            }
        })*
    };
}

// One name a line, so that a new type is a new line: `Hash,`.
objects! {
    Hash,
    List,
    Set,
    Stream,
}
