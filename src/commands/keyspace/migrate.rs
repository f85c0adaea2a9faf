//! `MIGRATE`: keys go to another server, as `DUMP` has them, and are removed here once they have arrived.
//!
//! Redis stands still until the other server has answered. Here the client that asked waits, and nobody else: a thread
//! does the talking, one migration after the other, and the connection is woken when its own has ended.

use super::dump::Parcel;
use super::{Args, CommandError, CommandResult, Ctx, Done, lookup};
use crate::clients::Client;
use crate::commands::{Outcome, Pause};
use crate::config::Param;
use crate::resp::Argv;
use crate::store::{Db, Event};
use parking_lot::Mutex;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Migrations that wait for the one before, at most: each has its payloads in memory.
const QUEUE: usize = 16;
/// Keys that are sent before the replies to them are read, at most: a server that writes and is not read from may stop
/// reading.
const TOGETHER: usize = 256;
/// A reply of the other server that is longer is none.
const REPLY_MOST: u64 = 1024;
/// For a timeout of nothing or less, as in Redis.
const TIMEOUT: Duration = Duration::from_secs(1);

const CONNECTING: &str = "IOERR error or timeout connecting to the client";
const WRITING: &str = "IOERR error or timeout writing to target instance";
const READING: &str = "IOERR error or timeout reading to target instance";

/// The way to the thread that talks to other servers. The first migration starts it.
#[derive(Default)]
pub struct Migrations(OnceLock<Option<SyncSender<Journey>>>);

impl Migrations {
    fn send(&self, journey: Journey) -> Result<(), CommandError> {
        let start = || {
            let (sender, journeys) = sync_channel::<Journey>(QUEUE);
            let serve = move || journeys.into_iter().for_each(Journey::make);
            std::thread::Builder::new().name("migrations".to_owned()).spawn(serve).ok().map(|_| sender)
        };
        let sender = self.0.get_or_init(start).as_ref();
        if sender.is_some_and(|sender| sender.try_send(journey).is_ok()) {
            return Ok(());
        }
        Err(CommandError::other("IOERR too many migrations at once, try again later"))
    }
}

/// A key on its way.
struct Traveller {
    key: Box<[u8]>,
    ttl: Option<Duration>,
    value: Parcel,
}

/// What came of a journey.
struct Arrivals {
    /// Which keys the other server has taken, in the order in which they were sent. Of those behind nothing is known.
    keys: Vec<bool>,
    result: Result<(), String>,
}

/// Where a journey's outcome is left.
type Slot = Arc<Mutex<Option<Arrivals>>>;

/// All that the thread needs.
struct Journey {
    host: String,
    port: u16,
    timeout: Duration,
    /// Password, or name and password.
    auth: Vec<Box<[u8]>>,
    database: i64,
    replaces: bool,
    compresses: bool,
    began: Instant,
    travellers: Vec<Traveller>,
    slot: Slot,
    client: Arc<Client>,
}

impl Journey {
    fn make(mut self) {
        let mut keys = Vec::new();
        let result = self.travel(&mut keys);
        *self.slot.lock() = Some(Arrivals { keys, result });
    }

    fn travel(&mut self, arrived: &mut Vec<bool>) -> Result<(), String> {
        let address = (&*self.host, self.port).to_socket_addrs().ok().and_then(|mut all| all.next());
        let address = address.ok_or(CONNECTING)?;
        // Redis connects in the background, and the first thing that fails is writing.
        let stream = TcpStream::connect_timeout(&address, self.timeout).map_err(|_| WRITING)?;
        for set in [TcpStream::set_read_timeout, TcpStream::set_write_timeout] {
            set(&stream, Some(self.timeout)).map_err(|_| WRITING)?;
        }
        let (mut reader, mut writer) = (BufReader::new(&stream), BufWriter::new(&stream));
        let mut greetings = 0;
        if !self.auth.is_empty() {
            let words = [&b"AUTH"[..]].into_iter().chain(self.auth.iter().map(|word| &**word));
            send(&mut writer, words).map_err(|_| WRITING)?;
            greetings += 1;
        }
        let database = self.database.to_string();
        send(&mut writer, [b"SELECT", database.as_bytes()].into_iter()).map_err(|_| WRITING)?;
        greetings += 1;

        let mut refusal = None;
        let mut is_welcome = true;
        let travellers = std::mem::take(&mut self.travellers);
        let mut travellers = travellers.into_iter();
        while travellers.len() > 0 {
            let mut sent = 0;
            for traveller in travellers.by_ref().take(TOGETHER) {
                self.send(&mut writer, traveller).map_err(|_| WRITING)?;
                sent += 1;
            }
            writer.flush().map_err(|_| WRITING)?;
            for _ in 0..std::mem::take(&mut greetings) {
                let reply = receive(&mut reader).map_err(|_| READING)?;
                is_welcome &= reply.is_ok();
                refusal = refusal.or(reply.err());
            }
            for _ in 0..sent {
                let reply = receive(&mut reader).map_err(|_| READING)?;
                // Where it was not let in it may have gone to the wrong database.
                arrived.push(reply.is_ok() && is_welcome);
                refusal = refusal.or(reply.err());
            }
        }
        refusal.map_or(Ok(()), |text| Err(format!("ERR Target instance replied with error: {text}")))
    }

