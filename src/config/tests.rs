use super::*;
use proptest::prelude::*;
use std::collections::HashSet;

/// `redis-cli config get '*'` of Redis 7.0.15, and what 7.2 added.
const REDIS_NAMES: &str = "\
    acl-pubsub-default aclfile acllog-max-len active-defrag-cycle-max active-defrag-cycle-min \
    active-defrag-ignore-bytes active-defrag-max-scan-fields active-defrag-threshold-lower \
    active-defrag-threshold-upper active-expire-effort activedefrag activerehashing \
    always-show-logo aof-disable-auto-gc aof-load-truncated aof-rewrite-incremental-fsync \
    aof-timestamp-enabled aof-use-rdb-preamble aof_rewrite_cpulist appenddirname appendfilename \
    appendfsync appendonly auto-aof-rewrite-min-size auto-aof-rewrite-percentage bgsave_cpulist \
    bind bind-source-addr bio_cpulist busy-reply-threshold client-output-buffer-limit \
    client-query-buffer-limit cluster-allow-pubsubshard-when-down cluster-allow-reads-when-down \
    cluster-allow-replica-migration cluster-announce-bus-port cluster-announce-hostname \
    cluster-announce-human-nodename cluster-announce-ip cluster-announce-port \
    cluster-announce-tls-port cluster-config-file cluster-enabled cluster-link-sendbuf-limit \
    cluster-migration-barrier cluster-node-timeout cluster-port cluster-preferred-endpoint-type \
    cluster-replica-no-failover cluster-replica-validity-factor cluster-require-full-coverage \
    cluster-slave-no-failover cluster-slave-validity-factor crash-log-enabled \
    crash-memcheck-enabled daemonize databases dbfilename dir disable-thp dynamic-hz \
    enable-debug-command enable-module-command enable-protected-configs \
    hash-max-listpack-entries hash-max-listpack-value hash-max-ziplist-entries \
    hash-max-ziplist-value hll-sparse-max-bytes hz ignore-warnings io-threads \
    io-threads-do-reads jemalloc-bg-thread latency-monitor-threshold latency-tracking \
    latency-tracking-info-percentiles lazyfree-lazy-eviction lazyfree-lazy-expire \
    lazyfree-lazy-server-del lazyfree-lazy-user-del lazyfree-lazy-user-flush lfu-decay-time \
    lfu-log-factor list-compress-depth list-max-listpack-size list-max-ziplist-size \
    locale-collate logfile loglevel lua-time-limit masterauth masteruser maxclients maxmemory \
    maxmemory-clients maxmemory-eviction-tenacity maxmemory-policy maxmemory-samples \
    min-replicas-max-lag min-replicas-to-write min-slaves-max-lag min-slaves-to-write \
    no-appendfsync-on-rewrite notify-keyspace-events oom-score-adj oom-score-adj-values pidfile \
    port proc-title-template propagation-error-behavior protected-mode proto-max-bulk-len \
    rdb-del-sync-files rdb-save-incremental-fsync rdbchecksum rdbcompression repl-backlog-size \
    repl-backlog-ttl repl-disable-tcp-nodelay repl-diskless-load repl-diskless-sync \
    repl-diskless-sync-delay repl-diskless-sync-max-replicas repl-ping-replica-period \
    repl-ping-slave-period repl-timeout replica-announce-ip replica-announce-port \
    replica-announced replica-ignore-disk-write-errors replica-ignore-maxmemory \
    replica-lazy-flush replica-priority replica-read-only replica-serve-stale-data replicaof \
    requirepass sanitize-dump-payload save server_cpulist set-max-intset-entries \
    set-max-listpack-entries set-max-listpack-value set-proc-title shutdown-on-sigint \
    shutdown-on-sigterm shutdown-timeout slave-announce-ip slave-announce-port \
    slave-ignore-maxmemory slave-lazy-flush slave-priority slave-read-only \
    slave-serve-stale-data slaveof slowlog-log-slower-than slowlog-max-len socket-mark-id \
    stop-writes-on-bgsave-error stream-node-max-bytes stream-node-max-entries supervised \
    syslog-enabled syslog-facility syslog-ident tcp-backlog tcp-keepalive timeout \
    tls-auth-clients tls-ca-cert-dir tls-ca-cert-file tls-cert-file tls-ciphers tls-ciphersuites \
    tls-client-cert-file tls-client-key-file tls-client-key-file-pass tls-cluster \
    tls-dh-params-file tls-key-file tls-key-file-pass tls-port tls-prefer-server-ciphers \
    tls-protocols tls-replication tls-session-cache-size tls-session-cache-timeout \
    tls-session-caching tracking-table-max-keys unixsocket unixsocketperm \
    zset-max-listpack-entries zset-max-listpack-value zset-max-ziplist-entries \
    zset-max-ziplist-value";

