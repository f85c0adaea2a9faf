//! The layout of an item: one record in the log, header, optional fields, key and value behind each other.
//!
//! ```text
//! byte 0  shape    which optional fields follow; what the payload is
//! byte 1  state    dead, the marks of the meta protocol, how often it was hit
//! 2..5    touched  time of the last access: seconds mod 2^24 (194 days), as Redis keeps it;
//!                  under an LFU policy minutes mod 2^16 and Redis' logarithmic counter
//! 5       length of the key, 0 when the key is on the heap
//! 6..8    length of the payload
//! 8..     deadline (5 bytes, or 8 when far away) · flags (4) · CAS unique (8) · database (1)
//!         · key · payload
//! ```
//!
//! A field that is present and zero says the same as an absent one, so a deadline can come and go
//! without moving the item. The payload is the value, or the index of a `HeapItem`; of a packed collection it is
//! a byte that tells its kind, and its bytes. A single byte
//! `PAD` fills what an item that shrank in place left over.

use super::heap::HeapIndex;
use crate::clock::{Deadline, Millis};

pub(super) const HEADER: usize = 8;
/// Larger payloads live on the heap, as refcounted bytes.
pub(super) const INLINE_MAX: usize = 4608;
/// Larger collections live on the heap even if they could be packed: each change may write them anew.
pub(super) const PACKED_MAX: usize = 1024;
/// Longer keys live on the heap, with their value.
pub(super) const INLINE_KEY_MAX: usize = 255;
pub(super) const PAD: u8 = 0xFF;

mod shape {
    pub const HEAP: u8 = 0x01;
    pub const HEAP_KEY: u8 = 0x02;
    pub const DEADLINE: u8 = 0x08;
    pub const FLAGS: u8 = 0x10;
    pub const CAS: u8 = 0x20;
    pub const DB: u8 = 0x40;
    /// The deadline takes eight bytes.
    pub const FAR: u8 = 0x80;
}

mod state {
    pub const DEAD: u8 = 0x01;
    pub const FETCHED: u8 = 0x02;
    pub const STALE: u8 = 0x04;
    pub const WON: u8 = 0x08;
    pub const HITS_SHIFT: u32 = 4;
    pub const HITS: u8 = 0x30;
    pub const PACKED: u8 = 0x40;
}

/// Five-byte deadlines count from 2020-01-01 and reach to 2054.
const EPOCH_MS: u64 = 1_577_836_800_000;
const NEAR_MAX: u64 = (1 << 40) - 1;

/// A mark that the meta protocol puts on an item; a write clears all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It was read since it was written.
    Fetched,
    /// `md I` or a losing CAS left an outdated value to serve.
    Stale,
    /// Some client has been told to recompute it.
    Won,
}

impl Mark {
    fn bit(self) -> u8 {
        match self {
            Mark::Fetched => state::FETCHED,
            Mark::Stale => state::STALE,
            Mark::Won => state::WON,
        }
    }
}

/// The header of a record: enough to find every field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    shape: u8,
    state: u8,
    key_len: u8,
    payload_len: u16,
}

/// Where the key begins, by shape: asked at every look-up.
const KEY_AT: [u8; 256] = {
    let mut at = [0; 256];
    let mut shape = 0;
    while shape < 256 {
        let header = Header { shape: shape as u8, state: 0, key_len: 0, payload_len: 0 };
        at[shape] = (header.db_at() + if header.has(shape::DB) { 1 } else { 0 }) as u8;
        shape += 1;
    }
    at
};

impl Header {
    #[inline]
    pub(super) fn read(record: &[u8]) -> Header {
        let head: &[u8; HEADER] = record.first_chunk().expect("a record has a header");
        Header {
            shape: head[0],
            state: head[1],
            key_len: head[5],
            payload_len: u16::from_le_bytes([head[6], head[7]]),
        }
    }

    const fn has(self, field: u8) -> bool {
        self.shape & field != 0
    }

    #[inline]
    const fn deadline_len(self) -> usize {
        if !self.has(shape::DEADLINE) {
            0
        } else if self.has(shape::FAR) {
            8
        } else {
            5
        }
    }

    const fn flags_at(self) -> usize {
        HEADER + self.deadline_len()
    }

    const fn cas_at(self) -> usize {
        self.flags_at() + if self.has(shape::FLAGS) { 4 } else { 0 }
    }

    const fn db_at(self) -> usize {
        self.cas_at() + if self.has(shape::CAS) { 8 } else { 0 }
    }

    #[inline]
    fn key_at(self) -> usize {
        usize::from(KEY_AT[usize::from(self.shape)])
    }

    #[inline]
    fn payload_at(self) -> usize {
        self.key_at() + self.key_len as usize
    }

