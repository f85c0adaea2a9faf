//! One memcached connection: which bytes are requests, and what it is in the middle of.

use super::admin::Then;
use super::binary::{self, Conversation};
use super::decode::{self, Admin, Block, Line, Meta, Refused, Request, Retrieval, Scratch, Storage};
use super::dump::Dump;
use super::error::Refusal;
use super::permission::{self, Need};
use super::state::State;
use super::words::{Args, Words};
use super::{DATABASE, admin, ahead, auth, classic, encode, meta, operations, writes};
use crate::acl::{Login, User};
use crate::clients::Client;
use crate::clock::Millis;
use crate::config::Param;
use crate::daemon::{Context, Daemon};
use crate::observe::{Counter, Counters};
use crate::store::{Db, Place, Places};
use crate::wire::{FLUSH_AT, Next, Out, Progress};
use std::sync::Arc;

/// A connection's state between two calls of [`Session::feed`].
pub struct Session {
    client: Arc<Client>,
    midst: Midst,
    /// `foresee` has seen to the first requests.
    has_foreseen: bool,
    login: Login,
}

/// What a connection is in the middle of.
enum Midst {
    /// Nothing has come yet. The first byte chooses the protocol.
    Fresh,
    /// The binary protocol, which has its own midst of things.
    Binary(Conversation),
    /// Nothing: a request comes next. This and what follows is the text protocol's.
    Between,
    /// A retrieval line whose first keys are answered.
    Keys(Retrieval),
    /// A line whose rest counts for nothing. `END` may be owed for it.
    RestOfLine { owes_end: bool },
    /// A refused data block, of which so much is still to come.
    Block { left: usize },
    /// A dump of all keys, a piece at a time.
    Dump(Dump),
    /// `watch`: log lines go out, and what comes in is not read.
    Watching,
}

/// How far one step came: bytes used, and whether it ends the turn.
pub(super) struct Step {
    pub used: usize,
    pub next: Option<Next>,
}

impl Step {
    pub(super) fn used(used: usize) -> Step {
        Step { used, next: None }
    }

    pub(super) fn stop(used: usize, next: Next) -> Step {
        Step { used, next: Some(next) }
    }

    pub(super) fn read(at_least: usize) -> Step {
        Step::stop(0, Next::Read { at_least })
    }
}

/// What the commands of one call of `feed` work with.
pub(super) struct Turn<'t> {
    pub daemon: &'t Daemon,
    pub state: &'t State,
    pub counters: &'t Counters,
    pub now: Millis,
    /// The connection's number and descriptor.
    pub client: u64,
    pub fd: i32,
    /// The user, when it may not do everything.
    pub restricted: Option<Arc<User>>,
    pub db: Db<'t>,
    pub out: &'t mut Out,
    /// `stats detail` is on.
    pub detail: bool,
    /// What some `watch` wants to hear of; bits of `watch`.
    pub watched: u32,
    /// Longest value, in bytes.
    pub max_item: usize,
}

impl Session {
    pub fn new(client: Arc<Client>, daemon: &Daemon) -> Session {
        let login = Login::new(&daemon.acl);
        client.become_user(login.user());
        Session { client, midst: Midst::Fresh, has_foreseen: false, login }
    }

    /// Says where the first requests will look.
    #[inline]
    pub fn foresee(&mut self, daemon: &Daemon, input: &[u8], places: &mut Vec<Place>) {
        if let Midst::Between = self.midst {
            self.has_foreseen = true;
            ahead::keys(input).for_each(|key| places.push(daemon.store.foresee(DATABASE, key)));
        }
    }

    /// Executes the complete requests at the start of `input`. After `Next::Flush` it is called again
    /// even when no input is left: a dump goes on by itself.
    pub fn feed(&mut self, context: Context<'_>, input: &[u8], out: &mut Out) -> Progress {
        let daemon = context.daemon;
        let state = &daemon.memcached;
        state.schedule.run(&daemon.store, context.now);
        let mut turn = Turn {
            daemon,
            state,
            counters: context.counters,
            now: context.now,
            client: self.client.id,
            fd: self.client.fd,
            restricted: self.login.restricted(),
            db: daemon.store.db(DATABASE, context.now),
            out,
            detail: state.prefixes.is_on(),
            watched: state.watchers.wanted(),
            max_item: daemon.config.size(Param::MaxItemSize),
        };
        let mut scratch = Scratch::new();
        let (mut consumed, mut steps) = (0, usize::from(std::mem::take(&mut self.has_foreseen)));
        loop {
            if steps % Places::MOST == 0
                && let Midst::Between = self.midst
            {
                ahead::load(daemon, ahead::keys(&input[consumed..]));
            }
            steps += 1;
            if turn.out.len() >= FLUSH_AT {
                return Progress { consumed, next: Next::Flush };
            }
            let step = self.step(&mut turn, &mut scratch, &input[consumed..]);
            consumed += step.used;
            if let Some(next) = step.next {
                return Progress { consumed, next };
            }
        }
    }

