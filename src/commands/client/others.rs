//! What one client sees of others and may do to them: `CLIENT LIST`, `KILL`, `PAUSE`, `UNBLOCK`. Clients of
//! the memcached listener are not among them: `stats conns` lists those.

use crate::acl::Acl;
use crate::clients::{Client, Unblock, Wire};
use crate::clock::Millis;
use crate::commands::args::parse_int;
use crate::commands::table::{TABLE, wrong_subcommand};
use crate::commands::{Args, CommandError, CommandResult, Ctx, Done, Outcome, blocking};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// A class of clients. No client of ours is a master or a replica.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Normal,
    Master,
    Replica,
    PubSub,
}

fn class(args: &mut Args<'_>) -> Result<Class, CommandError> {
    if args.accept("normal") {
        Ok(Class::Normal)
    } else if args.accept("master") {
        Ok(Class::Master)
    } else if args.accept("replica") || args.accept("slave") {
        Ok(Class::Replica)
    } else if args.accept("pubsub") {
        Ok(Class::PubSub)
    } else {
        let given = String::from_utf8_lossy(args.bytes()?);
        Err(CommandError::other(format!("ERR Unknown client type '{given}'")))
    }
}

fn class_of(client: &Client) -> Class {
    if client.is_subscriber() { Class::PubSub } else { Class::Normal }
}

fn is_shown(client: &Arc<Client>) -> bool {
    client.wire == Wire::Resp && !client.is_closing.load(Relaxed)
}

fn all(ctx: &Ctx<'_>) -> Vec<Arc<Client>> {
    let mut clients = ctx.daemon.clients.all();
    clients.retain(is_shown);
    clients
}

/// `CLIENT LIST [TYPE type] [ID id …]`
pub(super) fn list(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let mut clients = all(ctx);
    if args.len() == 2 && args.accept("TYPE") {
        let class = class(args)?;
        clients.retain(|client| class_of(client) == class);
    } else if args.len() > 1 && args.accept("ID") {
        let mut chosen = Vec::new();
        while !args.is_empty() {
            let id = args.int().map_err(|_| CommandError::other("ERR Invalid client ID"))?;
            chosen.extend(u64::try_from(id).ok().and_then(|id| ctx.daemon.clients.get(id)));
        }
        chosen.retain(is_shown);
        clients = chosen;
    } else {
        args.finish()?;
    }
    let mut text = String::new();
    for client in clients {
        describe(&client, ctx.now, &mut text);
    }
    ctx.reply.verbatim(&text);
    Ok(Done)
}

/// `CLIENT INFO`
pub(super) fn info(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    let mut text = String::new();
    describe(ctx.client, ctx.now, &mut text);
    ctx.reply.verbatim(&text);
    Ok(Done)
}

/// What `CLIENT INFO` shows of a client, without the line's end.
pub(in crate::commands) fn line(client: &Client, now: Millis) -> String {
    let mut text = String::new();
    describe(client, now, &mut text);
    text.truncate(text.trim_end().len());
    text
}

/// A line of `CLIENT LIST`, with the fields of Redis 7.2, and `watch` of 7.4. Buffers of a connection are
/// lent to it while it has something to say, so that what Redis counts as free or reserved is 0.
fn describe(client: &Client, now: Millis, text: &mut String) {
    let profile = client.profile.lock().clone();
    let since = |then: Millis| now.since(then) / 1000;
    let number = client.last_command.load(Relaxed) as usize;
    let command = number.checked_sub(1).and_then(|number| TABLE.name_of(number)).unwrap_or("NULL");
    let multi = if client.in_multi.load(Relaxed) { i64::from(client.queued.load(Relaxed)) } else { -1 };
    let [sub, psub, ssub] = client.subscriptions.each_ref().map(|count| count.load(Relaxed));
    let tracking = *client.tracking.lock();
    let redirect = if tracking.is_on { tracking.redirect as i64 } else { -1 };
    let (input, output) = (client.query_bytes.load(Relaxed), client.output_bytes.load(Relaxed));
    let queued = client.queued_bytes.load(Relaxed);
    let total = size_of::<Client>() as u64 + input + queued + output;
    let _ = writeln!(
        text,
        "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub={sub} psub={psub} ssub={ssub} multi={multi} \
         watch={} qbuf={input} qbuf-free=0 argv-mem=0 multi-mem={queued} rbs=0 rbp=0 obl={output} oll=0 omem={output} \
         tot-mem={total} events={} cmd={command} user={} redir={redirect} resp={} lib-name={} lib-ver={}",
        client.id,
        client.addr,
        client.laddr,
        client.fd,
        profile.name,
        since(client.created),
        since(Millis(client.last_active.load(Relaxed))),
        flags(client),
        client.db.load(Relaxed),
        client.watching.load(Relaxed),
        if output > 0 { "rw" } else { "r" },
        profile.user,
        client.resp.load(Relaxed),
        profile.lib_name,
        profile.lib_ver,
    );
}