fn set(config: &Config, settings: &[(&str, &str)]) -> Result<Vec<Param>, String> {
    let settings: Vec<(&[u8], &[u8])> =
        settings.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    config.set_many(&settings, true).map_err(|error| error.to_string())
}

fn refusal(name: &str, value: &str) -> String {
    set(&Config::default(), &[(name, value)]).expect_err("a refusal")
}

fn get(config: &Config, patterns: &[&str]) -> Vec<(String, String)> {
    config.get(patterns.iter().map(|pattern| pattern.as_bytes()))
}

fn from_args(args: &[&str]) -> Result<Config, String> {
    let args = std::iter::once("magpie").chain(args.iter().copied());
    Config::from_args(args).map_err(|error| error.to_string())
}

#[test]
fn names_are_unique_and_lower_case() {
    let mut seen = HashSet::new();
    for spec in &TABLE {
        assert!(std::ptr::eq(spec, spec.param.spec()));
        for name in std::iter::once(spec.name).chain(spec.alias) {
            assert!(seen.insert(name), "{name} twice");
            assert_eq!(name, name.to_ascii_lowercase());
            assert_eq!(Param::find(name.as_bytes()), Some((spec.param, name)));
        }
    }
    let letters: Vec<char> = TABLE.iter().filter_map(|spec| spec.short).collect();
    assert_eq!(letters.iter().collect::<HashSet<_>>().len(), letters.len());
}

#[test]
fn every_default_is_valid_and_reads_as_itself() {
    for spec in &TABLE {
        let value = accept(spec.param, &default_text(spec)).expect(spec.name);
        let config = Config::default();
        config.store(spec.param, value);
        let shown = config.show(spec.param);
        let again = accept(spec.param, &shown).expect(spec.name);
        config.store(spec.param, again);
        assert_eq!(config.show(spec.param), shown, "{}", spec.name);
        assert!(!config.differs(spec.param), "{}", spec.name);
    }
}

#[test]
fn every_parameter_that_works_is_explained() {
    for spec in TABLE.iter().filter(|spec| spec.effect == Effect::Works) {
        assert!(!spec.help.is_empty() && !spec.help.ends_with('.'), "{}", spec.name);
    }
}

#[test]
fn every_name_of_redis_is_known() {
    for name in REDIS_NAMES.split_whitespace() {
        assert!(Param::find(name.as_bytes()).is_some(), "{name}");
        assert_eq!(get(&Config::default(), &[name]).len(), 1);
    }
}

#[test]
fn numbers_flags_choices_and_texts_are_read_by_kind() {
    let config = Config::with(&[
        ("port", "0"),
        ("maxmemory", "1gb"),
        ("latency-tracking", "no"),
        ("maxmemory-policy", "ALLKEYS-LRU"),
        ("enable-debug-command", "local"),
        ("requirepass", "secret"),
        ("bind", "127.0.0.1 -::1"),
    ])
    .expect("good settings");
    assert_eq!(config.number(Param::Port), 0);
    assert_eq!(config.size(Param::MaxMemory), 1 << 30);
    assert!(!config.flag(Param::LatencyTracking));
    assert_eq!(config.choice(Param::MaxMemoryPolicy), "allkeys-lru");
    assert!(config.access(Param::EnableDebugCommand).allows(true));
    assert!(!config.access(Param::EnableDebugCommand).allows(false));
    assert_eq!(&*config.text(Param::RequirePass), "secret");
    assert_eq!(config.bind().len(), 2);
    assert!(!config.asks_no_password());
    assert!(!format!("{config:?}").contains("secret"));
}

#[test]
fn get_matches_patterns_and_gives_each_name_once() {
    let config = Config::default();
    assert_eq!(get(&config, &["HZ", "hz", "h?"]), [("HZ".to_owned(), "10".to_owned())]);
    let names =
        |patterns: &[&str]| get(&config, patterns).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(&["hash-max-[z]*"]), ["hash-max-ziplist-entries", "hash-max-ziplist-value"]);
    assert_eq!(
        names(&["maxmemory", "max*y"]),
        ["maxmemory", "maxmemory-policy", "maxmemory-eviction-tenacity"]
    );
    assert_eq!(names(&["watchdog-period"]), ["watchdog-period"]);
    assert!(names(&["watch*", "nosuch", "no[such"]).is_empty());
}

