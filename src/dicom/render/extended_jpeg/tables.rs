//! Quantization and Huffman tables as their segments give them (ISO 10918-1 B.2.4); a later one takes the place of an
//! earlier one of the same number.

use super::bits::Huffman;

/// The tables that hold at one place of a codestream.
#[derive(Default)]
pub(super) struct Tables {
    quantization: [Option<[f32; 64]>; 4],
    direct: [Option<Huffman>; 4],
    alternating: [Option<Huffman>; 4],
}

impl Tables {
    /// The steps of a component's coefficients, in the order in which these come.
    pub(super) fn quantization(&self, number: u8) -> Result<&[f32; 64], &'static str> {
        let table = self.quantization.get(usize::from(number)).and_then(Option::as_ref);
        table.ok_or("a quantization table is missing")
    }

    /// The codes of averages.
    pub(super) fn direct(&self, number: u8) -> Result<&Huffman, &'static str> {
        self.direct.get(usize::from(number)).and_then(Option::as_ref).ok_or("a Huffman table is missing")
    }

    /// The codes of waves.
    pub(super) fn alternating(&self, number: u8) -> Result<&Huffman, &'static str> {
        self.alternating.get(usize::from(number)).and_then(Option::as_ref).ok_or("a Huffman table is missing")
    }

    /// Reads a DQT segment.
    pub(super) fn read_quantization(&mut self, mut segment: &[u8]) -> Result<(), &'static str> {
        while let Some((&head, rest)) = segment.split_first() {
            let entry_bytes = if head >> 4 == 0 { 1 } else { 2 };
            let (entries, rest) = rest.split_at_checked(64 * entry_bytes).ok_or("a quantization table is cut off")?;
            let mut table = [0.0; 64];
            for (place, entry) in table.iter_mut().zip(entries.chunks_exact(entry_bytes)) {
                *place = entry.iter().fold(0_u16, |value, byte| value << 8 | u16::from(*byte)).into();
            }
            *self.quantization.get_mut(usize::from(head & 0x0F)).ok_or("a fifth quantization table")? = Some(table);
            segment = rest;
        }
        Ok(())
    }

    /// Reads a DHT segment.
    pub(super) fn read_huffman(&mut self, mut segment: &[u8]) -> Result<(), &'static str> {
        while let Some((&head, rest)) = segment.split_first() {
            let (counts, rest) = rest.split_at_checked(16).ok_or("a Huffman table is cut off")?;
            let count = counts.iter().map(|count| usize::from(*count)).sum();
            let (values, rest) = rest.split_at_checked(count).ok_or("a Huffman table is cut off")?;
            let tables = if head >> 4 == 0 { &mut self.direct } else { &mut self.alternating };
            *tables.get_mut(usize::from(head & 0x0F)).ok_or("a fifth Huffman table")? =
                Some(Huffman::new(counts, values)?);
            segment = rest;
        }
        Ok(())
    }
}
