//! Bodies made of ellipses: what the demonstration's scanners see. Everything follows from the slice's number, so
//! the same demonstration has the same pixels on every machine.

/// A soft-edged ellipse; lengths in millimetres, `turn` in degrees.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ellipse {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) rx: f32,
    pub(super) ry: f32,
    pub(super) turn: f32,
    pub(super) value: f32,
    pub(super) edge: f32,
}

/// Shorthand for an ellipse that is not turned and has an edge of a millimetre and a half.
pub(super) fn ellipse(x: f32, y: f32, rx: f32, ry: f32, value: f32) -> Ellipse {
    Ellipse { x, y, rx, ry, turn: 0.0, value, edge: 1.5 }
}

impl Ellipse {
    pub(super) fn turned(self, turn: f32) -> Self {
        Self { turn, ..self }
    }

    pub(super) fn soft(self, edge: f32) -> Self {
        Self { edge, ..self }
    }

    /// How much of the ellipse is at a point: 1 inside, 0 outside, between on the edge.
    fn share(&self, x: f32, y: f32, (sin, cos): (f32, f32)) -> f32 {
        let (dx, dy) = (x - self.x, y - self.y);
        let reach = self.rx.max(self.ry) + self.edge;
        if dx.abs() > reach || dy.abs() > reach {
            return 0.0;
        }
        let (u, v) = ((dx * cos + dy * sin) / self.rx, (dy * cos - dx * sin) / self.ry);
        let outside = ((u * u + v * v).sqrt() - 1.0) * self.rx.min(self.ry);
        (0.5 - outside / self.edge).clamp(0.0, 1.0)
    }
}

/// Paints ellipses over each other, the last on top.
///
/// Returns one value a pixel over a square or rectangle of `columns` × `rows` pixels of `spacing` millimetres.
pub(super) fn paint(columns: usize, rows: usize, spacing: f32, ground: f32, shapes: &[Ellipse]) -> Vec<f32> {
    let mut values = vec![ground; columns * rows];
    let (half_width, half_height) = (columns as f32 * spacing / 2.0, rows as f32 * spacing / 2.0);
    for shape in shapes.iter().filter(|shape| shape.rx > 0.1 && shape.ry > 0.1) {
        let turn = shape.turn.to_radians().sin_cos();
        let reach = shape.rx.max(shape.ry) + shape.edge;
        let first = |center: f32, half: f32| ((center - reach + half) / spacing).max(0.0) as usize;
        let last = |center: f32, half: f32, count: usize| {
            ((((center + reach + half) / spacing).max(0.0)) as usize + 1).min(count)
        };
        for row in first(shape.y, half_height)..last(shape.y, half_height, rows) {
            let y = row as f32 * spacing - half_height;
            for column in first(shape.x, half_width)..last(shape.x, half_width, columns) {
                let share = shape.share(column as f32 * spacing - half_width, y, turn);
                let value = &mut values[row * columns + column];
                *value += (shape.value - *value) * share;
            }
        }
    }
    values
}

/// Random numbers that are the same each time.
#[derive(Debug, Clone)]
pub(super) struct Noise(u64);

impl Noise {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Evenly spread from 0 to 1.
    pub(super) fn even(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }

    /// About normal, with mean 0 and deviation 1.
    pub(super) fn normal(&mut self) -> f32 {
        (self.even() + self.even() + self.even() + self.even() - 2.0) * 1.732
    }
}

/// Adds grain that is a little coarser than a pixel, as reconstruction filters leave it.
pub(super) fn grain(values: &mut [f32], columns: usize, deviation: f32, seed: u64) {
    let mut noise = Noise::new(seed);
    let raw: Vec<f32> = values.iter().map(|_| noise.normal() * deviation).collect();
    for (index, value) in values.iter_mut().enumerate() {
        let at = |offset: usize| raw.get(index + offset).copied().unwrap_or(0.0);
        *value += 0.5 * (at(0) + at(1) + at(columns) + at(columns + 1));
    }
}

/// Smooth hills and valleys from -1 to 1: lumpy tissue without grain.
pub(super) fn lumps(x: f32, y: f32, z: f32) -> f32 {
    let a = (x * 0.31 + 1.7 * (y * 0.13 + z).sin()).sin();
    let b = (y * 0.37 + 1.3 * (x * 0.17 - z).sin()).sin();
    let c = ((x + y) * 0.23 + 2.1 * (x * 0.05 - y * 0.07).sin() + z).sin();
    (a + b + c) / 3.0
}
