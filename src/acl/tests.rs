use super::*;
use crate::commands::table::TABLE;
use crate::resp::Argv;
use proptest::prelude::*;

/// A user on which these rules, apart by blanks, were applied.
fn user(rules: &str) -> User {
    let mut user = User::new(b"bob", 1, false);
    let words: Vec<&[u8]> = rules.split(' ').map(str::as_bytes).collect();
    user.apply_all(&words, false)
        .unwrap_or_else(|error| panic!("{}", String::from_utf8_lossy(&error.text())));
    user
}

fn shown(user: &User) -> String {
    String::from_utf8(user.describe()).expect("text")
}

fn error(rules: &str) -> RuleError {
    let words: Vec<&[u8]> = rules.split(' ').map(str::as_bytes).collect();
    match User::new(b"bob", 1, false).apply_all(&words, false) {
        Err(SetUserError::Rule { error, .. }) => error,
        other => panic!("{rules}: {other:?}"),
    }
}

/// May it run this request? `None`: yes.
fn denied(user: &User, request: &str) -> Option<(Reason, usize)> {
    let (mut bytes, mut ranges) = (Vec::new(), Vec::new());
    for word in request.split(' ') {
        let from = bytes.len() as u32;
        bytes.extend_from_slice(word.as_bytes());
        ranges.push((from, bytes.len() as u32));
    }
    let argv = Argv::new(&bytes, &ranges);
    let command = TABLE.find(&bytes[..ranges[0].1 as usize]).expect("a command");
    let sub = argv.get(1).and_then(|sub| {
        command.subcommands.iter().find(|known| known.spec.name.as_bytes().eq_ignore_ascii_case(sub))
    });
    user.may_run(sub.unwrap_or(command), argv).err().map(|denied| (denied.reason, denied.at))
}

#[test]
fn a_user_is_shown_as_redis_shows_it() {
    for (rules, expected) in [
        ("", "off sanitize-payload resetchannels -@all"),
        ("on nopass allkeys allchannels +@all", "on nopass sanitize-payload ~* &* +@all"),
        (
            "skip-sanitize-payload ~a %R~b %wr~c %W~d &x &y",
            "off skip-sanitize-payload ~a %R~b ~c %W~d resetchannels &x &y -@all",
        ),
        ("%R~a %W~a", "off sanitize-payload ~a resetchannels -@all"),
        ("+GET +@READ -get", "off sanitize-payload resetchannels -@all +@read -get"),
        ("+config|get +config", "off sanitize-payload resetchannels -@all +config"),
        ("+config -config|set", "off sanitize-payload resetchannels -@all +config -config|set"),
        ("+select|0 +select|1", "off sanitize-payload resetchannels -@all +select|0 +select|1"),
        ("+@all -@dangerous +get", "off sanitize-payload resetchannels +@all -@dangerous +get"),
        ("+get allcommands", "off sanitize-payload resetchannels +@all"),
        (
            "(~a +get) on (&c -@all) reset (%R~b +@read)",
            "off sanitize-payload resetchannels -@all (%R~b resetchannels -@all +@read)",
        ),
        ("(~a) clearselectors", "off sanitize-payload resetchannels -@all"),
    ] {
        assert_eq!(shown(&user(rules)), format!("user bob {expected}"), "{rules}");
    }
    assert_eq!(
        shown(&user(">password >password >other <other on")),
        "user bob on sanitize-payload #5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8 \
         resetchannels -@all"
    );
}

#[test]
fn mistakes_have_their_names() {
    for (rules, expected) in [
        ("nonsense", RuleError::Syntax),
        ("+nope", RuleError::Unknown),
        ("-nope", RuleError::Unknown),
        ("+@nope", RuleError::Unknown),
        ("-@", RuleError::Unknown),
        ("+config|nope", RuleError::Unknown),
        ("-select|0", RuleError::Unknown),
        ("+select|", RuleError::Syntax),
        ("+select|0\t1", RuleError::Syntax),
        ("+config|get|x", RuleError::FirstArgOfSubcommand),
        ("~* ~a", RuleError::AfterAllKeys),
        ("allkeys %R~a", RuleError::AfterAllKeys),
        ("&* &a", RuleError::AfterAllChannels),
        ("%~a", RuleError::Syntax),
        ("%X~a", RuleError::Syntax),
        ("%RR~a", RuleError::Syntax),
        ("~a\tb", RuleError::Syntax),
        ("&a\tb", RuleError::Syntax),
        ("<none", RuleError::NoSuchPassword),
        ("#abc", RuleError::BadHash),
        ("!abc", RuleError::BadHash),
        ("(on)", RuleError::Syntax),
        ("((~a))", RuleError::Syntax),
        (")", RuleError::Syntax),
    ] {
        assert_eq!(error(rules), expected, "{rules}");
    }
}

#[test]
fn a_command_needs_its_bit_and_its_keys() {
    let bob = user("+get +set +mset +config|get +select|0 ~a* %R~r* %W~w*");
    for (request, expected) in [
        ("GET a", None),
        ("GET r", None),
        ("GET w", Some((Reason::Key, 1))),
        ("SET w 1", None),
        ("SET w 1 GET", Some((Reason::Key, 1))),
        ("SET r 1", Some((Reason::Key, 1))),
        ("MSET a 1 x 1", Some((Reason::Key, 3))),
        ("DEL a", Some((Reason::Command, 0))),
        ("CONFIG GET x", None),
        ("CONFIG SET x y", Some((Reason::Command, 0))),
        ("SELECT 0", None),
        ("SELECT 1", Some((Reason::Command, 0))),
        ("AUTH x", None),
    ] {
        assert_eq!(denied(&bob, request), expected, "{request}");
    }
}

