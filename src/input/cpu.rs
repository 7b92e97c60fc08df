//! What the processor can do beyond what every one of its kind can: found out at run time, so that one program runs
//! everywhere and is fast where it can be.
//!
//! The only unsafe code of the project. Where what sees every byte or every record is compiled for AVX2 and bit manipulation
//! instructions, an analysis takes a sixth fewer instructions, half of them by the shuffle (`benches/compare/run.py --instructions`).
//! Both ways are the same source, compiled twice, and each is tested against code that works byte by byte.

use wide::u8x16;

/// Work that is worth being compiled for newer processors too.
pub trait Work {
    /// What comes out.
    type Output;

    /// Does it. To be `#[inline(always)]`: what is not inlined is compiled for every processor.
    fn run(self, simd: impl Simd) -> Self::Output;
}

/// What only some processors can do at once.
pub trait Simd: Copy {
    /// Whether bytes are shuffled by one instruction.
    const SHUFFLES: bool;

    /// The bytes at these places, 0 for the place 128.
    fn shuffle(self, bytes: u8x16, places: u8x16) -> u8x16;
}

/// What every processor of its kind can do.
#[derive(Debug, Clone, Copy)]
pub struct Plain;

impl Simd for Plain {
    const SHUFFLES: bool = cfg!(target_arch = "aarch64");

    #[inline(always)]
    fn shuffle(self, bytes: u8x16, places: u8x16) -> u8x16 {
        bytes.shuffle_zeroing(places)
    }
}

/// What [`Cpu`] has found.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
pub struct Newer(());

#[cfg(target_arch = "x86_64")]
impl Simd for Newer {
    const SHUFFLES: bool = true;

    #[inline(always)]
    fn shuffle(self, bytes: u8x16, places: u8x16) -> u8x16 {
        use std::arch::x86_64::{__m128i, _mm_shuffle_epi8};
        let (bytes, places): (__m128i, __m128i) = (bytemuck::cast(bytes), bytemuck::cast(places));
        // SAFETY: whoever has a value of this type has looked for AVX2, which has the instruction.
        #[expect(unsafe_code, reason = "an IPv4 address in a fifth of the instructions; see the module")]
        let shuffled = unsafe { _mm_shuffle_epi8(bytes, places) };
        bytemuck::cast(shuffled)
    }
}

/// What this processor can do. A value of it can only be had by looking.
#[derive(Debug, Clone, Copy)]
pub struct Cpu {
    newer: bool,
}

impl Cpu {
    /// Looks.
    pub fn detect() -> Cpu {
        Cpu { newer: has_avx2() }
    }

    /// A processor that can nothing more than every one of its kind, for tests.
    #[cfg(test)]
    pub fn plain() -> Cpu {
        Cpu { newer: false }
    }

    /// Does some work as fast as this processor can.
    #[inline(always)]
    pub fn run<W: Work>(self, work: W) -> W::Output {
        #[cfg(target_arch = "x86_64")]
        if self.newer {
            // SAFETY: `newer` is set by `has_avx2` alone, which looks for each of the features that `newer` is compiled with.
            #[expect(unsafe_code, reason = "a sixth fewer instructions; see the module")]
            return unsafe { newer(work) };
        }
        work.run(Plain)
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    use std::arch::is_x86_feature_detected as has;
    has!("avx2") && has!("bmi1") && has!("bmi2") && has!("lzcnt") && has!("popcnt")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    false
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
fn newer<W: Work>(work: W) -> W::Output {
    work.run(Newer(()))
}
