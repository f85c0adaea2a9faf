//! Random numbers with a fixed seed, and keys of which few are asked for often.

/// splitmix64 (Steele et al., OOPSLA'14).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

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