#[test]
fn a_selector_is_another_way_in() {
    let bob = user("+get ~a (+set ~b) (+@all %R~c)");
    for (request, expected) in [
        ("GET a", None),
        ("SET b 1", None),
        ("SET a 1", Some((Reason::Key, 1))),
        ("GET c", None),
        ("SET c 1", Some((Reason::Key, 1))),
        ("DBSIZE", None),
    ] {
        assert_eq!(denied(&bob, request), expected, "{request}");
    }
    assert!(bob.may_access_key(b"c", Access::READ) && !bob.may_access_key(b"c", Access::WRITE));
}

#[test]
fn channels_are_matched_and_patterns_compared() {
    let bob = user("&a* &b");
    assert!(bob.may_access_channel(b"abc", false) && !bob.may_access_channel(b"abc", true));
    assert!(bob.may_access_channel(b"a*", true) && !bob.may_access_channel(b"c", false));
}

#[test]
fn a_deleted_user_is_gone_even_when_one_of_its_name_comes() {
    let acl = Acl::new("");
    acl.set_user(b"bob", &[b"on", b">x"], false).expect("rules");
    let mut login = Login::new(&acl);
    login.become_user(acl.authenticate(b"bob", b"x").expect("the password"));
    acl.set_user(b"bob", &[b"+@all", b"~*", b"&*"], false).expect("rules");
    assert!(!login.is_unrestricted());
    login.refresh(&acl).expect("there");
    assert!(login.is_unrestricted());
    assert_eq!(acl.delete([&b"bob"[..], b"default", b"nobody"].into_iter()), [login.user().id()]);
    acl.set_user(b"bob", &[], false).expect("rules");
    login.refresh(&acl).expect_err("another bob");
}

#[test]
fn a_password_closes_the_default_user() {
    let acl = Acl::new("");
    let early = Login::new(&acl);
    acl.set_default_password("x");
    let late = Login::new(&acl);
    assert!(!early.is_stranger(&acl) && late.is_stranger(&acl));
    assert!(acl.authenticate(b"default", b"y").is_none() && acl.authenticate(b"default", b"x").is_some());
    acl.set_default_password("");
    assert!(!late.is_stranger(&acl) && acl.authenticate(b"default", b"whatever").is_some());
    acl.set_user(b"default", &[b"off"], false).expect("rules");
    assert!(late.is_stranger(&acl) && acl.authenticate(b"default", b"x").is_none());
}

#[test]
fn a_bad_rule_changes_nothing() {
    let acl = Acl::new("");
    let before = acl.render();
    acl.set_user(b"default", &[b"off", b"+nope"], false).expect_err("no command");
    acl.set_user(b"bob", &[b"nonsense"], false).expect_err("no rule");
    acl.configure(&[vec!["a".into(), "on".into()], vec!["a".into()]], false).expect_err("twice");
    assert_eq!(acl.render(), before);
}

/// A rule that makes sense most of the time.
fn rule() -> impl Strategy<Value = String> {
    let command = prop::sample::select(vec![
        "get",
        "set",
        "config",
        "config|get",
        "select",
        "client|list",
        "acl",
        "eval",
    ]);
    let category = prop::sample::select(vec![
        "read",
        "write",
        "admin",
        "slow",
        "fast",
        "connection",
        "string",
        "dangerous",
    ]);
    prop_oneof![
        3 => ("[+-]", command).prop_map(|(sign, name)| sign + name),
        3 => ("[+-]", category).prop_map(|(sign, name)| format!("{sign}@{name}")),
        1 => prop::sample::select(vec![
            "+@all", "-@all", "allkeys", "resetkeys", "allchannels", "resetchannels", "+select|0", "+get|x",
        ]).prop_map(str::to_owned),
        2 => "(~|%R~|%W~|%RW~|&)[a-c*?]{1,3}",
    ]
}

fn rules() -> impl Strategy<Value = Vec<String>> {
    let flag = prop::sample::select(vec![
        "on",
        "off",
        "nopass",
        "resetpass",
        "sanitize-payload",
        "skip-sanitize-payload",
        "clearselectors",
        "reset",
        ">a",
        ">b",
        "<a",
    ]);
    let one = prop_oneof![
        6 => rule(),
        2 => flag.prop_map(str::to_owned),
        1 => prop::collection::vec(rule(), 0..5).prop_map(|rules| format!("({})", rules.join(" "))),
    ];
    prop::collection::vec(one, 0..20)
}

proptest! {
    /// What a user is shown as makes the same user again.
    #[test]
    fn what_is_shown_is_read_back(rules in rules()) {
        let mut one = User::new(b"bob", 1, false);
        for rule in &rules {
            // Patterns behind a `*` are refused; the rest goes on.
            let _ = one.apply(rule.as_bytes(), false);
        }
        let text = shown(&one);
        let mut other = User::new(b"bob", 1, false);
        let words: Vec<&[u8]> = text.split(' ').skip(2).map(str::as_bytes).collect();
        other.apply_all(&words, false).map_err(|error| TestCaseError::fail(format!("{text}: {error:?}")))?;
        prop_assert_eq!(&shown(&other), &text);
        let same = one.selectors().zip(other.selectors()).all(|(a, b)| a.allows_as(b));
        prop_assert!(same && one.selectors().count() == other.selectors().count(), "{}", text);
    }

    #[test]
    fn no_rule_panics(words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 0..6)) {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let _ = User::new(b"bob", 1, false).apply_all(&words, false);
    }
}