    /// Bytes of the whole record.
    #[inline]
    pub(super) fn len(self) -> usize {
        self.payload_at() + self.payload_len as usize
    }

    pub(super) fn is_dead(self) -> bool {
        self.state & state::DEAD != 0
    }

    pub(super) fn is_heap(self) -> bool {
        self.has(shape::HEAP)
    }

    /// Could a record with this header take this deadline and these flags where it lies?
    pub(super) fn takes(self, deadline: Option<Deadline>, flags: u32) -> bool {
        let ms = deadline.map_or(0, |deadline| deadline.0.0);
        let deadline = match self.deadline_len() {
            0 => deadline.is_none(),
            8 => true,
            _ => is_near(ms),
        };
        deadline && (flags == 0 || self.has(shape::FLAGS))
    }

    pub(super) fn hits(self) -> u8 {
        (self.state & state::HITS) >> state::HITS_SHIFT
    }
}

/// A record to read. `'a` is the segment it lies in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) header: Header,
    bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// `bytes` begin with the record and may go on behind it.
    #[inline]
    pub(super) fn at(bytes: &'a [u8]) -> Record<'a> {
        Record { header: Header::read(bytes), bytes }
    }

    fn field<const N: usize>(self, at: usize) -> [u8; N] {
        *self.bytes[at..].first_chunk().expect("the header says that the field is there")
    }

    #[inline]
    pub(super) fn db(self) -> u8 {
        if self.header.has(shape::DB) { self.bytes[self.header.db_at()] } else { 0 }
    }

    /// The key as far as it is in the record: `None` when it is on the heap.
    #[inline]
    pub(super) fn key(self) -> Option<&'a [u8]> {
        let header = self.header;
        (!header.has(shape::HEAP_KEY)).then(|| &self.bytes[header.key_at()..header.payload_at()])
    }

    #[inline]
    pub(super) fn payload(self) -> &'a [u8] {
        &self.bytes[self.header.payload_at()..self.header.len()]
    }

    /// A small collection lies in the record, packed.
    #[inline]
    pub(super) fn is_packed(self) -> bool {
        self.header.state & state::PACKED != 0
    }

    pub(super) fn heap_index(self) -> Option<HeapIndex> {
        self.header.is_heap().then(|| HeapIndex(u32::from_le_bytes(self.field(self.header.payload_at()))))
    }

    #[inline]
    pub(super) fn deadline(self) -> Option<Deadline> {
        let ms = match self.header.deadline_len() {
            0 => return None,
            8 => u64::from_le_bytes(self.field(HEADER)),
            _ => {
                let [a, b, c, d, e] = self.field(HEADER);
                match u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]) {
                    0 => 0,
                    near => near + EPOCH_MS,
                }
            }
        };
        (ms != 0).then(|| Deadline::at_ms(ms))
    }

    pub(super) fn flags(self) -> u32 {
        if self.header.has(shape::FLAGS) { u32::from_le_bytes(self.field(self.header.flags_at())) } else { 0 }
    }

    pub(super) fn cas_unique(self) -> Option<u64> {
        if !self.header.has(shape::CAS) {
            return None;
        }
        let unique = u64::from_le_bytes(self.field(self.header.cas_at()));
        (unique != 0).then_some(unique)
    }

    pub(super) fn has_mark(self, mark: Mark) -> bool {
        self.header.state & mark.bit() != 0
    }

    pub(super) fn touched(self) -> u32 {
        let [a, b, c] = self.field(2);
        u32::from_le_bytes([a, b, c, 0])
    }
}

/// Fits deadline zero (none) as well.
fn is_near(ms: u64) -> bool {
    ms == 0 || (ms > EPOCH_MS && ms - EPOCH_MS <= NEAR_MAX)
}

/// Everything that makes a new record, apart from key and payload.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fields {
    pub db: u8,
    pub deadline: Option<Deadline>,
    pub flags: u32,
    pub cas_unique: u64,
    pub heap: bool,
    pub heap_key: bool,
    pub packed: bool,
    pub hits: u8,
    pub touched: u32,
    /// Marks to carry over when a record is rebuilt.
    pub marks: u8,
}

impl Fields {
    /// The fields of an existing record, to rebuild it with one changed.
    pub(super) fn of(record: Record<'_>) -> Fields {
        Fields {
            db: record.db(),
            deadline: record.deadline(),
            flags: record.flags(),
            cas_unique: record.cas_unique().unwrap_or(0),
            heap: record.header.is_heap(),
            heap_key: record.header.has(shape::HEAP_KEY),
            packed: record.is_packed(),
            hits: record.header.hits(),
            touched: record.touched(),
            marks: record.header.state & (state::FETCHED | state::STALE | state::WON),
        }
    }

