//! A HyperLogLog as its key's value has it:
//!
//! ```text
//! "HYLL"   encoding   3 bytes unused   8 bytes: cardinality, little-endian   registers
//! ```
//!
//! Encoding 0 is dense (see [`super::registers`]), 1 is sparse (see [`super::sparse`]). The highest bit of
//! the cardinality says that it is out of date.

use super::registers::{DENSE_BYTES, P, Q, REGISTERS, Registers, dense_get, dense_set};
use super::{murmur, sparse};

const MAGIC: &[u8] = b"HYLL";
const ENCODING: usize = 4;
const COUNT: std::ops::Range<usize> = 8..16;
const HEADER: usize = 16;
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
const STALE: u8 = 0x80;
const SEED: u64 = 0xadc8_3b19;

/// The sparse encoding does not make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Corrupt;

/// Header and length are those of a HyperLogLog; what the sparse encoding holds is checked when it is read.
pub(super) fn looks_like_one(bytes: &[u8]) -> bool {
    bytes.len() >= HEADER
        && bytes.starts_with(MAGIC)
        && match bytes[ENCODING] {
            DENSE => bytes.len() == HEADER + DENSE_BYTES,
            encoding => encoding == SPARSE,
        }
}

pub(super) fn is_dense(bytes: &[u8]) -> bool {
    bytes[ENCODING] == DENSE
}

/// The cardinality, if it was counted since the last change.
pub(super) fn kept_count(bytes: &[u8]) -> Option<u64> {
    let count = u64::from_le_bytes(bytes[COUNT].try_into().expect("eight bytes"));
    (bytes[COUNT.end - 1] & STALE == 0).then_some(count)
}

pub(super) fn keep_count(bytes: &mut [u8], count: u64) {
    bytes[COUNT].copy_from_slice(&count.to_le_bytes());
}

/// Raises `registers` to what was observed here. `O(registers)`.
///
/// # Errors
/// `Corrupt`; some registers may have been raised.
pub(super) fn merge(bytes: &[u8], registers: &mut Registers) -> Result<(), Corrupt> {
    let body = &bytes[HEADER..];
    if is_dense(bytes) {
        (0..REGISTERS).for_each(|register| registers.raise(register, dense_get(body, register)));
        return Ok(());
    }
    sparse::for_each(body, |register, value| registers.raise(register, value))
}

/// The register that an element belongs to, and its value: 1 and the zeros that its hash ends in.
pub(super) fn place(element: &[u8]) -> (usize, u8) {
    let hash = murmur::hash(element, SEED);
    let rest = hash >> P | 1 << Q;
    (hash as usize & (REGISTERS - 1), rest.trailing_zeros() as u8 + 1)
}

/// A HyperLogLog that is being changed.
#[derive(Clone, Debug)]
pub(super) struct Sketch {
    bytes: Vec<u8>,
}

impl Default for Sketch {
    /// Nothing was observed: a single opcode.
    fn default() -> Sketch {
        let mut bytes = vec![0; HEADER];
        bytes[..MAGIC.len()].copy_from_slice(MAGIC);
        bytes[ENCODING] = SPARSE;
        sparse::Opcode::Zeros(REGISTERS).write(&mut bytes);
        Sketch { bytes }
    }
}

