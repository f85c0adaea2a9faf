//! Values: text to meaning and back, with Redis' words for what is wrong
//! (`src/config.c`: `numericParseString`, `memtoull` and the setters of each parameter).

use super::events;
use super::table::{Kind, Spec};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;

/// Why a value was refused, as `CONFIG SET` words it.
pub type Reason = Cow<'static, str>;

/// A value that passed the checks of its parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Also a flag (0, 1), a choice (its position) and a set of events (bits).
    Number(i64),
    Text(String),
    /// What `client-output-buffer-limit` says of each class that it names.
    Limits([Option<OutputLimit>; 3]),
}

/// A limit on what a client leaves unread; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputLimit {
    pub hard_bytes: u64,
    pub soft_bytes: u64,
    pub soft_seconds: u64,
}

/// Classes of clients, in the order of `client-output-buffer-limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientClass {
    Normal,
    Replica,
    Pubsub,
}

pub(super) const CLASS_NAMES: [&str; 3] = ["normal", "slave", "pubsub"];

pub(super) fn parse(spec: &Spec, text: &str) -> Result<Value, Reason> {
    Ok(match spec.kind {
        Kind::Flag => Value::Number(parse_flag(text)?),
        Kind::Number { min, max } => Value::Number(within(parse_number(text)?, min, max)?),
        Kind::Clamped { min, max } => {
            let number = within(parse_number(text)?, 0, i64::from(i32::MAX))?;
            Value::Number(number.clamp(min, max))
        }
        Kind::Octal { min, max } => Value::Number(parse_octal(text, min, max)?),
        Kind::Memory { min, max } => Value::Number(within(parse_memory(text)?, min, max)?),
        Kind::Size { min, max } => Value::Number(within(parse_size(text)?, min, max)?),
        Kind::MemoryOrPercent => Value::Number(parse_memory_or_percent(text)?),
        Kind::Choice(choices) => Value::Number(parse_choice(text, choices)?),
        Kind::Events => Value::Number(events::parse(text)?),
        Kind::OutputLimits => Value::Limits(parse_limits(text)?),
        Kind::Text(check) | Kind::Words(check) => Value::Text(check(text)?),
    })
}

/// The text of a number as `CONFIG GET` shows it.
pub(super) fn render_number(kind: Kind, number: i64) -> String {
    match kind {
        Kind::Flag => if number == 0 { "no" } else { "yes" }.to_owned(),
        Kind::Octal { .. } => format!("{number:o}"),
        Kind::MemoryOrPercent if number < 0 => format!("{}%", number.unsigned_abs()),
        Kind::Choice(choices) => usize::try_from(number)
            .ok()
            .and_then(|index| choices.get(index))
            .map_or_else(String::new, |choice| (*choice).to_owned()),
        Kind::Events => events::render(number),
        _ => number.to_string(),
    }
}

pub(super) fn render_limits(limits: &[OutputLimit; 3]) -> String {
    let mut text = String::new();
    for (name, limit) in CLASS_NAMES.iter().zip(limits) {
        let space = if text.is_empty() { "" } else { " " };
        let OutputLimit { hard_bytes, soft_bytes, soft_seconds } = limit;
        // Writing to a String cannot fail.
        let _ = write!(text, "{space}{name} {hard_bytes} {soft_bytes} {soft_seconds}");
    }
    text
}

/// Bytes as a person writes them: `64mb`, `1gb`, or plain when that is not exact.
pub fn human_bytes(bytes: i64) -> String {
    for (unit, name) in [(1 << 30, "gb"), (1 << 20, "mb"), (1 << 10, "kb")] {
        if bytes != 0 && bytes % unit == 0 {
            return format!("{}{name}", bytes / unit);
        }
    }
    bytes.to_string()
}

fn parse_flag(text: &str) -> Result<i64, Reason> {
    if text.eq_ignore_ascii_case("yes") {
        Ok(1)
    } else if text.eq_ignore_ascii_case("no") {
        Ok(0)
    } else {
        Err("argument must be 'yes' or 'no'".into())
    }
}

