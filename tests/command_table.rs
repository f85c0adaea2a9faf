//! The command table beside the real server's `COMMAND`, and its own rules.

mod support;

use magpie::commands::table::{CommandSpec, Flag, TABLE};
use std::collections::{BTreeMap, BTreeSet};
use support::real_redis::{Parsed, RealRedis};
use support::{Resp, daemon};

/// Where our word for a command differs from that of Redis 7.0 on purpose: (command, fact, reason).
const DIFFERENT: &[(&str, &str, &str)] = &[
    ("*", "summary", "7.2 wrote all of them anew"),
    ("quit", "deprecated_since", "deprecated by 7.2"),
    ("quit", "replaced_by", "deprecated by 7.2"),
    ("setex", "deprecated_since", "7.2 says so"),
    ("setex", "replaced_by", "7.2 says so"),
    ("psetex", "deprecated_since", "7.2 says so"),
    ("psetex", "replaced_by", "7.2 says so"),
    ("setnx", "deprecated_since", "7.2 says so"),
    ("setnx", "replaced_by", "7.2 says so"),
    ("zrank", "arity", "WITHSCORE came with 7.2"),
    ("zrevrank", "arity", "WITHSCORE came with 7.2"),
    ("acl|deluser", "tips", "7.2 has some"),
    ("acl|save", "tips", "7.2 has some"),
    ("acl|setuser", "tips", "7.2 has some"),
    ("psubscribe", "complexity", "7.2 says so"),
    ("punsubscribe", "complexity", "7.2 says so"),
    ("unsubscribe", "complexity", "7.2 says so"),
    ("sunsubscribe", "complexity", "7.2 says so"),
    ("blpop", "flags", "7.2 lets scripts call it"),
    ("brpop", "flags", "7.2 lets scripts call it"),
    ("blmove", "flags", "7.2 lets scripts call it"),
    ("brpoplpush", "flags", "7.2 lets scripts call it"),
    ("*", "arguments", "DOCS tells no arguments"),
    ("*", "history", "DOCS tells no history"),
    ("*", "notes", "key specifications have no notes"),
];

fn is_known(command: &str, fact: &str) -> bool {
    DIFFERENT.iter().any(|(of, what, _)| (*of == "*" || *of == command) && *what == fact)
}

fn text(parsed: &Parsed) -> String {
    match parsed {
        Parsed::Leaf(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            let text = text.strip_suffix("\r\n").unwrap_or(&text);
            let text = if text.starts_with('$') {
                text.split_once("\r\n").map_or("", |(_, text)| text)
            } else {
                &text[1..]
            };
            text.to_owned()
        }
        Parsed::Many(_, items) => format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(" ")),
    }
}

fn items(parsed: &Parsed) -> &[Parsed] {
    match parsed {
        Parsed::Many(_, items) => items,
        Parsed::Leaf(_) => &[],
    }
}

fn pairs(parsed: &Parsed) -> BTreeMap<String, Parsed> {
    items(parsed).chunks(2).map(|pair| (text(&pair[0]), pair[1].clone())).collect()
}

