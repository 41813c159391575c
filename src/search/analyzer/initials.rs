//! Which letters a word may begin with to be worth a look.

/// A set of first letters. It may say yes where the answer is no, never no where it is yes.
#[derive(Clone, Default)]
pub struct Initials([u64; 4]);

impl Initials {
    pub const ALL: Initials = Initials([u64::MAX; 4]);

    pub fn insert(&mut self, c: char) {
        let (word, bit) = Initials::place(c);
        self.0[word] |= bit;
    }

    pub fn may_begin(&self, c: char) -> bool {
        let (word, bit) = Initials::place(c);
        self.0[word] & bit != 0
    }

    /// By the low byte of the character: letters of one script differ in it.
    fn place(c: char) -> (usize, u64) {
        let low = u32::from(c) % 256;
        ((low / 64) as usize, 1 << (low % 64))
    }
}
