//! SORT and SORT_RO: the elements of a list, a set or a sorted set in an order that their own text, or the
//! values of other keys, give them.
//!
//! Keys that are reached through patterns are not known before the elements are: such a call holds the
//! whole store, so that all it reads is of one moment. It lets go as soon as it has read what it needs.

mod order;
mod pattern;

use super::table::{Arity, Begin, CommandSpec, Find, Flag, Hidden, KeySpec, KeyUse};
use super::{Args, CommandError, CommandResult, Ctx, Done, dispatch, lookup};
use crate::acl::Access;
use crate::resp::Argv;
use crate::store::value::list::{End, List};
use crate::store::value::set::Set;
use crate::store::{Collection, Event, Kind, Owned};
use bytes::Bytes;
use order::Order;
use pattern::Pattern;
use std::ops::Range;

const COMPLEXITY: &str = "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the \
    number of returned elements. When the elements are not sorted, complexity is O(N).";

/// For what BY and GET reach.
const PATTERNS: KeySpec =
    KeySpec { begin: Begin::Unknown(Hidden::Patterns), find: Find::Unknown, usage: KeyUse::Read };

const SORT: CommandSpec = CommandSpec {
    arity: Arity::AtLeast(2),
    acl: &["set", "sortedset", "list", "dangerous"],
    complexity: COMPLEXITY,
    ..CommandSpec::BASE
};

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "sort",
        flags: &[Flag::Write, Flag::DenyOom, Flag::MovableKeys],
        keys: &[
            KeySpec::one(1, KeyUse::Read),
            PATTERNS,
            KeySpec {
                begin: Begin::Unknown(Hidden::SortStore),
                find: Find::Unknown,
                usage: KeyUse::Overwrite,
            },
        ],
        summary: "Sorts the elements in a list, a set, or a sorted set, optionally storing the result.",
        run: |ctx, args| sort(ctx, args, true),
        ..SORT
    },
    CommandSpec {
        name: "sort_ro",
        flags: &[Flag::ReadOnly, Flag::MovableKeys],
        keys: &[KeySpec::one(1, KeyUse::Read), PATTERNS],
        since: "7.0.0",
        summary: "Returns the sorted elements of a list, a set, or a sorted set.",
        run: |ctx, args| sort(ctx, args, false),
        ..SORT
    },
];

#[derive(Debug)]
struct Options<'a> {
    order: Order,
    /// `BY` a pattern without `*`: as they lie.
    unsorted: bool,
    by: Option<Pattern<'a>>,
    get: Vec<Pattern<'a>>,
    offset: i64,
    count: i64,
    store: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    fn parse(ctx: &Ctx<'_>, args: &mut Args<'a>, may_store: bool) -> Result<Options<'a>, CommandError> {
        let argv = args.argv();
        let mut options = Options {
            order: Order::default(),
            unsorted: false,
            by: None,
            get: Vec::new(),
            offset: 0,
            count: -1,
            store: None,
        };
        while !args.is_empty() {
            let more = args.len() - 1;
            if args.accept("ASC") {
                options.order.descending = false;
            } else if args.accept("DESC") {
                options.order.descending = true;
            } else if args.accept("ALPHA") {
                options.order.by_text = true;
            } else if more >= 2 && args.accept("LIMIT") {
                (options.offset, options.count) = (args.int()?, args.int()?);
            } else if may_store && more >= 1 && args.accept("STORE") {
                options.store = Some(args.key()?);
            } else if more >= 1 && args.accept("BY") {
                let pattern = Pattern::new(args.bytes()?);
                if pattern.is_variable() {
                    check_access(ctx, argv, "BY")?;
                } else {
                    options.unsorted = true;
                }
                options.by = Some(pattern);
            } else if more >= 1 && args.accept("GET") {
                check_access(ctx, argv, "GET")?;
                options.get.push(Pattern::new(args.bytes()?));
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }

    /// What is to be shown of so many elements.
    fn range(&self, len: usize) -> Range<usize> {
        let start = usize::try_from(self.offset).unwrap_or(0).min(len);
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        start..start.saturating_add(count).min(len)
    }
}

