//! The allocator of the program, and how long it keeps memory that was given back before the system gets it.
//!
//! Apart from the main crate, which forbids `unsafe`: the options of mimalloc have no safe interface.

use std::ffi::{c_int, c_long};
use std::sync::OnceLock;
use std::time::Duration;

pub use mimalloc::MiMalloc;

/// Number of `mi_option_purge_delay` in the enumeration of options in `mimalloc.h` of version 3, which the
/// binding does not name. Milliseconds.
const PURGE_DELAY: c_int = 15;

/// What mimalloc 3 comes with, and so what the option holds before anybody sets it.
const PRESET: c_long = 1000;

/// Reads an option.
fn get(option: c_int) -> c_long {
    // SAFETY: reads a value of a fixed table; the number is checked against its end by the function.
    #[expect(unsafe_code, reason = "a C function without a safe interface")]
    unsafe {
        libmimalloc_sys::mi_option_get(option)
    }
}

/// Has memory that was given back kept for this long, and not the second that mimalloc comes with. Programs
/// that take and give back big tables in turn want longer, those that take many kinds of things once want
/// shorter. What the environment says (`MIMALLOC_PURGE_DELAY`) stands, and so does everything when this
/// version counts its options otherwise.
pub fn keep_for(delay: Duration) {
    static OURS: OnceLock<bool> = OnceLock::new();
    if !OURS.get_or_init(|| get(PURGE_DELAY) == PRESET) {
        return;
    }
    let ms = c_long::try_from(delay.as_millis()).unwrap_or(c_long::MAX);
    // SAFETY: writes a value of a fixed table; mimalloc reads it whenever it schedules a purge, and allows it
    // to be set at any time.
    #[expect(unsafe_code, reason = "a C function without a safe interface")]
    unsafe {
        libmimalloc_sys::mi_option_set(PURGE_DELAY, ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[global_allocator]
    static ALLOCATOR: MiMalloc = MiMalloc;

    #[test]
    fn the_option_is_the_delay_of_a_purge() {
        // In a version that counts otherwise this is another option, with another value.
        assert_eq!(get(PURGE_DELAY), PRESET);
        keep_for(Duration::from_millis(40));
        assert_eq!(get(PURGE_DELAY), 40);
        keep_for(Duration::from_secs(2));
        assert_eq!(get(PURGE_DELAY), 2000);
    }
}
