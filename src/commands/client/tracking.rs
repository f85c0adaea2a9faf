//! `CLIENT TRACKING` and its kin: invalidations for clients that cache; see [`crate::tracking`].

use crate::clients::Wire;
use crate::commands::error::printed;
use crate::commands::table::Command;
use crate::commands::{Args, CommandError, CommandResult, Ctx, Done};
use crate::daemon::Daemon;
use crate::resp::Argv;
use crate::store::Interest;
use crate::tracking::{Choice, Options};
use std::collections::BTreeSet;

/// What a session knows of its own tracking.
#[derive(Default)]
pub struct Tracking {
    /// `None`: off.
    options: Option<Box<Options>>,
    /// `CLIENT CACHING` has been said of the command, or transaction, that comes next.
    caching: bool,
}

impl Tracking {
    #[inline]
    pub fn is_on(&self) -> bool {
        self.options.is_some()
    }

    /// Are the keys of commands that read to be remembered now?
    #[inline]
    pub fn remembers(&self) -> bool {
        self.options.as_ref().is_some_and(|options| {
            !options.broadcast
                && match options.choice {
                    Choice::All => true,
                    Choice::OptIn => self.caching,
                    Choice::OptOut => !self.caching,
                }
        })
    }

    /// After a command: `CLIENT CACHING` holds for one, or for a transaction; other `CLIENT` commands do not count.
    #[inline]
    pub fn command_ends(&mut self, in_multi: bool, command: Option<&Command>) {
        if self.caching && !in_multi && command.is_none_or(|command| command.container != Some("client")) {
            self.caching = false;
        }
    }

    /// Turns it off: the client asked to, or is gone.
    pub fn stop(&mut self, daemon: &Daemon, client: &crate::clients::Client) {
        self.caching = false;
        if let Some(options) = self.options.take() {
            daemon.tracking.stop(client, &options, || daemon.store.listen(Interest::Tracking, false));
        }
    }
}

/// Notes that the client has read the keys of a command, whose shards are held.
#[cold]
pub(in crate::commands) fn remember(ctx: &Ctx<'_>, command: &Command, argv: Argv<'_>) {
    for key in command.key_positions(argv).into_iter().filter_map(|at| argv.get(at)) {
        ctx.daemon.tracking.remember(key, ctx.client);
    }
}

/// `CLIENT TRACKING ON|OFF [REDIRECT id] [PREFIX prefix …] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]`
pub(super) fn tracking(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let switch = args.bytes()?;
    let (options, prefixes) = parse(ctx, args)?;
    if switch.eq_ignore_ascii_case(b"ON") {
        turn_on(ctx, options, &prefixes)?;
    } else if switch.eq_ignore_ascii_case(b"OFF") {
        ctx.state.tracking.stop(ctx.daemon, ctx.client);
    } else {
        return Err(CommandError::Syntax);
    }
    ctx.reply.ok();
    Ok(Done)
}

/// What is asked for; `OPTIN` and `OPTOUT` together are remembered as they were given.
#[derive(Default)]
struct Asked {
    options: Options,
    opt_in: bool,
    opt_out: bool,
}

fn parse<'a>(ctx: &Ctx<'_>, args: &mut Args<'a>) -> Result<(Asked, Vec<&'a [u8]>), CommandError> {
    let (mut asked, mut prefixes) = (Asked::default(), Vec::new());
    while !args.is_empty() {
        if args.len() > 1 && args.accept("REDIRECT") {
            if asked.options.redirect.is_some() {
                return Err(CommandError::other("ERR A client can only redirect to a single other client"));
            }
            let client = u64::try_from(args.int()?).ok().and_then(|id| ctx.daemon.clients.get(id));
            let client = client.filter(|client| client.wire == Wire::Resp).ok_or_else(|| {
                CommandError::other("ERR The client ID you want redirect to does not exist")
            })?;
            asked.options.redirect = Some(client);
        } else if args.accept("BCAST") {
            asked.options.broadcast = true;
        } else if args.accept("OPTIN") {
            asked.opt_in = true;
        } else if args.accept("OPTOUT") {
            asked.opt_out = true;
        } else if args.accept("NOLOOP") {
            asked.options.no_loop = true;
        } else if args.len() > 1 && args.accept("PREFIX") {
            prefixes.push(args.bytes()?);
        } else {
            return Err(CommandError::Syntax);
        }
    }
    Ok((asked, prefixes))
}

