//! The wire text of every error, once.

use crate::store::{ChangeError, StoreError, WrongKind};

/// Why a command was not carried out. `Display` is what the client reads, code first.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error("WRONGTYPE Operation against a key holding the wrong kind of value")]
    WrongType,
    #[error("ERR syntax error")]
    Syntax,
    #[error("ERR value is not an integer or out of range")]
    NotAnInteger,
    #[error("ERR value is not a valid float")]
    NotAFloat,
    #[error("ERR increment or decrement would overflow")]
    Overflow,
    #[error("ERR value is out of range, must be positive")]
    NotPositive,
    #[error("ERR index out of range")]
    IndexOutOfRange,
    #[error("ERR DB index is out of range")]
    DbOutOfRange,
    #[error("ERR no such key")]
    NoSuchKey,
    #[error("ERR string exceeds maximum allowed size (proto-max-bulk-len)")]
    TooLong,
    #[error("ERR wrong number of arguments for '{0}' command")]
    Arity(String),
    #[error("ERR invalid expire time in '{0}' command")]
    InvalidExpire(&'static str),
    #[error("OOM command not allowed when used memory > 'maxmemory'.")]
    OutOfMemory,
    #[error("NOAUTH Authentication required.")]
    NoAuth,
    #[error(
        "ERR Can't execute '{0}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
    )]
    SubscribersOnly(&'static str),
    #[error("{}", .0.busy())]
    Busy(super::script::Kind),
    #[error("NOSCRIPT No matching script. Please use EVAL.")]
    NoScript,
    #[error("EXECABORT Transaction discarded because of previous errors.")]
    ExecAbort,
    /// Anything that is said in one place only; code first.
    #[error("{0}")]
    Other(String),
    /// The same with words of the client's in it, which need not be UTF-8.
    #[error("{}", String::from_utf8_lossy(.0))]
    Quoting(Vec<u8>),
}

impl CommandError {
    pub fn other(text: impl Into<String>) -> CommandError {
        CommandError::Other(text.into())
    }

    /// `before`, the client's word up to a NUL (as C prints it) and at most `most` bytes of it, `after`.
    pub fn quoting(before: &str, word: &[u8], most: usize, after: &str) -> CommandError {
        CommandError::Quoting([before.as_bytes(), printed(word, most), after.as_bytes()].concat())
    }
}

/// What C's `%.*s` prints of a word.
pub fn printed(word: &[u8], most: usize) -> &[u8] {
    let end = word.iter().position(|&byte| byte == 0).unwrap_or(word.len());
    &word[..end.min(most)]
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> CommandError {
        match error {
            StoreError::OutOfMemory => CommandError::OutOfMemory,
        }
    }
}

impl From<WrongKind> for CommandError {
    fn from(WrongKind: WrongKind) -> CommandError {
        CommandError::WrongType
    }
}

impl From<ChangeError> for CommandError {
    fn from(error: ChangeError) -> CommandError {
        match error {
            ChangeError::WrongKind => CommandError::WrongType,
            ChangeError::OutOfMemory => CommandError::OutOfMemory,
        }
    }
}
