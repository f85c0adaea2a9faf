//! The ACL categories of commands, for `COMMAND`, `ACL CAT` and the rules of users.

use super::table::{CommandSpec, Flag};

/// All categories, in Redis' order.
pub const CATEGORIES: &[&str] = &[
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

/// The ACL categories of a command: those it names, and those that follow from its flags.
pub fn categories(spec: &CommandSpec) -> Vec<&'static str> {
    let follows = |name: &str| match name {
        "write" => spec.has(Flag::Write),
        "read" => spec.has(Flag::ReadOnly) && !spec.acl.contains(&"scripting"),
        "admin" | "dangerous" => spec.has(Flag::Admin),
        "pubsub" => spec.has(Flag::PubSub),
        "fast" => spec.has(Flag::Fast),
        "slow" => !spec.has(Flag::Fast),
        "blocking" => spec.has(Flag::Blocking),
        _ => false,
    };
    let has = |name: &&&'static str| spec.acl.contains(*name) || follows(name);
    CATEGORIES.iter().filter(has).copied().collect()
}