/// As strict as `string2ll`: no sign but `-`, no leading zero, no space.
fn parse_number(text: &str) -> Result<i64, Reason> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical = text == "0"
        || digits.bytes().all(|byte| byte.is_ascii_digit())
            && digits.bytes().next().is_some_and(|first| first != b'0');
    text.parse().ok().filter(|_| canonical).ok_or("argument couldn't be parsed into an integer".into())
}

fn within(number: i64, min: i64, max: i64) -> Result<i64, Reason> {
    if (min..=max).contains(&number) {
        Ok(number)
    } else {
        Err(format!("argument must be between {min} and {max} inclusive").into())
    }
}

fn parse_octal(text: &str, min: i64, max: i64) -> Result<i64, Reason> {
    let number = i64::from_str_radix(text, 8)
        .map_err(|_| Reason::from("argument couldn't be parsed as an octal number"))?;
    if (min..=max).contains(&number) {
        Ok(number)
    } else {
        Err(format!("argument must be between {min:o} and {max:o} inclusive").into())
    }
}

/// Splits `10mb` into digits and the lower-case unit.
fn split_unit(text: &str) -> (&str, String) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    (number, unit.to_ascii_lowercase())
}

/// No digits are 0, as in Redis, where `maxmemory ''` lifts the limit.
///
/// Differs: what does not fit into 63 bits is refused; Redis saturates the number, then lets the
/// multiplication wrap.
fn bytes_of(number: &str, unit: i64) -> Option<i64> {
    let number = if number.is_empty() { 0 } else { number.parse::<i64>().ok()? };
    number.checked_mul(unit)
}

fn parse_memory(text: &str) -> Result<i64, Reason> {
    let (number, unit) = split_unit(text);
    let unit = match unit.as_str() {
        "" | "b" => Some(1),
        "k" => Some(1000),
        "kb" => Some(1 << 10),
        "m" => Some(1_000_000),
        "mb" => Some(1 << 20),
        "g" => Some(1_000_000_000),
        "gb" => Some(1 << 30),
        _ => None,
    };
    unit.and_then(|unit| bytes_of(number, unit)).ok_or("argument must be a memory value".into())
}

fn parse_size(text: &str) -> Result<i64, Reason> {
    let (number, unit) = split_unit(text);
    let unit = match unit.as_str() {
        "" | "b" => Some(1),
        "k" | "kb" => Some(1 << 10),
        "m" | "mb" => Some(1 << 20),
        "g" | "gb" => Some(1 << 30),
        _ => None,
    };
    unit.and_then(|unit| bytes_of(number, unit)).ok_or("argument must be a memory value".into())
}

fn parse_memory_or_percent(text: &str) -> Result<i64, Reason> {
    let wrong = || Reason::from("argument must be a memory or percent value");
    match text.strip_suffix('%') {
        Some(percent) => match parse_number(percent) {
            Ok(percent @ 0..=100) => Ok(-percent),
            Ok(101..) => Err("percentage argument must be less or equal to 100".into()),
            _ => Err(wrong()),
        },
        None => parse_memory(text).map_err(|_| wrong()),
    }
}

fn parse_choice(text: &str, choices: &[&str]) -> Result<i64, Reason> {
    choices
        .iter()
        .position(|choice| choice.eq_ignore_ascii_case(text))
        .and_then(|index| i64::try_from(index).ok())
        .ok_or_else(|| one_of(choices))
}

fn one_of(choices: &[&str]) -> Reason {
    format!("argument(s) must be one of the following: {}", choices.join(", ")).into()
}

/// Words apart by one space each, as Redis cuts them: two spaces hold an empty word.
fn words_of(text: &str) -> Vec<&str> {
    if text.is_empty() { Vec::new() } else { text.split(' ').collect() }
}

fn parse_limits(text: &str) -> Result<[Option<OutputLimit>; 3], Reason> {
    let words = words_of(text);
    if !words.len().is_multiple_of(4) {
        return Err("Wrong number of arguments in buffer limit configuration.".into());
    }
    let mut limits = [None; 3];
    for group in words.chunks_exact(4) {
        let &[class, hard, soft, seconds] = group else {
            continue;
        };
        let class = if class.eq_ignore_ascii_case("replica") { "slave" } else { class };
        let slot = CLASS_NAMES.iter().zip(&mut limits).find(|(name, _)| name.eq_ignore_ascii_case(class));
        let Some((_, slot)) = slot else {
            return Err("Invalid client class specified in buffer limit configuration.".into());
        };
        *slot = Some(
            parse_limit(hard, soft, seconds)
                .ok_or("Error in hard, soft or soft_seconds setting in buffer limit configuration.")?,
        );
    }
    Ok(limits)
}

