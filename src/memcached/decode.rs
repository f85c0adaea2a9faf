//! Bytes to requests: the line, its words, their numbers. Pure: no store, no clock, no allocation.
//!
//! Follows memcached 1.6's `proto_text.c`, whose habits clients have come to rely on: only a space
//! separates words, a NUL ends the line early, numbers are read as C's `strtol` family reads them, and
//! whether a refused storage command swallows its data block depends on how far its line made sense.

use super::base64;
use super::error::Refusal;
use super::words::{Args, MAX_WORDS, Words, first_line, int, uint, uint32};

/// Longest key in bytes, as sent and after decoding base64.
pub(super) const MAX_KEY: usize = 250;
/// A line may be this long before its end has come. Only `get` and `gets` may go on.
const MAX_OPEN_LINE: usize = 2048;
/// Spaces that may stand before the `get` of such a line.
const MAX_INDENT: usize = 100;
/// Words of a meta command, its name and key included.
const MAX_META_WORDS: usize = 19;
/// Letter and opaque token together.
const MAX_OPAQUE: usize = 32;

/// What stands at the start of the input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A line without its ending; `used` counts the ending too.
    Whole { words: Words<'a>, used: usize },
    /// The end has not come yet.
    Open,
    /// Neither, but this is a `get` so long that its keys are answered as they come.
    OpenGet,
    /// No request is that long: the next one cannot be found.
    TooLong,
}

#[inline]
pub(super) fn line(input: &[u8]) -> Line<'_> {
    match first_line(input) {
        Some((words, used)) => Line::Whole { words, used },
        None => open_line(input),
    }
}

#[cold]
fn open_line(input: &[u8]) -> Line<'_> {
    if input.len() <= MAX_OPEN_LINE {
        return Line::Open;
    }
    let indent = input.iter().take_while(|&&byte| byte == b' ').count();
    let verb = &input[indent..];
    if indent <= MAX_INDENT && (verb.starts_with(b"get ") || verb.starts_with(b"gets ")) {
        Line::OpenGet
    } else {
        Line::TooLong
    }
}

/// One decoded line. Data blocks are cut off the input by the session: it knows the size limit.
#[derive(Debug)]
pub(super) enum Request<'a> {
    /// The keys are the rest of the line, however many.
    Get {
        how: Retrieval,
        keys: Words<'a>,
    },
    Store(Storage<'a>),
    Arithmetic {
        key: &'a [u8],
        direction: Direction,
        delta: u64,
        noreply: bool,
    },
    Delete {
        key: &'a [u8],
        noreply: bool,
    },
    Touch {
        key: &'a [u8],
        exptime: i32,
        noreply: bool,
    },
    MetaNoop,
    MetaGet(Meta<'a>),
    MetaSet(Meta<'a>, usize),
    MetaDelete(Meta<'a>),
    MetaArithmetic(Meta<'a>),
    MetaDebug {
        key: &'a [u8],
        is_base64: bool,
    },
    FlushAll {
        delay: i32,
        noreply: bool,
    },
    Version,
    Quit,
    /// Everything for people and monitoring, with the line as a whole.
    Admin(Admin, &'a [u8]),
}

impl Request<'_> {
    /// Is the reply to be left out? Storage, meta and admin commands have ways of their own.
    pub(super) fn is_noreply(&self) -> bool {
        matches!(
            self,
            Request::Arithmetic { noreply: true, .. }
                | Request::Delete { noreply: true, .. }
                | Request::Touch { noreply: true, .. }
                | Request::FlushAll { noreply: true, .. }
        )
    }
}

/// What a retrieval line asks for beside the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retrieval {
    pub with_cas: bool,
    /// A new exptime for each item (`gat`, `gats`).
    pub touch: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Set,
    Add,
    Replace,
    Append,
    Prepend,
    Cas,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admin {
    Stats,
    CacheMemlimit,
    LruCrawler,
    Lru,
    Slabs,
    Extstore,
    Watch,
    Verbosity,
    Shutdown,
    RefreshCerts,
    Config,
}

/// `<verb> <key> <flags> <exptime> <length> [<cas unique>] [noreply]`
#[derive(Debug)]
pub(super) struct Storage<'a> {
    pub mode: Mode,
    pub key: &'a [u8],
    pub flags: u32,
    pub exptime: i64,
    pub length: usize,
    pub unique: u64,
    pub noreply: bool,
}

/// A meta command: what its flags say. They are also kept as text, because the reply repeats some of them in order.
#[derive(Debug, Default)]
pub(super) struct Meta<'a> {
    pub key: &'a [u8],
    pub is_base64: bool,
    /// The flags as sent.
    pub text: &'a [u8],
    pub quiet: bool,
    pub no_bump: bool,
    pub want_value: bool,
    pub invalidate: bool,
    pub remove_value: bool,
    /// `c`: the reply tells the CAS unique.
    pub want_unique: bool,
    /// What follows `M`; empty when there is none.
    pub mode: &'a [u8],
    pub exptime: Option<i32>,
    pub vivify: Option<i32>,
    pub recache: Option<i32>,
    pub client_flags: u32,
    pub compare: Option<u64>,
    pub new_unique: Option<u64>,
    pub delta: Option<u64>,
    pub initial: u64,
}

impl<'a> Meta<'a> {
    pub(super) fn flags(&self) -> Words<'a> {
        Words::new(self.text)
    }
}

/// A refused line, and what becomes of what follows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub why: Refusal,
    pub noreply: bool,
    /// Bytes of the data block that is skipped. 0 where memcached takes them for the next line.
    pub swallow: usize,
}

