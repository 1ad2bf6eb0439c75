use super::test_encoder::{Block, PROGRESSIVE, Pass, Picture, SEQUENTIAL};
use super::*;

const SIZE: (usize, usize) = (37, 21);

fn pass(planes: &[usize], band: (usize, usize), high: u8, low: u8) -> Pass {
    Pass { planes: planes.to_vec(), band, high, low }
}

/// Coefficients that look like those of a photograph: large averages, a few waves.
fn noise(factors: &[(usize, usize)]) -> Picture {
    let mut seed = 7_u32;
    let mut next = move |most: i32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as i32 % (2 * most + 1) - most
    };
    Picture::new(SIZE, factors, |_, number| {
        let mut block: Block = [0; 64];
        block[0] = next(6000) as i16;
        for coefficient in &mut block[1..] {
            // Every third block is even, so that blocks without waves follow each other too.
            if number % 3 > 0 && next(100) > 70 {
                *coefficient = next(150) as i16;
            }
        }
        block
    })
}

fn at_once(count: usize) -> Vec<Pass> {
    vec![pass(&Vec::from_iter(0..count), (0, 63), 0, 0)]
}

fn one_after_the_other(count: usize) -> Vec<Pass> {
    (0..count).map(|plane| pass(&[plane], (0, 63), 0, 0)).collect()
}

fn by_spectral_selection(count: usize) -> Vec<Pass> {
    let mut passes = vec![pass(&Vec::from_iter(0..count), (0, 0), 0, 0)];
    for band in [(1, 5), (6, 40), (41, 63)] {
        passes.extend((0..count).map(|plane| pass(&[plane], band, 0, 0)));
    }
    passes
}

fn by_full_progression(count: usize) -> Vec<Pass> {
    let all = Vec::from_iter(0..count);
    let mut passes = vec![pass(&all, (0, 0), 0, 2)];
    for (band, high, low) in [((1, 5), 0, 2), ((6, 63), 0, 3), ((6, 63), 3, 2), ((1, 63), 2, 1)] {
        passes.extend((0..count).map(|plane| pass(&[plane], band, high, low)));
    }
    passes.push(pass(&all, (0, 0), 2, 1));
    passes.extend((0..count).map(|plane| pass(&[plane], (1, 63), 1, 0)));
    passes.push(pass(&all, (0, 0), 1, 0));
    passes
}

fn decoded(stream: &[u8], count: usize) -> Result<Vec<u8>, &'static str> {
    decode(stream, (SIZE.0 as u32, SIZE.1 as u32, count as u16))
}

#[test]
fn the_same_coefficients_give_the_same_samples_by_whichever_scans_they_come() {
    for factors in [
        &[(1, 1)][..],
        &[(2, 2)],
        &[(1, 1), (1, 1), (1, 1)],
        &[(2, 1), (1, 1), (1, 1)],
        &[(1, 2), (1, 1), (1, 1)],
        &[(2, 2), (1, 1), (2, 1)],
    ] {
        let (picture, count) = (noise(factors), factors.len());
        let expected = decoded(&picture.encode(SEQUENTIAL, &at_once(count), 0), count).unwrap();
        assert_eq!(expected.len(), SIZE.0 * SIZE.1 * count * 2);
        assert!(expected.chunks(2).any(|sample| sample != &expected[..2]), "there is something to be seen");
        for (frame, passes) in [
            (SEQUENTIAL, at_once(count)),
            (SEQUENTIAL, one_after_the_other(count)),
            (PROGRESSIVE, by_spectral_selection(count)),
            (PROGRESSIVE, by_full_progression(count)),
        ] {
            for restart in [0, 1, 4] {
                let found = decoded(&picture.encode(frame, &passes, restart), count);
                assert!(found.as_ref() == Ok(&expected), "{factors:?} {passes:?} {restart}: {:?}", found.err());
            }
        }
    }
}

