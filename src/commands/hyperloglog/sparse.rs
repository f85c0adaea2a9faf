//! The sparse encoding: registers as runs of equal values.
//!
//! ```text
//! 00xxxxxx            ZERO    1 to 64 registers that are 0
//! 01xxxxxx xxxxxxxx   XZERO   1 to 16384 registers that are 0
//! 1vvvvvxx            VAL     1 to 4 registers that are v + 1, 1 to 32
//! ```
//!
//! How a run is split and which neighbours are joined again is done as Redis does it, for the bytes to
//! be the same.

use super::registers::REGISTERS;
use super::sketch::Corrupt;

const ZERO_MAX: usize = 64;
const VAL_MAX: usize = 4;
const VALUE_MAX: u8 = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    /// So many registers that are 0.
    Zeros(usize),
    /// This value, so many times.
    Value(u8, usize),
}

impl Opcode {
    /// The first opcode of these bytes and its length.
    fn read(bytes: &[u8]) -> Result<(Opcode, usize), Corrupt> {
        let &first = bytes.first().ok_or(Corrupt)?;
        let low = usize::from(first & 0x3f);
        Ok(match first >> 6 {
            0 => (Opcode::Zeros(low + 1), 1),
            1 => (Opcode::Zeros((low << 8 | usize::from(*bytes.get(1).ok_or(Corrupt)?)) + 1), 2),
            _ => (Opcode::Value((first >> 2 & 0x1f) + 1, usize::from(first & 3) + 1), 1),
        })
    }

    pub(super) fn write(self, to: &mut Vec<u8>) {
        match self {
            Opcode::Zeros(0) | Opcode::Value(_, 0) => {}
            Opcode::Zeros(run) if run <= ZERO_MAX => to.push((run - 1) as u8),
            Opcode::Zeros(run) => to.extend([0x40 | ((run - 1) >> 8) as u8, (run - 1) as u8]),
            Opcode::Value(value, run) => to.push(0x80 | (value - 1) << 2 | (run - 1) as u8),
        }
    }

    fn run(self) -> usize {
        match self {
            Opcode::Zeros(run) | Opcode::Value(_, run) => run,
        }
    }

    fn value(self) -> u8 {
        match self {
            Opcode::Zeros(_) => 0,
            Opcode::Value(value, _) => value,
        }
    }

    /// The same value, so many times.
    fn times(self, run: usize) -> Opcode {
        match self {
            Opcode::Zeros(_) => Opcode::Zeros(run),
            Opcode::Value(value, _) => Opcode::Value(value, run),
        }
    }
}

/// Shows the registers that are not 0.
///
/// # Errors
/// The opcodes are not of all registers, or of more; some may have been shown.
pub(super) fn for_each(mut body: &[u8], mut each: impl FnMut(usize, u8)) -> Result<(), Corrupt> {
    let mut register = 0;
    while !body.is_empty() {
        let (opcode, len) = Opcode::read(body)?;
        let end = register + opcode.run();
        if end > REGISTERS {
            return Err(Corrupt);
        }
        if let Opcode::Value(value, _) = opcode {
            (register..end).for_each(|register| each(register, value));
        }
        (register, body) = (end, &body[len..]);
    }
    if register == REGISTERS { Ok(()) } else { Err(Corrupt) }
}

/// What became of an attempt to raise a register.
pub(super) enum Raised {
    Yes,
    /// It is as high already.
    No,
    /// The value is too high for this encoding, or there would be more than the allowed bytes. Nothing was done.
    DoesNotFit,
}

/// Raises a register of the opcodes from `from` on in `bytes`, of which there may be `most`. `O(opcodes)`.
pub(super) fn raise(
    bytes: &mut Vec<u8>,
    from: usize,
    register: usize,
    value: u8,
    most: usize,
) -> Result<Raised, Corrupt> {
    if value > VALUE_MAX {
        return Ok(Raised::DoesNotFit);
    }
    // The opcode that the register is in, and the one before it.
    let (mut at, mut previous, mut first) = (from, from, 0);
    let (opcode, len) = loop {
        let (opcode, len) = Opcode::read(&bytes[at..])?;
        if register < first + opcode.run() {
            break (opcode, len);
        }
        first += opcode.run();
        (previous, at) = (at, at + len);
    };
    if opcode.value() >= value {
        return Ok(Raised::No);
    }
    let before = register - first;
    let mut split = Vec::with_capacity(5);
    opcode.times(before).write(&mut split);
    Opcode::Value(value, 1).write(&mut split);
    opcode.times(opcode.run() - before - 1).write(&mut split);
    if split.len() > len && bytes.len() + split.len() - len > most {
        return Ok(Raised::DoesNotFit);
    }
    bytes.splice(at..at + len, split);
    join(bytes, previous);
    Ok(Raised::Yes)
}

/// Joins neighbours of the same value, within five opcodes from `at` on.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    const STEPS: usize = 5;
    for _ in 0..STEPS {
        let Ok((opcode, len)) = Opcode::read(&bytes[at..]) else { return };
        if let Opcode::Value(value, run) = opcode
            && let Ok((Opcode::Value(next, more), _)) = Opcode::read(&bytes[at + len..])
            && value == next
            && run + more <= VAL_MAX
        {
            let mut joined = Vec::with_capacity(1);
            Opcode::Value(value, run + more).write(&mut joined);
            bytes.splice(at..at + 2, joined);
        } else {
            at += len;
        }
    }
}