impl From<Refusal> for Refused {
    fn from(why: Refusal) -> Refused {
        Refused { why, noreply: false, swallow: 0 }
    }
}

/// Room for a decoded key; lives as long as the request, and allocates for base64 keys only.
pub(super) type Scratch = Vec<u8>;

/// What one line asks for.
#[inline]
pub(super) fn request<'a>(mut words: Words<'a>, scratch: &'a mut Scratch) -> Result<Request<'a>, Refused> {
    let text = words.text();
    let verb = words.next().unwrap_or_default();
    match verb {
        b"get" | b"bget" => get(words, false),
        b"gets" => get(words, true),
        b"set" => storage(words, Mode::Set),
        b"mg" => Ok(Request::MetaGet(meta(words, scratch)?)),
        b"ms" => meta_set(words, scratch),
        b"add" => storage(words, Mode::Add),
        b"replace" => storage(words, Mode::Replace),
        b"append" => storage(words, Mode::Append),
        b"prepend" => storage(words, Mode::Prepend),
        b"cas" => storage(words, Mode::Cas),
        b"incr" => arithmetic(&Args::of(text), Direction::Up),
        b"decr" => arithmetic(&Args::of(text), Direction::Down),
        b"delete" => delete(&Args::of(text)),
        b"touch" => touch(&Args::of(text)),
        b"gat" => get_and_touch(words, false),
        b"gats" => get_and_touch(words, true),
        b"mn" => Ok(Request::MetaNoop),
        b"md" => Ok(Request::MetaDelete(meta(words, scratch).map_err(plainer)?)),
        b"ma" => Ok(Request::MetaArithmetic(meta(words, scratch).map_err(plainer)?)),
        b"me" => meta_debug(words, scratch),
        b"flush_all" => flush_all(&Args::of(text)),
        b"version" => Ok(Request::Version),
        b"quit" => Ok(Request::Quit),
        _ => admin(verb, text),
    }
}

