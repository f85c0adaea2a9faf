//! Streams: nodes, what is known of all entries, groups, their pending entries and consumers. Redis 7.0 added
//! how far groups have read, 7.2 when consumers were active; written is what 7.0 reads.

use super::reader::Reader;
use super::writer::Writer;
use super::{LoadError, code};
use crate::clock::Millis;
use crate::store::Owned;
use crate::store::value::listpack::Listpack;
use crate::store::value::stream::{Consumer, Entries, Group, Pending, Stream, StreamId};
use std::collections::BTreeMap;

/// The formats, each with more than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Format {
    V1,
    V2,
    V3,
}

pub(super) fn save(stream: &Stream, writer: &mut Writer) {
    writer.u8(code::STREAM_2);
    let entries = &stream.entries;
    writer.count(entries.nodes().len());
    for (master, node) in entries.nodes() {
        writer.string(&master.to_bytes());
        writer.string(node.listpack().as_bytes());
    }
    writer.number(entries.len());
    save_id(entries.last_id(), writer);
    save_id(entries.first_id(), writer);
    save_id(entries.max_deleted_id(), writer);
    writer.number(entries.added());
    writer.count(stream.groups().len());
    for (name, group) in stream.groups() {
        writer.string(name);
        save_group(group, writer);
    }
}

fn save_id(id: StreamId, writer: &mut Writer) {
    writer.number(id.ms);
    writer.number(id.seq);
}

fn save_group(group: &Group, writer: &mut Writer) {
    save_id(group.last_id, writer);
    writer.number(group.entries_read.unwrap_or(-1) as u64);
    writer.count(group.pending().len());
    for (id, pending) in group.pending() {
        writer.raw(&id.to_bytes());
        writer.millis(pending.delivered.0);
        writer.number(pending.count);
    }
    writer.count(group.consumers().len());
    for consumer in group.consumers() {
        save_consumer(consumer, writer);
    }
}

fn save_consumer(consumer: &Consumer, writer: &mut Writer) {
    writer.string(consumer.name());
    writer.millis(consumer.seen.0);
    writer.count(consumer.pending().len());
    consumer.pending().iter().for_each(|id| writer.raw(&id.to_bytes()));
}

pub(super) fn load(reader: &mut Reader<'_>, format: Format) -> Result<Owned, LoadError> {
    let mut nodes = Vec::new();
    for _ in 0..reader.count(2)? {
        let master = reader.string()?.as_ref().try_into().map_err(|_| LoadError::Corrupt)?;
        let pack = Listpack::from_bytes(reader.string()?.into_owned()).ok_or(LoadError::Corrupt)?;
        nodes.push((StreamId::from_bytes(master), pack));
    }
    let mut entries = Entries::from_nodes(nodes).ok_or(LoadError::Corrupt)?;
    let (len, last_id) = (reader.number()?, load_id(reader)?);
    if len != entries.len() || last_id < entries.last_id() {
        return Err(LoadError::Corrupt);
    }
    let (mut max_deleted, mut added) = (StreamId::MIN, len);
    if format >= Format::V2 {
        // The first entry's ID is known from the entries.
        load_id(reader)?;
        (max_deleted, added) = (load_id(reader)?, reader.number()?);
    }
    entries.set_id(last_id, Some(added), Some(max_deleted));
    let mut stream = Stream::default();
    stream.entries = entries;
    for _ in 0..reader.count(6)? {
        let name = reader.string()?;
        let group = load_group(reader, &stream.entries, format)?;
        if !stream.create_group(&name, group) {
            return Err(LoadError::Corrupt);
        }
    }
    Ok(Owned::object(stream))
}

fn load_id(reader: &mut Reader<'_>) -> Result<StreamId, LoadError> {
    Ok(StreamId::new(reader.number()?, reader.number()?))
}

/// An ID as sixteen bytes.
fn load_raw_id(reader: &mut Reader<'_>) -> Result<StreamId, LoadError> {
    Ok(StreamId::from_bytes(reader.take(16)?.try_into().expect("sixteen bytes were taken")))
}

fn load_group(reader: &mut Reader<'_>, entries: &Entries, format: Format) -> Result<Group, LoadError> {
    let last_id = load_id(reader)?;
    let entries_read = match format {
        Format::V1 => entries.count_up_to(last_id),
        _ => Some(reader.number()? as i64).filter(|&read| read != -1),
    };
    let mut group = Group::new(last_id, entries_read);
    let mut pending = BTreeMap::new();
    for _ in 0..reader.count(25)? {
        let id = load_raw_id(reader)?;
        if pending.insert(id, (Millis(reader.millis()?), reader.number()?)).is_some() {
            return Err(LoadError::Corrupt);
        }
    }
    for _ in 0..reader.count(10)? {
        load_consumer(reader, &mut group, &mut pending, format)?;
    }
    // Whatever is pending is pending for somebody.
    if pending.is_empty() { Ok(group) } else { Err(LoadError::Corrupt) }
}

/// Reads a consumer, and gives it what of the group's `pending` entries is its own.
fn load_consumer(
    reader: &mut Reader<'_>,
    group: &mut Group,
    pending: &mut BTreeMap<StreamId, (Millis, u64)>,
    format: Format,
) -> Result<(), LoadError> {
    let name = reader.string()?;
    let seen = Millis(reader.millis()?);
    let active = if format >= Format::V3 { Millis(reader.millis()?) } else { seen };
    if !group.create_consumer(&name, seen) {
        return Err(LoadError::Corrupt);
    }
    let consumer = group.consumer_number(&name).expect("it was created");
    // Redis' -1: never.
    if active != Millis(u64::MAX) {
        group.set_active(consumer, active);
    }
    for _ in 0..reader.count(16)? {
        let id = load_raw_id(reader)?;
        let (delivered, count) = pending.remove(&id).ok_or(LoadError::Corrupt)?;
        group.assign(id, Pending { consumer, delivered, count });
    }
    Ok(())
}
