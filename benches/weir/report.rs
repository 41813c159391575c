//! The table at the end.

use crate::sample::Spread;

/// One figure: what was measured, beside its goal and its baseline.
#[derive(Debug)]
pub struct Row {
    pub what: String,
    pub unit: &'static str,
    pub measured: Spread,
    pub baseline: Option<(&'static str, Spread)>,
    pub goal: Option<Goal>,
}

#[derive(Debug)]
pub enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

impl Row {
    pub fn new(what: impl Into<String>, unit: &'static str, runs: impl IntoIterator<Item = f64>) -> Self {
        Self { what: what.into(), unit, measured: Spread::of(runs), baseline: None, goal: None }
    }

    pub fn beside(mut self, name: &'static str, runs: impl IntoIterator<Item = f64>) -> Self {
        self.baseline = Some((name, Spread::of(runs)));
        self
    }

    pub fn at_most(mut self, goal: f64) -> Self {
        self.goal = Some(Goal::AtMost(goal));
        self
    }

    pub fn at_least(mut self, goal: f64) -> Self {
        self.goal = Some(Goal::AtLeast(goal));
        self
    }

    fn markdown(&self) -> String {
        let (goal, met) = match self.goal {
            None => (String::new(), ""),
            Some(Goal::AtMost(most)) => (format!("≤ {most:.3}"), verdict(self.measured.median <= most)),
            Some(Goal::AtLeast(least)) => (format!("≥ {least:.0}"), verdict(self.measured.median >= least)),
        };
        let baseline = match &self.baseline {
            None => " | ".to_owned(),
            Some((name, spread)) => format!("{name} {spread} | {:.2}", self.measured.median / spread.median),
        };
        format!("| {} | {} | {} | {goal} | {met} | {baseline} |", self.what, self.unit, self.measured)
    }
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "**missed**" }
}

/// Median (least–most) of the runs.
pub fn print(rows: &[Row]) {
    println!("\n| what | unit | measured | goal | | baseline | ratio |\n|---|---|---|---|---|---|---|");
    for row in rows {
        println!("{}", row.markdown());
    }
}
