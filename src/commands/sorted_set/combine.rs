//! Several sorted sets together, sets among them (whose members count as of score 1): union, intersection,
//! difference.
//!
//! Only one key is looked at at a time, though all are held. What is copied is never more than the result or
//! the smallest set of an intersection. Scores are added up from the smallest set to the largest, as in Redis:
//! with doubles the order counts.

use super::{
    Args, Collection, CommandError, CommandResult, Ctx, Done, Member, SortedSet, limits, reply_len,
    reply_member, store,
};
use crate::commands::lookup;
use crate::resp::Argv;
use crate::store::Event;
use crate::store::value::members::Members;
use crate::store::value::sorted_set::Scored;
use crate::store::value::text::Text;
use crate::store::value::{Object, Set, Stored};

/// A set of either type.
#[derive(Clone, Copy)]
enum Source<'s> {
    Set(&'s Set),
    Sorted(&'s SortedSet),
}

impl<'s> Source<'s> {
    fn of(object: &'s Object) -> Option<Source<'s>> {
        SortedSet::of(object).map(Source::Sorted).or_else(|| Set::of(object).map(Source::Set))
    }

    fn len(self) -> usize {
        match self {
            Source::Set(set) => set.len(),
            Source::Sorted(set) => set.len(),
        }
    }

    fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Source::Set(set) => set.contains(member).then_some(1.0),
            Source::Sorted(set) => set.score(member),
        }
    }

    fn iter(self) -> Box<dyn Iterator<Item = (Member<'s>, f64)> + 's> {
        match self {
            Source::Set(set) => Box::new(set.iter().map(|member| (member, 1.0))),
            Source::Sorted(set) => Box::new(set.iter()),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

#[derive(Clone, Copy)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Aggregate::Sum => number(a + b),
            Aggregate::Min => {
                if b < a {
                    b
                } else {
                    a
                }
            }
            Aggregate::Max => {
                if b > a {
                    b
                } else {
                    a
                }
            }
        }
    }
}

/// Infinity less infinity, and infinity times nothing, are nothing here.
fn number(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

struct Input<'a> {
    key: &'a [u8],
    len: usize,
    weight: f64,
}

/// What is asked for.
struct Query<'a> {
    /// From the smallest to the largest, unless it is a difference.
    inputs: Vec<Input<'a>>,
    aggregate: Aggregate,
    with_scores: bool,
    limit: usize,
}

/// What the command is for, beside the operation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Members,
    Stored,
    Count,
}

