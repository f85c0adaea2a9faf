//! Base64 as memcached's meta commands use it for binary keys. The decoder is as lenient as
//! memcached's: characters outside the alphabet are skipped, and the padding may stand anywhere.

use super::decode::Scratch;
use crate::wire::Out;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Values of the characters; `SKIP` where a byte is none.
static VALUES: [u8; 256] = values();
const SKIP: u8 = 0x80;

const fn values() -> [u8; 256] {
    let mut values = [SKIP; 256];
    let mut i = 0;
    while i < 64 {
        values[ALPHABET[i] as usize] = i as u8;
        i += 1;
    }
    values[b'=' as usize] = 0;
    values
}

/// Decodes `text` into `room`; the length, or `None` when it is not base64.
pub(super) fn decode(text: &[u8], room: &mut Scratch) -> Option<usize> {
    let valid = || text.iter().copied().filter(|&byte| VALUES[usize::from(byte)] != SKIP);
    let count = valid().count();
    if count == 0 || count % 4 != 0 {
        return None;
    }
    room.resize(count / 4 * 3, 0);
    let (mut group, mut filled, mut padding, mut length) = (0u32, 0, 0, 0);
    for byte in valid() {
        padding += usize::from(byte == b'=');
        group = group << 6 | u32::from(VALUES[usize::from(byte)]);
        filled += 1;
        if filled == 4 {
            room[length..length + 3].copy_from_slice(&group.to_be_bytes()[1..]);
            length += 3;
            (group, filled) = (0, 0);
            if padding > 0 {
                break;
            }
        }
    }
    (padding <= 2).then(|| length - padding)
}

/// Appends the base64 form of `bytes`, padded.
pub(super) fn encode(bytes: &[u8], out: &mut Out) {
    for group in bytes.chunks(3) {
        let mut three = [0; 3];
        three[..group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for place in 0..4 {
            if place > group.len() {
                out.put_u8(b'=');
            } else {
                out.put_u8(ALPHABET[(bits >> (18 - 6 * place)) as usize & 63]);
            }
        }
    }
}
