//! `cjson.decode`: as lua-cjson's parser it ends at a NUL, and takes hexadecimal numbers and infinities unless told not to.

use super::super::error::{bad_arg, raise, string_arg};
use super::super::number::parse_prefix;
use super::{Invalid, Settings};
use mlua::{Lua, MultiValue, Result, Value};

/// Recursion has a bound of its own, whatever `decode_max_depth` says: the thread's stack is finite.
const DEPTH_MAX: usize = 10_000;

pub(super) fn decode(lua: &Lua, args: &MultiValue, settings: &Settings) -> Result<MultiValue> {
    if args.len() != 1 {
        return Err(bad_arg(lua, 1, "decode", "expected 1 argument"));
    }
    let text = string_arg(lua, args, 0, "decode")?;
    let bytes = text.as_bytes();
    if bytes.len() >= 2 && bytes[..2].contains(&0) {
        return Err(raise(lua, "JSON parser does not support UTF-16 or UTF-32"));
    }
    let text = &bytes[..memchr::memchr(0, &bytes).unwrap_or(bytes.len())];
    let mut parser = Parser { lua, settings, text, at: 0, depth: 0 };
    let first = parser.next()?;
    let value = parser.value(first)?;
    match parser.next()? {
        Token { kind: Kind::End, .. } => Ok(MultiValue::from_vec(vec![value])),
        token => Err(parser.unexpected("the end", &token)),
    }
}

enum Kind {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    String(Value),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Error(&'static str),
}

struct Token {
    kind: Kind,
    /// Where it begins, or where it went wrong.
    at: usize,
}

struct Parser<'p> {
    lua: &'p Lua,
    settings: &'p Settings,
    text: &'p [u8],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    /// The byte at a position; 0 behind the end.
    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    #[cold]
    fn unexpected(&self, expected: &str, token: &Token) -> mlua::Error {
        let found = match token.kind {
            Kind::ObjectBegin => "T_OBJ_BEGIN",
            Kind::ObjectEnd => "T_OBJ_END",
            Kind::ArrayBegin => "T_ARR_BEGIN",
            Kind::ArrayEnd => "T_ARR_END",
            Kind::String(_) => "T_STRING",
            Kind::Number(_) => "T_NUMBER",
            Kind::Boolean(_) => "T_BOOLEAN",
            Kind::Null => "T_NULL",
            Kind::Colon => "T_COLON",
            Kind::Comma => "T_COMMA",
            Kind::End => "T_END",
            Kind::Error(what) => what,
        };
        raise(self.lua, format!("Expected {expected} but found {found} at character {}", token.at + 1))
    }

