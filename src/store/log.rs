//! Where items lie: a log in two queues, each a row of segments. A new item is written behind the
//! last one of its queue, eviction takes items from the front, so the order in memory *is* the order of
//! the eviction queue and an item pays nothing for it. What is deleted or replaced leaves a dead record;
//! when those add up, `compact` copies the living of the emptiest stretch together, in their order.
//! (Log-structured memory: Rumble et al., FAST'14; FIFO queues as logs: Segcache, NSDI'21.)
//!
//! Segments are plain vectors that never grow beyond their capacity. They start small and follow
//! the size of the shard, so that a small store wastes little.

use super::item::{INLINE_MAX, PAD, Record, RecordMut};
use super::memory::allocated;
use super::prefetch::prefetch;
use std::collections::VecDeque;

/// Bits of a handle that count bytes within a segment.
const OFFSET_BITS: u32 = 16;
pub(super) const SEGMENT_MAX: usize = 1 << OFFSET_BITS;
/// Segment numbers kept back.
const RESERVE: usize = 256;
const SEGMENT_MIN: usize = 1 << 10;

/// Where a record lies within its shard: segment and offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handle(pub(super) u32);

impl Handle {
    fn new(segment: u32, offset: usize) -> Handle {
        Handle(segment << OFFSET_BITS | offset as u32)
    }

    #[inline]
    fn segment(self) -> usize {
        (self.0 >> OFFSET_BITS) as usize
    }

    #[inline]
    fn offset(self) -> usize {
        self.0 as usize & (SEGMENT_MAX - 1)
    }
}

/// The two queues of S3-FIFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Queue {
    /// New items, on probation.
    Small = 0,
    /// Items that proved useful.
    Main = 1,
}

#[derive(Debug)]
struct Segment {
    data: Vec<u8>,
    /// Bytes of living records.
    live: u32,
    queue: Queue,
}

impl Segment {
    /// How much of what was written lives, in 64ths: the comparison is exact and needs no floats.
    fn share(&self) -> usize {
        self.live as usize * 64 / self.data.len().max(1)
    }

    /// Is it worth a copy?
    fn is_sparse(&self) -> bool {
        self.share() < 59
    }
}

#[derive(Debug, Default)]
struct Row {
    /// Segments from the oldest (front, evicted next) to the one being written.
    order: VecDeque<u32>,
    /// How much of the oldest segment eviction has walked over.
    walked: usize,
    /// Bytes of living records.
    live: usize,
}

#[derive(Debug, Default)]
pub(super) struct Log {
    /// An empty slot has no capacity.
    segments: Vec<Segment>,
    vacant: Vec<u32>,
    rows: [Row; 2],
    /// A full-sized segment kept for the next use: at the limit one is freed for each that is opened.
    spare: Option<Vec<u8>>,
    /// Capacity of all segments (the spare one too), and how much of it is written.
    capacity: usize,
    written: usize,
}

/// What became of records while the log was compacted: (old, new).
pub(super) type Moved = Vec<(Handle, Handle)>;

impl Log {
    /// Bytes allocated.
    pub(super) fn bytes(&self) -> usize {
        self.capacity
    }

    pub(super) fn live(&self, queue: Queue) -> usize {
        self.rows[queue as usize].live
    }

    /// Bytes that were written and live no more: what compaction can win back.
    pub(super) fn dead(&self) -> usize {
        self.written - self.rows[0].live - self.rows[1].live
    }

