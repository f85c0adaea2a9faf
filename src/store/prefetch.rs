//! Asking the processor to load a cache line ahead of its use.
#![allow(unsafe_code)]

/// Starts loading the cache line that holds the beginning of `place`. Never faults, changes nothing.
#[inline(always)]
pub(super) fn prefetch<T: ?Sized>(place: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch is a hint; it neither reads nor writes memory that a program can observe,
        // and the address comes from a live reference.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(place).cast::<i8>()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}