    #[inline]
    fn step(&mut self, turn: &mut Turn<'_>, scratch: &mut Scratch, rest: &[u8]) -> Step {
        if rest.is_empty() && !matches!(self.midst, Midst::Dump(_)) {
            return Step::read(0);
        }
        match &mut self.midst {
            Midst::Between => self.next_line(turn, scratch, rest),
            Midst::Binary(conversation) => {
                if !is_known(turn, &mut self.login) {
                    return Step::stop(rest.len(), Next::Close);
                }
                let user = self.login.user().id();
                let step = conversation.step(turn, &mut self.login, rest);
                if self.login.user().id() != user {
                    self.client.become_user(self.login.user());
                    turn.restricted = self.login.restricted();
                }
                step
            }
            Midst::Fresh => {
                let is_binary = binary::is_chosen(&turn.daemon.config, rest[0]);
                self.midst = if is_binary { Midst::Binary(Conversation::new()) } else { Midst::Between };
                Step::used(0)
            }
            &mut Midst::Keys(how) => self.more_keys(turn, how, rest),
            &mut Midst::RestOfLine { owes_end } => self.rest_of_line(turn, owes_end, rest),
            Midst::Block { left } => {
                let used = rest.len().min(*left);
                *left -= used;
                if *left == 0 {
                    self.midst = Midst::Between;
                }
                Step::used(used)
            }
            Midst::Dump(dump) => {
                if dump.step(turn) {
                    self.midst = Midst::Between;
                }
                Step::used(0)
            }
            Midst::Watching => Step::used(rest.len()),
        }
    }

    fn next_line(&mut self, turn: &mut Turn<'_>, scratch: &mut Scratch, rest: &[u8]) -> Step {
        if !is_known(turn, &mut self.login) {
            return Step::stop(rest.len(), Next::Close);
        }
        if self.login.is_stranger(&turn.daemon.acl) {
            let step = auth::step(turn, &mut self.login, rest);
            turn.restricted = self.login.restricted();
            self.client.become_user(self.login.user());
            return step;
        }
        match decode::line(rest) {
            Line::Whole { words, used } => self.execute(turn, scratch, words, used, &rest[used..]),
            Line::Open => Step::read(0),
            Line::OpenGet => {
                let (how, start) = decode::open_get(rest);
                turn.counters.add(Counter::Commands, 1);
                self.midst = Midst::Keys(how);
                Step::used(start)
            }
            Line::TooLong => Step::stop(rest.len(), Next::Close),
        }
    }

    /// Executes one line. It takes `line` bytes of the input, and `after` follows it.
    #[inline]
    fn execute(
        &mut self,
        turn: &mut Turn<'_>,
        scratch: &mut Scratch,
        words: Words<'_>,
        line: usize,
        after: &[u8],
    ) -> Step {
        let text = words.text();
        match decode::request(words, scratch) {
            Ok(Request::Get { how, keys }) => {
                turn.counters.add(Counter::Commands, 1);
                return self.keys(turn, how, keys, text, line);
            }
            Ok(Request::Store(storage)) => return self.store(turn, &storage, line, after),
            Ok(Request::MetaSet(meta, length)) => return self.meta_set(turn, &meta, length, line, after),
            Ok(Request::Quit) => return Step::stop(line, Next::Close),
            Ok(request) => {
                turn.counters.add(Counter::Commands, 1);
                match permission::check(turn, &request) {
                    Ok(()) => self.plain(turn, request),
                    Err(denied) => {
                        let noreply = request.is_noreply();
                        self.refuse(turn, &Refused { why: denied.into(), noreply, swallow: 0 });
                    }
                }
            }
            // memcached hangs up on browsers, and on pages that make browsers talk to it.
            Err(refused) if refused.why == Refusal::Unknown && is_http(text) => {
                return Step::stop(line, Next::Close);
            }
            Err(refused) => {
                turn.counters.add(Counter::Commands, 1);
                self.refuse(turn, &refused);
            }
        }
        Step::used(line)
    }

