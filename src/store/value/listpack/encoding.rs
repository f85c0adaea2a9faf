//! How one entry of a listpack is written.

/// An entry. What was stored as the canonical text of an `i64` comes back as `Int`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    Str(&'a [u8]),
    Int(i64),
}

impl<'a> From<&'a [u8]> for Entry<'a> {
    fn from(text: &'a [u8]) -> Entry<'a> {
        canonical_int(text).map_or(Entry::Str(text), Entry::Int)
    }
}

impl From<i64> for Entry<'_> {
    fn from(number: i64) -> Self {
        Entry::Int(number)
    }
}

impl Entry<'_> {
    /// Is this the entry that `text` would be stored as?
    pub fn is(self, text: &[u8]) -> bool {
        match self {
            Entry::Str(own) => own == text,
            Entry::Int(number) => canonical_int(text) == Some(number),
        }
    }
}

/// The number whose one way of being written this is: no sign but a minus, no leading zero.
pub(super) fn canonical_int(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match digits {
        b"0" if digits.len() == text.len() => return Some(0),
        [b'1'..=b'9', ..] if text.len() <= 20 => {}
        _ => return None,
    }
    str::from_utf8(text).ok()?.parse().ok()
}

const INT13: u8 = 0b1100_0000;
const STR6: u8 = 0b1000_0000;
const STR12: u8 = 0b1110_0000;
const STR32: u8 = 0xF0;
const INT16: u8 = 0xF1;
const INT24: u8 = 0xF2;
const INT32: u8 = 0xF3;
const INT64: u8 = 0xF4;

/// The longest encoding before the data, and the longest length behind it.
const HEAD_MAX: usize = 9;
const TAIL_MAX: usize = 5;

/// An entry taken into the three parts that are written.
pub(super) struct Encoded<'a> {
    head: [u8; HEAD_MAX],
    head_len: usize,
    data: &'a [u8],
}