    fn deadline_ms(&self) -> u64 {
        self.deadline.map_or(0, |deadline| deadline.0.0.max(1))
    }

    fn shape(&self) -> u8 {
        let mut shape = 0;
        let mut set = |on: bool, bit: u8| shape |= if on { bit } else { 0 };
        set(self.heap, shape::HEAP);
        set(self.heap_key, shape::HEAP_KEY);
        set(self.deadline.is_some(), shape::DEADLINE);
        set(!is_near(self.deadline_ms()), shape::FAR);
        set(self.flags != 0, shape::FLAGS);
        set(self.cas_unique != 0, shape::CAS);
        set(self.db != 0, shape::DB);
        shape
    }

    fn header(&self, key_len: usize, payload_len: usize) -> Header {
        Header {
            shape: self.shape(),
            state: self.marks
                | (self.hits << state::HITS_SHIFT) & state::HITS
                | if self.packed { state::PACKED } else { 0 },
            key_len: if self.heap_key { 0 } else { key_len as u8 },
            payload_len: payload_len as u16,
        }
    }

    /// Bytes of the record that `write` would append.
    pub(super) fn record_len(&self, key: &[u8], payload: &[u8]) -> usize {
        self.header(key.len(), payload.len()).len()
    }

    /// Appends the record. The key is left out when it is on the heap.
    pub(super) fn write(&self, key: &[u8], payload: &[u8], to: &mut Vec<u8>) {
        let header = self.header(key.len(), payload.len());
        let [t0, t1, t2, _] = self.touched.to_le_bytes();
        let [p0, p1] = header.payload_len.to_le_bytes();
        to.extend_from_slice(&[header.shape, header.state, t0, t1, t2, header.key_len, p0, p1]);
        if self.deadline.is_some() {
            let ms = self.deadline_ms();
            if header.has(shape::FAR) {
                to.extend_from_slice(&ms.to_le_bytes());
            } else {
                to.extend_from_slice(&(ms - EPOCH_MS).to_le_bytes()[..5]);
            }
        }
        if self.flags != 0 {
            to.extend_from_slice(&self.flags.to_le_bytes());
        }
        if self.cas_unique != 0 {
            to.extend_from_slice(&self.cas_unique.to_le_bytes());
        }
        if self.db != 0 {
            to.push(self.db);
        }
        if !self.heap_key {
            to.extend_from_slice(key);
        }
        to.extend_from_slice(payload);
    }
}

/// Changes of a record where it lies. Each returns whether the record has room for the change;
/// where it has not, the caller writes a new record.
pub(super) struct RecordMut<'a> {
    bytes: &'a mut [u8],
}