impl<'a> Query<'a> {
    /// Reads `numkeys key [key ...]` and options. Redis looks at the keys before it reads the options.
    fn parse(
        ctx: &mut Ctx<'_>,
        args: &mut Args<'a>,
        name: &str,
        operation: Operation,
        answer: Answer,
    ) -> Result<Query<'a>, CommandError> {
        let count = args.int()?;
        if count < 1 {
            return Err(CommandError::other(format!(
                "ERR at least 1 input key is needed for '{name}' command"
            )));
        }
        let count = usize::try_from(count).ok().filter(|&count| count <= args.len());
        let keys = args.take(count.ok_or(CommandError::Syntax)?).rest();
        let inputs = inputs(ctx, keys)?;
        let mut query = Query { inputs, aggregate: Aggregate::Sum, with_scores: false, limit: usize::MAX };
        let weighs = operation != Operation::Difference && answer != Answer::Count;
        while !args.is_empty() {
            if weighs && args.len() > keys.len() && args.accept("WEIGHTS") {
                for input in &mut query.inputs {
                    let error = |_| CommandError::other("ERR weight value is not a float");
                    input.weight = args.float().map_err(error)?;
                }
            } else if weighs && args.len() >= 2 && args.accept("AGGREGATE") {
                let words = [("SUM", Aggregate::Sum), ("MIN", Aggregate::Min), ("MAX", Aggregate::Max)];
                query.aggregate = args.one_of(&words).ok_or(CommandError::Syntax)?;
            } else if answer == Answer::Members && args.accept("WITHSCORES") {
                query.with_scores = true;
            } else if answer == Answer::Count && args.len() >= 2 && args.accept("LIMIT") {
                let limit = args.positive(CommandError::other("ERR LIMIT can't be negative"))?;
                query.limit = if limit == 0 { usize::MAX } else { limit };
            } else {
                return Err(CommandError::Syntax);
            }
        }
        if operation != Operation::Difference {
            query.inputs.sort_by_key(|input| input.len);
        }
        Ok(query)
    }

    fn combine(&self, ctx: &mut Ctx<'_>, operation: Operation) -> Vec<(Text, f64)> {
        match operation {
            Operation::Union => self.union(ctx),
            Operation::Intersection => self.intersection(ctx),
            Operation::Difference => self.difference(ctx),
        }
    }

    /// The members of an input and their weighed scores, `most` of them.
    fn copy(&self, ctx: &mut Ctx<'_>, at: usize, most: usize) -> Vec<(Text, f64)> {
        let Some(input) = self.inputs.get(at) else { return Vec::new() };
        let mut buffer = itoa::Buffer::new();
        let mut copy = |(member, score): (Member<'_>, f64)| {
            (Text::new(member.text(&mut buffer)), number(score * input.weight))
        };
        with(ctx, input.key, |set| set.iter().take(most).map(&mut copy).collect()).unwrap_or_default()
    }

    fn union(&self, ctx: &mut Ctx<'_>) -> Vec<(Text, f64)> {
        if self.inputs.len() == 1 {
            return self.copy(ctx, 0, usize::MAX);
        }
        let (mut union, mut buffer) = (Members::<Scored>::default(), itoa::Buffer::new());
        for input in self.inputs.iter().filter(|input| input.len > 0) {
            with(ctx, input.key, |set| {
                for (member, score) in set.iter() {
                    let (name, score) = (member.text(&mut buffer), number(score * input.weight));
                    match union.find(name) {
                        Some(place) => {
                            union.change(place, |old| old.score = self.aggregate.of(old.score, score))
                        }
                        None => union.insert(Scored { name: Text::new(name), score }),
                    }
                }
            });
        }
        union.into_records().map(|record| (record.name, record.score)).collect()
    }

    /// `O(smallest × inputs)`
    fn intersection(&self, ctx: &mut Ctx<'_>) -> Vec<(Text, f64)> {
        if self.inputs.iter().any(|input| input.len == 0) {
            return Vec::new();
        }
        // The limit counts where members come out of the last set.
        let limit_at = |at: usize| if at + 1 == self.inputs.len() { self.limit } else { usize::MAX };
        let mut members = self.copy(ctx, 0, limit_at(0));
        for (at, input) in self.inputs.iter().enumerate().skip(1) {
            let mut left = limit_at(at);
            with(ctx, input.key, |set| {
                members.retain_mut(|(member, score)| {
                    let Some(other) = set.score(member.as_bytes()).filter(|_| left > 0) else { return false };
                    *score = self.aggregate.of(*score, other * input.weight);
                    left -= 1;
                    true
                });
            });
        }
        members
    }

    fn difference(&self, ctx: &mut Ctx<'_>) -> Vec<(Text, f64)> {
        let mut members = self.copy(ctx, 0, usize::MAX);
        for input in self.inputs.iter().skip(1).filter(|input| input.len > 0) {
            with(ctx, input.key, |set| members.retain(|(member, _)| set.score(member.as_bytes()).is_none()));
            if members.is_empty() {
                break;
            }
        }
        members
    }
}

/// Shows the set at a key, which is known to be of no other type.
fn with<T>(ctx: &mut Ctx<'_>, key: &[u8], look: impl FnOnce(Source<'_>) -> T) -> Option<T> {
    let entry = ctx.db.entry(key);
    let item = entry.item()?;
    item.object().as_deref().and_then(Source::of).map(look)
}

