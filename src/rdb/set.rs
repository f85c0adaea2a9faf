//! Sets. Members one by one, the numbers of an intset, or a listpack.

use super::reader::Reader;
use super::writer::Writer;
use super::{Limits, LoadError, code};
use crate::store::value::intset::Intset;
use crate::store::value::listpack::Listpack;
use crate::store::value::set::{Layout, Set};
use crate::store::{Collection, Owned};

/// A listpack is written as its members: Redis 7.0 does not read one.
pub(super) fn save(set: &Set, writer: &mut Writer) {
    if let Layout::Intset(numbers) = set.layout() {
        writer.u8(code::SET_INTSET);
        return writer.string(numbers.as_bytes());
    }
    writer.u8(code::SET);
    writer.count(set.len());
    set.iter().for_each(|member| writer.entry(member));
}

pub(super) fn load(reader: &mut Reader<'_>, limits: &Limits) -> Result<Owned, LoadError> {
    let mut set = Set::default();
    for _ in 0..reader.count(1)? {
        add(&mut set, &reader.string()?, limits)?;
    }
    finish(set)
}

pub(super) fn load_intset(reader: &mut Reader<'_>, limits: &Limits) -> Result<Owned, LoadError> {
    let numbers = Intset::from_bytes(reader.string()?.into_owned()).ok_or(LoadError::Corrupt)?;
    if numbers.len() <= limits.set.intset_entries {
        return finish(Set::from(Layout::Intset(numbers)));
    }
    let (mut set, mut buffer) = (Set::default(), itoa::Buffer::new());
    for number in numbers.iter() {
        add(&mut set, buffer.format(number).as_bytes(), limits)?;
    }
    finish(set)
}

pub(super) fn load_listpack(reader: &mut Reader<'_>, limits: &Limits) -> Result<Owned, LoadError> {
    let list = Listpack::from_bytes(reader.string()?.into_owned()).ok_or(LoadError::Corrupt)?;
    // The encoding stays what it was elsewhere as far as it may: numbers only can be a listpack too.
    let (mut distinct, mut buffer) = (Set::default(), itoa::Buffer::new());
    for member in &list {
        add(&mut distinct, member.text(&mut buffer), limits)?;
    }
    let fits = list.len() <= limits.set.listpack_entries
        && list.iter().all(|member| member.text(&mut buffer).len() <= limits.set.listpack_value);
    finish(if fits { Set::from(Layout::Listpack(list)) } else { distinct })
}

fn add(set: &mut Set, member: &[u8], limits: &Limits) -> Result<(), LoadError> {
    if set.insert(member, &limits.set) { Ok(()) } else { Err(LoadError::Corrupt) }
}

fn finish(set: Set) -> Result<Owned, LoadError> {
    if set.is_empty() { Err(LoadError::Corrupt) } else { Ok(Owned::object(set)) }
}
