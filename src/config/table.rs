//! The one table of parameters. Flags, `redis.conf` lines, `CONFIG GET`/`SET`/`REWRITE` and `--help`
//! all derive from it. Names, bounds and defaults are those of Redis 7.2 (and of 7.4 where it added
//! some), so that its clients' test suites find what they set; rows marked `Differs:` have another
//! default or are fixed at start here.
//!
//! Three classes, which a section declares ([`Effect`]): parameters that *work*; *inert* ones, which
//! are checked, kept and reported but tune something magpie does not have; and *fixed* ones, whose
//! other values would be a promise (data on disk, replicas, TLS…) that magpie cannot keep, so that
//! only the value it has is accepted.

use super::value::{self, Reason};

/// What a value of a parameter looks like.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `yes` or `no`.
    Flag,
    Number {
        min: i64,
        max: i64,
    },
    /// Accepts what Redis' `hz` does, 0 to 2^31-1, and pulls it into the range.
    Clamped {
        min: i64,
        max: i64,
    },
    Octal {
        min: i64,
        max: i64,
    },
    /// Bytes with Redis' suffixes: `k` and `m` are decimal, `kb` and `mb` binary.
    Memory {
        min: i64,
        max: i64,
    },
    /// Bytes, or `5%` of maxmemory, which is kept as -5.
    MemoryOrPercent,
    /// Bytes with memcached's suffixes: `k`, `m` and `g` are binary.
    Size {
        min: i64,
        max: i64,
    },
    Choice(&'static [&'static str]),
    /// Classes of keyspace events, a bit each (see [`super::events`]).
    Events,
    /// `client-output-buffer-limit`: class, hard limit, soft limit, seconds, for each class.
    OutputLimits,
    /// One word; the function checks it and says how it is kept.
    Text(fn(&str) -> Result<String, Reason>),
    /// Several words, which may be one argument or many.
    Words(fn(&str) -> Result<String, Reason>),
}

/// What a parameter is before anybody sets it.
#[derive(Clone, Copy, Debug)]
pub enum Initial {
    Is(&'static str),
    /// Half of the memory that the machine or the cgroup allows.
    HalfOfMemory,
    /// The CPUs this process may use.
    Cpus,
    WorkingDirectory,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// By `CONFIG SET`, from the next command on.
    Live,
    /// At start only; Redis calls it immutable.
    Start,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Works,
    Inert,
    /// Only the default is accepted; the sentence says why.
    Fixed(&'static str),
}

/// One parameter.
#[derive(Debug)]
pub struct Spec {
    pub param: Param,
    pub name: &'static str,
    /// An older name, which `CONFIG GET` reports too.
    pub alias: Option<&'static str>,
    pub kind: Kind,
    pub default: Initial,
    pub change: Change,
    /// `CONFIG SET` needs `enable-protected-configs`.
    pub protected: bool,
    /// A secret: `MONITOR` and `SLOWLOG` must not show its value.
    pub sensitive: bool,
    /// `CONFIG GET` shows it to its exact name only.
    pub hidden: bool,
    /// One letter on the command line, as memcached has it.
    pub short: Option<char>,
    pub unit: &'static str,
    pub help: &'static str,
    pub section: &'static str,
    pub effect: Effect,
}

/// A row while it is written down.
pub(super) struct Row {
    name: &'static str,
    alias: Option<&'static str>,
    kind: Kind,
    default: Initial,
    change: Change,
    protected: bool,
    sensitive: bool,
    hidden: bool,
    short: Option<char>,
    unit: &'static str,
    help: &'static str,
}

const INT: i64 = i32::MAX as i64;
const UINT: i64 = u32::MAX as i64;
const LONG: i64 = i64::MAX;
const MIB: i64 = 1024 * 1024;

const fn row(name: &'static str, kind: Kind, default: &'static str, unit: &'static str) -> Row {
    Row {
        name,
        alias: None,
        kind,
        default: Initial::Is(default),
        change: Change::Live,
        protected: false,
        sensitive: false,
        hidden: false,
        short: None,
        unit,
        help: "",
    }
}

const fn flag(name: &'static str, default: &'static str) -> Row {
    row(name, Kind::Flag, default, "yes|no")
}

const fn number(name: &'static str, default: &'static str, min: i64, max: i64) -> Row {
    row(name, Kind::Number { min, max }, default, "N")
}

const fn memory(name: &'static str, default: &'static str, min: i64) -> Row {
    row(name, Kind::Memory { min, max: LONG }, default, "BYTES")
}

const fn choice(name: &'static str, default: &'static str, choices: &'static [&'static str]) -> Row {
    row(name, Kind::Choice(choices), default, "CHOICE")
}

const fn text(name: &'static str, default: &'static str) -> Row {
    row(name, Kind::Text(value::any_text), default, "TEXT")
}

const fn words(name: &'static str, default: &'static str, check: fn(&str) -> Result<String, Reason>) -> Row {
    row(name, Kind::Words(check), default, "WORDS")
}

impl Row {
    const fn alias(mut self, alias: &'static str) -> Row {
        self.alias = Some(alias);
        self
    }

