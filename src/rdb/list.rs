//! Lists. Node by node, each a listpack or one large element; from old servers ziplists, or the elements.

use super::reader::Reader;
use super::writer::Writer;
use super::{Limits, LoadError, code, ziplist};
use crate::store::value::list::{End, List, Part};
use crate::store::value::listpack::Listpack;
use crate::store::{Collection, Owned};

pub(super) fn save(list: &List, writer: &mut Writer) {
    writer.u8(code::LIST_LISTPACKS);
    writer.count(list.parts().count());
    for part in list.parts() {
        match part {
            Part::Pack(pack) => {
                writer.number(code::NODE_PACKED);
                writer.string(pack.as_bytes());
            }
            Part::Large(element) => {
                writer.number(code::NODE_PLAIN);
                writer.string(element);
            }
        }
    }
}

pub(super) fn load(reader: &mut Reader<'_>, limits: &Limits) -> Result<Owned, LoadError> {
    let mut list = List::default();
    for _ in 0..reader.count(1)? {
        add(&mut list, &reader.string()?, limits);
    }
    finish(list)
}

pub(super) fn load_ziplist(reader: &mut Reader<'_>, limits: &Limits) -> Result<Owned, LoadError> {
    let mut list = List::default();
    add_ziplist(&mut list, reader, limits)?;
    finish(list)
}

pub(super) fn load_ziplists(reader: &mut Reader<'_>, limits: &Limits) -> Result<Owned, LoadError> {
    let mut list = List::default();
    for _ in 0..reader.count(1)? {
        add_ziplist(&mut list, reader, limits)?;
    }
    finish(list)
}

pub(super) fn load_listpacks(reader: &mut Reader<'_>, limits: &Limits) -> Result<Owned, LoadError> {
    let mut list = List::default();
    for _ in 0..reader.count(2)? {
        let kind = reader.number()?;
        let bytes = reader.string()?;
        match kind {
            code::NODE_PLAIN => add(&mut list, &bytes, limits),
            code::NODE_PACKED => {
                let pack = Listpack::from_bytes(bytes.into_owned()).ok_or(LoadError::Corrupt)?;
                list.append(pack, limits.list);
            }
            _ => return Err(LoadError::Corrupt),
        }
    }
    finish(list)
}

fn add_ziplist(list: &mut List, reader: &mut Reader<'_>, limits: &Limits) -> Result<(), LoadError> {
    let bytes = reader.string()?;
    let mut buffer = itoa::Buffer::new();
    ziplist::entries(&bytes)?.into_iter().for_each(|entry| add(list, entry.text(&mut buffer), limits));
    Ok(())
}

fn add(list: &mut List, element: &[u8], limits: &Limits) {
    list.push(End::Tail, std::iter::once(element), limits.list);
}

fn finish(list: List) -> Result<Owned, LoadError> {
    if list.is_empty() { Err(LoadError::Corrupt) } else { Ok(Owned::object(list)) }
}
