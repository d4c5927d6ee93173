//! Days of the log, the newest first.

use std::sync::Arc;

use kernel::{Failure, Read};
use maud::html;
use route::{
    Asking, Html,
    page::{Ask, Button, Empty, Frame, Pager, Screen},
};
use store::Tx;

use super::{
    PROTECTS, People,
    day::{Day, Line, days},
    sieve::Sieve,
};
use crate::{
    leaf::{Leaf, leaf_hash},
    sql,
};

/// Entries of a page.
const PAGE: usize = 100;
/// Entries looked at for one page: a rare question is answered in several.
const SCAN: usize = 10_000;
/// Entries read at once.
const SLICE: usize = 500;

pub(crate) async fn history(frame: Arc<Frame>, call: Asking<Ask<Sieve>>) -> Result<Html, Failure> {
    let who = call.tx.permit().principal();
    let base = frame.base(who);
    let sieve = &call.input.input;
    let people = People::read(&call.tx).await?;
    let (lines, more) = read(&call.tx, sieve).await?;
    let path = format!("{base}/console/history");
    let size = call.tx.all(&sql::HEAD, ()).await?.into_iter().next().map_or(0, |(size, ..)| size);
    let older = more.map(|before| format!("{path}?{}", sieve.older(before)));
    let newest = (sieve.before()? != i64::MAX).then(|| path.clone());
    let found: Vec<Day> = days(lines);
    let body = html! {
        (sieve.form(&path, &people))
        @if found.is_empty() {
            @if sieve.any() {
                (Empty::new("Nothing like that", "No entry here fits. Ask for less, or go further back."))
            } @else {
                (Empty::new("Nothing yet", "Whatever changes something here leaves an entry, linked to the one before."))
            }
        } @else {
            ol.chain { @for day in &found { (day.draw(&base, &people, !sieve.picks())) } }
        }
        (Pager { before: newest, after: older, words: String::new() })
    };
    let lead = html! {
        "Every change leaves an entry that carries the hash of the one before: take one out, or alter it, and those that follow match no more. "
        (size) " entries so far."
    };
    let actions = html! {
        (Button::link("Check the chain", format!("{path}/check")))
        (Button::link("Export", format!("{base}/api/v1/audit/export")))
    };
    let screen = Screen::new("History", "/console/history").lead(lead).actions(actions).body(body).protects(PROTECTS);
    Ok(frame.page(who, screen))
}

/// The newest entries that fit, and before which place more may be.
async fn read(tx: &Tx<Read>, sieve: &Sieve) -> Result<(Vec<Line>, Option<i64>), Failure> {
    let (mut low, mut high) = (0, sieve.before()?);
    if let Some(from) = sieve.since()? {
        low = tx.maybe(&sql::SINCE, (from.0,)).await?.map_or(i64::MAX, |(seq,)| seq);
    }
    if let Some(to) = sieve.until()? {
        high = tx.maybe(&sql::SINCE, (to.0,)).await?.map_or(high, |(seq,)| high.min(seq));
    }
    let slice = if sieve.picks() { SLICE } else { PAGE };
    let (mut found, mut seen) = (Vec::new(), 0);
    while low < high && found.len() < PAGE && seen < SCAN {
        let stored = tx.all(&sql::BACKWARD, (low, high, i64::try_from(slice).unwrap_or(i64::MAX))).await?;
        let end = stored.len() < slice;
        for (seq, body, _) in stored {
            if found.len() == PAGE {
                return Ok((found, Some(high)));
            }
            (high, seen) = (seq, seen + 1);
            let leaf =
                Leaf::parse(&body).ok_or(Failure::internal("audit: a stored leaf is not a leaf; see the check"))?;
            if sieve.matches(&leaf) {
                found.push(Line::new(&leaf, hex::encode(leaf_hash(&body))));
            }
        }
        if end {
            return Ok((found, None));
        }
    }
    Ok((found, (low < high && high > 0).then_some(high)))
}