    #[inline]
    pub(super) fn record(&self, handle: Handle) -> Record<'_> {
        Record::at(&self.segments[handle.segment()].data[handle.offset()..])
    }

    #[inline]
    pub(super) fn record_mut(&mut self, handle: Handle) -> RecordMut<'_> {
        RecordMut::at(&mut self.segments[handle.segment()].data[handle.offset()..])
    }

    /// Starts loading a record's first cache lines.
    #[inline]
    pub(super) fn prefetch(&self, handle: Handle) {
        /// Enough for most values that a web site counts in thousands: a fragment, a session, a number.
        const LINES: usize = 3;
        if let Some(bytes) = self.segments.get(handle.segment()).and_then(|s| s.data.get(handle.offset()..)) {
            bytes.chunks(64).take(LINES).for_each(prefetch);
        }
    }

    pub(super) fn queue_of(&self, handle: Handle) -> Queue {
        self.segments[handle.segment()].queue
    }

    /// Bytes that must be allocated before a record of `len` bytes can be appended; 0: it fits.
    pub(super) fn wanting(&self, queue: Queue, len: usize) -> usize {
        let head = self.rows[queue as usize].order.back();
        match self.segment_size(len) {
            _ if head.is_some_and(|&id| self.room(id) >= len) => 0,
            SEGMENT_MAX if self.spare.is_some() => 0,
            size => size,
        }
    }

    fn room(&self, id: u32) -> usize {
        let data = &self.segments[id as usize].data;
        data.capacity() - data.len()
    }

    /// A segment is about a sixteenth of the shard, and holds at least eight of the record at hand.
    fn segment_size(&self, len: usize) -> usize {
        let size = (self.capacity / 16).next_power_of_two().max((len * 8).next_power_of_two());
        allocated(size.clamp(SEGMENT_MIN, SEGMENT_MAX))
    }

    /// Appends what `write` writes, which must be `len` bytes. Allocates a segment when `wanting`
    /// says so; the caller has charged for it.
    pub(super) fn append(&mut self, queue: Queue, len: usize, write: impl FnOnce(&mut Vec<u8>)) -> Handle {
        debug_assert!(len <= INLINE_MAX + 1024);
        let id = self.head(queue, len);
        let segment = &mut self.segments[id as usize];
        let offset = segment.data.len();
        write(&mut segment.data);
        debug_assert_eq!(segment.data.len(), offset + len);
        segment.live += len as u32;
        self.written += len;
        self.rows[queue as usize].live += len;
        Handle::new(id, offset)
    }

    /// The segment being written, with room for `len` more bytes.
    fn head(&mut self, queue: Queue, len: usize) -> u32 {
        match self.rows[queue as usize].order.back() {
            Some(&id) if self.room(id) >= len => id,
            last => {
                // One that was emptied and is too small now is of no use.
                if let Some(&id) = last
                    && self.segments[id as usize].live == 0
                {
                    let row = &mut self.rows[queue as usize];
                    row.order.pop_back();
                    if row.order.is_empty() {
                        row.walked = 0;
                    }
                    self.close(id);
                }
                let id = self.open(queue, self.segment_size(len));
                self.rows[queue as usize].order.push_back(id);
                id
            }
        }
    }

    fn open(&mut self, queue: Queue, size: usize) -> u32 {
        let spare = if size == SEGMENT_MAX { self.spare.take() } else { None };
        let data = spare.unwrap_or_else(|| {
            let data = Vec::with_capacity(size);
            self.capacity += data.capacity();
            data
        });
        let segment = Segment { data, live: 0, queue };
        if let Some(id) = self.vacant.pop() {
            self.segments[id as usize] = segment;
            return id;
        }
        self.segments.push(segment);
        let id = self.segments.len() - 1;
        assert!(id < 1 << (32 - OFFSET_BITS), "a shard's log is smaller than 4 GiB");
        id as u32
    }

    /// Are the segment numbers used up? A shard's log ends at 4 GiB, less a reserve for records that are
    /// moved or grow by a field without room being made for them.
    pub(super) fn is_full(&self) -> bool {
        self.vacant.is_empty() && self.segments.len() + RESERVE >= 1 << (32 - OFFSET_BITS)
    }

    fn close(&mut self, id: u32) {
        let segment = &mut self.segments[id as usize];
        self.written -= segment.data.len();
        let row = &mut self.rows[segment.queue as usize];
        row.live -= segment.live as usize;
        segment.live = 0;
        let mut data = std::mem::take(&mut segment.data);
        if data.capacity() == SEGMENT_MAX && self.spare.is_none() {
            data.clear();
            self.spare = Some(data);
        } else {
            self.capacity -= data.capacity();
        }
        self.vacant.push(id);
    }

    /// Marks a record dead. Gives its segment back when nothing in it lives any more.
    pub(super) fn kill(&mut self, handle: Handle) {
        let len = self.record(handle).header.len();
        self.record_mut(handle).kill();
        self.lose(handle, len);
        let id = handle.segment() as u32;
        let segment = &self.segments[id as usize];
        if segment.live > 0 {
            return;
        }
        let row = &mut self.rows[segment.queue as usize];
        match row.order.iter().position(|&other| other == id) {
            // The one being written is kept and written anew.
            Some(at) if at + 1 == row.order.len() => {
                if at == 0 {
                    row.walked = 0;
                }
                self.written -= self.segments[id as usize].data.len();
                self.segments[id as usize].data.clear();
            }
            Some(at) => {
                if at == 0 {
                    row.walked = 0;
                }
                row.order.remove(at);
                self.close(id);
            }
            None => {}
        }
    }

    /// `bytes` of a living record are no longer in use (it shrank in place).
    pub(super) fn lose(&mut self, handle: Handle, bytes: usize) {
        let segment = &mut self.segments[handle.segment()];
        segment.live -= bytes as u32;
        self.rows[segment.queue as usize].live -= bytes;
    }

    /// The next living record from the front of a queue. Segments that end are given back on the way.
    /// The caller kills the record or moves it away; until then it is shown again.
    pub(super) fn oldest(&mut self, queue: Queue) -> Option<Handle> {
        loop {
            let row = &mut self.rows[queue as usize];
            let &id = row.order.front()?;
            let data = &self.segments[id as usize].data;
            while let Some(&first) = data.get(row.walked) {
                if first == PAD {
                    row.walked += 1;
                    continue;
                }
                let header = Record::at(&data[row.walked..]).header;
                if !header.is_dead() {
                    return Some(Handle::new(id, row.walked));
                }
                row.walked += header.len();
            }
            row.walked = 0;
            row.order.pop_front();
            self.close(id);
        }
    }

    /// Copies a living record to the end of a queue, which may be its own; the old one dies.
    pub(super) fn move_to(&mut self, handle: Handle, queue: Queue) -> Handle {
        let len = self.record(handle).header.len();
        let target = self.head(queue, len);
        let new = self.copy(handle, len, target);
        self.rows[queue as usize].live += len;
        self.kill(handle);
        new
    }

    /// One step of compaction: takes the emptiest segment, with those behind it that are sparse too and fit,
    /// and writes what lives in them into one new segment in their place. Copies at most a segment.
    /// `false`: nothing is worth it. `O(segments)` to choose, plus the copy.
    pub(super) fn compact(&mut self, moved: &mut Moved) -> bool {
        let Some((queue, at)) = self.emptiest() else { return false };
        let order = &self.rows[queue as usize].order;
        let (mut end, mut live) = (at, 0);
        while end + 1 < order.len() {
            let segment = &self.segments[order[end] as usize];
            if live + segment.live as usize > SEGMENT_MAX || !segment.is_sparse() {
                break;
            }
            live += segment.live as usize;
            end += 1;
        }
        let sources: Vec<u32> = order.iter().copied().skip(at).take(end - at).collect();
        let row = &mut self.rows[queue as usize];
        row.order.drain(at..end);
        if at == 0 {
            row.walked = 0;
        }
        if live > 0 {
            let target = self.open(queue, allocated(live));
            self.rows[queue as usize].order.insert(at, target);
            for &id in &sources {
                self.copy_living(id, target, moved);
            }
        }
        for id in sources {
            self.close(id);
        }
        true
    }

    fn copy_living(&mut self, id: u32, target: u32, moved: &mut Moved) {
        let mut offset = 0;
        while let Some(&first) = self.segments[id as usize].data.get(offset) {
            if first == PAD {
                offset += 1;
                continue;
            }
            let header = Record::at(&self.segments[id as usize].data[offset..]).header;
            if !header.is_dead() {
                let from = Handle::new(id, offset);
                moved.push((from, self.copy(from, header.len(), target)));
                self.segments[id as usize].live -= header.len() as u32;
            }
            offset += header.len();
        }
    }

    /// Copies a record behind the last one of segment `target`.
    fn copy(&mut self, handle: Handle, len: usize, target: u32) -> Handle {
        let mut data = std::mem::take(&mut self.segments[target as usize].data);
        let to = data.len();
        if handle.segment() == target as usize {
            data.extend_from_within(handle.offset()..handle.offset() + len);
        } else {
            let source = &self.segments[handle.segment()].data;
            data.extend_from_slice(&source[handle.offset()..handle.offset() + len]);
        }
        let segment = &mut self.segments[target as usize];
        segment.data = data;
        segment.live += len as u32;
        self.written += len;
        Handle::new(target, to)
    }

    /// The segment with the smallest living share, but not one being written, nor one that is nearly full
    /// of life.
    fn emptiest(&self) -> Option<(Queue, usize)> {
        let mut best: Option<(usize, Queue, usize)> = None;
        for queue in [Queue::Small, Queue::Main] {
            let order = &self.rows[queue as usize].order;
            let closed = order.len().saturating_sub(1);
            for (at, &id) in order.iter().take(closed).enumerate() {
                let segment = &self.segments[id as usize];
                let share = segment.share();
                if segment.is_sparse() && best.is_none_or(|(least, ..)| share < least) {
                    best = Some((share, queue, at));
                }
            }
        }
        best.map(|(_, queue, at)| (queue, at))
    }

    /// Gives the spare segment back.
    pub(super) fn drop_spare(&mut self) {
        if let Some(spare) = self.spare.take() {
            self.capacity -= spare.capacity();
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Log::default();
    }

    #[cfg(test)]
    pub(super) fn validate(&self) -> Vec<Handle> {
        let mut living = Vec::new();
        let mut capacity = 0;
        for row in &self.rows {
            let mut row_live = 0;
            for (at, &id) in row.order.iter().enumerate() {
                let segment = &self.segments[id as usize];
                let (mut offset, mut live) = (0, 0);
                while let Some(&first) = segment.data.get(offset) {
                    if first == PAD {
                        offset += 1;
                        continue;
                    }
                    let header = Record::at(&segment.data[offset..]).header;
                    if !header.is_dead() {
                        assert!(at > 0 || offset >= row.walked, "eviction walked over the living");
                        live += header.len();
                        living.push(Handle::new(id, offset));
                    }
                    offset += header.len();
                }
                assert_eq!(live, segment.live as usize);
                assert!(live > 0 || at + 1 == row.order.len() || at == 0, "an empty segment is kept");
                row_live += live;
                capacity += segment.data.capacity();
            }
            assert_eq!(row_live, row.live);
        }
        capacity += self.spare.as_ref().map_or(0, Vec::capacity);
        assert_eq!(capacity, self.capacity);
        assert_eq!(self.written, self.segments.iter().map(|segment| segment.data.len()).sum::<usize>());
        living
    }
}