    fn next(&mut self) -> Result<Token> {
        while matches!(self.byte(self.at), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        let at = self.at;
        let rest = &self.text[at.min(self.text.len())..];
        let (kind, len) = match self.byte(at) {
            0 => (Kind::End, 0),
            b'{' => (Kind::ObjectBegin, 1),
            b'}' => (Kind::ObjectEnd, 1),
            b'[' => (Kind::ArrayBegin, 1),
            b']' => (Kind::ArrayEnd, 1),
            b':' => (Kind::Colon, 1),
            b',' => (Kind::Comma, 1),
            b'"' => return self.string(),
            b'-' | b'0'..=b'9' => self.number(rest),
            _ if rest.starts_with(b"true") => (Kind::Boolean(true), 4),
            _ if rest.starts_with(b"false") => (Kind::Boolean(false), 5),
            _ if rest.starts_with(b"null") => (Kind::Null, 4),
            b'+' | b'i' | b'I' | b'n' | b'N'
                if self.settings.decode_invalid.get() != Invalid::Off && is_invalid_number(rest) =>
            {
                self.number(rest)
            }
            _ => (Kind::Error("invalid token"), 0),
        };
        self.at += len;
        Ok(Token { kind, at })
    }

    fn number(&self, rest: &[u8]) -> (Kind, usize) {
        if self.settings.decode_invalid.get() == Invalid::Off && is_invalid_number(rest) {
            return (Kind::Error("invalid number"), 0);
        }
        match parse_prefix(rest) {
            Some((number, len)) => (Kind::Number(number), len),
            None => (Kind::Error("invalid number"), 0),
        }
    }

    fn string(&mut self) -> Result<Token> {
        let begin = self.at;
        let mut text = Vec::new();
        self.at += 1;
        let wrong = |parser: &Self, what| Ok(Token { kind: Kind::Error(what), at: parser.at });
        loop {
            match self.byte(self.at) {
                b'"' => break,
                0 => return wrong(self, "unexpected end of string"),
                b'\\' => {
                    let plain = match self.byte(self.at + 1) {
                        byte @ (b'"' | b'\\' | b'/') => byte,
                        b'b' => 8,
                        b't' => 9,
                        b'n' => 10,
                        b'f' => 12,
                        b'r' => 13,
                        b'u' => {
                            let Some((scalar, len)) = self.unicode() else {
                                return wrong(self, "invalid unicode escape code");
                            };
                            text.extend_from_slice(scalar.encode_utf8(&mut [0; 4]).as_bytes());
                            self.at += len;
                            continue;
                        }
                        _ => return wrong(self, "invalid escape code"),
                    };
                    text.push(plain);
                    self.at += 2;
                }
                byte => {
                    text.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        Ok(Token { kind: Kind::String(Value::String(self.lua.create_string(&text)?)), at: begin })
    }

    /// `\uXXXX`, or a pair of surrogates; and its length.
    fn unicode(&self) -> Option<(char, usize)> {
        let high = self.hex(self.at + 2)?;
        if high & 0xF800 != 0xD800 {
            return Some((char::from_u32(high)?, 6));
        }
        let has_low = self.byte(self.at + 6) == b'\\' && self.byte(self.at + 7) == b'u';
        if high & 0x400 != 0 || !has_low {
            return None;
        }
        let low = self.hex(self.at + 8)?;
        if low & 0xFC00 != 0xDC00 {
            return None;
        }
        Some((char::from_u32(0x10000 + ((high & 0x3FF) << 10) + (low & 0x3FF))?, 12))
    }

    fn hex(&self, at: usize) -> Option<u32> {
        self.text
            .get(at..at + 4)?
            .iter()
            .try_fold(0, |sum, &byte| Some(sum << 4 | char::from(byte).to_digit(16)?))
    }

    fn value(&mut self, token: Token) -> Result<Value> {
        match token.kind {
            Kind::String(text) => Ok(text),
            Kind::Number(number) => Ok(Value::Number(number)),
            Kind::Boolean(value) => Ok(Value::Boolean(value)),
            Kind::Null => Ok(Value::NULL),
            Kind::ObjectBegin => self.object(),
            Kind::ArrayBegin => self.array(),
            _ => Err(self.unexpected("value", &token)),
        }
    }

    fn descend(&mut self) -> Result<()> {
        self.depth += 1;
        let max = usize::try_from(self.settings.decode_depth.get()).unwrap_or(0).min(DEPTH_MAX);
        if self.depth <= max {
            return Ok(());
        }
        let (depth, at) = (self.depth, self.at);
        Err(raise(self.lua, format!("Found too many nested data structures ({depth}) at character {at}")))
    }

    fn object(&mut self) -> Result<Value> {
        self.descend()?;
        let table = self.lua.create_table()?;
        let mut token = self.next()?;
        if !matches!(token.kind, Kind::ObjectEnd) {
            loop {
                let Kind::String(key) = token.kind else {
                    return Err(self.unexpected("object key string", &token));
                };
                let colon = self.next()?;
                if !matches!(colon.kind, Kind::Colon) {
                    return Err(self.unexpected("colon", &colon));
                }
                let first = self.next()?;
                table.raw_set(key, self.value(first)?)?;
                let then = self.next()?;
                match then.kind {
                    Kind::ObjectEnd => break,
                    Kind::Comma => token = self.next()?,
                    _ => return Err(self.unexpected("comma or object end", &then)),
                }
            }
        }
        self.depth -= 1;
        Ok(Value::Table(table))
    }

    fn array(&mut self) -> Result<Value> {
        self.descend()?;
        let table = self.lua.create_table()?;
        let mut token = self.next()?;
        if !matches!(token.kind, Kind::ArrayEnd) {
            for at in 1.. {
                table.raw_set(at, self.value(token)?)?;
                let then = self.next()?;
                match then.kind {
                    Kind::ArrayEnd => break,
                    Kind::Comma => token = self.next()?,
                    _ => return Err(self.unexpected("comma or array end", &then)),
                }
            }
        }
        self.depth -= 1;
        Ok(Value::Table(table))
    }
}

/// What `strtod` takes and JSON does not: a plus, hexadecimal digits, leading zeros, infinities, NaN.
fn is_invalid_number(text: &[u8]) -> bool {
    let byte = |text: &[u8], at: usize| text.get(at).copied().unwrap_or(0);
    if byte(text, 0) == b'+' {
        return true;
    }
    let text = text.strip_prefix(b"-").unwrap_or(text);
    match byte(text, 0) {
        b'0' => matches!(byte(text, 1), b'x' | b'X' | b'0'..=b'9'),
        0..=b'9' => false,
        _ => text
            .get(..3)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"inf") || start.eq_ignore_ascii_case(b"nan")),
    }
}