fn parse_limit(hard: &str, soft: &str, seconds: &str) -> Option<OutputLimit> {
    let bytes = |text| parse_memory(text).ok().and_then(|bytes| u64::try_from(bytes).ok());
    Some(OutputLimit {
        hard_bytes: bytes(hard)?,
        soft_bytes: bytes(soft)?,
        soft_seconds: seconds.parse::<u32>().ok()?.into(),
    })
}

pub(super) fn any_text(text: &str) -> Result<String, Reason> {
    Ok(text.to_owned())
}

/// An existing directory, kept absolute. magpie does not change into it.
pub(super) fn directory(text: &str) -> Result<String, Reason> {
    let path = Path::new(text);
    if !path.is_dir() {
        let exists = path.exists();
        return Err(if exists { "Not a directory" } else { "No such file or directory" }.into());
    }
    let path = path.canonicalize().map_err(|error| Reason::from(error.to_string()))?;
    Ok(path.to_string_lossy().into_owned())
}

pub(super) fn db_filename(text: &str) -> Result<String, Reason> {
    if text.contains('/') {
        return Err("dbfilename can't be a path, just a filename".into());
    }
    Ok(text.to_owned())
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindAddress {
    /// An address or a host name; `*` and `::*` are written out as `0.0.0.0` and `::`.
    pub host: String,
    /// Written with a leading `-`: go on without it when the machine does not have it.
    pub optional: bool,
}

impl BindAddress {
    /// Can only this machine reach it?
    pub fn is_loopback(&self) -> bool {
        match self.host.parse::<std::net::IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => self.host == "localhost",
        }
    }

    pub(super) fn list(text: &str) -> Vec<BindAddress> {
        let address = |word: &str| {
            let host = word.strip_prefix('-').unwrap_or(word);
            let written_out = match host {
                "*" => "0.0.0.0",
                "::*" => "::",
                host => host,
            };
            BindAddress { host: written_out.to_owned(), optional: host.len() < word.len() }
        };
        text.split_whitespace().map(address).collect()
    }
}

