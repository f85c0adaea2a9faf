//! Event counters, one set a worker, summed when somebody asks. Each set has one writer, so an
//! increment is a plain load and store, never a locked instruction.

use super::commands::CommandCounters;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// An event that is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Counter { $($(#[$doc])* $name),* }
        const COUNT: usize = [$(Counter::$name),*].len();
    };
}

counters! {
    // Both protocols.
    BytesRead, BytesWritten, Reads, Writes, Commands, Connections, RejectedConnections, AuthErrors,
    // RESP lookups, as INFO's keyspace_hits and keyspace_misses.
    KeyspaceHits, KeyspaceMisses, ErrorReplies, InputBufferKills, OutputBufferKills,
    // What users were not allowed, as INFO's acl_access_denied_cmd, _key and _channel.
    AclCommandDenied, AclKeyDenied, AclChannelDenied,
    // memcached, as its `stats` names them.
    CmdGet, CmdSet, CmdFlush, CmdTouch, CmdMeta, GetHits, GetMisses, GetExpired, GetFlushed,
    DeleteHits, DeleteMisses, IncrHits, IncrMisses, DecrHits, DecrMisses, CasHits, CasMisses,
    CasBadval, TouchHits, TouchMisses, AuthCmds, StoreTooLarge, StoreNoMemory, ConnYields,
}

/// One worker's counters.
#[derive(Debug)]
#[repr(align(128))] // two cache lines: no worker's counting slows its neighbour's
pub struct Counters {
    events: [AtomicU64; COUNT],
    /// RESP commands, by their number in the command table.
    pub commands: CommandCounters,
}

impl Default for Counters {
    fn default() -> Counters {
        Counters { events: [const { AtomicU64::new(0) }; COUNT], commands: CommandCounters::default() }
    }
}

impl Counters {
    /// Only the owning worker may call this; others would lose counts (not memory safety).
    #[inline]
    pub fn add(&self, counter: Counter, n: u64) {
        let cell = &self.events[counter as usize];
        cell.store(cell.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    pub fn get(&self, counter: Counter) -> u64 {
        self.events[counter as usize].load(Ordering::Relaxed)
    }

    /// Back to zero (`CONFIG RESETSTAT`, `stats reset`); an event counted meanwhile may survive.
    pub fn reset(&self) {
        for cell in &self.events {
            cell.store(0, Ordering::Relaxed);
        }
        self.commands.reset();
    }
}
