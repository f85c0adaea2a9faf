//! Large values that are kept where they were received: copying one of 100 MB would hold up a worker's other connections
//! (`benches/stalls.rs`), and the buffer that it came in has nothing else in it.
//!
//! A command sees nothing of this: it puts a slice of its arguments into the store, as always.

use bytes::Bytes;
use std::cell::RefCell;

thread_local! {
    static INPUT: RefCell<Bytes> = const { RefCell::new(Bytes::new()) };
}

/// While this lives, on its thread, values that make up most of the buffer are kept as parts of it.
pub struct Lent(());

/// Lends a buffer out of which commands are about to be executed.
pub fn lend(input: Bytes) -> Lent {
    INPUT.set(input);
    Lent(())
}

impl Drop for Lent {
    fn drop(&mut self) {
        INPUT.set(Bytes::new());
    }
}

/// The bytes of a value, to be kept: shared with the buffer that is lent, or a copy. What is shared keeps all of the
/// buffer, so that it has to be most of it.
pub(super) fn keep(value: &[u8]) -> Bytes {
    const MOST: usize = 16;
    INPUT.with_borrow(|input| {
        let (inside, of) = (input.as_ptr_range(), value.as_ptr_range());
        let is_part = inside.start <= of.start && of.end <= inside.end;
        if is_part && !value.is_empty() && input.len() - value.len() <= value.len() / MOST {
            input.slice_ref(value)
        } else {
            Bytes::copy_from_slice(value)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_of_a_lent_buffer_is_shared_and_all_else_is_copied() {
        let input = Bytes::from(vec![7; 1000]);
        let shares = |value: &[u8]| keep(value).as_ptr() == value.as_ptr();
        assert!(!shares(&input[10..]), "it is not lent");
        {
            let _lent = lend(input.clone());
            assert!(shares(&input[10..]));
            assert!(shares(&input));
            assert!(!shares(&input[100..]), "too much beside it would be kept");
            assert!(!shares(&[7; 1000]), "it is another's");
            assert_eq!(keep(&input[10..]), input[10..]);
        }
        assert!(!shares(&input[10..]), "it is lent no longer");
    }
}