/// Redis' list, words apart by spaces, or memcached's, apart by commas.
pub(super) fn bind(text: &str) -> Result<String, Reason> {
    let words: Vec<&str> = text
        .split(|char: char| char == ',' || char.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect();
    for address in BindAddress::list(&words.join(" ")) {
        let host = address.host;
        if host.parse::<std::net::IpAddr>().is_ok() {
            continue;
        }
        if host.is_empty() || host.contains([':', '[', ']', '/', '*']) {
            return Err(format!(
                "'{host}' is no address; write 127.0.0.1, ::1 or a host name, and the port with port and \
                 memcached-port"
            )
            .into());
        }
    }
    Ok(words.join(" "))
}

/// Nodes as ElastiCache writes them, `HOST|IP|PORT`. Where the IP address is not given the host stands for it: there
/// are clients that connect to that one.
pub(super) fn memcached_nodes(text: &str) -> Result<String, Reason> {
    let nodes = text.split(|char: char| char == ',' || char.is_whitespace()).filter(|node| !node.is_empty());
    let nodes: Option<Vec<String>> = nodes.map(memcached_node).collect();
    nodes.map(|nodes| nodes.join(" ")).ok_or_else(|| "a node is HOST:PORT or HOST|IP|PORT".into())
}

fn memcached_node(node: &str) -> Option<String> {
    let (host, address, port) = match node.split('|').collect::<Vec<_>>()[..] {
        [host, address, port] => (host, address, port),
        [node] => {
            let (host, port) = node.rsplit_once(':')?;
            let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            (host, "", port)
        }
        _ => return None,
    };
    port.parse::<u16>().ok().filter(|port| *port != 0)?;
    let address = if address.is_empty() { host } else { address };
    (!host.is_empty()).then(|| format!("{host}|{address}|{port}"))
}

/// Pairs of seconds (at least 1) and changes (at least 0).
pub(super) fn save(text: &str) -> Result<String, Reason> {
    let words = words_of(text);
    let is_pair = |pair: &[&str]| match pair {
        [seconds, changes] => {
            parse_number(seconds).is_ok_and(|seconds| seconds >= 1)
                && parse_number(changes).is_ok_and(|changes| changes >= 0)
        }
        _ => false,
    };
    let good = words.chunks(2).all(is_pair);
    if good { Ok(words.join(" ")) } else { Err("Invalid save parameters".into()) }
}

pub(super) fn replica_of(text: &str) -> Result<String, Reason> {
    let words = words_of(text);
    match words[..] {
        [] => Ok(String::new()),
        [host, port] if host.eq_ignore_ascii_case("no") && port.eq_ignore_ascii_case("one") => {
            Ok(String::new())
        }
        [_, port] if port.parse::<u16>().is_ok() => Ok(words.join(" ")),
        [_, _] => Err("Invalid master port".into()),
        _ => Err("wrong number of arguments".into()),
    }
}

pub(super) fn shutdown_options(text: &str) -> Result<String, Reason> {
    const OPTIONS: [&str; 5] = ["default", "save", "nosave", "now", "force"];
    let mut chosen = [false; OPTIONS.len()];
    let words = words_of(text);
    if words.is_empty() {
        return Err(one_of(&OPTIONS));
    }
    for word in words {
        let option = OPTIONS.iter().zip(&mut chosen).find(|(option, _)| option.eq_ignore_ascii_case(word));
        let Some((_, chosen)) = option else {
            return Err(one_of(&OPTIONS));
        };
        *chosen = true;
    }
    if chosen[1] && chosen[2] {
        return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into());
    }
    let names = OPTIONS.iter().zip(chosen).skip(1).filter(|(_, chosen)| *chosen);
    let names: Vec<&str> = names.map(|(option, _)| *option).collect();
    Ok(if names.is_empty() { "default".to_owned() } else { names.join(" ") })
}

pub(super) fn oom_score_values(text: &str) -> Result<String, Reason> {
    let words = words_of(text);
    if words.len() != 3 {
        return Err("wrong number of arguments".into());
    }
    let good = |word: &&str| word.parse::<i32>().is_ok_and(|score| (-2000..=2000).contains(&score));
    if !words.iter().all(good) {
        return Err("Invalid oom-score-adj-values, elements must be between -2000 and 2000.".into());
    }
    Ok(words.join(" "))
}