#[test]
fn values_are_shown_as_redis_shows_them() {
    let config = Config::default();
    for (name, value, shown) in [
        ("maxmemory", "1K", "1000"),
        ("hz", "1000", "500"),
        ("hz", "0", "1"),
        ("maxmemory-clients", "5%", "5%"),
        ("notify-keyspace-events", "KEg", "gKE"),
        ("lazyfree-lazy-eviction", "YES", "yes"),
        ("shutdown-on-sigint", "save now", "save now"),
        ("latency-tracking-info-percentiles", "", ""),
        (
            "client-output-buffer-limit",
            "normal 1mb 2kb 30 replica 1 1 1",
            "normal 1048576 2048 30 slave 1 1 1 pubsub 33554432 8388608 60",
        ),
    ] {
        set(&config, &[(name, value)]).expect(name);
        assert_eq!(get(&config, &[name])[0].1, shown);
    }
    let pubsub = config.output_limit(ClientClass::Pubsub);
    assert_eq!((pubsub.hard_bytes, pubsub.soft_seconds), (32 << 20, 60));
}

#[test]
fn set_complains_in_redis_words() {
    for (name, value, reason) in [
        ("maxmemory", "abc", "argument must be a memory value"),
        ("timeout", "abc", "argument couldn't be parsed into an integer"),
        ("timeout", "-1", "argument must be between 0 and 2147483647 inclusive"),
        ("appendonly", "maybe", "argument must be 'yes' or 'no'"),
        ("loglevel", "foo", "argument(s) must be one of the following: debug, verbose, notice, warning"),
        ("databases", "4", "can't set immutable config"),
        ("daemonize", "no", "can't set immutable config"),
        ("dir", "/tmp", "can't set protected config"),
        ("save", "abc", "Invalid save parameters"),
        ("save", " 3600   1 ", "Invalid save parameters"),
        ("maxclients", "0", "argument must be between 1 and 4294967295 inclusive"),
        ("proto-max-bulk-len", "10", "argument must be between 1048576 and 9223372036854775807 inclusive"),
        ("slave-priority", "-1", "argument must be between 0 and 2147483647 inclusive"),
        ("notify-keyspace-events", "A q", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
        ("oom-score-adj-values", "1 2", "wrong number of arguments"),
        (
            "shutdown-on-sigint",
            "save nosave",
            "shutdown options SAVE and NOSAVE can't be used simultaneously",
        ),
    ] {
        let expected = format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}");
        assert_eq!(refusal(name, value), expected);
    }
    assert_eq!(refusal("nosuch", "1"), "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'");
}

#[test]
fn set_is_all_or_nothing_and_reports_what_changed() {
    let config = Config::default();
    let settings = [("maxmemory", "5mb"), ("timeout", "x")];
    assert!(set(&config, &settings).is_err_and(|error| error.contains("'timeout'")));
    assert_ne!(config.number(Param::MaxMemory), 5 << 20);
    let changed = set(&config, &[("maxmemory", "5mb"), ("timeout", "0"), ("hz", "20")]);
    assert_eq!(changed, Ok(vec![Param::MaxMemory, Param::Hz]));
}

#[test]
fn set_chooses_its_complaint_as_redis_does() {
    let complaint = |settings: &[(&str, &str)]| {
        let error = set(&Config::default(), settings).expect_err("a refusal");
        error.replace("ERR CONFIG SET failed (possibly related to argument ", "")
    };
    let unknown = "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'";
    assert_eq!(complaint(&[("maxmemory", "foo"), ("nosuch", "x")]), unknown);
    let twice = "'maxmemory') - duplicate parameter";
    assert_eq!(complaint(&[("MAXMEMORY", "1"), ("maxmemory", "2")]), twice);
    let immutable = "'DATABASES') - can't set immutable config";
    assert_eq!(complaint(&[("maxmemory", "foo"), ("DATABASES", "1")]), immutable);
    // Two names of one parameter are no duplicate; the last one counts.
    let config = Config::default();
    let both = [("hash-max-ziplist-entries", "5"), ("hash-max-listpack-entries", "6")];
    assert_eq!(set(&config, &both).map(|changed| changed.len()), Ok(2));
    assert_eq!(config.number(Param::HashMaxListpackEntries), 6);
}