    fn send(&self, writer: &mut impl Write, traveller: Traveller) -> io::Result<()> {
        // Less is left of it than when the client asked, but something.
        let left = |ttl: Duration| ttl.saturating_sub(self.began.elapsed()).as_millis().max(1);
        let ttl = traveller.ttl.map_or(0, left).to_string();
        let payload = traveller.value.payload(self.compresses);
        let words = [b"RESTORE", &*traveller.key, ttl.as_bytes(), &payload, b"REPLACE"];
        send(writer, words.into_iter().take(if self.replaces { 5 } else { 4 }))
    }
}

impl Drop for Journey {
    /// However it ended, its client waits for it.
    fn drop(&mut self) {
        let nobody = || Arrivals { keys: Vec::new(), result: Err(WRITING.to_owned()) };
        self.slot.lock().get_or_insert_with(nobody);
        self.client.nudge();
    }
}

fn send<'w>(writer: &mut impl Write, words: impl Iterator<Item = &'w [u8]> + Clone) -> io::Result<()> {
    write!(writer, "*{}\r\n", words.clone().count())?;
    for word in words {
        write!(writer, "${}\r\n", word.len())?;
        writer.write_all(word)?;
        writer.write_all(b"\r\n")?;
    }
    Ok(())
}

/// One reply: a status, or the text of an error.
fn receive(reader: &mut impl BufRead) -> io::Result<Result<(), String>> {
    let mut line = Vec::new();
    reader.take(REPLY_MOST).read_until(b'\n', &mut line)?;
    match line.strip_suffix(b"\r\n") {
        Some([b'+', ..]) => Ok(Ok(())),
        Some([b'-', text @ ..]) => Ok(Err(String::from_utf8_lossy(text).into_owned())),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// A migration whose client waits for it.
pub(in crate::commands) struct Migration {
    db: u32,
    keys: Vec<Watched>,
    copies: bool,
    slot: Slot,
}

/// A key that was sent, and which version of it.
struct Watched {
    key: Box<[u8]>,
    version: u64,
}

impl Migration {
    /// Removes what has arrived, and tells how it ended; `None`: it has not.
    ///
    /// Differs: what was written to a key while it was on its way would be lost with it; such a key stays, and the
    /// reply says so.
    pub(in crate::commands) fn poll(&mut self, db: &mut Db<'_>) -> Option<Result<(), CommandError>> {
        let Arrivals { keys: arrived, result } = self.slot.lock().take()?;
        let mut stays = false;
        for (sent, has_arrived) in
            self.keys.drain(..).zip(arrived.into_iter().chain(std::iter::repeat(false)))
        {
            let mut entry = db.entry_in(self.db, &sent.key);
            if has_arrived && !self.copies && entry.is_present() {
                if entry.watched_version() == Some(sent.version) {
                    entry.delete(Event::Del);
                } else {
                    stays = true;
                }
            }
            entry.unwatch();
        }
        Some(match result {
            Err(text) => Err(CommandError::other(text)),
            Ok(()) if stays => Err(CommandError::other(
                "ERR A key was changed while it was sent. It stays here; the target instance has what it was before.",
            )),
            Ok(()) => Ok(()),
        })
    }

    /// The client has gone: whatever arrives, its keys stay here as well.
    pub(in crate::commands) fn abandon(&mut self, db: &mut Db<'_>) {
        for sent in self.keys.drain(..) {
            db.entry_in(self.db, &sent.key).unwatch();
        }
    }
}

/// What follows `AUTH` and `AUTH2`.
pub(super) fn hides(argv: Argv<'_>, at: usize) -> bool {
    const OPTIONS: usize = 6;
    let is = |at: usize, word: &str| {
        at >= OPTIONS && argv.get(at).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    };
    at > OPTIONS && (is(at - 1, "AUTH") || is(at - 1, "AUTH2") || is(at - 2, "AUTH2"))
}

/// What may follow host, port, key, database and timeout.
#[derive(Default)]
struct Options<'a> {
    copies: bool,
    replaces: bool,
    auth: Vec<Box<[u8]>>,
    /// Behind `KEYS`.
    keys: Option<Args<'a>>,
}

impl<'a> Options<'a> {
    fn parse(args: &mut Args<'a>, key: &[u8]) -> Result<Options<'a>, CommandError> {
        let mut options = Options::default();
        while !args.is_empty() {
            if args.accept("COPY") {
                options.copies = true;
            } else if args.accept("REPLACE") {
                options.replaces = true;
            } else if args.accept("AUTH") {
                options.auth = vec![args.bytes()?.into()];
            } else if args.accept("AUTH2") {
                options.auth = vec![args.bytes()?.into(), args.bytes()?.into()];
            } else if args.accept("KEYS") {
                if !key.is_empty() {
                    return Err(CommandError::other(
                        "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
                    ));
                }
                options.keys = Some(args.take(args.len()));
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }
}

/// `MIGRATE host port key|"" destination-db timeout [COPY] [REPLACE] [AUTH password | AUTH2 username password]
/// [KEYS key …]`
///
/// Differs: not in transactions and scripts, which would keep the store from everybody until the other server
/// has answered.
pub(super) fn migrate(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let (host, port, key) = (args.bytes()?, args.bytes()?, args.key()?);
    let (mut database, mut timeout) = (args.take(1), args.take(1));
    let options = Options::parse(args, key)?;
    let (timeout, database) = (timeout.int()?, database.int()?);
    if ctx.state.executing || ctx.room.is_some() {
        return Err(CommandError::other("ERR MIGRATE is not allowed in transactions and scripts"));
    }
    let compresses = ctx.daemon.config.flag(Param::RdbCompression);
    let wanted = options.keys.map_or_else(|| vec![key], |keys| keys.rest().iter().collect());
    let (mut keys, mut travellers) = (Vec::new(), Vec::new());
    for key in wanted {
        let mut entry = ctx.db.entry(key);
        let Some(item) = lookup::read(ctx.counters, &mut entry) else { continue };
        let ttl = item.deadline().map(|deadline| Duration::from_millis(deadline.ttl_ms(ctx.now)));
        travellers.push(Traveller { key: key.into(), ttl, value: Parcel::of(&item, compresses) });
        keys.push(Watched { key: key.into(), version: entry.watch() });
    }
    if keys.is_empty() {
        ctx.reply.simple("NOKEY");
        return Ok(Done);
    }
    let slot = Slot::default();
    let mut migration = Migration { db: ctx.state.db, keys, copies: options.copies, slot: slot.clone() };
    let journey = Journey {
        host: String::from_utf8_lossy(host).into_owned(),
        // Nobody listens on port 0.
        port: std::str::from_utf8(port).ok().and_then(|port| port.parse().ok()).unwrap_or(0),
        timeout: u64::try_from(timeout).ok().filter(|&ms| ms > 0).map_or(TIMEOUT, Duration::from_millis),
        auth: options.auth,
        database,
        replaces: options.replaces,
        compresses,
        began: Instant::now(),
        travellers,
        slot,
        client: ctx.client.clone(),
    };
    if let Err(error) = ctx.daemon.migrations.send(journey) {
        migration.abandon(&mut ctx.db);
        return Err(error);
    }
    ctx.pause = Some(Pause::Migrating(migration));
    Ok(Outcome::Later)
}