impl<'a> RecordMut<'a> {
    pub(super) fn at(bytes: &'a mut [u8]) -> RecordMut<'a> {
        RecordMut { bytes }
    }

    fn header(&self) -> Header {
        Header::read(self.bytes)
    }

    pub(super) fn kill(&mut self) {
        self.bytes[1] |= state::DEAD;
    }

    pub(super) fn set_mark(&mut self, mark: Mark, on: bool) {
        if on {
            self.bytes[1] |= mark.bit();
        } else {
            self.bytes[1] &= !mark.bit();
        }
    }

    #[inline]
    pub(super) fn set_access(&mut self, hits: u8, touched: u32) {
        let state = self.bytes[1] & !state::HITS | (hits << state::HITS_SHIFT) | state::FETCHED;
        let [t0, t1, t2, _] = touched.to_le_bytes();
        self.bytes[1..5].copy_from_slice(&[state, t0, t1, t2]);
    }

    pub(super) fn set_hits(&mut self, hits: u8) {
        self.bytes[1] = self.bytes[1] & !state::HITS | (hits << state::HITS_SHIFT) & state::HITS;
    }

    pub(super) fn set_deadline(&mut self, deadline: Option<Deadline>) -> bool {
        let ms = deadline.map_or(0, |deadline| deadline.0.0.max(1));
        match self.header().deadline_len() {
            0 => ms == 0,
            8 => {
                self.bytes[HEADER..HEADER + 8].copy_from_slice(&ms.to_le_bytes());
                true
            }
            _ if is_near(ms) => {
                let near = ms.saturating_sub(EPOCH_MS);
                self.bytes[HEADER..HEADER + 5].copy_from_slice(&near.to_le_bytes()[..5]);
                true
            }
            _ => false,
        }
    }

    pub(super) fn set_flags(&mut self, flags: u32) -> bool {
        let header = self.header();
        if header.has(shape::FLAGS) {
            let at = header.flags_at();
            self.bytes[at..at + 4].copy_from_slice(&flags.to_le_bytes());
        }
        header.has(shape::FLAGS) || flags == 0
    }

    pub(super) fn set_cas_unique(&mut self, unique: u64) -> bool {
        let header = self.header();
        if header.has(shape::CAS) {
            let at = header.cas_at();
            self.bytes[at..at + 8].copy_from_slice(&unique.to_le_bytes());
        }
        header.has(shape::CAS) || unique == 0
    }

    /// Overwrites an inline payload with one that is not longer; the rest becomes padding.
    /// Returns how many bytes that is.
    pub(super) fn set_payload(&mut self, payload: &[u8]) -> usize {
        let header = self.header();
        let (at, end) = (header.payload_at(), header.len());
        let left = end - at - payload.len();
        self.bytes[at..at + payload.len()].copy_from_slice(payload);
        self.bytes[at + payload.len()..end].fill(PAD);
        self.bytes[6..8].copy_from_slice(&(payload.len() as u16).to_le_bytes());
        left
    }

    /// All marks go: the value is new.
    pub(super) fn clear_marks(&mut self) {
        self.bytes[1] &= !(state::FETCHED | state::STALE | state::WON);
    }
}

/// Seconds as `touched` keeps them.
pub(super) fn touched_at(now: Millis) -> u32 {
    (now.secs() & 0xFF_FFFF) as u32
}

/// The clock of an item that was last accessed so many seconds ago, as far back as it goes.
pub(super) fn touched_before(now: Millis, seconds: u64) -> u32 {
    touched_at(now).wrapping_sub(seconds.min(0xFF_FFFF) as u32) & 0xFF_FFFF
}

/// Seconds from `touched` to `now`, on a clock of 24 bits.
pub(super) fn idle_secs(touched: u32, now: Millis) -> u64 {
    u64::from(touched_at(now).wrapping_sub(touched) & 0xFF_FFFF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn any_fields()(
            db in 0u8..3, ms in prop_oneof![Just(None), Just(Some(1)), (0..u64::MAX).prop_map(Some),
                (EPOCH_MS..EPOCH_MS + NEAR_MAX).prop_map(Some)],
            flags in prop_oneof![Just(0), any::<u32>()], cas_unique in prop_oneof![Just(0), any::<u64>()],
            hits in 0u8..4, touched in 0u32..1 << 24, packed in any::<bool>(),
        ) -> Fields {
            let deadline = ms.map(|ms| Deadline::at_ms(ms.max(1)));
            Fields { db, deadline, flags, cas_unique, hits, touched, packed, ..Fields::default() }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(fields in any_fields(), key in prop::collection::vec(any::<u8>(), 0..255),
                                   payload in prop::collection::vec(any::<u8>(), 0..600)) {
            let mut bytes = Vec::new();
            fields.write(&key, &payload, &mut bytes);
            prop_assert_eq!(bytes.len(), fields.record_len(&key, &payload));
            let record = Record::at(&bytes);
            prop_assert_eq!(record.key(), Some(&key[..]));
            prop_assert_eq!(record.payload(), &payload[..]);
            prop_assert_eq!(record.header.len(), bytes.len());
            let read = Fields::of(record);
            prop_assert_eq!((read.db, read.deadline, read.flags), (fields.db, fields.deadline, fields.flags));
            prop_assert_eq!(read.packed, fields.packed);
            prop_assert_eq!((read.cas_unique, read.hits, read.touched), (fields.cas_unique, fields.hits, fields.touched));
            prop_assert!(bytes[0] != PAD);
        }

        #[test]
        fn a_change_in_place_is_read_back_or_refused(fields in any_fields(), new in any_fields()) {
            let mut bytes = Vec::new();
            fields.write(b"key", b"value", &mut bytes);
            let mut record = RecordMut::at(&mut bytes);
            let deadline = record.set_deadline(new.deadline);
            let flags = record.set_flags(new.flags);
            let cas = record.set_cas_unique(new.cas_unique);
            let read = Fields::of(Record::at(&bytes));
            prop_assert_eq!(read.deadline, if deadline { new.deadline } else { fields.deadline });
            prop_assert_eq!(read.flags, if flags { new.flags } else { fields.flags });
            prop_assert_eq!(read.cas_unique, if cas { new.cas_unique } else { fields.cas_unique });
            prop_assert_eq!(Record::at(&bytes).payload(), b"value");
        }
    }

    #[test]
    fn idle_time_survives_the_wrap_of_its_clock() {
        let before = Millis(((1 << 24) - 10) * 1000);
        assert_eq!(idle_secs(touched_at(before), Millis(before.0 + 30_000)), 30);
    }
}