/// # Errors
/// `WrongType`: one of the keys holds neither a sorted set nor a set.
fn inputs<'a>(ctx: &mut Ctx<'_>, keys: Argv<'a>) -> Result<Vec<Input<'a>>, CommandError> {
    let input = |key| {
        let mut entry = ctx.db.entry(key);
        let len = match lookup::read(ctx.counters, &mut entry) {
            None => 0,
            Some(item) => item.object().as_deref().and_then(Source::of).ok_or(CommandError::WrongType)?.len(),
        };
        Ok(Input { key, len, weight: 1.0 })
    };
    keys.iter().map(input).collect()
}

/// In the order of a sorted set.
fn sorted(mut members: Vec<(Text, f64)>) -> Vec<(Text, f64)> {
    members.sort_unstable_by(|(a, a_score), (b, b_score)| {
        let by_score = a_score.partial_cmp(b_score).unwrap_or(std::cmp::Ordering::Equal);
        by_score.then_with(|| a.as_bytes().cmp(b.as_bytes()))
    });
    members
}

fn answer(ctx: &mut Ctx<'_>, args: &mut Args<'_>, name: &str, operation: Operation) -> CommandResult {
    let query = Query::parse(ctx, args, name, operation, Answer::Members)?;
    let members = sorted(query.combine(ctx, operation));
    reply_len(&mut ctx.reply, members.len(), query.with_scores);
    for (member, score) in &members {
        reply_member(&mut ctx.reply, member.as_bytes(), query.with_scores.then_some(*score));
    }
    Ok(Done)
}

fn answer_stored(
    ctx: &mut Ctx<'_>,
    args: &mut Args<'_>,
    name: &str,
    operation: Operation,
    event: Event,
) -> CommandResult {
    let destination = args.key()?;
    let query = Query::parse(ctx, args, name, operation, Answer::Stored)?;
    let members = sorted(query.combine(ctx, operation));
    let (mut set, limits) = (SortedSet::default(), limits(&ctx.daemon.config));
    let longest = members.iter().map(|(member, _)| member.as_bytes().len()).max();
    set.expect(members.len(), longest.unwrap_or(0), &limits);
    for (member, score) in &members {
        set.insert(member.as_bytes(), *score, &limits);
    }
    store(ctx, destination, set, event)
}

/// `ZUNION numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE SUM|MIN|MAX] [WITHSCORES]`
pub(super) fn zunion(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    answer(ctx, args, "zunion", Operation::Union)
}

/// `ZINTER numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE SUM|MIN|MAX] [WITHSCORES]`
pub(super) fn zinter(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    answer(ctx, args, "zinter", Operation::Intersection)
}

/// `ZDIFF numkeys key [key ...] [WITHSCORES]`
pub(super) fn zdiff(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    answer(ctx, args, "zdiff", Operation::Difference)
}

/// `ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE SUM|MIN|MAX]`
pub(super) fn zunionstore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    answer_stored(ctx, args, "zunionstore", Operation::Union, Event::ZUnionStore)
}

/// `ZINTERSTORE destination numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE SUM|MIN|MAX]`
pub(super) fn zinterstore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    answer_stored(ctx, args, "zinterstore", Operation::Intersection, Event::ZInterStore)
}

/// `ZDIFFSTORE destination numkeys key [key ...]`
pub(super) fn zdiffstore(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    answer_stored(ctx, args, "zdiffstore", Operation::Difference, Event::ZDiffStore)
}

/// `ZINTERCARD numkeys key [key ...] [LIMIT limit]`
pub(super) fn zintercard(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let query = Query::parse(ctx, args, "zintercard", Operation::Intersection, Answer::Count)?;
    let count = query.intersection(ctx).len();
    ctx.reply.int(count);
    Ok(Done)
}
