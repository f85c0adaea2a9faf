//! Sorted sets. Members and scores one by one, from the highest to the lowest so that Redis adds each at the
//! beginning when it reads them; or a listpack; from old servers a ziplist, or scores as text.

use super::reader::Reader;
use super::writer::Writer;
use super::{Limits, LoadError, code, ziplist};
use crate::double;
use crate::store::value::listpack::Listpack;
use crate::store::value::sorted_set::SortedSet;
use crate::store::{Collection, Owned};

pub(super) fn save(set: &SortedSet, writer: &mut Writer) {
    if let Some(list) = set.as_listpack() {
        writer.u8(code::SORTED_SET_LISTPACK);
        return writer.string(list.as_bytes());
    }
    writer.u8(code::SORTED_SET_2);
    writer.count(set.len());
    for (member, score) in set.iter().rev() {
        writer.entry(member);
        writer.raw(&score.to_le_bytes());
    }
}

/// Scores are doubles.
pub(super) fn load(reader: &mut Reader<'_>, limits: &Limits) -> Result<Owned, LoadError> {
    load_scored(reader, limits, |reader| {
        let bytes = reader.take(8)?.try_into().map_err(|_| LoadError::Corrupt)?;
        Ok(f64::from_le_bytes(bytes))
    })
}

/// Scores are text, of which the length is said before; three lengths stand for what is no number.
pub(super) fn load_with_text(reader: &mut Reader<'_>, limits: &Limits) -> Result<Owned, LoadError> {
    load_scored(reader, limits, |reader| match reader.u8()? {
        253 => Ok(f64::NAN),
        254 => Ok(f64::INFINITY),
        255 => Ok(f64::NEG_INFINITY),
        len => double::parse(reader.take(len.into())?).ok_or(LoadError::Corrupt),
    })
}

fn load_scored<'p>(
    reader: &mut Reader<'p>,
    limits: &Limits,
    score: impl Fn(&mut Reader<'p>) -> Result<f64, LoadError>,
) -> Result<Owned, LoadError> {
    let mut set = SortedSet::default();
    // It becomes a listpack when all is known, as in Redis, whose listpacks know no -0.
    set.expect(usize::MAX, 0, &limits.sorted_set);
    for _ in 0..reader.count(2)? {
        let member = reader.string()?;
        add(&mut set, &member, score(reader)?, limits)?;
    }
    finish(set.compacted(&limits.sorted_set))
}

pub(super) fn load_listpack(reader: &mut Reader<'_>, limits: &Limits) -> Result<Owned, LoadError> {
    let list = Listpack::from_bytes(reader.string()?.into_owned()).ok_or(LoadError::Corrupt)?;
    let mut set = SortedSet::from_listpack(list).ok_or(LoadError::Corrupt)?;
    set.expect(set.len(), 0, &limits.sorted_set);
    finish(set)
}

pub(super) fn load_ziplist(reader: &mut Reader<'_>, limits: &Limits) -> Result<Owned, LoadError> {
    let bytes = reader.string()?;
    let entries = ziplist::entries(&bytes)?;
    let (pairs, []) = entries.as_chunks::<2>() else { return Err(LoadError::Corrupt) };
    let mut set = SortedSet::default();
    for [member, score] in pairs {
        let score = double::parse(&score.to_text()).ok_or(LoadError::Corrupt)?;
        add(&mut set, &member.to_text(), score, limits)?;
    }
    finish(set)
}

fn add(set: &mut SortedSet, member: &[u8], score: f64, limits: &Limits) -> Result<(), LoadError> {
    if score.is_nan() || set.insert(member, score, &limits.sorted_set).is_some() {
        return Err(LoadError::Corrupt);
    }
    Ok(())
}

fn finish(set: SortedSet) -> Result<Owned, LoadError> {
    if set.is_empty() { Err(LoadError::Corrupt) } else { Ok(Owned::object(set)) }
}
