//! What `FUNCTION DUMP` gives and `FUNCTION RESTORE` takes: for each library the RDB opcode and its code as an RDB string,
//! then the RDB version and a CRC-64 of it all.

use crate::commands::CommandError;

/// RDB's opcode for a library, and the one before Redis 7.0 was released.
const FUNCTION: u8 = 245;
const FUNCTION_BEFORE_RELEASE: u8 = 246;
/// The RDB version of Redis 7.2.
const VERSION: u16 = 11;

pub(super) fn write<'c>(codes: impl Iterator<Item = &'c [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    for code in codes {
        out.push(FUNCTION);
        write_length(&mut out, code.len());
        out.extend_from_slice(code);
    }
    out.extend_from_slice(&VERSION.to_le_bytes());
    let sum = crc64(&out);
    out.extend_from_slice(&sum.to_le_bytes());
    out
}

fn write_length(out: &mut Vec<u8>, len: usize) {
    match len {
        0..0x40 => out.push(len as u8),
        0x40..0x4000 => out.extend_from_slice(&(len as u16 | 0x4000).to_be_bytes()),
        0x4000..=0xFFFF_FFFF => {
            out.push(0x80);
            out.extend_from_slice(&(len as u32).to_be_bytes());
        }
        _ => {
            out.push(0x81);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
}

/// The libraries' codes, none of more than `limit` bytes.
pub(super) fn read(payload: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, CommandError> {
    let wrong = || CommandError::other("ERR DUMP payload version or checksum are wrong");
    let (signed, sum) = payload.split_last_chunk::<8>().ok_or_else(wrong)?;
    let (mut rest, version) = signed.split_last_chunk::<2>().ok_or_else(wrong)?;
    if u16::from_le_bytes(*version) > VERSION || crc64(signed) != u64::from_le_bytes(*sum) {
        return Err(wrong());
    }
    let mut codes = Vec::new();
    while let Some((&kind, behind)) = rest.split_first() {
        match kind {
            FUNCTION => {}
            FUNCTION_BEFORE_RELEASE => {
                return Err(CommandError::other("ERR Pre-GA function format not supported"));
            }
            _ => return Err(CommandError::other("ERR given type is not a function")),
        }
        let (code, behind) = read_string(behind, limit)
            .ok_or_else(|| CommandError::other("ERR Failed loading library code"))?;
        codes.push(code);
        rest = behind;
    }
    Ok(codes)
}

enum Length {
    Plain(usize),
    /// Compressed by LZF.
    Lzf,
}

fn read_length(bytes: &[u8]) -> Option<(Length, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let plain = |len: u64, rest| Some((Length::Plain(usize::try_from(len).ok()?), rest));
    match (first >> 6, first) {
        (0, _) => plain(first.into(), rest),
        (1, _) => {
            let (&low, rest) = rest.split_first()?;
            plain(u64::from(first & 0x3F) << 8 | u64::from(low), rest)
        }
        (_, 0x80) => {
            let (len, rest) = rest.split_first_chunk()?;
            plain(u32::from_be_bytes(*len).into(), rest)
        }
        (_, 0x81) => {
            let (len, rest) = rest.split_first_chunk()?;
            plain(u64::from_be_bytes(*len), rest)
        }
        (_, 0xC3) => Some((Length::Lzf, rest)),
        _ => None,
    }
}

fn read_string(bytes: &[u8], limit: usize) -> Option<(Vec<u8>, &[u8])> {
    let plain = |bytes| match read_length(bytes)? {
        (Length::Plain(len), rest) if len <= limit => Some((len, rest)),
        _ => None,
    };
    match read_length(bytes)? {
        (Length::Plain(len), rest) if len <= rest.len() => Some((rest[..len].to_vec(), &rest[len..])),
        (Length::Plain(_), _) => None,
        (Length::Lzf, rest) => {
            let (packed, rest) = plain(rest)?;
            let (len, rest) = plain(rest)?;
            let (packed, rest) = rest.split_at_checked(packed)?;
            Some((unpack(packed, len)?, rest))
        }
    }
}

/// LZF: runs of literals, and references to what is up to 8 KiB back.
fn unpack(mut packed: &[u8], len: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    while let Some((&control, rest)) = packed.split_first() {
        if control < 32 {
            let (literals, rest) = rest.split_at_checked(usize::from(control) + 1)?;
            out.extend_from_slice(literals);
            packed = rest;
        } else {
            let (mut count, mut rest) = (usize::from(control >> 5), rest);
            if count == 7 {
                let (&more, behind) = rest.split_first()?;
                count += usize::from(more);
                rest = behind;
            }
            let (&low, rest) = rest.split_first()?;
            let back = (usize::from(control & 0x1F) << 8 | usize::from(low)) + 1;
            let from = out.len().checked_sub(back)?;
            for at in from..from + count + 2 {
                out.push(out[at]);
            }
            packed = rest;
        }
        if out.len() > len {
            return None;
        }
    }
    (out.len() == len).then_some(out)
}

/// CRC-64 as Redis has it (Jones' polynomial, reflected).
fn crc64(bytes: &[u8]) -> u64 {
    const POLYNOMIAL: u64 = 0x95AC_9329_AC4B_C9B5;
    bytes.iter().fold(0, |sum, &byte| {
        (0..8).fold(sum ^ u64::from(byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ POLYNOMIAL } else { sum >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_redis() {
        assert_eq!(crc64(b"123456789"), 0xE9C6_D914_C4B8_D9CA);
    }

    #[test]
    fn what_is_written_is_read() {
        for len in [0, 1, 63, 64, 16383, 16384, 100_000] {
            let codes = [vec![b'a'; len], b"b".to_vec()];
            let payload = write(codes.iter().map(Vec::as_slice));
            assert_eq!(read(&payload, 1 << 20), Ok(codes.to_vec()));
            for cut in 0..payload.len().min(20) {
                assert!(read(&payload[..payload.len() - 1 - cut], 1 << 20).is_err());
            }
        }
    }

    #[test]
    fn lzf_is_unpacked_and_bounded() {
        // "aaaaaaaaaa": one literal, then nine from one byte back.
        assert_eq!(unpack(&[0, b'a', 0xE0, 0, 0], 10), Some(b"aaaaaaaaaa".to_vec()));
        assert_eq!(unpack(&[0, b'a', 0xE0, 0, 0], 5), None);
        assert_eq!(unpack(&[0x20, 5], 3), None);
    }
}
