//! Verdicts for people and for programs.

use std::fmt::Write as _;
use std::time::Duration;

use kernel::Time;
use manifest::{PageClaim, Verdict};
use serde_json::{Map, Value, json};

use crate::{checked::Checked, round::Seen};

/// Columns of the table.
const WIDTH: usize = 100;

/// A promise with its verdict.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The promise.
    pub claim: PageClaim,
    /// Its verdict.
    pub verdict: Verdict,
    /// What is known about each of its checks.
    pub checks: Vec<Checked>,
    /// When it was judged.
    pub at: Time,
}

impl Judged {
    /// The check that decided: the weakest that counts.
    #[must_use]
    pub fn deciding(&self) -> Option<&Checked> {
        self.checks.iter().min_by_key(|c| c.verdict)
    }
    pub(crate) fn words(&self) -> String {
        let Some(check) = self.deciding() else { return String::new() };
        let text = match self.verdict {
            Verdict::Failing => String::new(),
            Verdict::Unsigned if check.evidence.is_empty() => "nobody has signed this yet".to_owned(),
            _ if check.evidence.is_empty() => check.note.clone(),
            _ => check.evidence.to_string(),
        };
        if check.steered && self.verdict == Verdict::Proven { format!("{text} (steered clock)") } else { text }
    }
    fn json(&self) -> Value {
        let evidence: Map<String, Value> = self.checks.iter().map(|c| (c.check.to_owned(), evidence(c))).collect();
        json!({
            "id": self.claim.id,
            "checks": self.claim.checks,
            "kind": self.claim.kind.word(),
            "verdict": self.verdict.word(),
            "evidence": evidence,
            "checked_at": self.at.to_string(),
        })
    }
}

fn evidence(checked: &Checked) -> Value {
    let mut out = checked.evidence.json();
    out.insert("verdict".to_owned(), checked.verdict.word().into());
    if !checked.took.is_zero() {
        out.insert("where".to_owned(), checked.place.word().into());
    }
    if checked.steered {
        out.insert("steered".to_owned(), true.into());
    }
    if !checked.note.is_empty() {
        out.insert("note".to_owned(), checked.note.as_str().into());
    }
    if let Some(f) = &checked.finding {
        out.insert("finding".to_owned(), json!({"did": f.did, "expected": f.expected, "saw": f.saw}));
    }
    Value::Object(out)
}

/// Everything a run found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The app's name.
    pub app: String,
    /// Where and as whom it was looked at.
    pub on: String,
    /// Promises in the page's order.
    pub judged: Vec<Judged>,
    /// How long the run took.
    pub took: Duration,
}