impl Sketch {
    /// Of bytes that look like one.
    pub(super) fn of(bytes: &[u8]) -> Sketch {
        Sketch { bytes: bytes.to_vec() }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn forget_count(&mut self) {
        self.bytes[COUNT.end - 1] |= STALE;
    }

    /// Observes an element; `true`: a register was raised. A sparse sketch that would exceed `sparse_max`
    /// bytes becomes dense.
    pub(super) fn add(&mut self, element: &[u8], sparse_max: usize) -> Result<bool, Corrupt> {
        let (register, value) = place(element);
        self.raise(register, value, sparse_max)
    }

    /// Raises one register, if it is lower; `true`: it was.
    pub(super) fn raise(&mut self, register: usize, value: u8, sparse_max: usize) -> Result<bool, Corrupt> {
        if !is_dense(&self.bytes) {
            match sparse::raise(&mut self.bytes, HEADER, register, value, sparse_max)? {
                sparse::Raised::Yes => return Ok(true),
                sparse::Raised::No => return Ok(false),
                sparse::Raised::DoesNotFit => self.make_dense()?,
            }
        }
        let body = &mut self.bytes[HEADER..];
        let is_higher = value > dense_get(body, register);
        if is_higher {
            dense_set(body, register, value);
        }
        Ok(is_higher)
    }

    pub(super) fn make_dense(&mut self) -> Result<(), Corrupt> {
        if is_dense(&self.bytes) {
            return Ok(());
        }
        let mut dense = vec![0; HEADER + DENSE_BYTES];
        dense[..HEADER].copy_from_slice(&self.bytes[..HEADER]);
        dense[ENCODING] = DENSE;
        let body = &mut dense[HEADER..];
        sparse::for_each(&self.bytes[HEADER..], |register, value| dense_set(body, register, value))?;
        self.bytes = dense;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn elements_are_placed_as_redis_places_them() {
        // PFADD of these to redis-server 7.0, and where GET shows the register.
        assert_eq!(place(b""), (murmur::hash(b"", SEED) as usize & 0x3fff, place(b"").1));
        let mut sketch = Sketch::default();
        for element in [&b"a"[..], b"b", b"c", b"d", b"e", b"f", b"g"] {
            assert_eq!(sketch.add(element, 3000), Ok(true));
        }
        let mut registers = Registers::default();
        merge(sketch.as_bytes(), &mut registers).expect("it is in order");
        assert_eq!(super::super::estimate::cardinality(&registers.histogram()), 7);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever the encoding, the registers are those of a plain array.
        #[test]
        fn both_encodings_hold_what_was_put_there(
            raises in prop::collection::vec((prop_oneof![0usize..40, 0usize..REGISTERS], 1u8..40), 0..200),
            sparse_max in prop_oneof![Just(0usize), 20usize..400, Just(3000)],
        ) {
            let (mut sketch, mut plain) = (Sketch::default(), vec![0; REGISTERS]);
            for (register, value) in raises {
                let raised = sketch.raise(register, value, sparse_max).expect("it is in order");
                prop_assert_eq!(raised, value > plain[register]);
                plain[register] = value.max(plain[register]);
                prop_assert!(looks_like_one(sketch.as_bytes()));
            }
            let mut registers = Registers::default();
            merge(sketch.as_bytes(), &mut registers).expect("it is in order");
            let found: Vec<u8> = registers.iter().map(|(_, value)| value).collect();
            prop_assert_eq!(&found, &plain);
            sketch.make_dense().expect("it is in order");
            let mut registers = Registers::default();
            merge(sketch.as_bytes(), &mut registers).expect("it is in order");
            prop_assert!(registers.iter().map(|(_, value)| value).eq(plain));
        }

        /// Nothing that a client may have put there does more harm than an error.
        #[test]
        fn a_corrupt_sketch_is_an_error_at_most(
            encoding in 0u8..2, body in prop::collection::vec(any::<u8>(), 0..60),
            register in 0..REGISTERS, value in 1u8..51,
        ) {
            let mut bytes = [MAGIC, &[encoding], &[0; 11], &body[..]].concat();
            if encoding == DENSE {
                bytes.resize(HEADER + DENSE_BYTES, 0xff);
            }
            prop_assert!(looks_like_one(&bytes));
            let mut registers = Registers::default();
            let _ = merge(&bytes, &mut registers);
            super::super::estimate::cardinality(&registers.histogram());
            let mut sketch = Sketch::of(&bytes);
            let _ = sketch.raise(register, value, 3000);
            let _ = sketch.make_dense();
        }
    }
}
