//! Function libraries, as `FUNCTION DUMP` and `FUNCTION RESTORE` have them: each an opcode and its code.

use super::reader::Reader;
use super::writer::Writer;
use super::{LoadError, VERSION, code, seal, unseal};

/// The payload of libraries, given by their code. `O(bytes)`.
pub fn dump_functions<'c>(codes: impl Iterator<Item = &'c [u8]>, compresses: bool) -> Vec<u8> {
    let mut writer = Writer::new(compresses);
    for library in codes {
        writer.u8(code::FUNCTION);
        writer.string(library);
    }
    seal(writer.into_bytes(), VERSION)
}

/// The codes of a payload's libraries. `decompressed`: bytes that may come of what is compressed.
///
/// # Errors
/// See [`LoadError`]; something else than a library is corrupt.
pub fn load_functions(payload: &[u8], decompressed: usize) -> Result<Vec<Vec<u8>>, LoadError> {
    let mut reader = Reader::new(unseal(payload).ok_or(LoadError::Unsealed)?, decompressed);
    let mut codes = Vec::new();
    while !reader.is_empty() {
        if reader.u8()? != code::FUNCTION {
            return Err(LoadError::Corrupt);
        }
        codes.push(reader.string()?.into_owned());
    }
    Ok(codes)
}
