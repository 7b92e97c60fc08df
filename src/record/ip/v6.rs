//! Parses IPv6 addresses.

use std::net::{IpAddr, Ipv6Addr};

use wide::u8x16;

/// Parses the same text as `Ipv6Addr::from_str`, which takes six times as long, because it tries an IPv4 address in every group. Text
/// in another style than AWS's is left to `from_str`.
pub(super) fn parse(text: &[u8]) -> Option<IpAddr> {
    parse_fast(text).or_else(|| standard(text))
}

/// Padding before the text, so that the four bytes up to the end of the first group can be read.
const BEFORE: usize = 4;
/// Longest text: eight groups of four digits, and seven colons.
const LONGEST: usize = 8 * 4 + 7;

/// Parses groups of one to four digits: eight groups, or fewer with one gap. Converts all digits at once, then each group as one word.
#[expect(
    clippy::indexing_slicing,
    reason = "the text has at most 39 bytes, each position lies after the padding, and there are at most eight groups"
)]
fn parse_fast(text: &[u8]) -> Option<IpAddr> {
    if text.len() > LONGEST {
        return None;
    }
    let mut padded = [0; 3 * 16];
    padded[BEFORE..BEFORE + text.len()].copy_from_slice(text);
    let (mut colons, mut digits) = (0_u64, 0_u64);
    let (sixteens, _) = padded.as_chunks_mut::<16>();
    for sixteen in sixteens.iter_mut().rev() {
        let bytes = u8x16::new(*sixteen);
        let (decimal, letter) = (bytes - u8x16::splat(b'0'), (bytes | u8x16::splat(0x20)) - u8x16::splat(b'a'));
        let is_decimal = decimal.min(u8x16::splat(9)).simd_eq(decimal);
        let is_letter = letter.min(u8x16::splat(5)).simd_eq(letter);
        colons = colons << 16 | u64::from(bytes.simd_eq(u8x16::splat(b':')).to_bitmask());
        digits = digits << 16 | u64::from((is_decimal | is_letter).to_bitmask());
        *sixteen = (is_decimal & decimal | is_letter & (letter + u8x16::splat(10))).to_array();
    }
    let (mut start, end) = (BEFORE, BEFORE + text.len());
    let own = (1 << end) - (1 << start);
    if (colons | digits) & own != own {
        return None;
    }
    let mut ends = colons & own | 1 << end;
    let (mut groups, mut count, mut gap) = ([0_u16; 8], 0, None);
    while ends != 0 {
        let end = ends.trailing_zeros() as usize;
        match end - start {
            length @ 1..=4 => {
                let word = u32::from_le_bytes(*padded[end - 4..].first_chunk()?) & u32::MAX << (32 - 8 * length);
                let pairs = (word << 4 | word >> 8) & 0x00ff_00ff;
                *groups.get_mut(count)? = ((pairs & 0xff) << 8 | pairs >> 16) as u16;
                count += 1;
            }
            0 if gap.is_none() && count > 0 && end < BEFORE + text.len() => gap = Some(count),
            _ => return None,
        }
        ends &= ends - 1;
        start = end + 1;
    }
    match gap {
        None if count == 8 => {}
        Some(gap) if count < 8 => groups[gap..].rotate_right(8 - count),
        _ => return None,
    }
    Some(canonical(Ipv6Addr::from(groups)))
}

fn standard(text: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(text).ok()?.parse().ok().map(canonical)
}

fn canonical(v6: Ipv6Addr) -> IpAddr {
    v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4)
}