/// Letters as in Redis' `catClientInfoString`.
fn flags(client: &Client) -> String {
    let tracking = *client.tracking.lock();
    let marks = [
        (client.monitor.load(Relaxed), 'O'),
        (client.is_subscriber(), 'P'),
        (client.in_multi.load(Relaxed), 'x'),
        (client.blocked.load(Relaxed), 'b'),
        (tracking.is_on, 't'),
        (tracking.is_broken, 'R'),
        (tracking.broadcasts, 'B'),
        (client.unix, 'U'),
        (client.no_evict.load(Relaxed), 'e'),
        (client.no_touch.load(Relaxed), 'T'),
    ];
    let set: String = marks.iter().filter(|(is_set, _)| *is_set).map(|(_, letter)| *letter).collect();
    if set.is_empty() { "N".to_owned() } else { set }
}

/// Whom `CLIENT KILL` means.
#[derive(Default)]
struct Filter<'a> {
    id: Option<u64>,
    class: Option<Class>,
    addr: Option<&'a [u8]>,
    laddr: Option<&'a [u8]>,
    user: Option<u64>,
    /// At least so many seconds old.
    age: Option<u64>,
    /// The caller's own connection may be meant.
    me_too: bool,
}

impl<'a> Filter<'a> {
    fn parse(args: &mut Args<'a>, acl: &Acl) -> Result<Filter<'a>, CommandError> {
        let positive = |args: &mut Args<'a>, what: &str| {
            let number = args.int().ok().and_then(|number| u64::try_from(number).ok());
            let number = number.filter(|&number| number > 0);
            number.ok_or_else(|| CommandError::other(format!("ERR {what} should be greater than 0")))
        };
        let mut filter = Filter::default();
        while !args.is_empty() {
            if args.len() < 2 {
                return Err(CommandError::Syntax);
            } else if args.accept("ID") {
                filter.id = Some(positive(args, "client-id")?);
            } else if args.accept("TYPE") {
                filter.class = Some(class(args)?);
            } else if args.accept("ADDR") {
                filter.addr = Some(args.bytes()?);
            } else if args.accept("LADDR") {
                filter.laddr = Some(args.bytes()?);
            } else if args.accept("USER") {
                let name = args.bytes()?;
                let user = acl
                    .get(name)
                    .ok_or_else(|| CommandError::quoting("ERR No such user '", name, usize::MAX, "'"))?;
                filter.user = Some(user.id());
            } else if args.accept("SKIPME") {
                filter.me_too = if args.accept("NO") {
                    true
                } else if args.accept("YES") {
                    false
                } else {
                    return Err(CommandError::Syntax);
                };
            } else if args.accept("MAXAGE") {
                filter.age = Some(positive(args, "maxage")?);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(filter)
    }

    fn means(&self, client: &Client, now: Millis) -> bool {
        self.id.is_none_or(|id| id == client.id)
            && self.class.is_none_or(|class| class == class_of(client))
            && self.addr.is_none_or(|addr| addr == client.addr.as_bytes())
            && self.laddr.is_none_or(|laddr| laddr == client.laddr.as_bytes())
            && self.user.is_none_or(|user| user == client.user.load(Relaxed))
            && self.age.is_none_or(|age| now.since(client.created) / 1000 >= age)
    }
}

/// `CLIENT KILL addr`, or `CLIENT KILL filter value [filter value …]`
pub(super) fn kill(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let is_old_form = args.len() == 1;
    let filter = if is_old_form {
        Filter { addr: Some(args.bytes()?), me_too: true, ..Filter::default() }
    } else {
        Filter::parse(args, &ctx.daemon.acl)?
    };
    let (mut killed, mut outcome) = (0, Done);
    for client in all(ctx) {
        let is_me = client.id == ctx.client.id;
        if !filter.means(&client, ctx.now) || is_me && !filter.me_too {
            continue;
        }
        killed += 1;
        if is_me {
            outcome = Outcome::Close;
        } else {
            client.close();
            blocking::end_wait(ctx, client.id, Unblock::Timeout);
        }
        if is_old_form {
            break;
        }
    }
    match (is_old_form, killed) {
        (true, 0) => return Err(CommandError::other("ERR No such client")),
        (true, _) => ctx.reply.ok(),
        (false, killed) => ctx.reply.int(killed),
    }
    Ok(outcome)
}

/// `CLIENT PAUSE milliseconds [WRITE|ALL]`. Differs: commands that administrate go through, so that `CLIENT
/// UNPAUSE` can end a pause of everything.
pub(super) fn pause(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let ms = timeout(args)?;
    let mut writes_only = false;
    if !args.is_empty() {
        if args.len() > 1 {
            return Err(wrong_subcommand(args.argv()));
        }
        writes_only = args.accept("WRITE");
        if !(writes_only || args.accept("ALL")) {
            return Err(CommandError::other("ERR CLIENT PAUSE mode must be WRITE or ALL"));
        }
    }
    let clients = &ctx.daemon.clients;
    let running = clients.paused_until.load(Relaxed);
    // A pause that goes on is made longer or wider, never shorter or narrower.
    let goes_on = running > ctx.now.0;
    let writes_only = writes_only && (!goes_on || clients.pause_writes_only.load(Relaxed));
    clients.pause_writes_only.store(writes_only, Relaxed);
    let until = ctx.now.saturating_add(ms).0;
    clients.paused_until.store(if goes_on { until.max(running) } else { until }, Relaxed);
    ctx.reply.ok();
    Ok(Done)
}

/// Milliseconds.
pub(in crate::commands) fn timeout(args: &mut Args<'_>) -> Result<u64, CommandError> {
    let ms = args.int().map_err(|_| CommandError::other("ERR timeout is not an integer or out of range"))?;
    u64::try_from(ms).map_err(|_| CommandError::other("ERR timeout is negative"))
}

/// `CLIENT UNPAUSE`
pub(super) fn unpause(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    if ctx.daemon.clients.paused_until.swap(0, Relaxed) > ctx.now.0 {
        for client in all(ctx) {
            client.nudge();
        }
    }
    ctx.reply.ok();
    Ok(Done)
}

/// `CLIENT UNBLOCK id [TIMEOUT|ERROR]`
pub(super) fn unblock(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let id = args.bytes()?;
    let mut how = Unblock::Timeout;
    if args.len() > 1 {
        return Err(wrong_subcommand(args.argv()));
    }
    if !args.is_empty() {
        how = if args.accept("TIMEOUT") {
            Unblock::Timeout
        } else if args.accept("ERROR") {
            Unblock::Error
        } else {
            return Err(CommandError::other("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"));
        };
    }
    let id = parse_int(id).ok_or(CommandError::NotAnInteger)?;
    let client = u64::try_from(id).ok().and_then(|id| ctx.daemon.clients.get(id));
    let client = client.filter(|client| client.blocked.load(Relaxed));
    let is_unblocked = client.is_some_and(|client| {
        let waited = blocking::end_wait(ctx, client.id, how);
        // Without keys it sleeps: its own task alone can wake it.
        let sleeps = !waited && client.blocked.load(Relaxed);
        if sleeps {
            client.unblock(how);
        }
        waited || sleeps
    });
    ctx.reply.int(u8::from(is_unblocked));
    Ok(Done)
}
