//! MurmurHash64A by Austin Appleby, read little-endian on every machine.

const M: u64 = 0xc6a4_a793_5bd1_e995;
const R: u32 = 47;

fn mix(mut word: u64) -> u64 {
    word = word.wrapping_mul(M);
    word ^= word >> R;
    word.wrapping_mul(M)
}

pub(super) fn hash(bytes: &[u8], seed: u64) -> u64 {
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(M);
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
        hash = (hash ^ mix(word)).wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(M);
    }
    hash = (hash ^ hash >> R).wrapping_mul(M);
    hash ^ hash >> R
}