impl<'a> Encoded<'a> {
    pub(super) fn of(entry: Entry<'a>) -> Encoded<'a> {
        match entry {
            Entry::Int(number) => Encoded::new(number_head(number), b""),
            Entry::Str(data) => {
                let len = data.len() as u32;
                let [b0, b1, b2, b3] = len.to_le_bytes();
                let head = match len {
                    0..64 => ([STR6 | b0, 0, 0, 0, 0, 0, 0, 0, 0], 1),
                    64..4096 => ([STR12 | b1, b0, 0, 0, 0, 0, 0, 0, 0], 2),
                    _ => ([STR32, b0, b1, b2, b3, 0, 0, 0, 0], 5),
                };
                Encoded::new(head, data)
            }
        }
    }

    fn new((head, head_len): ([u8; HEAD_MAX], usize), data: &'a [u8]) -> Encoded<'a> {
        Encoded { head, head_len, data }
    }

    /// What the entry's backward length says.
    fn own_len(&self) -> usize {
        self.head_len + self.data.len()
    }

    pub(super) fn len(&self) -> usize {
        self.own_len() + tail_len(self.own_len())
    }

    /// `to` is exactly as long as the entry.
    pub(super) fn write(&self, to: &mut [u8]) {
        let (head, rest) = to.split_at_mut(self.head_len);
        let (data, tail) = rest.split_at_mut(self.data.len());
        head.copy_from_slice(&self.head[..self.head_len]);
        data.copy_from_slice(self.data);
        let (bytes, len) = tail_of(self.own_len());
        tail.copy_from_slice(&bytes[..len]);
    }
}

fn number_head(number: i64) -> ([u8; HEAD_MAX], usize) {
    let [b0, b1, b2, b3, b4, b5, b6, b7] = number.to_le_bytes();
    match number {
        0..=127 => ([b0, 0, 0, 0, 0, 0, 0, 0, 0], 1),
        -4096..=4095 => ([INT13 | b1 & 0x1F, b0, 0, 0, 0, 0, 0, 0, 0], 2),
        -0x8000..=0x7FFF => ([INT16, b0, b1, 0, 0, 0, 0, 0, 0], 3),
        -0x80_0000..=0x7F_FFFF => ([INT24, b0, b1, b2, 0, 0, 0, 0, 0], 4),
        -0x8000_0000..=0x7FFF_FFFF => ([INT32, b0, b1, b2, b3, 0, 0, 0, 0], 5),
        _ => ([INT64, b0, b1, b2, b3, b4, b5, b6, b7], 9),
    }
}

/// Bytes of the backward length. The odd limits are Redis'.
fn tail_len(own_len: usize) -> usize {
    match own_len {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}

/// The backward length: groups of seven bits, the highest first; all but the first have the top bit set, so
/// that it can be read from its end.
fn tail_of(own_len: usize) -> ([u8; TAIL_MAX], usize) {
    let len = tail_len(own_len);
    let mut bytes = [0; TAIL_MAX];
    for (at, byte) in bytes[..len].iter_mut().enumerate() {
        let group = (own_len >> (7 * (len - 1 - at))) as u8 & 0x7F;
        *byte = if at == 0 { group } else { group | 0x80 };
    }
    (bytes, len)
}

/// What the encoding says of an entry that begins with these bytes: bytes before the data, bytes of data.
/// `None`: there is no such encoding, or its length is cut off.
fn extent(bytes: &[u8]) -> Option<(usize, usize)> {
    let at = |index: usize| bytes.get(index).map(|&byte| usize::from(byte));
    Some(match *bytes.first()? {
        0..=0x7F => (1, 0),
        first @ 0x80..=0xBF => (1, usize::from(first & 0x3F)),
        0xC0..=0xDF => (2, 0),
        first @ 0xE0..=0xEF => (2, usize::from(first & 0x0F) << 8 | at(1)?),
        STR32 => (5, at(1)? | at(2)? << 8 | at(3)? << 16 | at(4)? << 24),
        INT16 => (3, 0),
        INT24 => (4, 0),
        INT32 => (5, 0),
        INT64 => (9, 0),
        _ => return None,
    })
}

fn sound_extent(bytes: &[u8]) -> (usize, usize) {
    extent(bytes).expect("a listpack's entries are sound")
}

/// Bytes of the entry that these bytes begin with.
pub(super) fn entry_len(bytes: &[u8]) -> usize {
    let (head, data) = sound_extent(bytes);
    head + data + tail_len(head + data)
}

/// The same for bytes from outside: `None` if the entry is cut off or its two lengths differ.
pub(super) fn sound_entry_len(bytes: &[u8]) -> Option<usize> {
    let (head, data) = extent(bytes)?;
    let own_len = head.checked_add(data)?;
    let (tail, tail_len) = tail_of(own_len);
    let end = own_len.checked_add(tail_len)?;
    (bytes.get(own_len..end)? == &tail[..tail_len]).then_some(end)
}

/// Bytes of the entry that these bytes end with.
pub(super) fn entry_len_before(bytes: &[u8]) -> usize {
    let mut own_len = 0;
    for (group, &byte) in bytes.iter().rev().take(TAIL_MAX).enumerate() {
        own_len |= usize::from(byte & 0x7F) << (7 * group);
        if byte & 0x80 == 0 {
            break;
        }
    }
    own_len + tail_len(own_len)
}

/// The entry that these bytes begin with.
pub(super) fn decode(bytes: &[u8]) -> Entry<'_> {
    let (head, data) = sound_extent(bytes);
    // Sign extension: the number's bytes at the top, then down again.
    let number = |bytes: &[u8]| {
        let mut wide = [0; 8];
        wide[8 - bytes.len()..].copy_from_slice(bytes);
        i64::from_le_bytes(wide) >> (64 - 8 * bytes.len())
    };
    match bytes[0] {
        small @ 0..=0x7F => Entry::Int(small.into()),
        first @ 0xC0..=0xDF => {
            let unsigned = u16::from(first & 0x1F) << 8 | u16::from(bytes[1]);
            Entry::Int(i64::from((unsigned << 3) as i16 >> 3))
        }
        INT16 | INT24 | INT32 | INT64 => Entry::Int(number(&bytes[1..head])),
        _ => Entry::Str(&bytes[head..head + data]),
    }
}
