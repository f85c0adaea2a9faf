//! magpie: a cache for Python web sites that speaks memcached's protocol and Redis' over one store.
//!
//! One process, two listeners, one store. The wire is the contract: where magpie and memcached or Redis
//! disagree, they are right, unless a comment that begins with `Differs:` says why not.
//!
//! # The rooms
//!
//! ```text
//! main       flags to Config, then server::run; the one place that reports a fatal error and exits
//! server/    sockets, threads, the connection loop; knows no command
//! wire/      what the loop and a protocol say to each other: bytes in, bytes out, what next
//! memcached/ memcached's protocols, text and binary: decode, classic, meta, stats, admin; knows nothing of RESP
//! resp/      the RESP2 and RESP3 wire: requests decoded in place, replies; knows no command
//! commands/  what Redis' words mean: the command table, the gates before a command, one file a family
//! lua/       the Lua VM of scripts: sandbox, libraries, conversions; knows no store and no command
//! rdb/       values in Redis' own format, for DUMP and RESTORE; knows no command
//! store/     the data: shards, items, deadlines, eviction; knows no protocol, no socket, no async
//! acl/       users and what they may do: rules, log-ins, the log of denials; for both protocols
//! daemon     the value that all connections share: configuration, store, clients, counters
//! clients    who is connected, and the mailbox through which one connection reaches another
//! mailbox    such a mailbox: mail, a flag that its owner looks at, the owner's waker
//! turns      how a script gets the store for itself, and nobody waits for a lock meanwhile
//! waiting    connections that wait for keys, in order of arrival
//! notifications  keyspace notifications: changes of keys, published
//! tracking   which client has cached which key, and is to be told when it changes
//! pubsub     channels and patterns, and who listens to them
//! observe/   counters, slow log, latency events, rates; counts what it is told
//! config/    the one table of parameters behind flags, config file, CONFIG and --help
//! clock      the only reader of the system clock; everything else is handed a time
//! sync       what the lock-free parts of turns, mailbox and server are made of, for a test to exchange
//! glob       Redis' patterns
//! simd       sixteen bytes compared at once
//! double     doubles as Redis prints and reads them
//! banner     the first lines that magpie prints
//! logging    the log, at Redis' levels
//! ```
//!
//! # Calls go downward only
//!
//! ```text
//! main --> server --+--> memcached --------------+
//!                   |                            +--> store --> clock
//!                   +--> commands --+--> rdb -----+
//!                                   +--> resp, glob
//!                                   +--> lua --> resp
//!
//! memcached, commands --> daemon --> acl, config, clients, pubsub, tracking, turns, waiting, observe, store
//! turns --> clients --> mailbox
//! waiting --> clients, resp
//! server, memcached, resp --> wire
//! ```
//!
//! - `store` uses nothing but `clock`, `double` and `simd`. A `use crate::resp` in there is wrong, whatever it fixes.
//! - memcached and Redis commands are neighbours, not layers: they share the store's operations and nothing
//!   else. Nowhere does a command ask which protocol it came by.
//! - `daemon` keeps `memcached::State` (watchers, prefix counts, the delayed flush) for memcached's
//!   sessions, as it keeps the slow log and `commands::Scripts` for Redis' commands; it looks into none of them.
//! - `acl` reads the command table, of which its rules speak, and nothing else of `commands`.
//! - The command table (`commands::table`) is the only registration of a Redis command: look-up, arity,
//!   gates, keys, `COMMAND` and its kin, statistics all derive from it. The parameter table
//!   (`config::table`) is the only registration of a parameter.
//! - Inside the store there is one look-up, `Db::entry`, and to it an expired item is absent, for `add` and
//!   `APPEND` as much as for `get`. One lock guards all that a shard has. Whoever needs several shards takes
//!   them in index order through `Db::hold`; nobody else holds two.
//! - Commands are plain functions, never `async`, so a shard's lock cannot live across an `.await`. What
//!   has to wait answers `Outcome::Sleep` or `Outcome::Block`, and the connection does the waiting.
//! - The outside crates that shape a room have one home: `clap` in `config`, `dashmap` in `clients`, `pubsub` and
//!   `tracking`, `mlua` in `lua`, `moka` in `commands::script`, tokio's sockets in `server`, jemalloc in `main`.
//!
//! # Threads
//!
//! The main thread accepts and hands a connection to the worker that has the fewest; there it stays. A worker
//! is a thread with a single-threaded tokio runtime, which tells it whose socket is ready. It serves these
//! connections together, in rounds: all read, all look ahead, all execute, all write (`server::round`). It runs
//! their commands itself, with no message to another thread (but for scripts that are not known to be short, which have
//! a thread of their own: see [`turns`], and for what `MIGRATE` sends to another server), and ten times a second it looks
//! after its share of the shards: what has expired, and log segments worth compacting.
//!
//! # One read: RESP `GET k`
//!
//! ```text
//! server::round         one recv a connection into the worker's buffer; the clock is read once for the round
//!   commands::Session   takes request after request out of the bytes
//!     resp::Ahead       argv: ranges of the input, nothing is copied; some requests ahead, whose buckets and
//!                       items `store::ahead` has loaded from memory meanwhile
//!     dispatch          look-up in the table and arity; for what is no plain command, or not on a plain
//!                       connection, CLIENT PAUSE, the gates (password, guarded commands, what the user may
//!                       do, memory) and the MULTI queue; then the one call
//!       string::get
//!         Db::entry     hashes the key; the high bits choose the shard; locks it; looks up, and an
//!                       item that is due goes here and now
//!         Entry::read   marks the access: two bits of frequency, the time
//!         Reply         a small value is copied into the output buffer, of a large one a handle
//!       end of Entry    unlocks
//! server::round         one send for the whole batch; what the socket does not take is kept, and until
//!                       it is taken no more is read
//! ```
//!
//! # One write: memcached `set k 5 60 3`
//!
//! ```text
//! server::round         as above
//!   memcached::Session  waits until the data block is complete
//!     decode            line to Request::Storage; pure
//!     classic::store    exptime 60 becomes a Deadline
//!       Db::entry       one shard locked, the key looked up
//!       writes::deposit set, add, cas ... decide; Entry::put copies key and value out of the input
//!         in place      when the record that is there has the room; else
//!         make_room     over the limit: expired items, dead records, then the policy's choice go
//!         append        header, key and value at the end of a log; large values go to the heap
//!         announce      watched keys (WATCH) learn of the change
//!         settle        what the shard has grown by is charged to the limit
//!       end of Entry    unlocks, then drops what was replaced or evicted, then asks other shards for
//!                       room when this one had too little to give
//!     encode            STORED, unless noreply
//! ```
//!
//! Where to read on: [`store`] for how items lie in memory, [`commands`] for how a command is written,
//! [`config`] for parameters, [`server`] for the loop, [`memcached`] for its protocol.

pub mod acl;
pub mod banner;
pub mod clients;
pub mod clock;
pub mod commands;
pub mod config;
pub mod daemon;
pub mod double;
pub mod glob;
pub mod logging;
pub mod lua;
pub mod mailbox;
pub mod memcached;
pub mod notifications;
pub mod observe;
pub mod pubsub;
pub mod rdb;
pub mod resp;
pub mod server;
pub mod simd;
pub mod store;
pub mod sync;
pub mod tracking;
pub mod turns;
pub mod waiting;
pub mod wire;

/// The release of Redis whose commands we follow, as `HELLO` and `INFO` tell it. redis-py's client-side
/// cache wants at least 7.4.0.
pub const REDIS_VERSION: &str = "7.4.1";

/// Our own release.
pub const MAGPIE_VERSION: &str = env!("CARGO_PKG_VERSION");