#[test]
fn pixels_that_share_samples_lie_between_them() {
    let values = |plane: usize, number: usize| -> i16 {
        match (plane, number) {
            (0, _) => 10,
            (_, 0) => 100,
            _ => -60,
        }
    };
    let even = |plane: usize, number: usize| {
        let mut block: Block = [0; 64];
        block[0] = 8 * values(plane, number);
        block
    };
    let across = Picture::new((32, 8), &[(2, 1), (1, 1), (1, 1)], even).encode(SEQUENTIAL, &at_once(3), 0);
    let down = Picture::new((8, 32), &[(1, 2), (1, 1), (1, 1)], even).encode(SEQUENTIAL, &at_once(3), 0);
    for (stream, shape, step) in [(across, (32, 8, 3), 1), (down, (8, 32, 3), 8)] {
        let bytes = decode(&stream, shape).unwrap();
        let words: Vec<u16> = bytes.chunks(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect();
        let pixel = |at: usize| &words[at * step * 3..at * step * 3 + 3];
        assert_eq!(pixel(0), [2058, 2148, 2148]);
        assert_eq!(pixel(14), [2058, 2148, 2148]);
        assert_eq!(pixel(15), [2058, 2108, 2108], "three parts of the nearer, one of the next");
        assert_eq!(pixel(16), [2058, 2028, 2028]);
        assert_eq!(pixel(17), [2058, 1988, 1988]);
        assert_eq!(pixel(31), [2058, 1988, 1988]);
    }
}

#[test]
fn a_progressive_picture_that_ends_early_is_none() {
    let stream = noise(&[(2, 1), (1, 1), (1, 1)]).encode(PROGRESSIVE, &by_full_progression(3), 4);
    let whole = decoded(&stream, 3).unwrap();
    let end = stream.len() - 2;
    for cut in (0..end).step_by(7).chain(end - 40..end) {
        assert!(decoded(&stream[..cut], 3).is_err(), "cut at {cut} of {}", stream.len());
    }
    assert_eq!(decoded(&stream[..stream.len() - 2], 3), Ok(whole), "every bit is there, only the end is not said");
}

#[test]
fn waves_may_be_left_away_and_averages_may_not() {
    let picture = noise(&[(1, 1), (1, 1), (1, 1)]);
    let mut passes = by_spectral_selection(3);
    passes.truncate(4);
    assert!(decoded(&picture.encode(PROGRESSIVE, &passes, 0), 3).is_ok(), "its last bands were not sent");
    passes.remove(0);
    assert!(decoded(&picture.encode(PROGRESSIVE, &passes, 0), 3).is_err());
    let incomplete = picture.encode(SEQUENTIAL, &one_after_the_other(2), 0);
    assert!(decoded(&incomplete, 3).is_err(), "the third component never came");
}

#[test]
fn no_bit_comes_twice_or_before_its_turn() {
    let picture = noise(&[(1, 1)]);
    let refused = |passes: &[Pass]| decoded(&picture.encode(PROGRESSIVE, passes, 0), 1).unwrap_err();
    let (first, second) = (pass(&[0], (0, 0), 0, 1), pass(&[0], (0, 0), 1, 0));
    let twice = "a coefficient comes twice, or in the wrong order";
    assert_eq!(refused(&[first.clone(), first.clone()]), twice);
    assert_eq!(refused(&[second.clone(), first.clone()]), twice);
    assert_eq!(refused(&[first.clone(), second.clone(), second.clone()]), twice);
    let overlapping = [first.clone(), pass(&[0], (1, 9), 0, 0), pass(&[0], (9, 63), 0, 0)];
    assert_eq!(refused(&overlapping), twice);
    for impossible in [pass(&[0], (0, 63), 0, 0), pass(&[0], (5, 2), 0, 0), pass(&[0], (1, 5), 3, 1)] {
        // The encoder has no such scans; only their heads are wrong.
        let mut stream = picture.encode(PROGRESSIVE, &[first.clone(), second.clone()], 0);
        let at = stream.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap() + 7;
        stream[at] = impossible.band.0 as u8;
        stream[at + 1] = impossible.band.1 as u8;
        stream[at + 2] = impossible.high << 4 | impossible.low;
        assert_eq!(decoded(&stream, 1), Err("not a scan of its process"), "{impossible:?}");
    }
}

#[test]
fn damaged_progressive_pictures_never_panic() {
    let factors = [(2, 2), (1, 1), (1, 1)];
    let streams = [
        noise(&factors).encode(PROGRESSIVE, &by_full_progression(3), 3),
        noise(&factors).encode(PROGRESSIVE, &by_spectral_selection(3), 0),
        noise(&factors).encode(SEQUENTIAL, &one_after_the_other(3), 2),
    ];
    let mut seed = 7_u32;
    for round in 0..1_000 {
        let mut stream = streams[round % streams.len()].clone();
        for _ in 0..3 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = (seed >> 8) as usize % stream.len();
            stream[at] = (seed >> 24) as u8;
        }
        let _ = decoded(&stream, 3);
    }
}
