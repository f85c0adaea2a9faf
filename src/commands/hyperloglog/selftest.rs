//! PFSELFTEST: what can be checked of a HyperLogLog while the server runs.

use super::registers::{DENSE_BYTES, MAX, REGISTERS, Registers, dense_get, dense_set};
use super::sketch::{self, Sketch};
use super::{Args, CommandError, CommandResult, Ctx, Done, estimate};

/// `PFSELFTEST`: registers keep what is put into them and leave their neighbours alone, both encodings
/// estimate the same, and estimates are as far off as the theory allows. Takes some milliseconds.
pub(super) fn pfselftest(ctx: &mut Ctx<'_>, _: &mut Args<'_>) -> CommandResult {
    registers()?;
    estimates()?;
    ctx.reply.ok();
    Ok(Done)
}

fn failed(text: String) -> CommandError {
    CommandError::Other(format!("TESTFAILED {text}"))
}

fn registers() -> Result<(), CommandError> {
    let value = |register: usize, round: usize| (register * 31 + round * 17) as u8 & MAX;
    let mut dense = vec![0; DENSE_BYTES];
    for round in 0..8 {
        (0..REGISTERS).for_each(|register| dense_set(&mut dense, register, value(register, round)));
        for register in 0..REGISTERS {
            let (is, should) = (dense_get(&dense, register), value(register, round));
            if is != should {
                return Err(failed(format!("Register {register} should be {should} but is {is}")));
            }
        }
    }
    Ok(())
}

fn estimates() -> Result<(), CommandError> {
    const MOST: u64 = 100_000;
    let (mut sparse, mut dense) = (Sketch::default(), Sketch::default());
    dense.make_dense()?;
    let mut check = 1;
    for count in 1..=MOST {
        let element = (count ^ 0x5a5a_0000_5a5a).to_le_bytes();
        sparse.add(&element, 3000)?;
        dense.add(&element, 3000)?;
        if count != check {
            continue;
        }
        let estimate = |sketch: &Sketch| {
            let mut registers = Registers::default();
            sketch::merge(sketch.as_bytes(), &mut registers)?;
            Ok::<u64, sketch::Corrupt>(estimate::cardinality(&registers.histogram()))
        };
        let (of_sparse, of_dense) = (estimate(&sparse)?, estimate(&dense)?);
        if of_sparse != of_dense {
            return Err(failed(format!("dense/sparse disagree: {of_dense} and {of_sparse} of {count}")));
        }
        // Four times the standard error, 1.04/√m; a few of few elements.
        let allowed = (count as f64 * 4.0 * 1.04 / (REGISTERS as f64).sqrt()).ceil() as u64 + 1;
        if of_dense.abs_diff(count) > allowed {
            return Err(failed(format!("Too big error. card:{count} abserr:{}", of_dense.abs_diff(count))));
        }
        check *= 10;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_selftest_passes() {
        assert_eq!(super::registers(), Ok(()));
        assert_eq!(super::estimates(), Ok(()));
    }
}
