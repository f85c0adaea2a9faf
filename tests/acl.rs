//! Users over several connections: who is closed when, what takes effect when, the log, and files.

mod memcached_support;
mod support;

use magpie::daemon::Daemon;
use std::fs;
use std::path::PathBuf;
use support::{Peer, Resp, daemon};

fn log_in<'d>(daemon: &'d Daemon, user: &str) -> Resp<'d> {
    let mut peer = Resp::connect(daemon);
    assert_eq!(peer.ask(&format!("AUTH {user} pass")), "+OK\r\n");
    peer
}

fn set_user(daemon: &Daemon, rules: &str) {
    assert_eq!(Resp::connect(daemon).ask(&format!("ACL SETUSER {rules}")), "+OK\r\n");
}

/// Was it told to close?
fn is_kicked(peer: &Resp<'_>) -> bool {
    peer.client.take_mail().close
}

#[test]
fn rules_hold_from_the_next_command_on() {
    let daemon = daemon(&[]);
    set_user(&daemon, "bob on >pass +@all ~* &*");
    let mut bob = log_in(&daemon, "bob");
    assert_eq!(bob.ask("SET a 1"), "+OK\r\n");
    set_user(&daemon, "bob resetkeys ~b -dbsize");
    assert_eq!(bob.ask("SET a 1"), "-NOPERM No permissions to access a key\r\n");
    assert_eq!(bob.ask("DBSIZE"), "-NOPERM User bob has no permissions to run the 'dbsize' command\r\n");
    assert_eq!(bob.ask("SET b 1"), "+OK\r\n");
    // Off keeps others out; who is in stays in.
    set_user(&daemon, "bob off");
    assert_eq!(bob.ask("GET b"), "$1\r\n1\r\n");
    assert!(Resp::connect(&daemon).ask("AUTH bob pass").starts_with("-WRONGPASS"));
}

