//! How long to wait between attempts.

use super::JobsConfig;

/// The delay after attempt number `attempts`, in milliseconds, spread by `jitter` (0 to 1) over ±20 %.
///
/// The spread keeps jobs that failed together from coming back together.
pub(super) fn delay_ms(config: &JobsConfig, attempts: i64, jitter: f64) -> u64 {
    let exponent = i32::try_from(attempts.clamp(1, 64) - 1).unwrap_or(0);
    let plain = config.first_delay_ms as f64 * config.delay_factor.max(1.0).powi(exponent);
    (plain.min(config.max_delay_ms as f64) * (0.8 + 0.4 * jitter.clamp(0.0, 1.0))) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_up_to_the_longest() {
        let config = JobsConfig { first_delay_ms: 100, delay_factor: 2.0, max_delay_ms: 1000, ..JobsConfig::default() };
        let delays: Vec<u64> = (1..=6).map(|attempt| delay_ms(&config, attempt, 0.5)).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(delay_ms(&config, i64::MAX, 0.5), 1000);
    }

    #[test]
    fn jitter_spreads_a_fifth_to_both_sides() {
        let config = JobsConfig { first_delay_ms: 1000, ..JobsConfig::default() };
        assert_eq!(delay_ms(&config, 1, 0.0), 800);
        assert_eq!(delay_ms(&config, 1, 1.0), 1200);
    }
}