impl Report {
    /// Exit code: 1 when something fails (with `strict` also unproven and unsigned), else 0.
    #[must_use]
    pub fn exit(&self, strict: bool) -> u8 {
        u8::from(self.judged.iter().any(|j| j.verdict.fails(strict)))
    }
    /// How many promises have this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.judged.iter().filter(|j| j.verdict == verdict).count()
    }
    /// A list with one object per promise.
    #[must_use]
    pub fn json(&self) -> Value {
        self.judged.iter().map(Judged::json).collect()
    }
    /// What was seen of each check, once.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        let mut out: Vec<Seen> = Vec::new();
        for judged in &self.judged {
            for checked in &judged.checks {
                if !out.iter().any(|s| s.check == checked.check) {
                    out.push(Seen::of(checked, judged.at));
                }
            }
        }
        out
    }
    /// `JUnit` XML: a test case per promise.
    #[must_use]
    pub fn junit(&self) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let failed = self.judged.iter().filter(|j| j.verdict.fails(false)).count();
        let skipped = self
            .judged
            .iter()
            .filter(|j| !j.verdict.fails(false) && !matches!(j.verdict, Verdict::Proven | Verdict::Provider))
            .count();
        let _w = writeln!(
            out,
            "<testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\" skipped=\"{skipped}\" time=\"{:.1}\">",
            xml(&self.app),
            self.judged.len(),
            self.took.as_secs_f64()
        );
        for j in &self.judged {
            let time: f64 = j.checks.iter().map(|c| c.took.as_secs_f64()).sum();
            let _w = write!(
                out,
                "  <testcase classname=\"{}\" name=\"{}\" time=\"{time:.1}\">",
                xml(&j.claim.checks.join(",")),
                xml(&j.claim.id)
            );
            let words = xml(&format!(
                "{}: {}",
                j.verdict.word(),
                j.deciding().and_then(|c| c.finding.as_ref()).map_or_else(|| j.words(), |f| f.saw.clone())
            ));
            let _w = match j.verdict {
                v if v.fails(false) => write!(out, "<failure message=\"{words}\"/>"),
                Verdict::Proven | Verdict::Provider => write!(out, "<system-out>{words}</system-out>"),
                _ => write!(out, "<skipped message=\"{words}\"/>"),
            };
            out.push_str("</testcase>\n");
        }
        out.push_str("</testsuite>\n");
        out
    }
    /// The table, 100 columns; `colour` only for a terminal.
    #[must_use]
    pub fn table(&self, build: &str, app: &str, colour: bool) -> String {
        let mut out = String::new();
        let head = format!("  {} · {} · {}", self.app, promises(self.judged.len()), self.on);
        let _w = writeln!(out, "\n{}", ends(&head, &format!("build {build}")));
        let wide = self.judged.iter().map(|j| j.verdict.short().len() + 1).max().unwrap_or(0).max(10);
        let ids = self.judged.iter().map(|j| j.claim.id.chars().count() + 1).max().unwrap_or(0).max(9);
        let mut section = "";
        for j in &self.judged {
            if j.claim.section != section {
                section = &j.claim.section;
                let _w = writeln!(out, "\n  {section}");
            }
            line(&mut out, j, wide, ids, colour);
            if j.verdict == Verdict::Failing {
                finding(&mut out, j);
            }
        }
        out.push_str(&self.foot(app));
        out
    }
    fn foot(&self, app: &str) -> String {
        let shown = [
            (Verdict::Proven, true),
            (Verdict::Failing, true),
            (Verdict::Inconclusive, false),
            (Verdict::Expired, false),
            (Verdict::Stale, true),
            (Verdict::Unproven, true),
            (Verdict::Unsigned, true),
            (Verdict::Attested, false),
            (Verdict::Provider, true),
            (Verdict::NotApplicable, true),
        ];
        let counts = shown
            .into_iter()
            .map(|(verdict, always)| (verdict, self.count(verdict), always))
            .filter(|(_, n, always)| *always || *n > 0);
        let counts: Vec<String> = counts.map(|(verdict, n, _)| format!("{n} {}", verdict.word())).collect();
        let head = format!("  {}", promises(self.judged.len()));
        let wide = format!("{head}   {}", counts.join("   "));
        let mut out =
            format!("\n{}", if wide.chars().count() > WIDTH { format!("{head}  {}", counts.join("  ")) } else { wide });
        let example = self
            .judged
            .iter()
            .find(|j| j.verdict == Verdict::Failing)
            .or(self.judged.first())
            .map_or("", |j| j.claim.id.as_str());
        let _w = writeln!(
            out,
            "\n  {:.1} s · one in detail: vouchsafe verify {app} --only {example}\n",
            self.took.as_secs_f64()
        );
        let unproven = self.count(Verdict::Unproven);
        let wait = self.count(Verdict::Unsigned);
        let some = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let signs = some(wait, "statement");
        let end = if self.exit(false) == 0 {
            match unproven {
                0 => format!("  Everything a program can prove is proven. Waiting for a person: {signs}."),
                n => format!("  Nothing is broken. Waiting: {} for a proof, {signs} for a person.", some(n, "promise")),
            }
        } else {
            "  Not every promise is kept, or not every one could be judged.".to_owned()
        };
        let _w = writeln!(out, "{}", ends(&end, &format!("(exit {})", self.exit(false))));
        out.push('\n');
        out
    }
}

fn ends(left: &str, right: &str) -> String {
    let gap = WIDTH.saturating_sub(left.chars().count() + right.chars().count()).max(2);
    format!("{left}{:gap$}{right}", "")
}