/// Kept as Redis prints them, with at most six decimals.
pub(super) fn percentiles(text: &str) -> Result<String, Reason> {
    let mut shown = Vec::new();
    for word in words_of(text) {
        let percentile: f64 =
            word.parse().map_err(|_| Reason::from("Invalid latency-tracking-info-percentiles parameters"))?;
        if !(0.0..=100.0).contains(&percentile) {
            return Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".into());
        }
        let decimals = format!("{percentile:.6}");
        shown.push(decimals.trim_end_matches('0').trim_end_matches('.').to_owned());
    }
    Ok(shown.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(text: &str) -> Option<i64> {
        parse_memory(text).ok()
    }

    #[test]
    fn memory_suffixes_mean_what_they_mean_in_redis() {
        assert_eq!(memory("1k"), Some(1000));
        assert_eq!(memory("1KB"), Some(1024));
        assert_eq!(memory("2m"), Some(2_000_000));
        assert_eq!(memory("100mb"), Some(104_857_600));
        assert_eq!(memory("1Gb"), Some(1 << 30));
        assert_eq!(memory("7b"), Some(7));
        assert_eq!(memory(""), Some(0));
        for wrong in ["abc", "-1", "50%", " 1", "1 ", "1.5gb", "1kib", "1tb", "+1", "é"] {
            assert_eq!(memory(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn memory_that_does_not_fit_is_refused_and_does_not_wrap() {
        assert_eq!(memory("9223372036854775807"), Some(i64::MAX));
        assert_eq!(memory("9223372036854775808"), None);
        assert_eq!(memory("8589934591gb"), Some(8_589_934_591 << 30));
        assert_eq!(memory("8589934592gb"), None);
        assert_eq!(memory("99999999999999999999999999gb"), None);
    }

    #[test]
    fn item_sizes_are_binary_as_in_memcached() {
        assert_eq!(parse_size("2m"), Ok(2 << 20));
        assert_eq!(parse_size("512K"), Ok(512 << 10));
        assert_eq!(parse_size("1g"), Ok(1 << 30));
        assert!(parse_size("2x").is_err());
    }

    #[test]
    fn numbers_are_strict() {
        for (text, number) in [("0", 0), ("-1", -1), ("2147483647", 2_147_483_647)] {
            assert_eq!(parse_number(text), Ok(number));
        }
        for wrong in ["", "-", "-0", "+1", "01", " 1", "1 ", "0x10", "1kb", "9223372036854775808"] {
            assert!(parse_number(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn percentages_go_to_a_hundred() {
        assert_eq!(parse_memory_or_percent("5%"), Ok(-5));
        assert_eq!(parse_memory_or_percent("1mb"), Ok(1 << 20));
        let words = |text| parse_memory_or_percent(text).map_err(Cow::into_owned);
        assert_eq!(words("101%"), Err("percentage argument must be less or equal to 100".into()));
        assert_eq!(words("-5"), Err("argument must be a memory or percent value".into()));
        assert_eq!(words("x%"), Err("argument must be a memory or percent value".into()));
    }

    #[test]
    fn output_limits_may_name_some_classes_only() {
        let limits = parse_limits("normal 1mb 2kb 30 replica 1 1 1").expect("good limits");
        let normal = OutputLimit { hard_bytes: 1 << 20, soft_bytes: 2048, soft_seconds: 30 };
        assert_eq!(limits[0], Some(normal));
        assert_eq!(limits[1].map(|limit| limit.soft_seconds), Some(1));
        assert_eq!(limits[2], None);
        assert_eq!(parse_limits(""), Ok([None; 3]));
        for wrong in ["normal 0 0", "foo 0 0 0", "master 1 0 0", "normal 1x 0 0", "normal 1 1 -1"] {
            assert!(parse_limits(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn bind_takes_redis_lists_and_memcacheds() {
        assert_eq!(bind("127.0.0.1,::1"), Ok("127.0.0.1 ::1".to_owned()));
        assert_eq!(bind("  * -::* "), Ok("* -::*".to_owned()));
        assert_eq!(bind("cache.example.org"), Ok("cache.example.org".to_owned()));
        assert_eq!(bind(""), Ok(String::new()));
        assert!(bind("127.0.0.1:11211").is_err());
        let list = BindAddress::list("* -::1 localhost ::ffff:127.0.0.1 10.0.0.1");
        assert_eq!(list[0].host, "0.0.0.0");
        assert!(list[1].optional && !list[0].optional);
        let loopback: Vec<bool> = list.iter().map(BindAddress::is_loopback).collect();
        assert_eq!(loopback, [false, true, true, true, false]);
    }

    #[test]
    fn nodes_are_kept_as_elasticache_tells_them() {
        assert_eq!(
            memcached_nodes("cache1:11211, ::1|10.0.0.1|11212 [::1]:1 h||2"),
            Ok("cache1|cache1|11211 ::1|10.0.0.1|11212 ::1|::1|1 h|h|2".to_owned())
        );
        assert_eq!(memcached_nodes(""), Ok(String::new()));
        for wrong in ["cache1", "cache1:", ":1", "a:0", "a:65536", "a|b", "a|b|1|2", "|b|1"] {
            assert!(memcached_nodes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn percentiles_print_as_redis_prints_them() {
        let shown = percentiles("50 99.9 100.0 0.1234567890123456789");
        assert_eq!(shown, Ok("50 99.9 100 0.123457".to_owned()));
        assert!(percentiles("NaN").is_err());
    }

    #[test]
    fn bytes_are_shown_in_the_largest_exact_unit() {
        assert_eq!(human_bytes(0), "0");
        assert_eq!(human_bytes(3 << 30), "3gb");
        assert_eq!(human_bytes(1536 << 20), "1536mb");
        assert_eq!(human_bytes(1025), "1025");
    }
}
