//! The words of every refusal, each once. They are memcached's: clients compare them.

/// Why a request is refused, or failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("ERROR")]
    Unknown,
    #[error("CLIENT_ERROR bad command line format")]
    BadFormat,
    #[error("CLIENT_ERROR bad command line")]
    BadLine,
    #[error("CLIENT_ERROR bad data chunk")]
    BadChunk,
    #[error("CLIENT_ERROR invalid exptime argument")]
    InvalidExptime,
    #[error("CLIENT_ERROR invalid numeric delta argument")]
    InvalidDelta,
    #[error("CLIENT_ERROR cannot increment or decrement non-numeric value")]
    NonNumeric,
    #[error("CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]")]
    DeleteUsage,
    #[error("CLIENT_ERROR usage: stats detail on|off|dump")]
    DetailUsage,
    #[error("CLIENT_ERROR Illegal slab id")]
    IllegalSlab,
    // Meta commands.
    #[error("CLIENT_ERROR options flags are too long")]
    TooManyFlags,
    #[error("CLIENT_ERROR options flags too long")]
    TooManySetFlags,
    #[error("CLIENT_ERROR duplicate flag")]
    DuplicateFlag,
    #[error("CLIENT_ERROR invalid flag")]
    InvalidFlag,
    #[error("CLIENT_ERROR invalid or duplicate flag")]
    InvalidOrDuplicateFlag,
    #[error("CLIENT_ERROR bad token in command line format")]
    BadToken,
    #[error("CLIENT_ERROR error decoding key")]
    UndecodableKey,
    #[error("CLIENT_ERROR opaque token too long")]
    OpaqueTooLong,
    #[error("CLIENT_ERROR incorrect length for M token")]
    ModeLength,
    #[error("CLIENT_ERROR invalid mode for ms M token")]
    InvalidSetMode,
    #[error("CLIENT_ERROR invalid mode for ma M token")]
    InvalidArithmeticMode,
    #[error("CLIENT_ERROR invalid numeric delta value")]
    InvalidMetaDelta,
    #[error("CLIENT_ERROR invalid numeric initial value")]
    InvalidInitial,
    // The store refused.
    #[error("SERVER_ERROR object too large for cache")]
    TooLarge,
    #[error("SERVER_ERROR out of memory storing object")]
    OutOfMemory,
    #[error("SERVER_ERROR out of memory")]
    OutOfMemoryCounting,
    // Administration.
    #[error("MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m")]
    LimitTooSmall,
    #[error("MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes")]
    LimitNotBytes,
    #[error("BADCLASS invalid class id")]
    BadClass,
    #[error("NOTSTARTED no items to crawl")]
    NotStarted,
    #[error("CLIENT_ERROR lru crawler disabled")]
    CrawlerDisabled,
    #[error("ERROR failed to start lru crawler thread")]
    CrawlerRuns,
    #[error("CLIENT_ERROR sleep must be one second or less")]
    SleepTooLong,
    #[error("ERROR hot and warm pcts must not exceed 80")]
    PercentTooHigh,
    #[error("ERROR hot/warm age factors must be greater than 0")]
    FactorTooLow,
    #[error("BADCLASS invalid src or dst class id")]
    BadReassign,
    #[error("SAME src and dst class are identical")]
    SameClass,
    #[error("NOSPARE source class has no spare pages")]
    NoSparePages,
    #[error("ERROR cannot pipeline other commands before {0}")]
    Pipelined(&'static str),
    #[error("ERROR: shutdown not enabled")]
    ShutdownDisabled,
    #[error("CLIENT_ERROR invalid shutdown mode")]
    ShutdownMode,
    #[error("Error TLS not enabled")]
    NoTls,
    // Authentication.
    #[error("CLIENT_ERROR unauthenticated")]
    Unauthenticated,
    #[error("CLIENT_ERROR bad command line termination")]
    BadTermination,
    #[error("CLIENT_ERROR bad authentication token format")]
    BadCredentials,
    #[error("CLIENT_ERROR authentication failure")]
    AuthenticationFailure,
    /// memcached has no such refusal; this is one that its clients understand.
    #[error("CLIENT_ERROR permission denied")]
    Denied,
}