#[test]
fn protected_parameters_ask_who_is_there() {
    let config = Config::with(&[("enable-protected-configs", "local")]).expect("a config");
    let name: [(&[u8], &[u8]); 1] = [(b"dbfilename", b"x.rdb")];
    assert!(config.set_many(&name, false).is_err());
    assert_eq!(config.set_many(&name, true), Ok(vec![Param::DbFilename]));
    let path: [(&[u8], &[u8]); 1] = [(b"dbfilename", b"a/b")];
    assert!(config.set_many(&path, true).is_err());
}

#[test]
fn promises_that_a_cache_cannot_keep_are_refused() {
    for (name, value) in [
        ("appendonly", "yes"),
        ("save", "3600 1"),
        ("min-replicas-to-write", "1"),
        ("tls-port", "6380"),
        ("activedefrag", "yes"),
    ] {
        let default = Param::find(name.as_bytes()).map(|(param, _)| default_text(param.spec()));
        assert!(refusal(name, value).starts_with("ERR CONFIG SET failed"), "{name}");
        assert!(set(&Config::default(), &[(name, &default.unwrap_or_default())]).is_ok(), "{name}");
    }
}

#[test]
fn values_that_are_no_text_are_refused() {
    let config = Config::default();
    let error = config.set_many(&[(b"requirepass", b"\xff")], true).expect_err("a refusal");
    assert!(error.to_string().contains("UTF-8"));
    assert!(config.set_many(&[(b"\xff", b"")], true).is_err());
}

#[test]
fn flags_take_redis_and_memcached_spellings() {
    let config = from_args(&[
        "--port",
        "0",
        "-p",
        "0",
        "-m",
        "64",
        "-t",
        "3",
        "-c",
        "100",
        "-I",
        "2m",
        "-vv",
        "-U",
        "0",
        "--save",
        "",
        "--appendonly",
        "no",
        "--slowlog-log-slower-than",
        "-1",
        "-A",
        "--client-output-buffer-limit",
        "normal",
        "1mb",
        "0",
        "0",
        "--lua-time-limit",
        "7",
        "-l",
        "127.0.0.1,::1",
        "-s",
        "/tmp/magpie.sock",
    ])
    .expect("good flags");
    assert_eq!(config.number(Param::MaxMemory), 64 << 20);
    assert_eq!(config.number(Param::Threads), 3);
    assert_eq!(config.number(Param::MaxItemSize), 2 << 20);
    assert_eq!(config.choice(Param::LogLevel), "debug");
    assert_eq!(config.number(Param::SlowlogLogSlowerThan), -1);
    assert_eq!(config.number(Param::BusyReplyThreshold), 7);
    assert_eq!(config.output_limit(ClientClass::Normal).hard_bytes, 1 << 20);
    assert_eq!(&*config.text(Param::Bind), "127.0.0.1 ::1");
    assert!(config.flag(Param::EnableShutdown));
}

#[test]
fn wrong_flags_say_what_to_do() {
    for (args, expected) in [
        (&["--maxmemory", "5x"][..], "Write bytes"),
        (&["--port", "70000"], "argument must be between 0 and 65535 inclusive"),
        (&["-m", "1gb"], "--maxmemory 1gb"),
        (&["-m", "64", "--maxmemory", "1gb"], "give one of them"),
        (&["-u", "nobody"], "User=nobody"),
        (&["-U", "11211"], "UDP"),
        (&["--daemonize", "yes"], "foreground"),
        (&["--appendonly", "yes"], "no data to disk"),
        (&["--bind", "0.0.0.0"], "--requirepass PASSWORD"),
        (&["--bind", ""], "nothing to listen on"),
        (&["--bind", "127.0.0.1:6379"], "no address"),
        (&["--databases", "257"], "argument must be between 1 and 256 inclusive"),
        (&["--nosuch", "1"], "unexpected argument '--nosuch'"),
        (&["/nonexistent/magpie.conf"], "cannot read the config file"),
    ] {
        let message = from_args(args).expect_err("a refusal");
        assert!(message.contains(expected), "{args:?}: {message}");
    }
}

#[test]
fn a_wide_address_needs_a_password_or_insistence() {
    assert!(from_args(&["--bind", "*"]).is_err());
    assert!(from_args(&["--bind", "127.0.0.1", "192.0.2.1"]).is_err());
    assert!(from_args(&["--bind", "*", "--requirepass", "x"]).is_ok());
    assert!(from_args(&["-l", "0.0.0.0", "--protected-mode", "no"]).is_ok());
    assert!(from_args(&["--bind", "localhost"]).is_ok());
}