/// Patterns may lead to any key: only who may read them all may use them.
fn check_access(ctx: &Ctx<'_>, argv: Argv<'_>, option: &str) -> Result<(), CommandError> {
    let command = dispatch::resolve(argv)?;
    if ctx.state.login.user().may_run_on_every_key(command, argv, Access::READ) {
        return Ok(());
    }
    Err(CommandError::other(format!(
        "ERR {option} option of SORT denied due to insufficient ACL permissions."
    )))
}

/// `SORT key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC|DESC] [ALPHA] [STORE destination]`
fn sort(ctx: &mut Ctx<'_>, args: &mut Args<'_>, may_store: bool) -> CommandResult {
    let key = args.key()?;
    let mut options = Options::parse(ctx, args, may_store)?;
    let (kind, mut elements) = elements(ctx, key)?;
    if options.unsorted && kind == Some(Kind::Set) && options.store.is_some() {
        // A stored result must not depend on how a set happens to lie in memory.
        options.order.by_text = true;
        (options.unsorted, options.by) = (false, None);
    }
    let range = options.range(elements.len());
    if options.unsorted {
        if options.order.descending && kind != Some(Kind::Set) {
            elements.reverse();
        }
    } else {
        let weigh =
            |pattern: &Pattern<'_>| elements.iter().map(|element| pattern.look_up(ctx, element)).collect();
        let weights: Option<Vec<_>> = options.by.as_ref().map(weigh);
        if options.get.iter().all(|pattern| !pattern.is_variable()) && options.store.is_none() {
            ctx.db.release_early();
        }
        elements = order::sort(elements, weights, options.order)?;
    }
    elements = elements.drain(range).collect();
    match options.store {
        None => {
            reply(ctx, &elements, &options.get);
            Ok(Done)
        }
        Some(target) => store(ctx, target, &elements, &options.get),
    }
}

/// The type of a key and its elements as they lie, a sorted set's in order.
fn elements(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<(Option<Kind>, Vec<Bytes>), CommandError> {
    let mut entry = ctx.db.entry(key);
    let Some(kind) = lookup::read(ctx.counters, &mut entry).map(|item| item.kind()) else {
        return Ok((None, Vec::new()));
    };
    let mut elements = Vec::new();
    let mut buffer = itoa::Buffer::new();
    match kind {
        Kind::List => {
            let list = entry.collection::<List>()?;
            elements.extend(
                list.into_iter().flat_map(|list| list.iter(End::Head)).map(|element| element.to_bytes()),
            );
        }
        Kind::Set => {
            for member in entry.collection::<Set>()?.into_iter().flat_map(Set::iter) {
                elements.push(Bytes::copy_from_slice(member.text(&mut buffer)));
            }
        }
        Kind::String | Kind::SortedSet | Kind::Hash | Kind::Stream => return Err(CommandError::WrongType),
    }
    Ok((Some(kind), elements))
}

fn reply(ctx: &mut Ctx<'_>, elements: &[Bytes], get: &[Pattern<'_>]) {
    ctx.reply.array(elements.len() * get.len().max(1));
    for element in elements {
        if get.is_empty() {
            ctx.reply.bulk(element);
        }
        for pattern in get {
            match pattern.look_up(ctx, element) {
                Some(value) => ctx.reply.bulk(&value),
                None => ctx.reply.nil(),
            }
        }
    }
}

/// Stores a list. What GET does not find is an empty string there.
fn store(ctx: &mut Ctx<'_>, target: &[u8], elements: &[Bytes], get: &[Pattern<'_>]) -> CommandResult {
    let limit = super::list::node_limit(&ctx.daemon.config);
    let found: Vec<Bytes> = elements
        .iter()
        .flat_map(|element| get.iter().map(move |pattern| (pattern, element)))
        .map(|(pattern, element)| pattern.look_up(ctx, element).unwrap_or_default())
        .collect();
    let values = if get.is_empty() { elements } else { &found };
    let mut list = List::default();
    list.push(End::Tail, values.iter().map(|value| &**value), limit);
    let len = list.len();
    let mut entry = ctx.db.entry(target);
    if list.is_empty() {
        entry.delete(Event::Del);
    } else {
        entry.insert(Owned::object(list), Event::SortStore)?;
    }
    drop(entry);
    ctx.reply.int(len);
    Ok(Done)
}
