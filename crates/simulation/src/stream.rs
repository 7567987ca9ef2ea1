//! Random numbers from a seed, one named stream a purpose, so that a draw more in one place shifts nothing elsewhere.
//! The generator is written out here: no upgrade of a crate may change what an old seed means.

/// xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom number generators"), seeded by BLAKE3 of (seed, name).
#[derive(Clone, Debug)]
pub struct Stream([u64; 4]);

impl Stream {
    /// The stream of this name under this seed.
    #[must_use]
    pub fn new(seed: u64, name: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes());
        hasher.update(name.as_bytes());
        let mut state = [0; 4];
        for (word, bytes) in state.iter_mut().zip(hasher.finalize().as_bytes().chunks_exact(8)) {
            *word = u64::from_le_bytes(bytes.try_into().expect("a chunk has eight bytes"));
        }
        Self(state)
    }

    /// Sixty-four bits.
    pub fn bits(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number below `end`; 0 if `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        u64::try_from((u128::from(self.bits()) * u128::from(end)) >> 64).expect("the product's upper half fits")
    }

    /// A number in `low ..= high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// True `thousandths` times in a thousand.
    pub fn chance(&mut self, thousandths: u64) -> bool {
        self.below(1_000) < thousandths
    }

    /// One of `choices`, which are not empty.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        assert!(!choices.is_empty(), "there is something to choose from");
        &choices[usize::try_from(self.below(choices.len() as u64)).expect("an index fits")]
    }

    /// A waiting time around `mean`, with a long tail: most are below it, one in fifty is up to eight times as long.
    pub fn around(&mut self, mean: u64) -> u64 {
        let usual = self.between(mean / 4, mean + mean / 4);
        if self.chance(20) { usual * self.between(2, 8) } else { usual }
    }
}

#[cfg(test)]
mod tests {
    use super::Stream;

    #[test]
    fn streams_are_fixed_for_ever() {
        let mut stream = Stream::new(1, "disk");
        let first: Vec<u64> = (0..3).map(|_| stream.bits()).collect();
        assert_eq!(first, FIXED, "an old seed has changed its meaning");
        assert_ne!(Stream::new(1, "link").bits(), first[0]);
        assert_ne!(Stream::new(2, "disk").bits(), first[0]);
    }

    const FIXED: [u64; 3] = [3816465248118655392, 15949969949805415188, 6845647491449089568];

    #[test]
    fn draws_stay_in_range() {
        let mut stream = Stream::new(9, "range");
        for _ in 0..10_000 {
            assert!((5..=7).contains(&stream.between(5, 7)));
            assert!(stream.below(3) < 3);
        }
        assert_eq!((stream.below(0), stream.below(1), stream.between(4, 4)), (0, 0, 4));
        let hits = (0..10_000).filter(|_| stream.chance(250)).count();
        assert!((2_200..2_800).contains(&hits), "{hits}");
    }
}