    const fn start(mut self) -> Row {
        self.change = Change::Start;
        self
    }

    const fn protected(mut self) -> Row {
        self.protected = true;
        self
    }

    const fn sensitive(mut self) -> Row {
        self.sensitive = true;
        self
    }

    const fn hidden(mut self) -> Row {
        self.hidden = true;
        self
    }

    const fn short(mut self, letter: char) -> Row {
        self.short = Some(letter);
        self
    }

    const fn unit(mut self, unit: &'static str) -> Row {
        self.unit = unit;
        self
    }

    const fn default(mut self, default: Initial) -> Row {
        self.default = default;
        self
    }

    const fn help(mut self, help: &'static str) -> Row {
        self.help = help;
        self
    }

    const fn spec(self, param: Param, section: &'static str, effect: Effect) -> Spec {
        Spec {
            param,
            name: self.name,
            alias: self.alias,
            kind: self.kind,
            default: self.default,
            change: self.change,
            protected: self.protected,
            sensitive: self.sensitive,
            hidden: self.hidden,
            short: self.short,
            unit: self.unit,
            help: self.help,
            section,
            effect,
        }
    }
}

macro_rules! table {
    ($($section:literal, $effect:expr => { $($param:ident: $row:expr;)+ })+) => {
        /// Every parameter, by its name in `redis.conf`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Param { $($($param,)+)+ }

        impl Param {
            pub const COUNT: usize = [$($(Param::$param,)+)+].len();
        }

        /// All parameters, in the order of `Param`.
        pub static TABLE: [Spec; Param::COUNT] =
            [$($($row.spec(Param::$param, $section, $effect),)+)+];
    };
}

impl Param {
    pub fn spec(self) -> &'static Spec {
        &TABLE[self as usize]
    }

    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// By name or older name, in any case; also gives the name that was meant.
    pub fn find(name: &[u8]) -> Option<(Param, &'static str)> {
        TABLE.iter().find_map(|spec| {
            let meant = std::iter::once(spec.name)
                .chain(spec.alias)
                .find(|known| known.as_bytes().eq_ignore_ascii_case(name))?;
            Some((spec.param, meant))
        })
    }
}

pub const POLICIES: &[&str] = &[
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "noeviction",
    "allkeys-s3fifo",
];
const ACCESS: &[&str] = &["no", "yes", "local"];
const NO_DISK: Effect = Effect::Fixed("magpie is a cache and writes no data to disk");
const NO_REPLICAS: Effect = Effect::Fixed("magpie does not replicate");
const NO_CLUSTER: Effect = Effect::Fixed("magpie is not a cluster node");
const NO_TLS: Effect = Effect::Fixed("magpie does not speak TLS: put stunnel or HAProxy before it");
const NOT_OURS: Effect =
    Effect::Fixed("magpie stays in the foreground and leaves this to what starts it, e.g. systemd");

