//! The text of a delta: when it was sent, by a clock that all processes of one machine share.

use rustix::time::{ClockId, clock_gettime};

/// Begins a stamp, and occurs nowhere else in what is streamed.
const MARK: u8 = b'~';
const DIGITS: usize = 12;

/// The bytes of a stamp with its mark.
pub const STAMP: usize = 1 + DIGITS;

/// Microseconds since some moment before the first process started.
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec.cast_unsigned() * 1_000_000 + time.tv_nsec.cast_unsigned() / 1000
}

pub fn write(out: &mut Vec<u8>, at: u64) {
    out.push(MARK);
    for digit in (0..DIGITS).rev() {
        let nibble = (at >> (4 * digit)) & 0xf;
        out.push(b"0123456789abcdef"[usize::try_from(nibble).expect("four bits")]);
    }
}

/// Calls `f` with every stamp in `bytes`, and returns where a stamp that is cut off at the end begins.
pub fn read(bytes: &[u8], mut f: impl FnMut(u64)) -> usize {
    for mark in memchr::memchr_iter(MARK, bytes) {
        let Some(digits) = bytes.get(mark + 1..mark + STAMP) else { return mark };
        if let Some(at) = parse(digits) {
            f(at);
        }
    }
    bytes.len()
}

fn parse(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |at, digit| Some(at << 4 | u64::from((*digit as char).to_digit(16)?)))
}