fn line(out: &mut String, j: &Judged, wide: usize, ids: usize, colour: bool) {
    let checks = match j.claim.checks.as_slice() {
        [one] => (*one).to_owned(),
        all => format!("{} +{}", j.deciding().map_or("", |c| c.check), all.len() - 1),
    };
    let took: Duration = j.checks.iter().map(|c| c.took).sum();
    let time = if took.is_zero() { String::new() } else { format!("{:.1} s", took.as_secs_f64()) };
    let name = checks.chars().count().max(18);
    let room = WIDTH.saturating_sub(4 + wide + ids + name + 1 + 7).max(20);
    let words = j.words();
    let mut pieces = wrap(&words, room).into_iter();
    let first = pieces.next().unwrap_or_default();
    let word = j.verdict.short();
    let painted = if colour { format!("\u{1b}[{}m{word}\u{1b}[0m", paint(j.verdict)) } else { word.to_owned() };
    let pad = wide.saturating_sub(word.len());
    let _w = writeln!(out, "    {painted}{:pad$}{:<ids$}{first:<room$} {checks:<name$}{time:>7}", "", j.claim.id);
    for piece in pieces {
        let _w = writeln!(out, "{:w$}{piece}", "", w = 4 + wide + ids);
    }
}

fn finding(out: &mut String, j: &Judged) {
    let promised = j.claim.text(&|_| None);
    let mut part = |name: &str, text: &str| {
        for (i, piece) in wrap(text, WIDTH - 17).iter().enumerate() {
            let _w = writeln!(out, "      {:<11}{piece}", if i == 0 { name } else { "" });
        }
    };
    part("promised", &promised);
    for found in j.checks.iter().filter_map(|c| c.finding.as_ref()) {
        part("did", &found.did);
        part("expected", &found.expected);
        part("saw", &found.saw);
    }
}

const fn paint(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Proven | Verdict::Attested => "32",
        Verdict::Failing => "31",
        Verdict::Stale | Verdict::Expired | Verdict::Unproven | Verdict::Inconclusive => "33",
        Verdict::Unsigned | Verdict::Provider | Verdict::NotApplicable => "90",
    }
}

fn promises(n: usize) -> String {
    format!("{n} promise{}", if n == 1 { "" } else { "s" })
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(last) = lines.last_mut() else { continue };
        if !last.is_empty() && last.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Finding};
    use manifest::CheckKind;

    fn judged(id: &str, verdict: Verdict) -> Judged {
        let claim = PageClaim {
            id: id.into(),
            checks: vec!["tenant.cross_read"],
            kind: CheckKind::Probed,
            max_age: None,
            words: vec![manifest::page::Segment::Text("Ask and get nothing.".into())],
            section: "Walls".into(),
            line: 1,
        };
        let finding = (verdict == Verdict::Failing).then(|| Finding {
            did: "GET".into(),
            expected: "404".into(),
            saw: "200".into(),
        });
        let checks = vec![Checked {
            check: "tenant.cross_read",
            verdict,
            evidence: Evidence::new().count("ids", 96),
            finding,
            note: String::new(),
            took: Duration::from_millis(940),
            steered: false,
            place: crate::checked::Place::Own,
        }];
        Judged { claim, verdict, checks, at: Time(0) }
    }

    #[test]
    fn the_table_fits_and_names_what_failed() {
        let report = Report {
            app: "Nordkestrel".into(),
            on: "own instance, two canary restaurants".into(),
            took: Duration::from_secs(12),
            judged: vec![judged("NOR-1", Verdict::Proven), judged("NOR-2", Verdict::Failing)],
        };
        let table = report.table("0.1.0", "apps/nordkestrel", false);
        assert!(table.lines().all(|l| l.chars().count() <= WIDTH), "{table}");
        for part in [
            "proven    NOR-1",
            "96 ids",
            "failing   NOR-2",
            "promised   Ask and get nothing.",
            "saw        200",
            "1 proven  1 failing",
            "(exit 1)",
        ] {
            assert!(table.contains(part), "{part}\n{table}");
        }
        assert_eq!(report.exit(false), 1);
        let json = report.json();
        assert_eq!(json[1]["verdict"], "failing");
        assert_eq!(json[0]["evidence"]["tenant.cross_read"]["ids"], 96);
        assert!(report.junit().contains("failures=\"1\""));
    }
}
