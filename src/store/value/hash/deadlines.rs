//! When fields of a hash are due: by field, and in order.

use crate::clock::Deadline;
use crate::store::value::members::{Members, Record};
use crate::store::value::text::Text;
use std::collections::BTreeSet;

/// Never empty while a hash has it.
#[derive(Clone, Debug, Default)]
pub(super) struct FieldDeadlines {
    by_field: Members<Timed>,
    in_order: BTreeSet<(Deadline, Text)>,
    /// Of the names in `in_order`.
    heap_bytes: usize,
}

#[derive(Clone, Debug)]
struct Timed {
    field: Text,
    deadline: Deadline,
}

impl Record for Timed {
    fn name(&self) -> &[u8] {
        self.field.as_bytes()
    }

    fn heap_bytes(&self) -> usize {
        self.field.heap_bytes()
    }
}

impl FieldDeadlines {
    pub(super) fn new(field: &[u8], deadline: Deadline) -> FieldDeadlines {
        let mut all = FieldDeadlines::default();
        all.set(field, deadline);
        all
    }

    pub(super) fn is_empty(&self) -> bool {
        self.in_order.is_empty()
    }

    /// Bytes allocated, as near as a B-tree's can be told: its nodes are two thirds full on the average.
    pub(super) fn bytes(&self) -> usize {
        let ordered = self.in_order.len() * size_of::<(Deadline, Text)>() * 3 / 2;
        self.by_field.bytes() + ordered + self.heap_bytes
    }

    fn first(&self) -> &(Deadline, Text) {
        self.in_order.first().expect("there is a deadline while this is kept")
    }

    /// The earliest of all. `O(log fields)`, without a look at any field.
    pub(super) fn earliest(&self) -> Deadline {
        self.first().0
    }

    /// The field that is due first.
    pub(super) fn soonest(&self) -> &[u8] {
        self.first().1.as_bytes()
    }

    pub(super) fn get(&self, field: &[u8]) -> Option<Deadline> {
        self.by_field.find(field).map(|place| self.by_field.get(place).deadline)
    }

    pub(super) fn set(&mut self, field: &[u8], deadline: Deadline) {
        self.clear(field);
        let field = Text::new(field);
        self.heap_bytes += field.heap_bytes();
        self.in_order.insert((deadline, field.clone()));
        self.by_field.insert(Timed { field, deadline });
    }

    pub(super) fn clear(&mut self, field: &[u8]) -> bool {
        let removed = self.by_field.find(field).and_then(|place| self.by_field.remove(place));
        let Some(Timed { field, deadline }) = removed.map(|removed| removed.record) else { return false };
        self.heap_bytes -= field.heap_bytes();
        self.in_order.remove(&(deadline, field))
    }
}
