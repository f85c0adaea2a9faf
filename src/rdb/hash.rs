//! Hashes. Pairs one by one, or a listpack; from old servers a ziplist or a zipmap. Fields that have deadlines
//! are written as Redis 7.4 does.

use super::reader::Reader;
use super::writer::Writer;
use super::{Limits, LoadError, code, ziplist, zipmap};
use crate::clock::{Deadline, Millis};
use crate::store::value::hash::{FieldTtl, Hash, Layout};
use crate::store::value::listpack::{Entry, Listpack};
use crate::store::{Collection, Owned};

/// No field that is being read is due: the fields' deadlines come last.
const NOW: Millis = Millis(0);

pub(super) fn save(hash: &Hash, writer: &mut Writer) {
    if let Some(earliest) = hash.due_at() {
        return save_with_deadlines(hash, earliest, writer);
    }
    if let Layout::Listpack(list) = hash.layout() {
        writer.u8(code::HASH_LISTPACK);
        return writer.string(list.as_bytes());
    }
    writer.u8(code::HASH);
    writer.count(hash.len());
    for (field, value) in hash.iter(NOW) {
        writer.entry(field);
        writer.entry(value);
    }
}

/// The earliest deadline; then before each field 0, or 1 and by how much its own is later.
fn save_with_deadlines(hash: &Hash, earliest: Deadline, writer: &mut Writer) {
    writer.u8(code::HASH_METADATA);
    writer.millis(earliest.0.0);
    writer.count(hash.len());
    for (field, value) in hash.iter(NOW) {
        let deadline = hash.deadline(&field.to_text());
        writer.number(deadline.map_or(0, |deadline| deadline.0.0 - earliest.0.0 + 1));
        writer.entry(field);
        writer.entry(value);
    }
}

pub(super) fn load(reader: &mut Reader<'_>, limits: &Limits) -> Result<Owned, LoadError> {
    let mut hash = Hash::default();
    for _ in 0..reader.count(2)? {
        let (field, value) = (reader.string()?, reader.string()?);
        add(&mut hash, &field, &value, limits)?;
    }
    finish(hash)
}

pub(super) fn load_with_deadlines(reader: &mut Reader<'_>, limits: &Limits) -> Result<Owned, LoadError> {
    let earliest = reader.millis()?;
    let (mut hash, mut deadlines) = (Hash::default(), Vec::new());
    for _ in 0..reader.count(3)? {
        let later = reader.number()?;
        let (field, value) = (reader.string()?, reader.string()?);
        add(&mut hash, &field, &value, limits)?;
        if later > 0 {
            let at = earliest.checked_add(later - 1).ok_or(LoadError::Corrupt)?;
            deadlines.push((field, Deadline::at_ms(at)));
        }
    }
    deadlines.iter().for_each(|(field, deadline)| hash.set_deadline(field, *deadline));
    finish(hash)
}

/// Fields, values and deadlines (0: none) in turn.
pub(super) fn load_listpack_with_deadlines(
    reader: &mut Reader<'_>,
    limits: &Limits,
) -> Result<Owned, LoadError> {
    reader.millis()?;
    let list = Listpack::from_bytes(reader.string()?.into_owned()).ok_or(LoadError::Corrupt)?;
    let (mut hash, mut deadlines) = (Hash::default(), Vec::new());
    let mut entries = list.iter();
    while let Some(field) = entries.next() {
        let (Some(value), Some(Entry::Int(at))) = (entries.next(), entries.next()) else {
            return Err(LoadError::Corrupt);
        };
        let field = field.to_text();
        add(&mut hash, &field, &value.to_text(), limits)?;
        if at != 0 {
            let at = u64::try_from(at).map_err(|_| LoadError::Corrupt)?;
            deadlines.push((field, Deadline::at_ms(at)));
        }
    }
    deadlines.iter().for_each(|(field, deadline)| hash.set_deadline(field, *deadline));
    finish(hash)
}

pub(super) fn load_listpack(reader: &mut Reader<'_>, limits: &Limits) -> Result<Owned, LoadError> {
    let list = Listpack::from_bytes(reader.string()?.into_owned()).ok_or(LoadError::Corrupt)?;
    finish(Hash::from_listpack(list, limits.hash).ok_or(LoadError::Corrupt)?)
}

pub(super) fn load_ziplist(reader: &mut Reader<'_>, limits: &Limits) -> Result<Owned, LoadError> {
    let bytes = reader.string()?;
    let entries = ziplist::entries(&bytes)?;
    let (pairs, []) = entries.as_chunks::<2>() else { return Err(LoadError::Corrupt) };
    let mut hash = Hash::default();
    for [field, value] in pairs {
        add(&mut hash, &field.to_text(), &value.to_text(), limits)?;
    }
    finish(hash)
}

pub(super) fn load_zipmap(reader: &mut Reader<'_>, limits: &Limits) -> Result<Owned, LoadError> {
    let bytes = reader.string()?;
    let mut hash = Hash::default();
    for (field, value) in zipmap::pairs(&bytes)? {
        add(&mut hash, field, value, limits)?;
    }
    finish(hash)
}

fn add(hash: &mut Hash, field: &[u8], value: &[u8], limits: &Limits) -> Result<(), LoadError> {
    let is_new = hash.set(field, value, FieldTtl::Clear, limits.hash, NOW);
    if is_new { Ok(()) } else { Err(LoadError::Corrupt) }
}

fn finish(hash: Hash) -> Result<Owned, LoadError> {
    if hash.is_empty() { Err(LoadError::Corrupt) } else { Ok(Owned::object(hash)) }
}