#[inline]
fn get(words: Words<'_>, with_cas: bool) -> Result<Request<'_>, Refused> {
    if words.is_empty() {
        return Err(Refusal::Unknown.into());
    }
    Ok(Request::Get { how: Retrieval { with_cas, touch: None }, keys: words })
}

/// `gat <exptime> <key>*`; without keys memcached answers an empty list.
fn get_and_touch(mut words: Words<'_>, with_cas: bool) -> Result<Request<'_>, Refused> {
    let exptime = words.next().ok_or(Refusal::Unknown)?;
    let exptime = int(exptime).ok_or(Refusal::InvalidExptime)?.into();
    Ok(Request::Get { how: Retrieval { with_cas, touch: Some(exptime) }, keys: words })
}

/// What an open, over-long `get` line asks for, and where its keys begin.
pub(super) fn open_get(input: &[u8]) -> (Retrieval, usize) {
    let mut words = Words::new(input);
    let with_cas = words.next() == Some(b"gets");
    (Retrieval { with_cas, touch: None }, input.len() - words.rest().len())
}

/// The words behind the verb: four, with `cas` five, and one more, which is `noreply` or not read.
#[inline]
fn storage(mut words: Words<'_>, mode: Mode) -> Result<Request<'_>, Refused> {
    let mut word = || words.next().ok_or(Refusal::Unknown);
    let (key, flags, exptime, length) = (word()?, word()?, word()?, word()?);
    let unique = if mode == Mode::Cas { word()? } else { b"0" };
    let mut last = if mode == Mode::Cas { unique } else { length };
    if let Some(word) = words.next() {
        last = word;
        if !words.is_empty() {
            return Err(Refusal::Unknown.into());
        }
    }
    let noreply = last == b"noreply";
    let read = || {
        let key = checked_key(key)?;
        let (flags, exptime, length) = (uint32(flags)?, int(exptime)?.into(), int(length)?);
        let (unique, length) = (uint(unique)?, block_length(length)?);
        Some(Storage { mode, key, flags, exptime, length, unique, noreply })
    };
    read().map(Request::Store).ok_or(Refused { why: Refusal::BadFormat, noreply, swallow: 0 })
}

/// memcached counts in 32 bits, the line ending included.
fn block_length(length: i32) -> Option<usize> {
    usize::try_from(length).ok().filter(|&length| length <= i32::MAX as usize - 2)
}

fn checked_key(key: &[u8]) -> Option<&[u8]> {
    (key.len() <= MAX_KEY).then_some(key)
}

/// The words of a command that takes `least` or one more (`noreply`, or anything else, unread).
fn short<'a>(args: &Args<'a>, least: usize) -> Result<(&'a [u8], bool), Refused> {
    if args.count() != least && args.count() != least + 1 {
        return Err(Refusal::Unknown.into());
    }
    let noreply = args.is_noreply();
    match checked_key(args.at(1)) {
        Some(key) => Ok((key, noreply)),
        None => Err(Refused { why: Refusal::BadFormat, noreply, swallow: 0 }),
    }
}

fn arithmetic<'a>(args: &Args<'a>, direction: Direction) -> Result<Request<'a>, Refused> {
    let (key, noreply) = short(args, 3)?;
    match uint(args.at(2)) {
        Some(delta) => Ok(Request::Arithmetic { key, direction, delta, noreply }),
        None => Err(Refused { why: Refusal::InvalidDelta, noreply, swallow: 0 }),
    }
}

fn touch<'a>(args: &Args<'a>) -> Result<Request<'a>, Refused> {
    let (key, noreply) = short(args, 3)?;
    match int(args.at(2)) {
        Some(exptime) => Ok(Request::Touch { key, exptime, noreply }),
        None => Err(Refused { why: Refusal::InvalidExptime, noreply, swallow: 0 }),
    }
}

/// `delete <key> [0] [noreply]`: old clients send a time, of which only 0 is still understood.
fn delete<'a>(args: &Args<'a>) -> Result<Request<'a>, Refused> {
    if !(2..=4).contains(&args.count()) {
        return Err(Refusal::Unknown.into());
    }
    let noreply = args.count() > 2 && args.is_noreply();
    let is_zero = args.at(2) == b"0";
    let is_valid = match args.count() {
        2 => true,
        3 => is_zero || noreply,
        _ => is_zero && noreply,
    };
    if !is_valid {
        return Err(Refused { why: Refusal::DeleteUsage, noreply, swallow: 0 });
    }
    match checked_key(args.at(1)) {
        Some(key) => Ok(Request::Delete { key, noreply }),
        None => Err(Refused { why: Refusal::BadFormat, noreply, swallow: 0 }),
    }
}

/// `flush_all [<delay>] [noreply]`
fn flush_all<'a>(args: &Args<'a>) -> Result<Request<'a>, Refused> {
    if args.count() > 3 {
        return Err(Refusal::Unknown.into());
    }
    let noreply = args.is_noreply();
    let has_delay = args.count() > 1 + usize::from(noreply);
    let delay = if has_delay { int(args.at(1)) } else { Some(0) };
    match delay {
        Some(delay) => Ok(Request::FlushAll { delay, noreply }),
        None => Err(Refused { why: Refusal::InvalidExptime, noreply, swallow: 0 }),
    }
}

