//! Seeded random numbers. Integer arithmetic only, so that every platform draws the same numbers.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A stream of random numbers, determined by its seed and its stream number.
pub struct RandomStream(ChaCha8Rng);

impl RandomStream {
    /// Creates a stream. Streams of one seed are independent of each other.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut generator = ChaCha8Rng::from_seed(key(seed));
        generator.set_stream(stream);
        Self(generator)
    }

    /// One of `0..bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        let product = u64::from(self.0.next_u32()) * u64::from(bound);
        (product >> 32) as u32
    }

    /// One of `0..bound`; 0 if `bound` is 0.
    pub fn below_u64(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.0.next_u64()) * u128::from(bound);
        (product >> 64) as u64
    }

    /// One of `low..=high`.
    pub fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high - low + 1)
    }

    /// A port of `low..=high`.
    pub fn port(&mut self, low: u16, high: u16) -> u16 {
        let port = self.between(low.into(), high.into());
        u16::try_from(port).expect("a port between two ports")
    }

    /// An ephemeral port (Linux's default range).
    pub fn ephemeral_port(&mut self) -> u16 {
        self.port(32_768, 60_999)
    }

    /// True `part` times in `whole`.
    pub fn chance(&mut self, part: u32, whole: u32) -> bool {
        self.below(whole) < part
    }

    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// One of `0..length`.
    pub fn index(&mut self, length: usize) -> usize {
        self.below_u64(length as u64) as usize
    }

    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.index(items.len())]
    }

    /// One of the items, each as likely as its weight.
    pub fn weighted<T: Copy>(&mut self, items: &[(u32, T)]) -> T {
        let mut left = self.below(items.iter().map(|(weight, _)| weight).sum());
        for &(weight, item) in items {
            if left < weight {
                return item;
            }
            left -= weight;
        }
        unreachable!("the draw is below the sum of the weights")
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }

    /// A heavy-tailed number from 1 to 2^`max_exponent` - 1: mostly small, sometimes thousands.
    pub fn heavy_tailed(&mut self, max_exponent: u32) -> u32 {
        let exponent = self.below(max_exponent).min(self.below(max_exponent));
        (1 << exponent) + self.below(1 << exponent)
    }
}

fn key(seed: u64) -> [u8; 32] {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key
}

/// Scatters a number over 64 bits (SplitMix64). Turns ranks into addresses and ids.
pub fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Returns the item that a scattered number selects.
pub fn pick_by<T: Copy>(scattered: u64, items: &[T]) -> T {
    items[(scattered % items.len() as u64) as usize]
}

/// A Zipf distribution of ranks from 0; the weight of rank r is 1 / (r + 1)^0.8.
pub struct Zipf {
    cumulative_weights: Vec<u64>,
}

impl Zipf {
    pub fn new(ranks: u32) -> Self {
        let cumulative_weights = (1..=ranks)
            .scan(0, |sum, rank| {
                *sum += zipf_weight(rank);
                Some(*sum)
            })
            .collect();
        Self { cumulative_weights }
    }

    pub fn rank(&self, rng: &mut RandomStream) -> u64 {
        let total = self.cumulative_weights.last().copied().unwrap_or(0);
        let draw = rng.below_u64(total);
        self.cumulative_weights.partition_point(|&sum| sum <= draw) as u64
    }
}

/// Returns 2^25 / rank^0.8, rounded down, without floats: the greatest w with w^5 × rank^4 ≤ 2^125.
fn zipf_weight(rank: u32) -> u64 {
    const SCALE_BITS: u32 = 25;
    let limit = (1u128 << (5 * SCALE_BITS)) / u128::from(rank).pow(4);
    let mut weight = 0u64;
    for bit in (0..=SCALE_BITS).rev() {
        let candidate = weight | (1 << bit);
        if u128::from(candidate).pow(5) <= limit {
            weight = candidate;
        }
    }
    weight
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zipf_weights_are_exact() {
        assert_eq!(zipf_weight(1), 1 << 25);
        assert_eq!(zipf_weight(32), 1 << 21); // 32^0.8 = 16
        assert_eq!(zipf_weight(243), (1 << 25) / 81); // 243^0.8 = 81
    }
}