    /// Requests that are one line and are answered at once.
    fn plain(&mut self, turn: &mut Turn<'_>, request: Request<'_>) {
        let mark = turn.out.mark();
        let noreply = request.is_noreply();
        match request {
            Request::MetaGet(meta) => meta::get(turn, &meta),
            Request::MetaDelete(meta) => meta::delete(turn, &meta),
            Request::MetaArithmetic(meta) => meta::arithmetic(turn, &meta),
            Request::MetaNoop => turn.out.put(b"MN\r\n"),
            Request::MetaDebug { key, is_base64 } => meta::debug(turn, key, is_base64),
            Request::Arithmetic { key, direction, delta, .. } => {
                classic::arithmetic(turn, key, direction, delta)
            }
            Request::Delete { key, .. } => classic::delete(turn, key),
            Request::Touch { key, exptime, .. } => classic::touch(turn, key, exptime),
            Request::FlushAll { delay, .. } => classic::flush_all(turn, delay),
            Request::Version => encode::line(turn.out, &format!("VERSION {}", super::PROTOCOL_VERSION)),
            Request::Admin(what, line) => self.admin(turn, what, &Args::of(line)),
            Request::Get { .. } | Request::Store(_) | Request::MetaSet(..) | Request::Quit => {
                unreachable!("`execute` keeps these to itself")
            }
        }
        if noreply {
            turn.out.cut_to(mark);
        }
    }

    fn admin(&mut self, turn: &mut Turn<'_>, what: Admin, args: &Args<'_>) {
        let mark = turn.out.mark();
        match admin::run(turn, &self.client, what, args) {
            Ok(Then::Go) => (),
            Ok(Then::Dump(dump)) => self.midst = Midst::Dump(dump),
            Ok(Then::Watch) => self.midst = Midst::Watching,
            Err(why) => encode::refusal(turn.out, why),
        }
        if args.is_noreply() && admin::heeds_noreply(what, args) {
            turn.out.cut_to(mark);
        }
    }

    fn refuse(&mut self, turn: &mut Turn<'_>, refused: &Refused) {
        if !refused.noreply {
            encode::refusal(turn.out, refused.why);
        }
        if refused.swallow > 0 {
            self.midst = Midst::Block { left: refused.swallow };
        }
    }

    /// A retrieval line that is there as a whole; `keys` is the end of `text`.
    #[inline]
    fn keys(
        &mut self,
        turn: &mut Turn<'_>,
        how: Retrieval,
        keys: Words<'_>,
        text: &[u8],
        line: usize,
    ) -> Step {
        let mark = turn.out.mark();
        match classic::get(turn, how, keys, true) {
            classic::Keys::Done => turn.out.put(b"END\r\n"),
            classic::Keys::Refused(why) => {
                turn.out.cut_to(mark);
                encode::refusal(turn.out, why);
            }
            // The line's ending stays, so that the rest is a line too.
            classic::Keys::Full { left } | classic::Keys::Partial { left } => {
                self.midst = Midst::Keys(how);
                return Step::used(text.len() - left);
            }
        }
        Step::used(line)
    }

    /// Goes on with a retrieval line, whose end may not have come yet.
    ///
    /// Differs: where memcached takes back everything at a key that is too long, values that are
    /// already sent stay sent.
    fn more_keys(&mut self, turn: &mut Turn<'_>, how: Retrieval, rest: &[u8]) -> Step {
        let end = memchr::memchr(b'\n', rest);
        let text = end.map_or(rest, |end| &rest[..end]);
        let text = if end.is_some() { text.strip_suffix(b"\r").unwrap_or(text) } else { text };
        let nul = memchr::memchr(0, text);
        let text = nul.map_or(text, |nul| &text[..nul]);
        let is_whole = end.is_some() || nul.is_some();
        let owes_end = match classic::get(turn, how, Words::new(text), is_whole) {
            classic::Keys::Full { left } => return Step::used(text.len() - left),
            classic::Keys::Partial { left } => {
                return Step::stop(text.len() - left, Next::Read { at_least: 0 });
            }
            classic::Keys::Done => true,
            classic::Keys::Refused(why) => {
                encode::refusal(turn.out, why);
                false
            }
        };
        self.rest_of_line(turn, owes_end, rest)
    }

