//! Numbers of several runs, and what is said of them.

use std::fmt;

/// The median of several runs, with the least and the most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// Of at least one run.
    pub fn of(runs: impl IntoIterator<Item = f64>) -> Self {
        let mut runs: Vec<f64> = runs.into_iter().collect();
        runs.sort_by(f64::total_cmp);
        let middle = runs.len() / 2;
        let median = match runs.len() % 2 {
            0 => f64::midpoint(runs[middle - 1], runs[middle]),
            _ => runs[middle],
        };
        Self { median, min: runs[0], max: runs[runs.len() - 1] }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}–{})", Short(self.median), Short(self.min), Short(self.max))
    }
}

/// Three digits that matter, and thousands apart.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.abs();
        if size < 10.0 {
            return write!(f, "{:.2}", self.0);
        }
        if size < 100.0 {
            return write!(f, "{:.1}", self.0);
        }
        let whole = format!("{:.0}", self.0);
        for (at, digit) in whole.chars().enumerate() {
            let left = whole.len() - at;
            if at > 0 && left % 3 == 0 && digit.is_ascii_digit() {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// The value below which that share of the samples lies; sorts them.
pub fn quantile(samples: &mut [u64], share: f64) -> u64 {
    samples.sort_unstable();
    let last = samples.len().saturating_sub(1);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let at = (last as f64 * share).round() as usize;
    samples.get(at).copied().unwrap_or(0)
}
