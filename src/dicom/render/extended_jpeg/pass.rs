//! What one scan adds to one block: all of it (ISO 10918-1 F.2.2), or a band of coefficients or one more bit of them
//! (G.1.2 and G.2).

use super::bits::{Bits, Huffman};

/// The coefficients of a block that a scan brings, and which bits of them.
pub(super) struct Band {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Low bits that come later.
    pub(super) low: u8,
    /// Whether it brings one more bit of coefficients that have come.
    pub(super) refines: bool,
}

/// Number of zeros and length of the number behind them.
fn halves(symbol: u8) -> (usize, u8) {
    (usize::from(symbol >> 4), symbol & 0x0F)
}

/// Blocks from this one on that have nothing more (G.1.2.2).
fn ended_blocks(bits: &mut Bits<'_>, exponent: usize) -> Result<u32, &'static str> {
    Ok((1_u32 << exponent) + bits.take(exponent as u32)?)
}

/// All coefficients of a block.
pub(super) fn sequential(
    bits: &mut Bits<'_>,
    block: &mut [i16],
    average: &mut i32,
    direct: &Huffman,
    alternating: &Huffman,
) -> Result<(), &'static str> {
    let length = bits.symbol(direct)?;
    *average = average.wrapping_add(bits.signed(length)?);
    block[0] = *average as i16;
    let mut at = 1;
    while at < block.len() {
        let (zeros, length) = halves(bits.symbol(alternating)?);
        if length == 0 {
            if zeros < 15 {
                break;
            }
            at += 16;
            continue;
        }
        at += zeros;
        *block.get_mut(at).ok_or("a block has too many coefficients")? = bits.signed(length)? as i16;
        at += 1;
    }
    Ok(())
}

/// The high bits of an average.
pub(super) fn averages(
    bits: &mut Bits<'_>,
    block: &mut [i16],
    average: &mut i32,
    direct: &Huffman,
    band: &Band,
) -> Result<(), &'static str> {
    let length = bits.symbol(direct)?;
    *average = average.wrapping_add(bits.signed(length)?);
    block[0] = (*average << band.low) as i16;
    Ok(())
}

/// One more bit of an average, whatever its sign: averages are cut off in two's complement.
pub(super) fn finer_average(bits: &mut Bits<'_>, block: &mut [i16], band: &Band) -> Result<(), &'static str> {
    if bits.take(1)? == 1 {
        block[0] |= 1_i16 << band.low;
    }
    Ok(())
}

/// The high bits of a band of waves; `ended` counts blocks that have nothing more.
pub(super) fn waves(
    bits: &mut Bits<'_>,
    block: &mut [i16],
    ended: &mut u32,
    table: &Huffman,
    band: &Band,
) -> Result<(), &'static str> {
    if *ended > 0 {
        *ended -= 1;
        return Ok(());
    }
    let mut at = band.start;
    while at <= band.end {
        let (zeros, length) = halves(bits.symbol(table)?);
        if length == 0 {
            if zeros < 15 {
                *ended = ended_blocks(bits, zeros)? - 1;
                break;
            }
            at += 16;
            continue;
        }
        at += zeros;
        if at > band.end {
            return Err("a block has too many coefficients");
        }
        block[at] = (bits.signed(length)? << band.low) as i16;
        at += 1;
    }
    Ok(())
}

/// One more bit of a band of waves: of those that are not zero, and those that are no longer (G.1.2.3).
pub(super) fn finer_waves(
    bits: &mut Bits<'_>,
    block: &mut [i16],
    ended: &mut u32,
    table: &Huffman,
    band: &Band,
) -> Result<(), &'static str> {
    let bit = 1_i16 << band.low;
    let mut at = band.start;
    while *ended == 0 && at <= band.end {
        let (zeros, length) = halves(bits.symbol(table)?);
        let fresh = match length {
            0 if zeros < 15 => {
                *ended = ended_blocks(bits, zeros)?;
                break;
            }
            0 => 0,
            1 => (2 * bits.take(1)? as i16 - 1) * bit,
            _ => return Err("a wave grows by more than one bit"),
        };
        at = finer_until(bits, block, at..=band.end, Some(zeros), bit)?;
        if fresh != 0 {
            if at > band.end {
                return Err("a block has too many coefficients");
            }
            block[at] = fresh;
        }
        at += 1;
    }
    if *ended > 0 {
        finer_until(bits, block, at..=band.end, None, bit)?;
        *ended -= 1;
    }
    Ok(())
}

/// Makes coefficients finer up to the zero that comes behind so many zeros, and tells where it is; behind the band
/// when there is none. Without a number it goes to the end.
fn finer_until(
    bits: &mut Bits<'_>,
    block: &mut [i16],
    band: std::ops::RangeInclusive<usize>,
    zeros: Option<usize>,
    bit: i16,
) -> Result<usize, &'static str> {
    let (mut left, behind) = (zeros, *band.end() + 1);
    for at in band {
        let coefficient = &mut block[at];
        if *coefficient == 0 {
            match &mut left {
                Some(0) => return Ok(at),
                Some(left) => *left -= 1,
                None => {}
            }
        } else if bits.take(1)? == 1 {
            let away = if *coefficient > 0 { bit } else { -bit };
            *coefficient = coefficient.wrapping_add(away);
        }
    }
    Ok(behind)
}
