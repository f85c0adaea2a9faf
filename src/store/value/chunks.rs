//! A vector in pieces of `CHUNK`: it grows and shrinks without moving what it holds, so that no single
//! insertion into a collection of millions stalls the others, and it never has half of its room unused.

use crate::store::memory::allocated;
use std::ops::{Index, IndexMut};

/// All chunks but the last are full; the first grows by doubling while it is the only one.
#[derive(Clone, Debug)]
pub struct Chunks<T, const CHUNK: usize> {
    chunks: Vec<Vec<T>>,
}

impl<T, const CHUNK: usize> Default for Chunks<T, CHUNK> {
    fn default() -> Self {
        Chunks { chunks: Vec::new() }
    }
}

impl<T, const CHUNK: usize> Chunks<T, CHUNK> {
    pub fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Bytes allocated. `O(1)`.
    pub fn bytes(&self) -> usize {
        let of = |items: usize| allocated(items * size_of::<T>());
        let items = match &*self.chunks {
            [] => 0,
            [first] => of(first.capacity()),
            [_, .., last] => (self.chunks.len() - 1) * of(CHUNK) + of(last.capacity()),
        };
        items + allocated(self.chunks.capacity() * size_of::<Vec<T>>())
    }

    pub fn push(&mut self, item: T) {
        let is_first = self.chunks.len() <= 1;
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK => {
                if last.len() == last.capacity() {
                    let room =
                        if is_first { last.len().clamp(4, CHUNK - last.len()) } else { CHUNK - last.len() };
                    last.reserve_exact(room);
                }
                last.push(item);
            }
            _ => {
                let mut chunk = Vec::with_capacity(if self.chunks.is_empty() { CHUNK.min(4) } else { CHUNK });
                chunk.push(item);
                self.chunks.push(chunk);
            }
        }
    }

    pub fn pop(&mut self) -> Option<T> {
        let count = self.chunks.len();
        let last = self.chunks.last_mut()?;
        let item = last.pop();
        if last.is_empty() {
            self.chunks.pop();
            if self.chunks.capacity() >= 16 && self.chunks.len() * 4 < self.chunks.capacity() {
                self.chunks.shrink_to(count * 2);
            }
        } else if count == 1 && last.len() * 4 < last.capacity() {
            last.shrink_to((last.len() * 2).max(4));
        }
        item
    }

    /// Takes an item out; the last one, if that is another, comes in its place.
    pub fn swap_remove(&mut self, at: usize) -> Option<T> {
        let last = self.pop()?;
        if at == self.len() { Some(last) } else { Some(std::mem::replace(&mut self[at], last)) }
    }

    pub fn into_items(self) -> impl Iterator<Item = T> {
        self.chunks.into_iter().flatten()
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.chunks.iter().flatten()
    }
}

impl<T, const CHUNK: usize> Index<usize> for Chunks<T, CHUNK> {
    type Output = T;

    #[inline]
    fn index(&self, at: usize) -> &T {
        &self.chunks[at / CHUNK][at % CHUNK]
    }
}

impl<T, const CHUNK: usize> IndexMut<usize> for Chunks<T, CHUNK> {
    #[inline]
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.chunks[at / CHUNK][at % CHUNK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counted(chunks: &Chunks<u64, 8>) -> usize {
        let items: usize = chunks.chunks.iter().map(|chunk| allocated(chunk.capacity() * 8)).sum();
        items + allocated(chunks.chunks.capacity() * size_of::<Vec<u64>>())
    }

    proptest! {
        #[test]
        fn it_is_a_vector(steps in prop::collection::vec((0..5u8, any::<u64>()), 0..300)) {
            let (mut chunks, mut model) = (Chunks::<u64, 8>::default(), Vec::new());
            for (step, value) in steps {
                match step {
                    0 => prop_assert_eq!(chunks.pop(), model.pop()),
                    1 if !model.is_empty() => {
                        let at = value as usize % model.len();
                        prop_assert_eq!(chunks.swap_remove(at), Some(model.swap_remove(at)));
                    }
                    _ => {
                        chunks.push(value);
                        model.push(value);
                    }
                }
                prop_assert_eq!(chunks.len(), model.len());
                prop_assert_eq!(chunks.is_empty(), model.is_empty());
                prop_assert_eq!(chunks.bytes(), counted(&chunks));
            }
            prop_assert!(chunks.iter().eq(&model));
        }
    }
}
