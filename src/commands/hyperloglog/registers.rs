//! The 16384 registers of a HyperLogLog: one byte each while they are worked with, six bits each in the
//! dense encoding.

/// Bits of the hash that choose the register.
pub(super) const P: u32 = 14;
/// The bits that are left, whose trailing zeros are counted.
pub(super) const Q: u32 = 64 - P;
pub(super) const REGISTERS: usize = 1 << P;
const BITS: usize = 6;
pub(super) const MAX: u8 = (1 << BITS) - 1;
/// Bytes of all registers in the dense encoding.
pub(super) const DENSE_BYTES: usize = REGISTERS * BITS / 8;

pub(super) struct Registers(Box<[u8]>);

impl Default for Registers {
    fn default() -> Registers {
        Registers(vec![0; REGISTERS].into())
    }
}

/// How many registers have each value.
pub(super) type Histogram = [u32; MAX as usize + 1];

impl Registers {
    /// Keeps the larger one.
    pub(super) fn raise(&mut self, register: usize, value: u8) {
        self.0[register] = self.0[register].max(value);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, u8)> {
        self.0.iter().copied().enumerate()
    }

    pub(super) fn histogram(&self) -> Histogram {
        let mut histogram = [0; MAX as usize + 1];
        for &value in &self.0 {
            histogram[usize::from(value & MAX)] += 1;
        }
        histogram
    }
}

/// Three bytes hold four registers, the first in the lowest bits.
pub(super) fn dense_get(dense: &[u8], register: usize) -> u8 {
    let (at, shift) = (register * BITS / 8, register * BITS % 8);
    let next = dense.get(at + 1).copied().unwrap_or(0);
    (u16::from_le_bytes([dense[at], next]) >> shift) as u8 & MAX
}

pub(super) fn dense_set(dense: &mut [u8], register: usize, value: u8) {
    let (at, shift) = (register * BITS / 8, register * BITS % 8);
    let next = dense.get(at + 1).copied().unwrap_or(0);
    let pair = u16::from_le_bytes([dense[at], next]);
    let [low, high] = (pair & !(u16::from(MAX) << shift) | u16::from(value & MAX) << shift).to_le_bytes();
    dense[at] = low;
    if let Some(next) = dense.get_mut(at + 1) {
        *next = high;
    }
}