/// A key specification, its map written out in order and without notes.
fn key_spec(parsed: &Parsed) -> String {
    let fields = pairs(parsed);
    let shown = fields.iter().filter(|(name, _)| *name != "notes").map(|(name, value)| match name.as_str() {
        "flags" => format!("{name}={}", text(&value.clone().sorted())),
        _ => format!("{name}={}", text(value)),
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// Facts of a command, and of its subcommands, by full name.
fn facts(info: &Parsed, into: &mut BTreeMap<String, BTreeMap<&'static str, String>>) {
    let fields = items(info);
    let sorted = |at: usize| text(&fields[at].clone().sorted());
    let keys: Vec<String> = items(&fields[8]).iter().map(key_spec).collect();
    let facts_here = BTreeMap::from([
        ("arity", text(&fields[1])),
        ("flags", sorted(2)),
        ("first key", text(&fields[3])),
        ("last key", text(&fields[4])),
        ("step", text(&fields[5])),
        ("categories", sorted(6)),
        ("tips", sorted(7)),
        ("keys", keys.join("; ")),
    ]);
    into.insert(text(&fields[0]), facts_here);
    for sub in items(&fields[9]) {
        facts(sub, into);
    }
}

fn docs(docs: &Parsed, into: &mut BTreeMap<String, BTreeMap<String, String>>) {
    for (name, fields) in pairs(docs) {
        let mut fields = pairs(&fields);
        if let Some(subs) = fields.remove("subcommands") {
            self::docs(&subs, into);
        }
        into.insert(name, fields.iter().map(|(name, value)| (name.clone(), text(value))).collect());
    }
}

#[test]
fn redis_says_the_same_of_the_same_commands() {
    let Some(redis) = RealRedis::start("command-table", &[]) else { return };
    let (daemon, mut theirs) = (daemon(&[]), redis.connect());
    let mut ours = Resp::connect(&daemon);
    let (mut our_facts, mut their_facts) = (BTreeMap::new(), BTreeMap::new());
    items(&Parsed::whole(&ours.call(&[b"COMMAND"]))).iter().for_each(|info| facts(info, &mut our_facts));
    items(&Parsed::whole(&theirs.call(&[b"COMMAND"]))).iter().for_each(|info| facts(info, &mut their_facts));
    let (mut our_docs, mut their_docs) = (BTreeMap::new(), BTreeMap::new());
    docs(&Parsed::whole(&ours.call(&[b"COMMAND", b"DOCS"])), &mut our_docs);
    docs(&Parsed::whole(&theirs.call(&[b"COMMAND", b"DOCS"])), &mut their_docs);
    assert_eq!(our_facts.len(), our_docs.len());
    let mut differences = Vec::new();
    for (command, ours) in &our_facts {
        // What came after 7.0 is not to be compared.
        let Some(theirs) = their_facts.get(command) else { continue };
        for (fact, ours) in ours {
            let theirs = &theirs[fact];
            if ours != theirs && !is_known(command, fact) {
                differences.push(format!("{command}, {fact}: {ours}, theirs {theirs}"));
            }
        }
        let (ours, theirs) = (&our_docs[command], &their_docs[command]);
        let named: BTreeSet<&String> =
            ours.keys().chain(theirs.keys()).filter(|name| *name != "doc_flags").collect();
        for fact in named {
            if ours.get(fact) != theirs.get(fact) && !is_known(command, fact) {
                differences.push(format!(
                    "{command}, {fact}: {:?}, theirs {:?}",
                    ours.get(fact),
                    theirs.get(fact)
                ));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    let compared = our_facts.keys().filter(|name| their_facts.contains_key(*name)).count();
    println!("{compared} of our {} commands and subcommands were compared", our_facts.len());
}

fn each(specs: &[&CommandSpec], check: &mut dyn FnMut(&CommandSpec)) {
    for spec in specs {
        check(spec);
        each(&spec.subcommands.iter().collect::<Vec<_>>(), check);
    }
}

#[test]
fn the_table_keeps_its_rules() {
    let specs: Vec<&CommandSpec> = TABLE.all().iter().map(|command| command.spec).collect();
    each(&specs, &mut |spec| {
        let name = spec.name;
        assert!(
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || b"-_".contains(&byte))
        );
        assert!(!spec.summary.is_empty() && !spec.group.is_empty(), "{name} has no summary");
        assert!(!(spec.has(Flag::Write) && spec.has(Flag::ReadOnly)), "{name}");
        assert!(
            spec.key_specs().next().is_none()
                || spec.has(Flag::Write)
                || spec.has(Flag::ReadOnly)
                || spec.needs_vm
                || name == "watch",
            "{name}"
        );
        let names: BTreeSet<&str> = spec.subcommands.iter().map(|sub| sub.name).collect();
        assert_eq!(names.len(), spec.subcommands.len(), "{name} has a subcommand twice");
    });
    assert!(TABLE.numbers() <= magpie::observe::commands::MOST, "make room for more commands' counters");
    let numbers: BTreeSet<&str> = (0..TABLE.numbers()).filter_map(|number| TABLE.name_of(number)).collect();
    assert_eq!(numbers.len(), TABLE.numbers());
}
