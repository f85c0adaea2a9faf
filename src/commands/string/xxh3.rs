//! XXH3, 64 bits, without a seed: the digest of Redis 8.4's DIGEST, IFDEQ and IFDNE. After the algorithm's
//! specification (<https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>, section XXH3).
//!
//! Written out rather than taken from a crate: those at hand are full of `unsafe` for the sake of SIMD, and a
//! digest is asked for now and then.

const P32_1: u64 = 0x9E37_79B1;
const P32_2: u64 = 0x85EB_CA77;
const P32_3: u64 = 0xC2B2_AE3D;
const P64_1: u64 = 0x9E37_79B1_85EB_CA87;
const P64_2: u64 = 0xC2B2_AE3D_27D4_EB4F;
const P64_3: u64 = 0x1656_67B1_9E37_79F9;
const P64_4: u64 = 0x85EB_CA77_C2B2_AE63;
const P64_5: u64 = 0x27D4_EB2F_1656_67C5;
const MIX_1: u64 = 0x1656_6791_9E37_79F9;
const MIX_2: u64 = 0x9FB2_1C65_1E98_DF25;

/// The algorithm's own secret.
#[rustfmt::skip]
const SECRET: [u8; 192] = [
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
    0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
    0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
    0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
    0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
    0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
    0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
    0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
    0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
    0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
    0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
];

fn u32_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32::from_le_bytes(*bytes[at..].first_chunk().expect("the caller knows the length")))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("the caller knows the length"))
}

/// The product's two halves, one upon the other.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

fn avalanche(mut hash: u64) -> u64 {
    hash = (hash ^ hash >> 37).wrapping_mul(MIX_1);
    hash ^ hash >> 32
}

/// That of XXH64, for the shortest inputs.
fn old_avalanche(mut hash: u64) -> u64 {
    hash = (hash ^ hash >> 33).wrapping_mul(P64_2);
    hash = (hash ^ hash >> 29).wrapping_mul(P64_3);
    hash ^ hash >> 32
}

/// Sixteen bytes of input with sixteen of the secret.
fn mix(input: &[u8], at: usize, secret: usize) -> u64 {
    fold(u64_at(input, at) ^ u64_at(&SECRET, secret), u64_at(input, at + 8) ^ u64_at(&SECRET, secret + 8))
}

/// The digest of some bytes.
pub(super) fn hash(input: &[u8]) -> u64 {
    let len = input.len();
    match len {
        0 => old_avalanche(u64_at(&SECRET, 56) ^ u64_at(&SECRET, 64)),
        1..=3 => {
            let [first, middle, last] = [0, len / 2, len - 1].map(|at| u64::from(input[at]));
            let all = first << 16 | middle << 24 | last | (len as u64) << 8;
            old_avalanche(all ^ u32_at(&SECRET, 0) ^ u32_at(&SECRET, 4))
        }
        4..=8 => {
            let all = u32_at(input, len - 4).wrapping_add(u32_at(input, 0) << 32);
            let mut hash = all ^ u64_at(&SECRET, 8) ^ u64_at(&SECRET, 16);
            hash = (hash ^ hash.rotate_left(49) ^ hash.rotate_left(24)).wrapping_mul(MIX_2);
            hash = (hash ^ (hash >> 35).wrapping_add(len as u64)).wrapping_mul(MIX_2);
            hash ^ hash >> 28
        }
        9..=16 => {
            let low = u64_at(input, 0) ^ u64_at(&SECRET, 24) ^ u64_at(&SECRET, 32);
            let high = u64_at(input, len - 8) ^ u64_at(&SECRET, 40) ^ u64_at(&SECRET, 48);
            let sum = (len as u64).wrapping_add(low.swap_bytes()).wrapping_add(high);
            avalanche(sum.wrapping_add(fold(low, high)))
        }
        17..=128 => {
            let mut sum = (len as u64).wrapping_mul(P64_1);
            // Pairs from both ends, towards the middle.
            for pair in 0..=(len - 1) / 32 {
                sum = sum.wrapping_add(mix(input, pair * 16, pair * 32));
                sum = sum.wrapping_add(mix(input, len - (pair + 1) * 16, pair * 32 + 16));
            }
            avalanche(sum)
        }
        129..=240 => {
            let mut sum = (len as u64).wrapping_mul(P64_1);
            for part in 0..8 {
                sum = sum.wrapping_add(mix(input, part * 16, part * 16));
            }
            sum = avalanche(sum);
            for part in 8..len / 16 {
                sum = sum.wrapping_add(mix(input, part * 16, (part - 8) * 16 + 3));
            }
            avalanche(sum.wrapping_add(mix(input, len - 16, 136 - 17)))
        }
        _ => long(input),
    }
}

const STRIPE: usize = 64;

fn accumulate(sums: &mut [u64; 8], stripe: &[u8], secret: &[u8]) {
    for lane in 0..8 {
        let value = u64_at(stripe, lane * 8);
        let key = value ^ u64_at(secret, lane * 8);
        sums[lane ^ 1] = sums[lane ^ 1].wrapping_add(value);
        sums[lane] = sums[lane].wrapping_add((key & 0xFFFF_FFFF).wrapping_mul(key >> 32));
    }
}

