//! Writing RDB: lengths, strings and numbers.

use super::code;
use super::lzf::Compressor;
use crate::store::value::listpack::Entry;

pub(super) struct Writer {
    bytes: Vec<u8>,
    compresses: bool,
    /// Made when there is something to be compressed.
    compressor: Option<Compressor>,
}

impl Writer {
    pub(super) fn new(compresses: bool) -> Writer {
        Writer { bytes: Vec::new(), compresses, compressor: None }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn u8(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(super) fn millis(&mut self, millis: u64) {
        self.bytes.extend(millis.to_le_bytes());
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// A length, or a number written as one.
    pub(super) fn number(&mut self, number: u64) {
        if number < 1 << 6 {
            self.bytes.push(number as u8);
        } else if number < 1 << 14 {
            self.bytes.extend((1 << 14 | number as u16).to_be_bytes());
        } else if let Ok(number) = u32::try_from(number) {
            self.bytes.push(code::LENGTH_32);
            self.bytes.extend(number.to_be_bytes());
        } else {
            self.bytes.push(code::LENGTH_64);
            self.bytes.extend(number.to_be_bytes());
        }
    }

    pub(super) fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    /// A string: an integer of up to 32 bits where it is the text of one, compressed where that is shorter.
    pub(super) fn string(&mut self, text: &[u8]) {
        const INT_TEXT_MAX: usize = 11;
        const COMPRESSED_FROM: usize = 21;
        if text.len() <= INT_TEXT_MAX
            && let Entry::Int(number) = Entry::from(text)
            && let Ok(number) = i32::try_from(number)
        {
            return self.int(number);
        }
        if self.compresses
            && text.len() >= COMPRESSED_FROM
            && let Some(compressed) = self.compressor.get_or_insert_default().compress(text, text.len() - 4)
        {
            self.bytes.push(code::ENCODED | code::LZF);
            self.count(compressed.len());
            self.count(text.len());
            self.bytes.extend_from_slice(&compressed);
            return;
        }
        self.count(text.len());
        self.bytes.extend_from_slice(text);
    }

    /// A string that is the text of this integer.
    fn int(&mut self, number: i32) {
        if let Ok(number) = i8::try_from(number) {
            self.bytes.push(code::ENCODED | code::INT_8);
            self.bytes.extend(number.to_le_bytes());
        } else if let Ok(number) = i16::try_from(number) {
            self.bytes.push(code::ENCODED | code::INT_16);
            self.bytes.extend(number.to_le_bytes());
        } else {
            self.bytes.push(code::ENCODED | code::INT_32);
            self.bytes.extend(number.to_le_bytes());
        }
    }

    /// A string that may be kept as a number.
    pub(super) fn entry(&mut self, entry: Entry<'_>) {
        self.string(entry.text(&mut itoa::Buffer::new()));
    }
}