/// Differs: memcached's bound holds for the base64 form too; here such a key may be as long as a line, since
/// keys that Redis clients wrote may be longer than 250 bytes.
#[inline]
fn is_too_long(key: &[u8], mut flags: Words<'_>) -> bool {
    key.len() > MAX_KEY && !std::iter::from_fn(|| flags.next()).any(|flag| flag == b"b")
}

/// `mg <key> <flag>*`, also `md` and `ma`.
#[inline]
fn meta<'a>(mut words: Words<'a>, scratch: &'a mut Scratch) -> Result<Meta<'a>, Refused> {
    let key = words.next().ok_or(Refusal::Unknown)?;
    if is_too_long(key, words) {
        return Err(Refusal::BadFormat.into());
    }
    if words.count() + 2 > MAX_META_WORDS {
        return Err(Refusal::TooManyFlags.into());
    }
    let mut meta = Meta { key, text: words.rest(), ..Meta::default() };
    meta_flags(&mut meta, words, scratch)?;
    Ok(meta)
}

/// `ms <key> <length> <flag>*`. From the length on, a refused line swallows its data block.
fn meta_set<'a>(mut words: Words<'a>, scratch: &'a mut Scratch) -> Result<Request<'a>, Refused> {
    let key = words.next().ok_or(Refusal::Unknown)?;
    let length = words.next().ok_or(Refusal::BadFormat)?;
    if is_too_long(key, words) {
        return Err(Refusal::BadFormat.into());
    }
    if words.count() + 3 > MAX_META_WORDS {
        return Err(Refusal::TooManySetFlags.into());
    }
    let length = int(length).and_then(block_length).ok_or(Refusal::BadFormat)?;
    let swallow = length + 2;
    let refuse = |why| Refused { why, noreply: false, swallow };
    let mut meta = Meta { key, text: words.rest(), ..Meta::default() };
    meta_flags(&mut meta, words, scratch).map_err(refuse)?;
    Ok(Request::MetaSet(meta, length))
}

/// memcached gives `md` and `ma` one text for all mistakes in their flags.
fn plainer(refused: Refused) -> Refused {
    let why = match refused.why {
        Refusal::Unknown | Refusal::BadFormat | Refusal::OpaqueTooLong => refused.why,
        Refusal::TooManyFlags => Refusal::TooManySetFlags,
        _ => Refusal::InvalidOrDuplicateFlag,
    };
    Refused { why, ..refused }
}

/// A flag that is unknown or comes twice ends the reading; of several bad tokens the last is told.
fn meta_flags<'a>(meta: &mut Meta<'a>, words: Words<'a>, scratch: &'a mut Scratch) -> Result<(), Refusal> {
    let mut scratch = Some(scratch);
    let mut seen = 0u128;
    let mut bad = None;
    let mut opaque_too_long = false;
    for word in words {
        let (letter, token) = (word[0], &word[1..]);
        if letter >= 127 || seen & (1 << letter) != 0 {
            return Err(Refusal::DuplicateFlag);
        }
        seen |= 1 << letter;
        let outcome = match letter {
            b'b' => meta_key(meta, scratch.take()),
            b'O' => {
                opaque_too_long = word.len() > MAX_OPAQUE;
                Ok(())
            }
            _ => meta_flag(meta, letter, token),
        };
        match outcome {
            Ok(()) => (),
            Err(Refusal::InvalidFlag) => return Err(Refusal::InvalidFlag),
            Err(Refusal::BadFormat) => bad = bad.or(Some(Refusal::BadFormat)), // `F` sets no text of its own
            Err(why) => bad = Some(why),
        }
    }
    if opaque_too_long {
        bad = bad.or(Some(Refusal::OpaqueTooLong));
    }
    bad.map_or(Ok(()), Err)
}

/// `b`: the key is base64. `room` is there once, as the flag may stand once.
fn meta_key<'a>(meta: &mut Meta<'a>, room: Option<&'a mut Scratch>) -> Result<(), Refusal> {
    let room = room.ok_or(Refusal::DuplicateFlag)?;
    let length = base64::decode(meta.key, room).ok_or(Refusal::UndecodableKey)?;
    meta.key = &room[..length];
    meta.is_base64 = true;
    Ok(())
}