table! {
    "Listening", Effect::Works => {
        Port: number("port", "6379", 0, 65535).unit("PORT").start()
            .help("TCP port of the Redis protocol; 0 picks a free one");
        MemcachedPort: number("memcached-port", "11211", 0, 65535).unit("PORT").start().short('p')
            .help("TCP port of the memcached protocol; 0 picks a free one");
        // Differs: Redis' built-in default is every address; that of its redis.conf is this one.
        Bind: words("bind", "127.0.0.1 -::1", value::bind).unit("ADDRESSES").start().short('l')
            .help("Addresses to listen on, several apart by commas or spaces; `*` is all, a leading `-` \
                   forgives an address that this machine does not have, '' turns TCP off");
        UnixSocket: text("unixsocket", "").unit("PATH").start().short('s')
            .help("Unix socket of the Redis protocol, beside the TCP port");
        MemcachedUnixSocket: text("memcached-unixsocket", "").unit("PATH").start()
            .help("Unix socket of the memcached protocol, beside the TCP port");
        MemcachedProtocol: choice("memcached-protocol", "auto", &["auto", "ascii", "binary"]).unit("PROTOCOL").start().short('B')
            .help("What memcached clients speak: ascii, binary, or auto, which tells it from the first byte");
        MemcachedNodes: words("memcached-nodes", "", value::memcached_nodes).unit("NODES")
            .help("What memcached's `config get cluster` answers: the nodes that a client with ElastiCache's \
                   auto-discovery is to use, each HOST:PORT or HOST|IP|PORT");
        UnixSocketPerm: row("unixsocketperm", Kind::Octal { min: 0, max: 0o777 }, "0", "MODE").start()
            .help("File mode of both sockets, in octal; 0 leaves what the umask gives");
        TcpBacklog: number("tcp-backlog", "511", 0, INT).unit("CONNECTIONS").start()
            .help("Connections that the kernel queues until they are accepted");
        TcpKeepalive: number("tcp-keepalive", "300", 0, INT).unit("SECONDS")
            .help("Silence after which the kernel probes a peer; 0 is never");
        Timeout: number("timeout", "0", 0, INT).unit("SECONDS")
            .help("Closes a client that is idle for so long; 0 is never");
        Threads: number("threads", "", 1, 1024).unit("THREADS").start().short('t').default(Initial::Cpus)
            .help("Worker threads");
    }
    "Limits", Effect::Works => {
        MaxMemory: memory("maxmemory", "", 0).default(Initial::HalfOfMemory)
            .help("Memory limit, e.g. 100mb or 1gb; 0 is none");
        MaxItemSize: row("max-item-size", Kind::Size { min: 1024, max: 1024 * MIB }, "128mb", "BYTES").short('I')
            .help("Largest item that memcached's commands store, e.g. 2m");
        MaxClients: number("maxclients", "10000", 1, UINT).unit("CONNECTIONS").short('c')
            .help("Connections at a time");
        MaxMemoryClients: row("maxmemory-clients", Kind::MemoryOrPercent, "0", "BYTES|N%")
            .help("Memory of all clients' buffers together, or a share of maxmemory; 0 is no limit");
        ProtoMaxBulkLen: memory("proto-max-bulk-len", "512mb", MIB)
            .help("Longest string that a Redis command may carry");
        ClientQueryBufferLimit: memory("client-query-buffer-limit", "1gb", MIB)
            .help("Longest unfinished request of one client");
        ClientOutputBufferLimit: row("client-output-buffer-limit", Kind::OutputLimits,
            "normal 0 0 0 slave 256mb 64mb 60 pubsub 32mb 8mb 60", "CLASS HARD SOFT SECONDS")
            .help("Closes clients of a class (normal, replica, pubsub) that leave more than HARD bytes \
                   unread, or more than SOFT for SECONDS");
        Databases: number("databases", "16", 1, 256).unit("N").start()
            .help("Numbered databases");
        TrackingTableMaxKeys: number("tracking-table-max-keys", "1000000", 0, LONG).unit("KEYS")
            .help("Keys remembered for clients that cache; 0 is no limit");
    }
    "Eviction and expiry", Effect::Works => {
        // Differs: Redis starts with noeviction, which answers a full cache with errors.
        MaxMemoryPolicy: choice("maxmemory-policy", "allkeys-s3fifo", POLICIES).unit("POLICY")
            .help("What goes when memory is full: allkeys-s3fifo (adapts itself), allkeys-lru, allkeys-lfu, \
                   allkeys-random, volatile-lru, volatile-lfu, volatile-random, volatile-ttl or noeviction");
        MaxMemorySamples: number("maxmemory-samples", "5", 1, INT).unit("KEYS")
            .help("Keys compared by the sampling policies");
        LfuLogFactor: number("lfu-log-factor", "10", 0, INT).unit("FACTOR")
            .help("How slowly an LFU counter grows");
        LfuDecayTime: number("lfu-decay-time", "1", 0, INT).unit("MINUTES")
            .help("Time after which an LFU counter falls by one");
        ActiveExpireEffort: number("active-expire-effort", "1", 1, 10).unit("1..10")
            .help("How hard to look for expired keys");
        Hz: row("hz", Kind::Clamped { min: 1, max: 500 }, "10", "PER SECOND")
            .help("How often background work runs");
    }
    "Security", Effect::Works => {
        RequirePass: text("requirepass", "").unit("PASSWORD").sensitive()
            .help("Password that clients must give");
        ProtectedMode: flag("protected-mode", "yes")
            .help("Refuse to serve other machines without a password");
        EnableDebugCommand: choice("enable-debug-command", "no", ACCESS).unit("no|yes|local").start()
            .help("Who may use DEBUG: nobody, everybody, this machine");
        EnableProtectedConfigs: choice("enable-protected-configs", "no", ACCESS).unit("no|yes|local").start()
            .help("Who may CONFIG SET dir and dbfilename");
        EnableShutdown: flag("enable-shutdown", "no").start()
            .help("Allow memcached's `shutdown`");
        EnableSasl: flag("enable-sasl", "no").start()
            .help("Start only if clients must log in; that they can is never in doubt");
        AuthFile: text("auth-file", "").unit("PATH").start().short('Y')
            .help("memcached's file of `USER:PASSWORD` lines: users who may do everything, on both ports; \
                   nobody may do anything without logging in");
        AclFile: text("aclfile", "").unit("PATH").start()
            .help("File of ACL users, for ACL LOAD and SAVE; without it `user` lines of the config file");
        AclLogMaxLen: number("acllog-max-len", "128", 0, LONG).unit("ENTRIES")
            .help("Length of ACL LOG");
        AclPubsubDefault: choice("acl-pubsub-default", "resetchannels", &["allchannels", "resetchannels"])
            .help("Channels that a new ACL user may use: allchannels or resetchannels");
    }
    "Logs and statistics", Effect::Works => {
        LogLevel: choice("loglevel", "notice", &["debug", "verbose", "notice", "warning"]).unit("LEVEL")
            .help("How much to log: debug, verbose, notice or warning");
        LogFile: text("logfile", "").unit("PATH").start()
            .help("Where to log; '' is standard error");
        SlowlogLogSlowerThan: number("slowlog-log-slower-than", "10000", -1, LONG).unit("MICROSECONDS")
            .help("Commands at least so slow enter SLOWLOG; -1 is none, 0 all");
        SlowlogMaxLen: number("slowlog-max-len", "128", 0, LONG).unit("ENTRIES")
            .help("Length of SLOWLOG");
        LatencyMonitorThreshold: number("latency-monitor-threshold", "0", 0, LONG).unit("MILLISECONDS")
            .help("Events at least so slow enter LATENCY; 0 is none");
        LatencyTracking: flag("latency-tracking", "yes")
            .help("Keep a latency histogram of each command");
        LatencyTrackingInfoPercentiles: words("latency-tracking-info-percentiles", "50 99 99.9", value::percentiles)
            .unit("PERCENTILES")
            .help("Which percentiles INFO shows");
        NotifyKeyspaceEvents: row("notify-keyspace-events", Kind::Events, "", "CLASSES")
            .help("Events to publish, letters of `KEg$lshzxetdmnA`");
        Scripting: flag("scripting", "yes").start()
            .help("Is there a Lua VM for EVAL and FUNCTION?");
        LuaMemoryLimit: memory("lua-memory-limit", "64mb", 1 << 20).start()
            .help("Heap of the Lua VM, and the most that a script may build outside it");
        ScriptCacheSize: number("script-cache-size", "500", 1, INT).start().unit("SCRIPTS")
            .help("Compiled scripts that EVAL leaves behind");
        BusyReplyThreshold: number("busy-reply-threshold", "5000", 0, LONG).unit("MILLISECONDS").alias("lua-time-limit")
            .help("Time after which a running script answers others with BUSY");
    }
    "Encodings, as OBJECT ENCODING names them", Effect::Works => {
        HashMaxListpackEntries: number("hash-max-listpack-entries", "512", 0, LONG).unit("FIELDS")
            .alias("hash-max-ziplist-entries").help("Fields of a hash that is a listpack");
        HashMaxListpackValue: memory("hash-max-listpack-value", "64", 0)
            .alias("hash-max-ziplist-value").help("Longest field or value in it");
        SetMaxIntsetEntries: number("set-max-intset-entries", "512", 0, LONG).unit("MEMBERS")
            .help("Members of a set that is an intset");
        SetMaxListpackEntries: number("set-max-listpack-entries", "128", 0, LONG).unit("MEMBERS")
            .help("Members of a set that is a listpack");
        SetMaxListpackValue: memory("set-max-listpack-value", "64", 0).help("Longest member in it");
        ZsetMaxListpackEntries: number("zset-max-listpack-entries", "128", 0, LONG).unit("MEMBERS")
            .alias("zset-max-ziplist-entries").help("Members of a sorted set that is a listpack");
        ZsetMaxListpackValue: memory("zset-max-listpack-value", "64", 0)
            .alias("zset-max-ziplist-value").help("Longest member in it");
        ListMaxListpackSize: number("list-max-listpack-size", "-2", i32::MIN as i64, INT).unit("N")
            .alias("list-max-ziplist-size")
            .help("Elements of a list that is a listpack; -1 to -5 is 4, 8, 16, 32 or 64 KiB");
        ListCompressDepth: number("list-compress-depth", "0", 0, INT).unit("NODES")
            .help("Accepted; lists are not compressed");
        HllSparseMaxBytes: memory("hll-sparse-max-bytes", "3000", 0).help("Largest sparse HyperLogLog");
        StreamNodeMaxBytes: memory("stream-node-max-bytes", "4096", 0).help("Largest node of a stream");
        StreamNodeMaxEntries: number("stream-node-max-entries", "100", 0, LONG).unit("ENTRIES")
            .help("Entries of a stream's node");
    }
    "tuning of what magpie does otherwise", Effect::Inert => {
        ActiveRehashing: flag("activerehashing", "yes");
        ActiveDefragCycleMin: number("active-defrag-cycle-min", "1", 1, 99);
        ActiveDefragCycleMax: number("active-defrag-cycle-max", "25", 1, 99);
        ActiveDefragThresholdLower: number("active-defrag-threshold-lower", "10", 0, 1000);
        ActiveDefragThresholdUpper: number("active-defrag-threshold-upper", "100", 0, 1000);
        ActiveDefragIgnoreBytes: memory("active-defrag-ignore-bytes", "100mb", 1);
        ActiveDefragMaxScanFields: number("active-defrag-max-scan-fields", "1000", 1, LONG);
        AlwaysShowLogo: flag("always-show-logo", "no").start();
        AofRewriteCpulist: text("aof_rewrite_cpulist", "").start();
        BgsaveCpulist: text("bgsave_cpulist", "").start();
        BindSourceAddr: text("bind-source-addr", "");
        BioCpulist: text("bio_cpulist", "").start();
        CrashLogEnabled: flag("crash-log-enabled", "yes");
        CrashMemcheckEnabled: flag("crash-memcheck-enabled", "yes");
        DisableThp: flag("disable-thp", "yes").start();
        DynamicHz: flag("dynamic-hz", "yes");
        IgnoreWarnings: text("ignore-warnings", "");
        IoThreads: number("io-threads", "1", 1, 128).start();
        IoThreadsDoReads: flag("io-threads-do-reads", "no").start();
        JemallocBgThread: flag("jemalloc-bg-thread", "yes");
        KeyLoadDelay: number("key-load-delay", "0", i32::MIN as i64, INT).hidden();
        LazyfreeLazyEviction: flag("lazyfree-lazy-eviction", "no");
        LazyfreeLazyExpire: flag("lazyfree-lazy-expire", "no");
        LazyfreeLazyServerDel: flag("lazyfree-lazy-server-del", "no");
        LazyfreeLazyUserDel: flag("lazyfree-lazy-user-del", "no");
        LazyfreeLazyUserFlush: flag("lazyfree-lazy-user-flush", "no");
        LoadingProcessEventsIntervalBytes: number("loading-process-events-interval-bytes", "2097152", 1024, INT).hidden();
        LocaleCollate: text("locale-collate", "");
        MaxMemoryEvictionTenacity: number("maxmemory-eviction-tenacity", "10", 0, 100);
        MaxNewConnectionsPerCycle: number("max-new-connections-per-cycle", "10", 1, 1000);
        MaxNewTlsConnectionsPerCycle: number("max-new-tls-connections-per-cycle", "1", 1, 1000);
        PidFile: text("pidfile", "").start();
        ProcTitleTemplate: text("proc-title-template", "{title} {listen-addr} {server-mode}");
        PropagationErrorBehavior: choice("propagation-error-behavior", "ignore",
            &["ignore", "panic", "panic-on-replicas"]);
        SanitizeDumpPayload: choice("sanitize-dump-payload", "no", &["no", "yes", "clients"]);
        ServerCpulist: text("server_cpulist", "").start();
        SetProcTitle: flag("set-proc-title", "yes").start();
        ShutdownOnSigint: words("shutdown-on-sigint", "default", value::shutdown_options);
        ShutdownOnSigterm: words("shutdown-on-sigterm", "default", value::shutdown_options);
        ShutdownTimeout: number("shutdown-timeout", "10", 0, INT);
        SocketMarkId: number("socket-mark-id", "0", 0, UINT).start();
        SyslogFacility: choice("syslog-facility", "local0",
            &["user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"]).start();
        SyslogIdent: text("syslog-ident", "redis").start();
        UseExitOnPanic: flag("use-exit-on-panic", "no").hidden();
        WatchdogPeriod: number("watchdog-period", "0", 0, INT).hidden();
    }
    "details of files on disk", Effect::Inert => {
        Dir: row("dir", Kind::Text(value::directory), "", "PATH").protected().default(Initial::WorkingDirectory);
        DbFilename: row("dbfilename", Kind::Text(value::db_filename), "dump.rdb", "NAME").protected();
        AofDisableAutoGc: flag("aof-disable-auto-gc", "no");
        AofLoadTruncated: flag("aof-load-truncated", "yes");
        AofRewriteIncrementalFsync: flag("aof-rewrite-incremental-fsync", "yes");
        AofTimestampEnabled: flag("aof-timestamp-enabled", "no");
        AofUseRdbPreamble: flag("aof-use-rdb-preamble", "yes");
        AppendDirname: text("appenddirname", "appendonlydir").start();
        AppendFilename: text("appendfilename", "appendonly.aof").start();
        AppendFsync: choice("appendfsync", "everysec", &["everysec", "always", "no"]);
        AutoAofRewriteMinSize: memory("auto-aof-rewrite-min-size", "64mb", 0);
        AutoAofRewritePercentage: number("auto-aof-rewrite-percentage", "100", 0, INT);
        NoAppendfsyncOnRewrite: flag("no-appendfsync-on-rewrite", "no");
        RdbChecksum: flag("rdbchecksum", "yes").start();
        RdbCompression: flag("rdbcompression", "yes");
        RdbDelSyncFiles: flag("rdb-del-sync-files", "no");
        RdbKeySaveDelay: number("rdb-key-save-delay", "0", i32::MIN as i64, INT).hidden();
        RdbSaveIncrementalFsync: flag("rdb-save-incremental-fsync", "yes");
        StopWritesOnBgsaveError: flag("stop-writes-on-bgsave-error", "yes");
    }
    "details of replication", Effect::Inert => {
        MasterAuth: text("masterauth", "").sensitive();
        MasterUser: text("masteruser", "").sensitive();
        MinReplicasMaxLag: number("min-replicas-max-lag", "10", 0, INT).alias("min-slaves-max-lag");
        ReplBacklogSize: memory("repl-backlog-size", "1mb", 1);
        ReplBacklogTtl: number("repl-backlog-ttl", "3600", 0, LONG);
        ReplDisableTcpNodelay: flag("repl-disable-tcp-nodelay", "no");
        ReplDisklessLoad: choice("repl-diskless-load", "disabled", &["disabled", "on-empty-db", "swapdb"]);
        ReplDisklessSync: flag("repl-diskless-sync", "yes");
        ReplDisklessSyncDelay: number("repl-diskless-sync-delay", "5", 0, INT);
        ReplDisklessSyncMaxReplicas: number("repl-diskless-sync-max-replicas", "0", 0, INT);
        ReplPingReplicaPeriod: number("repl-ping-replica-period", "10", 1, INT).alias("repl-ping-slave-period");
        ReplTimeout: number("repl-timeout", "60", 1, INT);
        ReplicaAnnounceIp: text("replica-announce-ip", "").alias("slave-announce-ip");
        ReplicaAnnouncePort: number("replica-announce-port", "0", 0, 65535).alias("slave-announce-port");
        ReplicaAnnounced: flag("replica-announced", "yes");
        ReplicaIgnoreDiskWriteErrors: flag("replica-ignore-disk-write-errors", "no");
        ReplicaIgnoreMaxMemory: flag("replica-ignore-maxmemory", "yes").alias("slave-ignore-maxmemory");
        ReplicaLazyFlush: flag("replica-lazy-flush", "no").alias("slave-lazy-flush");
        ReplicaPriority: number("replica-priority", "100", 0, INT).alias("slave-priority");
        ReplicaReadOnly: flag("replica-read-only", "yes").alias("slave-read-only");
        ReplicaServeStaleData: flag("replica-serve-stale-data", "yes").alias("slave-serve-stale-data");
    }
    "details of a cluster", Effect::Inert => {
        ClusterAllowPubsubshardWhenDown: flag("cluster-allow-pubsubshard-when-down", "yes");
        ClusterAllowReadsWhenDown: flag("cluster-allow-reads-when-down", "no");
        ClusterAllowReplicaMigration: flag("cluster-allow-replica-migration", "yes");
        ClusterAnnounceBusPort: number("cluster-announce-bus-port", "0", 0, 65535);
        ClusterAnnounceHostname: text("cluster-announce-hostname", "");
        ClusterAnnounceHumanNodename: text("cluster-announce-human-nodename", "");
        ClusterAnnounceIp: text("cluster-announce-ip", "");
        ClusterAnnouncePort: number("cluster-announce-port", "0", 0, 65535);
        ClusterAnnounceTlsPort: number("cluster-announce-tls-port", "0", 0, 65535);
        ClusterConfigFile: text("cluster-config-file", "nodes.conf").start();
        ClusterLinkSendbufLimit: memory("cluster-link-sendbuf-limit", "0", 0);
        ClusterMigrationBarrier: number("cluster-migration-barrier", "1", 0, INT);
        ClusterNodeTimeout: number("cluster-node-timeout", "15000", 0, LONG);
        ClusterPort: number("cluster-port", "0", 0, 65535).start();
        ClusterPreferredEndpointType: choice("cluster-preferred-endpoint-type", "ip",
            &["ip", "hostname", "unknown-endpoint"]);
        ClusterReplicaNoFailover: flag("cluster-replica-no-failover", "no").alias("cluster-slave-no-failover");
        ClusterReplicaValidityFactor: number("cluster-replica-validity-factor", "10", 0, INT)
            .alias("cluster-slave-validity-factor");
        ClusterRequireFullCoverage: flag("cluster-require-full-coverage", "yes");
    }
    "details of TLS", Effect::Inert => {
        TlsAuthClients: choice("tls-auth-clients", "yes", &["no", "yes", "optional"]);
        TlsCaCertDir: text("tls-ca-cert-dir", "");
        TlsCaCertFile: text("tls-ca-cert-file", "");
        TlsCertFile: text("tls-cert-file", "");
        TlsCiphers: text("tls-ciphers", "");
        TlsCiphersuites: text("tls-ciphersuites", "");
        TlsClientCertFile: text("tls-client-cert-file", "");
        TlsClientKeyFile: text("tls-client-key-file", "");
        TlsClientKeyFilePass: text("tls-client-key-file-pass", "").sensitive();
        TlsDhParamsFile: text("tls-dh-params-file", "");
        TlsKeyFile: text("tls-key-file", "");
        TlsKeyFilePass: text("tls-key-file-pass", "").sensitive();
        TlsPreferServerCiphers: flag("tls-prefer-server-ciphers", "no");
        TlsProtocols: text("tls-protocols", "");
        TlsSessionCacheSize: number("tls-session-cache-size", "20480", 0, INT);
        TlsSessionCacheTimeout: number("tls-session-cache-timeout", "300", 0, INT);
        TlsSessionCaching: flag("tls-session-caching", "yes");
    }
    "no data on disk", NO_DISK => {
        AppendOnly: flag("appendonly", "no");
        // Differs: Redis saves snapshots unless told otherwise.
        Save: words("save", "", value::save);
    }
    "no replication", NO_REPLICAS => {
        ReplicaOf: words("replicaof", "", value::replica_of).alias("slaveof").start();
        MinReplicasToWrite: number("min-replicas-to-write", "0", 0, INT).alias("min-slaves-to-write");
    }
    "no cluster", NO_CLUSTER => {
        ClusterEnabled: flag("cluster-enabled", "no").start();
    }
    "no TLS", NO_TLS => {
        TlsPort: number("tls-port", "0", 0, 65535);
        TlsCluster: flag("tls-cluster", "no");
        TlsReplication: flag("tls-replication", "no");
    }
    "left to what starts magpie", NOT_OURS => {
        Daemonize: flag("daemonize", "no").start();
        Supervised: choice("supervised", "no", &["upstart", "systemd", "auto", "no"]).start();
        SyslogEnabled: flag("syslog-enabled", "no").start();
        OomScoreAdj: choice("oom-score-adj", "no", &["no", "yes", "relative", "absolute"]);
        OomScoreAdjValues: words("oom-score-adj-values", "0 200 800", value::oom_score_values);
    }
    "no modules", Effect::Fixed("magpie loads no modules") => {
        EnableModuleCommand: choice("enable-module-command", "no", ACCESS).start();
    }
    "no defragmentation", Effect::Fixed(
        "Active defragmentation cannot be enabled: magpie's store needs none") => {
        ActiveDefrag: flag("activedefrag", "no");
    }
}
