//! Comparing sixteen bytes with one at once. In plain Rust the compiler makes some forty instructions of it: a look-up in
//! the store's table then takes twice as long (`benches/index.rs`: 4.1 against 2.1 ns in the cache), and a memcached
//! request, line and look-up together, 1.6 to 2 times as long (`benches/decode.rs`, 128 `get` 24.6 against 13.6 µs).
#![allow(unsafe_code)]

/// Bytes that are compared at once.
pub const LANES: usize = 16;

/// Bit i is set where byte i of `bytes`, the lowest first, is `byte`.
#[cfg(target_arch = "x86_64")]
#[inline]
pub fn equal(bytes: u128, byte: u8) -> u32 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8};
    let (low, high) = ((bytes as u64).cast_signed(), ((bytes >> 64) as u64).cast_signed());
    // SAFETY: every x86_64 processor has SSE2, which is all that these need; they touch no memory.
    unsafe {
        let equal = _mm_cmpeq_epi8(_mm_set_epi64x(high, low), _mm_set1_epi8(byte.cast_signed()));
        _mm_movemask_epi8(equal).cast_unsigned()
    }
}

/// Bit i is set where byte i of `bytes`, the lowest first, is `byte`.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub fn equal(bytes: u128, byte: u8) -> u32 {
    bytes.to_le_bytes().iter().enumerate().fold(0, |found, (i, &b)| found | u32::from(b == byte) << i)
}

/// The first sixteen bytes as a number, the first one lowest, and zeros for those that are not there.
#[inline]
pub fn load(bytes: &[u8]) -> u128 {
    match bytes.first_chunk() {
        Some(all) => u128::from_le_bytes(*all),
        None => load_few(bytes),
    }
}

#[inline(never)]
fn load_few(bytes: &[u8]) -> u128 {
    // Two loads that overlap where there is not enough for one.
    let join = |low: u64, high: u64, distance: usize| u128::from(low) | u128::from(high) << (8 * distance);
    let len = bytes.len();
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return join(u64::from_le_bytes(*first), u64::from_le_bytes(*last), len - 8);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return join(u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into(), len - 4);
    }
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u128::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_the_equal_bytes_and_no_others() {
        for bits in 0..1u32 << LANES {
            for (byte, other) in [(0, 1), (1, 0), (0x80, 0x7F), (0xFF, 0)] {
                let bytes: [u8; LANES] =
                    std::array::from_fn(|i| if bits >> i & 1 == 1 { byte } else { other });
                assert_eq!(equal(u128::from_le_bytes(bytes), byte), bits);
            }
        }
    }

    #[test]
    fn what_is_loaded_is_what_is_there() {
        let bytes: Vec<u8> = (1..=40).collect();
        for len in 0..bytes.len() {
            let mut expected = [0; LANES];
            let most = len.min(LANES);
            expected[..most].copy_from_slice(&bytes[..most]);
            assert_eq!(load(&bytes[..len]).to_le_bytes(), expected, "{len} bytes");
        }
    }
}