#[test]
fn a_deleted_user_is_hung_up_on() {
    let daemon = daemon(&[]);
    set_user(&daemon, "bob on >pass +@all ~* &*");
    let (mut one, mut two, mut other) =
        (log_in(&daemon, "bob"), log_in(&daemon, "bob"), Resp::connect(&daemon));
    // Its own connection has the reply first.
    assert_eq!(text(&one.send(b"ACL DELUSER bob\r\nPING\r\n")), ":1\r\n");
    assert!(one.is_closed() && is_kicked(&two) && !is_kicked(&other));
    // Even before the mail is read nothing is done.
    assert_eq!(two.ask("PING"), "");
    assert!(two.is_closed());
    assert_eq!(other.ask("ACL WHOAMI"), "$7\r\ndefault\r\n");
    // One of the same name is another user.
    set_user(&daemon, "bob on >pass +@all");
    let mut three = log_in(&daemon, "bob");
    other.ask("ACL DELUSER bob");
    set_user(&daemon, "bob on >pass +@all");
    assert_eq!(three.ask("PING"), "");
    assert!(three.is_closed());
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_user_deleted_within_its_transaction_goes_on_as_the_default_user() {
    let daemon = daemon(&[]);
    set_user(&daemon, "bob on >pass +@all ~* &*");
    let mut bob = log_in(&daemon, "bob");
    let replies = text(&bob.send(b"MULTI\r\nACL DELUSER bob\r\nACL WHOAMI\r\nEXEC\r\nPING\r\n"));
    assert!(replies.ends_with("*2\r\n:1\r\n$7\r\ndefault\r\n"), "{replies}");
    assert!(bob.is_closed());
}

#[test]
fn what_was_queued_is_checked_again() {
    let daemon = daemon(&[]);
    set_user(&daemon, "bob on >pass +@all ~* &*");
    let mut bob = log_in(&daemon, "bob");
    bob.send(b"MULTI\r\nSET a 1\r\nPUBLISH c x\r\nDBSIZE\r\nPING\r\n");
    set_user(&daemon, "bob resetkeys resetchannels -dbsize");
    let changed = "-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This \
                   command is no longer allowed for the following reason: no permission to";
    assert_eq!(
        bob.ask("EXEC"),
        format!(
            "*4\r\n{changed} touch the specified keys\r\n{changed} access one of the channels used as arguments to the \
             command\r\n{changed} execute the command or subcommand\r\n+PONG\r\n"
        )
    );
    let log = Resp::connect(&daemon).ask("ACL LOG");
    assert_eq!(log.matches("$5\r\nmulti\r\n").count(), 3, "{log}");
}

#[test]
fn who_loses_a_channel_is_hung_up_on() {
    let daemon = daemon(&[]);
    for user in ["bob", "eve"] {
        set_user(&daemon, &format!("{user} on >pass +@all &a* &b"));
    }
    let [mut bob, mut pattern, mut eve] = ["bob", "bob", "eve"].map(|user| log_in(&daemon, user));
    bob.ask("SUBSCRIBE ab");
    eve.ask("SUBSCRIBE ab");
    assert!(pattern.ask("PSUBSCRIBE b*").starts_with("-NOPERM No permissions to access a channel"));
    assert!(pattern.ask("PSUBSCRIBE a*").starts_with("*3"));
    set_user(&daemon, "bob &c");
    assert!(!is_kicked(&bob));
    set_user(&daemon, "bob resetchannels &ab");
    assert!(!is_kicked(&bob) && is_kicked(&pattern) && !is_kicked(&eve));
    set_user(&daemon, "bob resetchannels");
    assert!(is_kicked(&bob) && !is_kicked(&eve));
}

#[test]
fn clients_are_listed_and_killed_by_user() {
    let daemon = daemon(&[]);
    set_user(&daemon, "bob on >pass +@all ~* &*");
    let (bob, mut other) = (log_in(&daemon, "bob"), Resp::connect(&daemon));
    assert!(other.ask("CLIENT LIST").contains(" user=bob "));
    assert_eq!(other.ask("CLIENT KILL USER bob"), ":1\r\n");
    // Gone, though its connection has not learnt of it yet.
    assert!(!other.ask("CLIENT LIST").contains(" user=bob "));
    assert_eq!(other.ask("CLIENT KILL USER bob"), ":0\r\n");
    assert!(is_kicked(&bob));
}

#[test]
fn denials_are_counted() {
    let daemon = daemon(&[]);
    set_user(&daemon, "bob on >pass +@all -dbsize ~a &a");
    let mut bob = log_in(&daemon, "bob");
    for words in ["DBSIZE", "GET b", "GET b", "PUBLISH b x", "AUTH bob no"] {
        bob.ask(words);
    }
    let info = Resp::connect(&daemon).ask("INFO stats");
    for line in [
        "acl_access_denied_auth:1",
        "acl_access_denied_cmd:1",
        "acl_access_denied_key:2",
        "acl_access_denied_channel:1",
    ] {
        assert!(info.contains(line), "{line} in {info}");
    }
    let log = Resp::connect(&daemon).ask("ACL LOG");
    assert_eq!(log.matches("entry-id").count(), 4, "{log}");
    let few = self::daemon(&[("acllog-max-len", "2")]);
    set_user(&few, "bob on >pass");
    let mut bob = log_in(&few, "bob");
    for words in ["GET a", "SET a 1", "DEL a"] {
        bob.ask(words);
    }
    assert_eq!(Resp::connect(&few).ask("ACL LOG").matches("entry-id").count(), 2);
}

#[test]
fn passwords_and_names_stay_out_of_the_slow_log() {
    let daemon = daemon(&[("slowlog-log-slower-than", "0")]);
    set_user(&daemon, "bob on >hunter2");
    let mut peer = Resp::connect(&daemon);
    peer.ask("HELLO 3 AUTH bob hunter2");
    let log = Resp::connect(&daemon).ask("SLOWLOG GET");
    assert!(!log.contains("hunter2") && !log.contains("bob"), "{log}");
}

/// A command that waits is run again with what its user may do then.
#[test]
fn a_command_that_waits_is_checked_when_it_is_run_again() {
    let daemon = daemon(&[]);
    set_user(&daemon, "bob on >pass +@all ~*");
    let (mut bob, mut other) = (log_in(&daemon, "bob"), Resp::connect(&daemon));
    assert_eq!(bob.ask("XREAD BLOCK 0 STREAMS stream $"), "");
    set_user(&daemon, "bob -xread");
    other.ask("XADD stream * f v");
    let replies = text(&bob.send(b"PING\r\n"));
    assert!(
        replies.starts_with("-NOPERM User bob has no permissions to run the 'xread' command\r\n"),
        "{replies}"
    );
}

/// A folder of a test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("magpie-acl-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("the temporary folder is writable");
        Folder(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a path of text").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_acl_file_is_loaded_whole_or_not_at_all() {
    let folder = Folder::new("load");
    let path = folder.file("users.acl");
    let bob = "user bob on #d74ff0ee8da3b9806b18c877dbf29bbde50b5bd8e4dad7a3a725000feb82e8f1 +@all ~* &*\n";
    fs::write(&path, format!("{bob}user eve on nopass +@all (~x +get)\n")).expect("writable");
    let daemon = daemon(&[("aclfile", &path)]);
    daemon.load_users().expect("a good file");
    let (mut bob_peer, mut eve, mut admin) =
        (log_in(&daemon, "bob"), log_in(&daemon, "eve"), Resp::connect(&daemon));
    let before = admin.ask("ACL LIST");

    fs::write(&path, "user bob off\nuser eve on +nope >x\nuser eve on\n").expect("writable");
    let said = admin.ask("ACL LOAD");
    assert!(said.contains(":2: Error in applying operation '+nope': Unknown command"), "{said}");
    assert!(said.contains("Duplicate user 'eve' found on line 3"), "{said}");
    assert!(said.contains("no change to the previously active ACL rules was performed"), "{said}");
    assert_eq!(admin.ask("ACL LIST"), before);
    fs::remove_file(&path).expect("there");
    assert_eq!(
        admin.ask("ACL LOAD"),
        format!("-ERR Error loading ACLs, opening file '{path}': No such file or directory\r\n")
    );
    assert_eq!(admin.ask("ACL LIST"), before);

    // Saved and changed; who is in it stays connected, who is not does not.
    assert_eq!(admin.ask("ACL SAVE"), "+OK\r\n");
    let saved = fs::read_to_string(&path).expect("written");
    assert_eq!(saved.lines().count(), 3, "{saved}");
    assert_eq!(admin.ask("ACL LOAD"), "+OK\r\n");
    assert_eq!(admin.ask("ACL LIST"), before);
    fs::write(&path, bob.replace("+@all", "+ping")).expect("writable");
    assert_eq!(admin.ask("ACL LOAD"), "+OK\r\n");
    assert!(is_kicked(&eve) && !is_kicked(&bob_peer));
    assert_eq!(bob_peer.ask("PING"), "+PONG\r\n");
    assert!(bob_peer.ask("GET a").starts_with("-NOPERM"));
    assert_eq!(eve.ask("PING"), "");
}

#[test]
fn users_of_the_config_file_are_taken_and_written_back() {
    let folder = Folder::new("config");
    let path = folder.file("magpie.conf");
    fs::write(&path, "# ours\nuser bob on >pass (~a +get) +ping\nuser default off\nport 0\n")
        .expect("writable");
    let config = magpie::config::Config::from_args(["magpie", &path]).expect("a good file");
    let daemon = Daemon::new(config, 1);
    daemon.load_users().expect("good users");
    let mut stranger = Resp::connect(&daemon);
    assert_eq!(stranger.ask("PING"), "-NOAUTH Authentication required.\r\n");
    let mut bob = log_in(&daemon, "bob");
    assert_eq!(bob.ask("GET a"), "$-1\r\n");
    daemon.acl.set_user(b"bob", &[b"+@all", b"~it's"], false).expect("rules");
    assert_eq!(bob.ask("CONFIG REWRITE"), "+OK\r\n");
    let written = fs::read_to_string(&path).expect("written");
    let config = magpie::config::Config::from_args(["magpie", &path])
        .unwrap_or_else(|error| panic!("{error}\n{written}"));
    let again = Daemon::new(config, 1);
    again.load_users().expect("good users");
    assert_eq!(text(&again.acl.render()), text(&daemon.acl.render()));
    assert!(written.starts_with("# ours\nuser bob on "), "{written}");

    for (wrong, said) in [
        ("user bob on +nope", "Unknown command or category name in ACL"),
        ("user bob\nuser bob", "Duplicate user found"),
        ("user bob (~a", "Unmatched parenthesis"),
        ("aclfile /x\nuser bob", "keep them in one place"),
        ("aclfile /nowhere/at/all", "No such file or directory"),
    ] {
        fs::write(&path, wrong).expect("writable");
        let config = magpie::config::Config::from_args(["magpie", &path]).expect("a file of good form");
        let error = Daemon::new(config, 1).load_users().expect_err(wrong);
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn the_same_users_guard_memcached() {
    let daemon = daemon(&[("requirepass", "secret")]);
    let mut admin = Resp::connect(&daemon);
    admin.ask("AUTH secret");
    assert_eq!(admin.ask("ACL SETUSER bob on >pass +get +set +incrby +append %R~r* ~a* +info"), "+OK\r\n");
    let mut peer = memcached_support::Peer::connect(&daemon, admin.now);
    let mut say = |request: &str| text(&peer.send(request.as_bytes()));
    const DENIED: &str = "CLIENT_ERROR permission denied\r\n";
    for (request, reply) in [
        ("get a\r\n", "CLIENT_ERROR unauthenticated\r\n"),
        ("set x 0 0 9\r\nbob wrong\r\n", "CLIENT_ERROR authentication failure\r\n"),
        ("set x 0 0 8\r\nbob pass\r\n", "STORED\r\n"),
        ("set a 0 0 1\r\n1\r\n", "STORED\r\n"),
        ("set r 0 0 1\r\n1\r\n", DENIED),
        ("set r 0 0 1 noreply\r\n1\r\n", ""),
        ("ms r 1\r\n1\r\n", DENIED),
        ("ms a1 1\r\n1\r\n", "HD\r\n"),
        ("ms a1 1 MA\r\n2\r\n", "HD\r\n"),
        ("get a r\r\n", "VALUE a 0 1\r\n1\r\nEND\r\n"),
        ("get a x r\r\n", DENIED),
        ("gat 0 a\r\n", DENIED),
        ("mg a1 v\r\n", "VA 2\r\n12\r\n"),
        ("mg x v\r\n", DENIED),
        ("mg a1 T0\r\n", DENIED),
        ("mg r1 N0 v\r\n", DENIED),
        ("incr a 1\r\n", "2\r\n"),
        ("ma a\r\n", "HD\r\n"),
        ("incr r 1\r\n", DENIED),
        ("delete a\r\n", DENIED),
        ("delete a noreply\r\n", ""),
        ("touch a 0\r\n", DENIED),
        ("flush_all\r\n", DENIED),
        ("stats reset\r\n", DENIED),
        ("lru_crawler metadump all\r\n", DENIED),
        ("verbosity 1\r\n", DENIED),
        ("mn\r\n", "MN\r\n"),
        ("get a\r\n", "VALUE a 0 1\r\n3\r\nEND\r\n"),
    ] {
        assert_eq!(say(request), reply, "{request}");
    }
    assert!(say("stats\r\n").ends_with("END\r\n"));
    let many = format!("get {}x\r\n", "a ".repeat(2000));
    assert!(say(&many).ends_with(DENIED));
    let log = admin.ask("ACL LOG 100");
    assert!(log.contains("$1\r\nr\r\n") && log.contains("$8\r\nflushall\r\n"), "{log}");
    admin.ask("ACL DELUSER bob");
    assert_eq!(say("mn\r\n"), "");
    assert!(peer.is_closed);
}

#[test]
fn memcached_s_auth_file_adds_users_and_closes_the_door() {
    let folder = Folder::new("auth-file");
    let path = folder.file("users");
    fs::write(&path, "web:sesame\nbob:second\n").expect("writable");
    let conf = folder.file("magpie.conf");
    fs::write(&conf, "user bob on >pass ~b* +get\n").expect("writable");
    let config = magpie::config::Config::from_args(["magpie", &conf, "-Y", &path, "-S"]).expect("good flags");
    let daemon = Daemon::new(config, 1);
    daemon.load_users().expect("good users");
    let mut stranger = Resp::connect(&daemon);
    assert_eq!(stranger.ask("PING"), "-NOAUTH Authentication required.\r\n");
    assert!(stranger.ask("AUTH sesame").starts_with("-WRONGPASS"));
    assert_eq!(stranger.ask("AUTH web sesame"), "+OK\r\n");
    assert_eq!(stranger.ask("SET a 1"), "+OK\r\n");
    // Who is there already is given a password, and no more rights.
    for password in ["pass", "second"] {
        let mut bob = Resp::connect(&daemon);
        assert_eq!(bob.ask(&format!("AUTH bob {password}")), "+OK\r\n");
        assert_eq!(bob.ask("GET a"), "-NOPERM No permissions to access a key\r\n");
    }
    let mut peer = memcached_support::Peer::connect(&daemon, stranger.now);
    let mut say = |request: &str| text(&peer.send(request.as_bytes()));
    assert_eq!(say("get a\r\n"), "CLIENT_ERROR unauthenticated\r\n");
    assert_eq!(say("set x 0 0 10\r\nweb sesame\r\n"), "STORED\r\n");
    assert_eq!(say("get a\r\n"), "VALUE a 0 1\r\n1\r\nEND\r\n");
    assert!(say("stats settings\r\n").contains("STAT auth_enabled_sasl yes\r\n"));

    for (content, flags, said) in [
        ("web\n", vec!["-Y", &path], "malformed entry. Should be 'user:password'"),
        ("", vec!["-Y", "/nowhere/at/all"], "Could not open authfile"),
        ("", vec!["-S"], "needs no password"),
    ] {
        fs::write(&path, content).expect("writable");
        let config = magpie::config::Config::from_args([vec!["magpie"], flags].concat()).expect("good flags");
        let error = Daemon::new(config, 1).load_users().expect_err(said);
        assert!(error.contains(said), "{error}");
    }
    // A password of its own keeps the default user.
    fs::write(&path, "default:sesame\n").expect("writable");
    let config = magpie::config::Config::from_args(["magpie", "-Y", &path]).expect("good flags");
    let daemon = Daemon::new(config, 1);
    daemon.load_users().expect("good users");
    let mut peer = Resp::connect(&daemon);
    assert_eq!(peer.ask("AUTH nonsense").split(' ').next(), Some("-WRONGPASS"));
    assert_eq!(peer.ask("AUTH default sesame"), "+OK\r\n");
}
