//! Reading RDB: lengths, strings and numbers off a payload that may be anything.

use super::{LoadError, code, lzf};
use std::borrow::Cow;

/// What is left of a payload.
pub(super) struct Reader<'p> {
    rest: &'p [u8],
    /// Bytes that may still be decompressed: a few bytes can stand for many.
    budget: usize,
}

/// A length, or that a string is encoded in another way.
enum Length {
    Plain(u64),
    Encoded(u8),
}

impl<'p> Reader<'p> {
    pub(super) fn new(bytes: &'p [u8], budget: usize) -> Reader<'p> {
        Reader { rest: bytes, budget }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'p [u8], LoadError> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(LoadError::Corrupt)?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], LoadError> {
        Ok(self.take(N)?.try_into().expect("as many bytes as were asked for"))
    }

    pub(super) fn u8(&mut self) -> Result<u8, LoadError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Milliseconds since 1970, little-endian.
    pub(super) fn millis(&mut self) -> Result<u64, LoadError> {
        self.array().map(u64::from_le_bytes)
    }

    fn any_length(&mut self) -> Result<Length, LoadError> {
        let head = self.u8()?;
        let low = head & 0x3f;
        Ok(match head >> 6 {
            0 => Length::Plain(low.into()),
            1 => Length::Plain(u64::from(low) << 8 | u64::from(self.u8()?)),
            3 => Length::Encoded(low),
            _ => Length::Plain(match head {
                code::LENGTH_32 => u32::from_be_bytes(self.array()?).into(),
                code::LENGTH_64 => u64::from_be_bytes(self.array()?),
                _ => return Err(LoadError::Corrupt),
            }),
        })
    }

    /// A number that is written as lengths are.
    pub(super) fn number(&mut self) -> Result<u64, LoadError> {
        match self.any_length()? {
            Length::Plain(number) => Ok(number),
            Length::Encoded(_) => Err(LoadError::Corrupt),
        }
    }

    /// How many things follow, each of at least `least` bytes: never more than there is payload for.
    pub(super) fn count(&mut self, least: usize) -> Result<usize, LoadError> {
        let count = self.number()?;
        usize::try_from(count)
            .ok()
            .filter(|&count| count <= self.rest.len() / least)
            .ok_or(LoadError::Corrupt)
    }

    fn len(&mut self) -> Result<usize, LoadError> {
        usize::try_from(self.number()?).map_err(|_| LoadError::Corrupt)
    }

    pub(super) fn string(&mut self) -> Result<Cow<'p, [u8]>, LoadError> {
        let number = match self.any_length()? {
            Length::Plain(len) => {
                let len = usize::try_from(len).map_err(|_| LoadError::Corrupt)?;
                return self.take(len).map(Cow::Borrowed);
            }
            Length::Encoded(code::INT_8) => i8::from_le_bytes(self.array()?).into(),
            Length::Encoded(code::INT_16) => i16::from_le_bytes(self.array()?).into(),
            Length::Encoded(code::INT_32) => i32::from_le_bytes(self.array()?),
            Length::Encoded(code::LZF) => {
                let (compressed, len) = (self.len()?, self.len()?);
                self.budget = self.budget.checked_sub(len).ok_or(LoadError::TooLarge)?;
                let text = lzf::decompress(self.take(compressed)?, len).ok_or(LoadError::Corrupt)?;
                return Ok(Cow::Owned(text));
            }
            Length::Encoded(_) => return Err(LoadError::Corrupt),
        };
        Ok(Cow::Owned(itoa::Buffer::new().format(number).as_bytes().to_vec()))
    }
}
