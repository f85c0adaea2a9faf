//! Keys of which few are asked for often.

use super::random::Random;

/// `count` draws of 0..n by Zipf's law with exponent 0.99, as YCSB draws them; popular numbers lie apart.
pub fn draws(n: u64, count: usize, seed: u64) -> Vec<u32> {
    let mut sum = 0.0;
    let cumulated: Vec<f64> = (1..=n)
        .map(|rank| {
            sum += (rank as f64).powf(-0.99);
            sum
        })
        .collect();
    let mut random = Random(seed);
    let mut draw = || {
        let point = (random.next() >> 11) as f64 / (1u64 << 53) as f64 * sum;
        let rank = cumulated.partition_point(|&below| below < point) as u64;
        // An odd factor moves no two numbers to one place only for powers of two; close enough here.
        (rank.wrapping_mul(0x9E37_79B1) % n) as u32
    };
    (0..count).map(|_| draw()).collect()
}