#[test]
fn help_documents_every_parameter() {
    let help = cli::help();
    for spec in TABLE.iter().filter(|spec| !spec.hidden) {
        assert!(help.contains(spec.name), "{}", spec.name);
        if spec.effect == Effect::Works {
            assert!(help.contains(&format!("--{} <{}>", spec.name, spec.unit)), "{}", spec.name);
        }
    }
}

/// A config file that is gone when the test ends.
struct TestFile(PathBuf);

impl TestFile {
    fn new(name: &str, text: &str) -> TestFile {
        let path = std::env::temp_dir().join(format!("magpie-{}-{name}.conf", std::process::id()));
        std::fs::write(&path, text).expect("the temporary directory is writable");
        TestFile(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a temporary directory of plain name")
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_file_is_read_and_flags_override_it() {
    let text = "# a comment\n\nport 7000\nTIMEOUT 5\nrequirepass \"a \\\"b\\x41\"\n\
                client-output-buffer-limit normal 1mb 0 0\nbind 127.0.0.1 ::1\n";
    let file = TestFile::new("read", text);
    let config = from_args(&[file.path(), "--port", "7001"]).expect("a good file");
    assert_eq!(config.number(Param::Port), 7001);
    assert_eq!(config.number(Param::Timeout), 5);
    assert_eq!(&*config.text(Param::RequirePass), "a \"bA");
    assert_eq!(&*config.text(Param::Bind), "127.0.0.1 ::1");
    assert_eq!(config.output_limit(ClientClass::Normal).hard_bytes, 1 << 20);
}

#[test]
fn a_flag_takes_back_what_the_file_asks_in_vain() {
    let file = TestFile::new("debian", "daemonize yes\nsave 900 1\nappendonly no\n");
    assert!(from_args(&[file.path()]).is_err());
    let flags = [file.path(), "--daemonize", "no", "--save", ""];
    assert!(from_args(&flags).is_ok());
}

#[test]
fn a_wrong_line_is_named() {
    for (text, expected) in [
        ("port 1\nnosuch 1\n", "line 2: nosuch 1"),
        ("maxmemory x\n", "argument must be a memory value"),
        ("port\n", "wrong number of arguments"),
        ("port 1 2\n", "wrong number of arguments"),
        ("requirepass \"x\n", "unbalanced quotes"),
        ("save 900 1\nsave 300 10\n", "`--save ''`"),
    ] {
        let file = TestFile::new("wrong", text);
        let message = from_args(&[file.path()]).expect_err("a refusal");
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn rewrite_keeps_comments_and_order_and_adds_the_rest() {
    let text = "# mine\nport 7000\ntimeout 1\n\ntimeout 2\n# end\n";
    let file = TestFile::new("rewrite", text);
    let config = from_args(&[file.path()]).expect("a good file");
    set(&config, &[("timeout", "7"), ("maxmemory", "20mb"), ("requirepass", "a\"b\nc")])
        .expect("good settings");
    assert_eq!(config.rewrite(b""), Ok(()));
    let expected = "# mine\nport 7000\ntimeout 7\n\n# end\n# Generated by CONFIG REWRITE\n\
                    maxmemory 20mb\nrequirepass \"a\\\"b\\nc\"\n";
    assert_eq!(std::fs::read_to_string(file.path()).ok().as_deref(), Some(expected));
    let again = from_args(&[file.path()]).expect("what rewrite wrote");
    assert_eq!(&*again.text(Param::RequirePass), "a\"b\nc");
    assert_eq!(again.rewrite(b""), Ok(()));
    assert_eq!(std::fs::read_to_string(file.path()).ok().as_deref(), Some(expected));
}

#[test]
fn rewrite_without_a_file_says_so() {
    let error = Config::default().rewrite(b"").expect_err("a refusal");
    assert_eq!(error.to_string(), "ERR The server is running without a config file");
}

proptest! {
    /// Whatever a client sends, and what was accepted is shown in a form that is accepted again.
    #[test]
    fn no_value_panics(index in 0..Param::COUNT, value in "[-0-9a-zA-Z%. ]{0,24}|.{0,24}") {
        let config = Config::default();
        let spec = &TABLE[index];
        if config.assign(spec.param, &value).is_ok() {
            let shown = config.show(spec.param);
            prop_assert_eq!(config.assign(spec.param, &shown), Ok(()));
            prop_assert_eq!(config.show(spec.param), shown);
        }
    }
}
