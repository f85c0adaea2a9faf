//! Redis' format for values outside memory, as `DUMP` and `RESTORE` have it: type, value, version, checksum.
//! The format is that of `rdb.c`; see also <https://rdb.fnordig.de/file_format.html>.
//!
//! What is written is of version 10, that of Redis 7.0, and every later one reads it too; so a set that 7.2
//! would write as a listpack (20) is written as its members (2). A hash whose fields have deadlines is of
//! version 12, that of Redis 7.4, for an older one would lose them. Read is whatever Redis up to 7.4 has
//! written since 2.6, except for modules' values.
//!
//! A payload may be forged. Nothing is allocated that its bytes do not stand for, what they claim is checked
//! before it is believed, and what decompression may yield is bounded.

mod code;
mod crc64;
mod functions;
mod hash;
mod list;
mod lzf;
mod reader;
mod set;
mod sorted_set;
mod stream;
mod string;
#[cfg(test)]
mod tests;
mod writer;
mod ziplist;
mod zipmap;

pub use functions::{dump_functions, load_functions};

use crate::store::value::{self, Object};
use crate::store::{Item, Owned};
use reader::Reader;
use writer::Writer;

/// The version that is written.
const VERSION: u16 = 10;
/// The version that is written where a hash's fields have deadlines; the last one that is read.
const VERSION_MAX: u16 = 12;
/// Version and checksum.
const FOOTER: usize = 10;

/// What a value that is read must keep to.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes that may come of what is compressed.
    pub decompressed: usize,
    pub hash: value::hash::Limits,
    pub list: value::list::NodeLimit,
    pub set: value::set::Limits,
    pub sorted_set: value::sorted_set::Limits,
}

/// Why a payload is not a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// It is no payload, or of a version that is not known.
    Unsealed,
    /// The checksum is right and what it covers is not.
    Corrupt,
    /// The value would be larger than what is allowed.
    TooLarge,
}

/// The payload of a value. `O(bytes)`.
pub fn dump(item: &Item<'_>, compresses: bool) -> Vec<u8> {
    match item.object() {
        Some(object) => dump_object(&object, compresses),
        None => dump_string(item.string().unwrap_or_default(), compresses),
    }
}

/// The payload of a string.
pub fn dump_string(text: &[u8], compresses: bool) -> Vec<u8> {
    let mut writer = Writer::new(compresses);
    string::save(text, &mut writer);
    seal(writer.into_bytes(), VERSION)
}

/// The payload of a value on the heap.
pub fn dump_object(object: &Object, compresses: bool) -> Vec<u8> {
    let mut writer = Writer::new(compresses);
    match object {
        Object::String(text) => string::save(text, &mut writer),
        Object::Hash(hash) => hash::save(hash, &mut writer),
        Object::List(list) => list::save(list, &mut writer),
        Object::Set(set) => set::save(set, &mut writer),
        Object::SortedSet(set) => sorted_set::save(set, &mut writer),
        Object::Stream(stream) => stream::save(stream, &mut writer),
    }
    let body = writer.into_bytes();
    let version = if body[0] == code::HASH_METADATA { VERSION_MAX } else { VERSION };
    seal(body, version)
}

/// Makes a payload of a type and a value.
pub fn seal(mut body: Vec<u8>, version: u16) -> Vec<u8> {
    body.extend(version.to_le_bytes());
    body.extend(crc64::crc64(&body).to_le_bytes());
    body
}

/// The value of a payload, without deadline. `O(bytes)`.
///
/// # Errors
/// See [`LoadError`].
pub fn load(payload: &[u8], limits: &Limits) -> Result<Owned, LoadError> {
    let body = unseal(payload).ok_or(LoadError::Unsealed)?;
    // As in Redis what may follow the value is not looked at.
    let mut reader = Reader::new(body, limits.decompressed);
    let reader = &mut reader;
    match reader.u8()? {
        code::STRING => string::load(reader),
        code::LIST => list::load(reader, limits),
        code::LIST_ZIPLIST => list::load_ziplist(reader, limits),
        code::LIST_ZIPLISTS => list::load_ziplists(reader, limits),
        code::LIST_LISTPACKS => list::load_listpacks(reader, limits),
        code::SET => set::load(reader, limits),
        code::SET_INTSET => set::load_intset(reader, limits),
        code::SET_LISTPACK => set::load_listpack(reader, limits),
        code::SORTED_SET => sorted_set::load_with_text(reader, limits),
        code::SORTED_SET_2 => sorted_set::load(reader, limits),
        code::SORTED_SET_ZIPLIST => sorted_set::load_ziplist(reader, limits),
        code::SORTED_SET_LISTPACK => sorted_set::load_listpack(reader, limits),
        code::HASH => hash::load(reader, limits),
        code::HASH_ZIPMAP => hash::load_zipmap(reader, limits),
        code::HASH_ZIPLIST => hash::load_ziplist(reader, limits),
        code::HASH_LISTPACK => hash::load_listpack(reader, limits),
        code::HASH_METADATA => hash::load_with_deadlines(reader, limits),
        code::HASH_LISTPACK_EX => hash::load_listpack_with_deadlines(reader, limits),
        code::STREAM_1 => stream::load(reader, stream::Format::V1),
        code::STREAM_2 => stream::load(reader, stream::Format::V2),
        code::STREAM_3 => stream::load(reader, stream::Format::V3),
        _ => Err(LoadError::Corrupt),
    }
}

fn unseal(payload: &[u8]) -> Option<&[u8]> {
    let (body, footer) = payload.split_at_checked(payload.len().checked_sub(FOOTER)?)?;
    let (version, checksum) = footer.split_at(2);
    let is_known = u16::from_le_bytes(version.try_into().ok()?) <= VERSION_MAX;
    let is_whole = crc64::crc64(&payload[..payload.len() - 8]).to_le_bytes() == checksum;
    (is_known && is_whole).then_some(body)
}