fn turn_on(ctx: &mut Ctx<'_>, asked: Asked, prefixes: &[&[u8]]) -> Result<(), CommandError> {
    let Asked { mut options, opt_in, opt_out } = asked;
    let refuse = |text: &str| Err(CommandError::other(format!("ERR {text}")));
    let before = ctx.state.tracking.options.as_deref();
    if !options.broadcast && !prefixes.is_empty() {
        return refuse("PREFIX option requires BCAST mode to be enabled");
    }
    if before.is_some_and(|before| before.broadcast != options.broadcast) {
        return refuse(
            "You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling \
             it with a different mode.",
        );
    }
    if options.broadcast && (opt_in || opt_out) {
        return refuse("OPTIN and OPTOUT are not compatible with BCAST");
    }
    if opt_in && opt_out {
        return refuse("You can't specify both OPTIN mode and OPTOUT mode");
    }
    let choice_before = before.map_or(Choice::All, |before| before.choice);
    if opt_in && choice_before == Choice::OptOut || opt_out && choice_before == Choice::OptIn {
        return refuse(
            "You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling \
             it with a different mode.",
        );
    }
    if options.broadcast {
        options.prefixes = before.map_or_else(BTreeSet::new, |before| before.prefixes.clone());
        check_overlaps(&options.prefixes, prefixes)?;
        // None at all means every key.
        let all: &[&[u8]] = if prefixes.is_empty() { &[b""] } else { prefixes };
        options.prefixes.extend(all.iter().map(|prefix| prefix.to_vec()));
    }
    options.choice = match (opt_in, opt_out) {
        (true, _) => Choice::OptIn,
        (_, true) => Choice::OptOut,
        _ => Choice::All,
    };
    let store = &ctx.daemon.store;
    ctx.daemon.tracking.start(ctx.client, &options, || store.listen(Interest::Tracking, true));
    ctx.state.tracking.options = Some(Box::new(options));
    Ok(())
}

/// A key must not be told twice.
fn check_overlaps(known: &BTreeSet<Vec<u8>>, new: &[&[u8]]) -> Result<(), CommandError> {
    let overlap = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
    for (at, prefix) in new.iter().enumerate() {
        let (other, whose) = match known.iter().find(|other| overlap(other, prefix)) {
            Some(other) => (other.as_slice(), "an existing"),
            None => match new[at + 1..].iter().find(|other| overlap(other, prefix)) {
                Some(other) => (*other, "another provided"),
                None => continue,
            },
        };
        return Err(CommandError::Quoting(
            [
                b"ERR Prefix '",
                printed(prefix, usize::MAX),
                b"' overlaps with ",
                whose.as_bytes(),
                b" prefix '",
                printed(other, usize::MAX),
                b"'. Prefixes for a single client must not overlap.",
            ]
            .concat(),
        ));
    }
    Ok(())
}

/// `CLIENT CACHING YES|NO`
pub(super) fn caching(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let Some(options) = ctx.state.tracking.options.as_deref() else {
        return Err(CommandError::other(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode \
             enabled",
        ));
    };
    let (word, mode, needed) = if args.accept("YES") {
        ("YES", "OPTIN", Choice::OptIn)
    } else if args.accept("NO") {
        ("NO", "OPTOUT", Choice::OptOut)
    } else {
        return Err(CommandError::Syntax);
    };
    if options.choice != needed {
        return Err(CommandError::other(format!(
            "ERR CLIENT CACHING {word} is only valid when tracking is enabled in {mode} mode."
        )));
    }
    ctx.state.tracking.caching = true;
    ctx.reply.ok();
    Ok(Done)
}

/// `CLIENT GETREDIR`: -1 when tracking is off, 0 when nobody else is told.
pub(super) fn getredir(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    match &ctx.state.tracking.options {
        None => ctx.reply.int(-1),
        Some(options) => ctx.reply.int(options.redirect.as_ref().map_or(0, |client| client.id)),
    }
    Ok(Done)
}

/// `CLIENT TRACKINGINFO`
pub(super) fn trackinginfo(ctx: &mut Ctx<'_>, _args: &mut Args<'_>) -> CommandResult {
    let own = &ctx.state.tracking;
    let mut flags = vec![if own.options.is_some() { "on" } else { "off" }];
    if let Some(options) = &own.options {
        let marks = [
            (options.broadcast, "bcast"),
            (options.choice == Choice::OptIn, "optin"),
            (options.choice == Choice::OptIn && own.caching, "caching-yes"),
            (options.choice == Choice::OptOut, "optout"),
            (options.choice == Choice::OptOut && own.caching, "caching-no"),
            (options.no_loop, "noloop"),
            (ctx.client.tracking.lock().is_broken, "broken_redirect"),
        ];
        flags.extend(marks.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| *name));
    }
    ctx.reply.map(3);
    ctx.reply.bulk(b"flags");
    ctx.reply.set(flags.len());
    flags.iter().for_each(|flag| ctx.reply.bulk(flag.as_bytes()));
    ctx.reply.bulk(b"redirect");
    match &own.options {
        None => ctx.reply.int(-1),
        Some(options) => ctx.reply.int(options.redirect.as_ref().map_or(0, |client| client.id)),
    }
    ctx.reply.bulk(b"prefixes");
    let none = BTreeSet::new();
    let prefixes = own.options.as_ref().map_or(&none, |options| &options.prefixes);
    ctx.reply.bulks(prefixes.iter().map(Vec::as_slice));
    Ok(Done)
}
