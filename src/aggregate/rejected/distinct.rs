//! The registers of the sketch that estimates the number of groups, as bytes.
//!
//! The sketch is rebuilt from an image that is made here from checked registers. The crate would read the image of a file, too, but trusts
//! sums in it that contradict the registers.

use datasketches::hll::HllSketch;

use super::DISTINCT_LG_K;
use crate::aggregate::rows::InvalidRow;

/// Number of registers.
const REGISTERS: usize = 1 << DISTINCT_LG_K;
/// Largest value of a register.
const MAX_VALUE: u8 = 63;
/// Bytes before the registers in an image.
const PREAMBLE_BYTES: usize = 40;
/// Kinds of images: a list of coupons, a set of them, or registers. The lowest two bits of byte 7.
const LIST: u8 = 0;
const SET: u8 = 1;

/// Returns the registers of a sketch.
pub(super) fn registers(sketch: &HllSketch) -> Vec<u8> {
    let image = sketch.serialize();
    let coupons = match image.get(7).map(|mode| mode & 3) {
        Some(LIST) => image.get(8..),
        Some(SET) => image.get(12..),
        _ => return image.get(PREAMBLE_BYTES..).unwrap_or_default().to_vec(),
    };
    let mut registers = vec![0; REGISTERS];
    for coupon in coupons.unwrap_or_default().as_chunks().0 {
        let coupon = u32::from_le_bytes(*coupon);
        if let Some(register) = registers.get_mut(coupon as usize % REGISTERS) {
            *register = (*register).max((coupon >> 26) as u8);
        }
    }
    registers
}

/// Returns the sketch with these registers.
///
/// # Errors
/// If there are more or fewer registers than in a sketch, or one is out of range.
pub(super) fn restore(registers: &[u8]) -> Result<HllSketch, InvalidRow> {
    if registers.len() != REGISTERS || registers.iter().any(|value| *value > MAX_VALUE) {
        return Err(InvalidRow("the estimate of the number of groups is none"));
    }
    let power = |value: &u8| 1.0 / (1_u64 << value) as f64;
    let sum = |is_large: bool| registers.iter().filter(|value| (**value >= 32) == is_large).map(power).sum::<f64>();
    let zeros = registers.iter().filter(|value| **value == 0).count() as u32;
    // Words of the preamble, version, family, size, no list, out of order, no minimum, registers of 8 bits.
    let mut image = vec![10, 1, 7, DISTINCT_LG_K, 0, 16, 0, 10];
    image.extend([0.0, sum(false), sum(true)].iter().flat_map(|sum| sum.to_le_bytes()));
    image.extend([zeros, 0].iter().flat_map(|count| count.to_le_bytes()));
    image.extend(registers);
    HllSketch::deserialize(&image).map_err(|_| InvalidRow("the estimate of the number of groups is none"))
}
