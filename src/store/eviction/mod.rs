//! Which item goes when room is needed: the policies under Redis' names, and our default.

pub mod s3fifo;

/// `maxmemory-policy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum PolicyKind {
    /// Adaptive S3-FIFO over all keys: the default.
    #[default]
    AllkeysS3Fifo,
    AllkeysLru,
    AllkeysLfu,
    AllkeysRandom,
    VolatileLru,
    VolatileLfu,
    VolatileRandom,
    VolatileTtl,
    NoEviction,
}

impl PolicyKind {
    pub const ALL: [PolicyKind; 9] = [
        PolicyKind::AllkeysS3Fifo,
        PolicyKind::AllkeysLru,
        PolicyKind::AllkeysLfu,
        PolicyKind::AllkeysRandom,
        PolicyKind::VolatileLru,
        PolicyKind::VolatileLfu,
        PolicyKind::VolatileRandom,
        PolicyKind::VolatileTtl,
        PolicyKind::NoEviction,
    ];

    pub fn name(self) -> &'static str {
        match self {
            PolicyKind::AllkeysS3Fifo => "allkeys-s3fifo",
            PolicyKind::AllkeysLru => "allkeys-lru",
            PolicyKind::AllkeysLfu => "allkeys-lfu",
            PolicyKind::AllkeysRandom => "allkeys-random",
            PolicyKind::VolatileLru => "volatile-lru",
            PolicyKind::VolatileLfu => "volatile-lfu",
            PolicyKind::VolatileRandom => "volatile-random",
            PolicyKind::VolatileTtl => "volatile-ttl",
            PolicyKind::NoEviction => "noeviction",
        }
    }

    pub fn from_name(name: &str) -> Option<PolicyKind> {
        PolicyKind::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name))
    }

    /// Is the access clock of an item Redis' LFU counter?
    pub fn is_lfu(self) -> bool {
        matches!(self, PolicyKind::AllkeysLfu | PolicyKind::VolatileLfu)
    }

    /// Does it evict only items that have a deadline?
    pub fn is_volatile(self) -> bool {
        matches!(
            self,
            PolicyKind::VolatileLru
                | PolicyKind::VolatileLfu
                | PolicyKind::VolatileRandom
                | PolicyKind::VolatileTtl
        )
    }

    /// May any item be evicted? Other policies run out of items that may go, and refuse writes then.
    pub(super) fn takes_any(self) -> bool {
        !self.is_volatile() && self != PolicyKind::NoEviction
    }

    pub(super) fn to_byte(self) -> u8 {
        self as u8
    }

    pub(super) fn from_byte(byte: u8) -> PolicyKind {
        PolicyKind::ALL[byte as usize]
    }
}

/// Redis' LFU clock in 24 bits: minutes (16) and a logarithmic counter (8), from the paper trail in
/// `redis.conf`'s "ADVANCED LFU" notes.
pub mod lfu {
    use crate::clock::Millis;

    /// New items start here, so that they are not evicted at once.
    pub const INITIAL: u8 = 5;

    fn minutes(now: Millis) -> u32 {
        (now.secs() / 60) as u32 & 0xFFFF
    }

    pub fn new_clock(now: Millis) -> u32 {
        clock_of(now, INITIAL)
    }

    /// The clock of an item whose counter is known.
    pub fn clock_of(now: Millis, counter: u8) -> u32 {
        minutes(now) << 8 | u32::from(counter)
    }

    /// The counter after its decay: one step every `decay_minutes`.
    pub fn counter(clock: u32, now: Millis, decay_minutes: u32) -> u8 {
        let idle = minutes(now).wrapping_sub(clock >> 8) & 0xFFFF;
        let steps = idle.checked_div(decay_minutes).unwrap_or(0);
        (clock as u8).saturating_sub(u8::try_from(steps).unwrap_or(u8::MAX))
    }

    /// The clock after a hit; `random` is 32 random bits.
    pub fn hit(clock: u32, now: Millis, factor: u32, decay_minutes: u32, random: u32) -> u32 {
        let mut counter = counter(clock, now, decay_minutes);
        let base = u64::from(counter.saturating_sub(INITIAL));
        // With probability 1 / (base * factor + 1).
        if counter < u8::MAX && u64::from(random) * (base * u64::from(factor) + 1) <= u64::from(u32::MAX) {
            counter += 1;
        }
        minutes(now) << 8 | u32::from(counter)
    }
}
