//! A field and its value in one allocation.

use crate::store::memory::allocated;
use crate::store::value::listpack::Entry;
use crate::store::value::members::Record;

/// Length of the field's name, the name, the value. The length takes one byte, or from `LONG` on five.
#[derive(Clone, Debug)]
pub struct Field(Box<[u8]>);

const LONG: u8 = u8::MAX;

impl Field {
    pub(super) fn new(name: &[u8], value: &[u8]) -> Field {
        let mut bytes = Vec::with_capacity(5 + name.len() + value.len());
        match u8::try_from(name.len()) {
            Ok(len) if len < LONG => bytes.push(len),
            _ => {
                let len = u32::try_from(name.len()).expect("a request's argument is shorter");
                bytes.push(LONG);
                bytes.extend_from_slice(&len.to_le_bytes());
            }
        }
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(value);
        Field(bytes.into_boxed_slice())
    }

    pub fn name_and_value(&self) -> (&[u8], &[u8]) {
        let (start, len) = match *self.0 {
            [LONG, a, b, c, d, ..] => (5, u32::from_le_bytes([a, b, c, d]) as usize),
            [len, ..] => (1, usize::from(len)),
            [] => unreachable!("a field begins with a length"),
        };
        self.0[start..].split_at(len)
    }

    pub(super) fn value(&self) -> &[u8] {
        self.name_and_value().1
    }

    pub(super) fn pair(&self) -> (Entry<'_>, Entry<'_>) {
        let (name, value) = self.name_and_value();
        (Entry::Str(name), Entry::Str(value))
    }

    pub(super) fn set_value(&mut self, value: &[u8]) {
        let old = self.value();
        if old.len() == value.len() {
            let start = self.0.len() - value.len();
            self.0[start..].copy_from_slice(value);
        } else {
            *self = Field::new(self.name_and_value().0, value);
        }
    }
}

impl Record for Field {
    fn name(&self) -> &[u8] {
        self.name_and_value().0
    }

    fn heap_bytes(&self) -> usize {
        allocated(self.0.len())
    }
}
