//! Values that are too large, or keys that are too long, for the log: a slab of boxes, addressed by
//! an index that the item's record holds as its payload.

use super::memory::allocated;
use super::value::Object;
use bytes::BytesMut;
use std::sync::LazyLock;
use std::sync::mpsc::Sender;

/// Index of a heap item within its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeapIndex(pub(super) u32);

#[derive(Debug)]
pub struct HeapItem {
    /// The key, when it is too long for the record.
    pub(super) key: Option<Box<[u8]>>,
    pub(super) object: Object,
    /// What the shard has charged for it; kept here so that the same is refunded.
    charged: usize,
}

impl HeapItem {
    pub(super) fn new(key: Option<Box<[u8]>>, object: Object) -> HeapItem {
        let mut item = HeapItem { key, object, charged: 0 };
        item.charged = item.weigh();
        item
    }

    fn weigh(&self) -> usize {
        let key = self.key.as_ref().map_or(0, |key| allocated(key.len()));
        allocated(size_of::<HeapItem>()) + size_of::<usize>() + key + self.object.bytes()
    }

    /// A string whose buffer is larger than its text.
    pub(super) fn roomy(key: Option<Box<[u8]>>, text: BytesMut) -> HeapItem {
        let spare = allocated(text.capacity()) - allocated(text.len());
        let mut item = HeapItem::new(key, Object::String(text.freeze()));
        item.charged += spare;
        item
    }

    /// Changes a string where it lies, lengthening it by zeros to `len` bytes first. `false`: its buffer is
    /// too short or somebody else reads it, nothing was done.
    pub(super) fn edit(&mut self, len: usize, change: impl FnOnce(&mut [u8])) -> bool {
        // With no collection compiled in there is no other pattern.
        #[allow(irrefutable_let_patterns)]
        let Object::String(text) = &mut self.object else { return false };
        match std::mem::take(text).try_into_mut() {
            Ok(mut buffer) => {
                let fits = buffer.capacity() >= len;
                if fits {
                    buffer.resize(len.max(buffer.len()), 0);
                    change(&mut buffer);
                }
                *text = buffer.freeze();
                fits
            }
            Err(shared) => {
                *text = shared;
                false
            }
        }
    }

    /// Weighs the item anew; what was charged before, and what is now.
    pub(super) fn reweigh(&mut self) -> (usize, usize) {
        let before = self.charged;
        self.charged = self.weigh();
        (before, self.charged)
    }

    pub(super) fn charged(&self) -> usize {
        self.charged
    }
}

/// Items on their way out. Dropping them frees small ones at once; collections that take long to free are left
/// to a thread of their own, so that deleting one of ten million members stalls nobody.
#[derive(Debug, Default)]
pub(super) struct Garbage(Vec<Box<HeapItem>>);

impl Garbage {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn push(&mut self, item: Box<HeapItem>) {
        self.0.push(item);
    }

    pub(super) fn extend(&mut self, items: impl Iterator<Item = Box<HeapItem>>) {
        self.0.extend(items);
    }

    pub(super) fn append(&mut self, other: &mut Garbage) {
        self.0.append(&mut other.0);
    }

    /// Takes the item back that was pushed last.
    pub(super) fn pop(&mut self) -> Option<Box<HeapItem>> {
        self.0.pop()
    }
}

impl Drop for Garbage {
    #[inline]
    fn drop(&mut self) {
        if !self.0.is_empty() {
            free(std::mem::take(&mut self.0));
        }
    }
}

/// Frees a few values here, what takes longer aside.
#[inline(never)]
fn free(items: Vec<Box<HeapItem>>) {
    /// As many allocations are freed in a few microseconds; Redis draws the line there too.
    const LIGHT: usize = 64;
    if items.len() > LIGHT || items.iter().any(|item| item.object.len() > LIGHT) {
        free_aside(items);
    }
}

/// Hands items to the thread that frees them; frees them here if there is none.
#[cold]
fn free_aside(items: Vec<Box<HeapItem>>) {
    static REAPER: LazyLock<Option<Sender<Vec<Box<HeapItem>>>>> = LazyLock::new(|| {
        let (sender, receiver) = std::sync::mpsc::channel();
        let work = move || receiver.iter().for_each(drop::<Vec<Box<HeapItem>>>);
        std::thread::Builder::new().name("reaper".into()).spawn(work).ok().map(|_| sender)
    });
    if let Some(reaper) = &*REAPER {
        // A send that fails gives the items back, to be dropped here.
        let _ = reaper.send(items);
    }
}

#[derive(Debug, Default)]
pub(super) struct Heap {
    items: Vec<Option<Box<HeapItem>>>,
    vacant: Vec<u32>,
}

impl Heap {
    pub(super) fn insert(&mut self, item: Box<HeapItem>) -> HeapIndex {
        if let Some(index) = self.vacant.pop() {
            self.items[index as usize] = Some(item);
            return HeapIndex(index);
        }
        self.items.push(Some(item));
        HeapIndex(u32::try_from(self.items.len() - 1).expect("a shard holds fewer than 2^32 items"))
    }

    pub(super) fn get(&self, index: HeapIndex) -> &HeapItem {
        self.items[index.0 as usize].as_ref().expect("a live record's heap item is there")
    }

    pub(super) fn get_mut(&mut self, index: HeapIndex) -> &mut HeapItem {
        self.items[index.0 as usize].as_mut().expect("a live record's heap item is there")
    }

    /// Takes an item out. The caller drops it, after it has let go of the shard's lock.
    pub(super) fn remove(&mut self, index: HeapIndex) -> Box<HeapItem> {
        let item = self.items[index.0 as usize].take().expect("a live record's heap item is there");
        self.vacant.push(index.0);
        if self.vacant.len() == self.items.len() {
            self.vacant = Vec::new();
            self.items = Vec::new();
        }
        item
    }

    /// All items, to be dropped by the caller.
    pub(super) fn into_items(self) -> impl Iterator<Item = Box<HeapItem>> {
        self.items.into_iter().flatten()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.items.len() - self.vacant.len()
    }
}