    fn rest_of_line(&mut self, turn: &mut Turn<'_>, owes_end: bool, rest: &[u8]) -> Step {
        let Some(end) = memchr::memchr(b'\n', rest) else {
            self.midst = Midst::RestOfLine { owes_end };
            return Step::used(rest.len());
        };
        if owes_end {
            turn.out.put(b"END\r\n");
        }
        self.midst = Midst::Between;
        Step::used(end + 1)
    }

    /// Cuts the data block off the input. `line` bytes come before it.
    #[inline]
    fn store(&mut self, turn: &mut Turn<'_>, storage: &Storage<'_>, line: usize, after: &[u8]) -> Step {
        let length = storage.length;
        if let Err(denied) = permission::ask(turn, &Need::storage(storage.mode, storage.key)) {
            turn.counters.add(Counter::Commands, 1);
            let noreply = storage.noreply;
            self.refuse(turn, &Refused { why: denied.into(), noreply, swallow: length + 2 });
            return Step::used(line);
        }
        if length > turn.max_item {
            turn.counters.add(Counter::Commands, 1);
            operations::too_large(turn, storage.mode, storage.key);
            self.refuse(
                turn,
                &Refused { why: Refusal::TooLarge, noreply: storage.noreply, swallow: length + 2 },
            );
            return Step::used(line);
        }
        let data = match decode::block(after, length) {
            Block::Missing(bytes) => return Step::read(bytes),
            Block::Whole(data) => Some(data),
            Block::Bad => None,
        };
        turn.counters.add(Counter::Commands, 1);
        turn.counters.add(Counter::CmdSet, 1);
        let mark = turn.out.mark();
        match data {
            Some(data) => classic::store(turn, storage, data),
            None => encode::refusal(turn.out, Refusal::BadChunk),
        }
        if storage.noreply {
            turn.out.cut_to(mark);
        }
        Step::used(line + length + 2)
    }

    fn meta_set(
        &mut self,
        turn: &mut Turn<'_>,
        meta: &Meta<'_>,
        length: usize,
        line: usize,
        after: &[u8],
    ) -> Step {
        let refuse = |why| Refused { why, noreply: false, swallow: length + 2 };
        let mode = meta::set_mode(meta).and_then(|mode| {
            permission::ask(turn, &Need::storage(mode, meta.key))?;
            Ok(mode)
        });
        let mode = match mode {
            Ok(_) if length > turn.max_item => {
                turn.counters.add(Counter::StoreTooLarge, 1);
                writes::drop_old(turn, meta.key);
                Err(Refusal::TooLarge)
            }
            mode => mode,
        };
        let mode = match mode {
            Ok(mode) => mode,
            Err(why) => {
                turn.counters.add(Counter::Commands, 1);
                self.refuse(turn, &refuse(why));
                return Step::used(line);
            }
        };
        let data = match decode::block(after, length) {
            Block::Missing(bytes) => return Step::read(bytes),
            Block::Whole(data) => Some(data),
            Block::Bad => None,
        };
        turn.counters.add(Counter::Commands, 1);
        turn.counters.add(Counter::CmdSet, 1);
        match data {
            Some(data) => meta::set(turn, meta, mode, data),
            None => encode::refusal(turn.out, Refusal::BadChunk),
        }
        Step::used(line + length + 2)
    }
}

/// Takes over what has changed about the users. `false`: the connection's is gone.
#[inline]
fn is_known(turn: &mut Turn<'_>, login: &mut Login) -> bool {
    let acl = &turn.daemon.acl;
    if login.is_stale(acl) {
        if login.refresh(acl).is_err() {
            return false;
        }
        turn.restricted = login.restricted();
    }
    true
}

/// Does the last word say that this is a request of a browser?
fn is_http(line: &[u8]) -> bool {
    let mut words = Words::new(line);
    std::iter::from_fn(|| words.next()).last().is_some_and(|word| word.starts_with(b"HTTP/"))
}
