//! Asking the processor to load a cache line ahead of its use.
#![allow(unsafe_code)]

/// Starts loading the cache line that holds the beginning of `place`. Never faults, changes nothing.
#[inline(always)]
pub(super) fn prefetch<T: ?Sized>(place: &T) {
    prefetch_at(std::ptr::from_ref(place).cast::<u8>());
}

/// The same for a place that the caller may not look at (yet), or that is no place at all.
#[inline(always)]
pub(super) fn prefetch_at<T>(place: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch is a hint; it neither reads nor writes memory that a program can observe, and it does
        // not fault whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast::<i8>()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}
