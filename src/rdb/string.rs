//! Strings.

use super::reader::Reader;
use super::writer::Writer;
use super::{LoadError, code};
use crate::store::Owned;

pub(super) fn save(text: &[u8], writer: &mut Writer) {
    writer.u8(code::STRING);
    writer.string(text);
}

pub(super) fn load(reader: &mut Reader<'_>) -> Result<Owned, LoadError> {
    Ok(Owned::string(reader.string()?.into_owned()))
}