fn long(input: &[u8]) -> u64 {
    const BLOCK: usize = (SECRET.len() - STRIPE) / 8 * STRIPE;
    let mut sums = [P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1];
    let len = input.len();
    // The last byte's block and stripe are treated apart.
    let blocks = (len - 1) / BLOCK;
    for block in input[..blocks * BLOCK].chunks_exact(BLOCK) {
        for (n, stripe) in block.chunks_exact(STRIPE).enumerate() {
            accumulate(&mut sums, stripe, &SECRET[n * 8..]);
        }
        for (lane, sum) in sums.iter_mut().enumerate() {
            let key = u64_at(&SECRET, SECRET.len() - STRIPE + lane * 8);
            *sum = (*sum ^ *sum >> 47 ^ key).wrapping_mul(P32_1);
        }
    }
    for (n, stripe) in input[blocks * BLOCK..len - 1].chunks_exact(STRIPE).enumerate() {
        accumulate(&mut sums, stripe, &SECRET[n * 8..]);
    }
    accumulate(&mut sums, &input[len - STRIPE..], &SECRET[SECRET.len() - STRIPE - 7..]);
    let mut result = (len as u64).wrapping_mul(P64_1);
    for pair in 0..4 {
        let keys = 11 + pair * 16;
        result = result.wrapping_add(fold(
            sums[pair * 2] ^ u64_at(&SECRET, keys),
            sums[pair * 2 + 1] ^ u64_at(&SECRET, keys + 8),
        ));
    }
    avalanche(result)
}

#[cfg(test)]
mod tests {
    use super::hash;

    /// From the documentation of Redis and of Dragonfly.
    #[test]
    fn documented_digests() {
        for (text, digest) in [
            ("Hello world", 0xb6ac_b9d8_4a38_ff74),
            ("hello", 0x9555_e855_5c62_dcfd),
            ("test", 0x9ec9_f791_8d7d_fc40),
            ("Hello, Dragonfly!", 0x063b_4909_128e_92b7),
            ("", 0x2d06_8005_38d3_94c2),
            ("123", 0x404a_763b_3f4c_8c9a),
            ("v8", 0x0cc7_6dbb_4138_1419u64),
        ] {
            assert_eq!(hash(text.as_bytes()), digest, "{text}");
        }
    }

    /// From the reference implementation: all lengths at which the way of hashing changes.
    #[test]
    fn digests_of_every_kind_of_length() {
        let bytes: Vec<u8> = (0..5000u32).map(|n| (n * 31 + n / 256) as u8).collect();
        for (len, digest) in VECTORS {
            assert_eq!(hash(&bytes[..len]), digest, "{len}");
        }
    }

    #[rustfmt::skip]
    const VECTORS: [(usize, u64); 43] = [
        (0, 0x2d06_8005_38d3_94c2),
        (1, 0xc44b_dff4_074e_ecdb),
        (2, 0x50a0_dc43_c774_eb84),
        (3, 0x3698_b801_91e6_25f9),
        (4, 0x2e4a_c2f1_c521_57fc),
        (5, 0x3e28_4763_7b29_24d1),
        (8, 0x60e1_baa9_1347_a1f2),
        (9, 0x9c88_fc32_c37b_56cb),
        (12, 0xeb60_97c8_c38b_66cd),
        (16, 0xf9fb_d026_0ba9_78df),
        (17, 0xc56f_339d_36cc_73d7),
        (31, 0xabab_7d47_0ba4_2771),
        (32, 0x7418_fd09_0e5a_8159),
        (33, 0xd80a_3226_002e_02f8),
        (64, 0xef54_26b3_1747_db78),
        (65, 0xb98e_2a26_9877_1ec0),
        (96, 0x59d3_b91a_a441_6fb9),
        (97, 0x3fea_7cc4_20f5_92c0),
        (128, 0x31cc_f8de_c850_d035),
        (129, 0xc72a_f4c6_ac4d_ea94),
        (130, 0xcdd8_6b89_dd03_031a),
        (143, 0x9fd1_3564_b133_db3c),
        (144, 0x83db_3050_f78b_59eb),
        (160, 0xabee_3507_e5cb_2a94),
        (239, 0x95c1_000f_ab02_8173),
        (240, 0xe315_d53d_5129_eede),
        (241, 0x1877_3c51_2b00_8a63),
        (255, 0x947d_e0ba_95c5_ed6b),
        (256, 0xcdd3_578b_9df4_5e59),
        (257, 0xa230_bbdf_ddd6_8d70),
        (319, 0xf6ed_b4ba_8e06_041e),
        (320, 0x4f1f_2d1d_0af4_3f91),
        (321, 0xd716_f338_ee2a_26fc),
        (1023, 0xcbc2_76d0_f95e_9e68),
        (1024, 0x5a18_93ed_ffa2_577c),
        (1025, 0x550a_be5d_45dd_663b),
        (1088, 0xd3ee_bd69_ab37_3526),
        (1089, 0x225d_bdd9_e1af_2b95),
        (2048, 0x1125_cc0c_7933_1fcb),
        (2049, 0x9caf_050b_253e_1939),
        (4096, 0xbe85_5965_eae8_486b),
        (4999, 0x6f48_7c80_06a3_53d8),
        (5000, 0xc0dd_9797_2a4d_2de3),
    ];
}