#[inline]
fn meta_flag<'a>(meta: &mut Meta<'a>, letter: u8, token: &'a [u8]) -> Result<(), Refusal> {
    match letter {
        b'v' => meta.want_value = true,
        b'q' => meta.quiet = true,
        b'u' => meta.no_bump = true,
        b'I' => meta.invalidate = true,
        b'x' => meta.remove_value = true,
        b'c' => meta.want_unique = true,
        b'f' | b'h' | b'k' | b'l' | b's' | b't' => (), // said in the reply
        b'P' | b'L' => (),                             // for proxies to read
        b'T' => meta.exptime = Some(int(token).ok_or(Refusal::BadToken)?),
        b'N' => meta.vivify = Some(int(token).ok_or(Refusal::BadToken)?),
        b'R' => meta.recache = Some(int(token).ok_or(Refusal::BadToken)?),
        b'C' => meta.compare = Some(uint(token).ok_or(Refusal::BadToken)?),
        b'E' => meta.new_unique = Some(uint(token).ok_or(Refusal::BadToken)?),
        b'F' => meta.client_flags = uint32(token).ok_or(Refusal::BadFormat)?,
        b'D' => meta.delta = Some(uint(token).ok_or(Refusal::InvalidMetaDelta)?),
        b'J' => meta.initial = uint(token).ok_or(Refusal::InvalidInitial)?,
        b'M' if token.len() != 1 => return Err(Refusal::ModeLength),
        b'M' => meta.mode = token,
        _ => return Err(Refusal::InvalidFlag),
    }
    Ok(())
}

/// `me <key> [b]`; whatever else follows is not read.
fn meta_debug<'a>(mut words: Words<'a>, scratch: &'a mut Scratch) -> Result<Request<'a>, Refused> {
    let key = words.next().ok_or(Refusal::BadFormat)?;
    let is_base64 = words.next() == Some(b"b");
    if !is_base64 && key.len() > MAX_KEY {
        return Err(Refusal::BadFormat.into());
    }
    if !is_base64 {
        return Ok(Request::MetaDebug { key, is_base64 });
    }
    let length = base64::decode(key, scratch).ok_or(Refusal::BadFormat)?;
    Ok(Request::MetaDebug { key: &scratch[..length], is_base64 })
}

fn admin<'a>(verb: &[u8], text: &'a [u8]) -> Result<Request<'a>, Refused> {
    let (what, counts) = match verb {
        b"stats" => (Admin::Stats, 1..=MAX_WORDS),
        b"cache_memlimit" => (Admin::CacheMemlimit, 2..=3),
        b"lru_crawler" => (Admin::LruCrawler, 2..=3),
        b"lru" => (Admin::Lru, 2..=MAX_WORDS),
        b"slabs" => (Admin::Slabs, 1..=MAX_WORDS),
        b"extstore" => (Admin::Extstore, 2..=MAX_WORDS),
        b"watch" => (Admin::Watch, 1..=MAX_WORDS),
        b"verbosity" => (Admin::Verbosity, 2..=3),
        b"shutdown" => (Admin::Shutdown, 1..=MAX_WORDS),
        b"refresh_certs" => (Admin::RefreshCerts, 1..=MAX_WORDS),
        b"config" => (Admin::Config, 3..=3),
        _ => return Err(Refusal::Unknown.into()),
    };
    if !counts.contains(&Words::new(text).take(MAX_WORDS).count()) {
        return Err(Refusal::Unknown.into());
    }
    Ok(Request::Admin(what, text))
}

/// A storage command's data block at the start of `rest`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Block<'a> {
    Whole(&'a [u8]),
    /// The block is there but no line ending follows it.
    Bad,
    /// So many bytes are still to come.
    Missing(usize),
}

#[inline]
pub(super) fn block(rest: &[u8], length: usize) -> Block<'_> {
    match rest.get(length..length + 2) {
        Some(b"\r\n") => Block::Whole(&rest[..length]),
        Some(_) => Block::Bad,
        None => Block::Missing(length + 2 - rest.len()),
    }
}
