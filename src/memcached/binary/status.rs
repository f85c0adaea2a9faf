//! The status of every reply that is no success, and its words. They are memcached's.

use super::super::permission::Denied;
use super::super::writes::CountError;
use crate::store::StoreError;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Status {
    #[error("Not found")]
    NotFound,
    #[error("Data exists for key.")]
    Exists,
    #[error("Too large.")]
    TooLarge,
    #[error("Invalid arguments")]
    Invalid,
    #[error("Not stored.")]
    NotStored,
    #[error("Non-numeric server-side value for incr or decr")]
    NonNumeric,
    #[error("Auth failure.")]
    Unauthenticated,
    /// memcached has users, but nothing that one of them may not do: its code, our words.
    #[error("Permission denied")]
    Denied,
    #[error("Unknown command")]
    Unknown,
    #[error("Out of memory")]
    OutOfMemory,
    #[error("Out of memory allocating item")]
    OutOfMemoryStoring,
    #[error("Out of memory incrementing value")]
    OutOfMemoryCounting,
}

/// More is to be said by the client: the one status that is neither success nor error.
pub(super) const CONTINUE: u16 = 0x21;

impl Status {
    pub(super) fn code(self) -> u16 {
        match self {
            Status::NotFound => 1,
            Status::Exists => 2,
            Status::TooLarge => 3,
            Status::Invalid => 4,
            Status::NotStored => 5,
            Status::NonNumeric => 6,
            Status::Unauthenticated | Status::Denied => 0x20,
            Status::Unknown => 0x81,
            Status::OutOfMemory | Status::OutOfMemoryStoring | Status::OutOfMemoryCounting => 0x82,
        }
    }
}

impl From<Denied> for Status {
    fn from(_: Denied) -> Status {
        Status::Denied
    }
}

impl From<StoreError> for Status {
    fn from(error: StoreError) -> Status {
        match error {
            StoreError::OutOfMemory => Status::OutOfMemoryStoring,
        }
    }
}

impl From<CountError> for Status {
    fn from(error: CountError) -> Status {
        match error {
            CountError::NonNumeric => Status::NonNumeric,
            CountError::OutOfMemory => Status::OutOfMemoryCounting,
        }
    }
}
