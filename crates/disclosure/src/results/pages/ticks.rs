//! Ninety days as ticks, one small picture for every pattern of days: full for a day that was kept, tall for one that
//! broke, half for a stale one, a dot for one that nobody judged.

use std::{collections::HashMap, fmt::Write as _};

use crate::results::{
    Verdict,
    speech::plural,
    view::{DAYS, Day, View},
};

/// How a day is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Tick {
    Kept,
    Broke,
    Old,
    None,
}

fn tick(day: Option<Day>) -> Tick {
    match day.map(|d| d.worst) {
        Some(v) if v.kept() => Tick::Kept,
        Some(Verdict::Failing) => Tick::Broke,
        Some(v) if v.alarming() => Tick::Old,
        _ => Tick::None,
    }
}

/// The patterns on a page.
#[derive(Default)]
pub(super) struct Ticks {
    known: HashMap<Vec<Tick>, usize>,
    /// Their symbols.
    pub symbols: String,
}

impl Ticks {
    /// From every promise.
    pub(super) fn of(view: &View) -> Self {
        let mut ticks = Self::default();
        for shown in &view.claims {
            let row: Vec<Tick> = shown.days.iter().copied().map(tick).collect();
            let next = ticks.known.len();
            if row.iter().any(|t| *t != Tick::None) && !ticks.known.contains_key(&row) {
                symbol(&mut ticks.symbols, next, &row);
                ticks.known.insert(row, next);
            }
        }
        ticks
    }

    /// A promise's days: the picture, and the same in words. Empty when there is none yet.
    pub(super) fn show(&self, days: &[Option<Day>]) -> String {
        let row: Vec<Tick> = days.iter().copied().map(tick).collect();
        self.known.get(&row).map_or_else(String::new, |at| format!("<svg><use href=#t{at} /></svg>{}", words(days)))
    }
}

/// "11 of 12 days kept, 1 broken".
pub(super) fn words(days: &[Option<Day>]) -> String {
    let count = |wanted: Tick| days.iter().filter(|d| tick(**d) == wanted).count();
    let judged = DAYS - count(Tick::None);
    let mut out = format!("{} of {} kept", count(Tick::Kept), plural(i64::try_from(judged).unwrap_or(0), "day"));
    for (tick, word) in [(Tick::Broke, "broken"), (Tick::Old, "stale")] {
        if count(tick) > 0 {
            let _w = write!(out, ", {} {word}", count(tick));
        }
    }
    out
}

/// Lines cut into ticks by their dashes: one for each run of like days.
fn symbol(out: &mut String, at: usize, row: &[Tick]) {
    let _w = write!(out, "<symbol id=t{at} viewBox=\"0 0 359 20\" preserveAspectRatio=xMinYMid>");
    for (kind, class) in
        [(Tick::None, ""), (Tick::Old, " class=o"), (Tick::Kept, " class=k"), (Tick::Broke, " class=b")]
    {
        let mut path = String::new();
        let mut day = 0;
        for run in row.chunk_by(|a, b| a == b) {
            if run.first() == Some(&kind) {
                // The last tick is as wide as the others: its gap is cut off.
                let _w = write!(path, "M{} 10h{}", day * 4, run.len() * 4 - 1);
            }
            day += run.len();
        }
        if !path.is_empty() {
            let _w = write!(out, "<path{class} d=\"{path}\"/>");
        }
    }
    out.push_str("</symbol>");
}
