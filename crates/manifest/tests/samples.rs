//! The sample apps pass, and hostile variants of them end in faults, never in a panic.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::{fs, path::PathBuf};

use manifest::{App, Page};

fn apps() -> Vec<(String, String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../apps");
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    found.sort();
    let text = |app: &PathBuf, file: &str| fs::read_to_string(app.join(file)).ok();
    let read = |app: &PathBuf| {
        let name = app.file_name().unwrap().to_string_lossy().into_owned();
        Some((name, text(app, "app.toml")?, text(app, "security.md")?))
    };
    found.iter().filter_map(read).collect()
}

fn app(text: &str, file: &str) -> App {
    manifest::read(text, file).unwrap_or_else(|faults| panic!("\n{}", manifest::render(&faults, false)))
}

fn page(text: &str, file: &str, app: &App) -> Page {
    manifest::page(text, file, app).unwrap_or_else(|faults| panic!("\n{}", manifest::render(&faults, false)))
}

#[test]
fn every_sample_passes() {
    let apps = apps();
    assert!(apps.len() >= 2, "the samples lie in apps/");
    for (name, manifest, markdown) in apps {
        let app = app(&manifest, &format!("{name}/app.toml"));
        let page = page(&markdown, &format!("{name}/security.md"), &app);
        println!("{name}\n{}{}", manifest::summary(&app, &page), manifest::render_warnings(&page.warnings, false));
        let html = manifest::page::html(&page, &|_| None);
        assert!(html.contains("</h1>") && !html.contains("{app."));
        assert!(manifest::page::markdown(&page, &|_| None).starts_with("# "));
        assert!(manifest::explain(&app).lines().count() > 20);
    }
}

/// A small generator: the same bytes in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

#[test]
fn no_text_makes_the_reader_panic() {
    let mut dice = Dice(7);
    let junk = [
        "\"",
        "[",
        "]",
        "{",
        "}",
        "=",
        "\n",
        "ø",
        "'",
        "all",
        "0",
        "-1",
        "@now",
        "\u{0}",
        "\\u00e9",
        " if ",
        "where",
        "9".repeat(40).leak(),
    ];
    for (_, manifest, markdown) in apps() {
        let known = app(&manifest, "app.toml");
        for round in 0..150 {
            for text in [&manifest, &markdown] {
                let boundary = |at: usize| (0..=at).rev().find(|i| text.is_char_boundary(*i)).unwrap();
                let from = boundary(dice.roll(text.len()));
                let to = boundary((from + dice.roll(40)).min(text.len())).max(from);
                let mutated = match round % 3 {
                    0 => text[..from].to_owned(),
                    1 => format!("{}{}{}", &text[..from], junk[dice.roll(junk.len())], &text[to..]),
                    _ => format!("{}{}", &text[..from], &text[to..]),
                };
                if text == &manifest || round % 10 == 0 {
                    if let Err(faults) = manifest::read(&mutated, "app.toml") {
                        assert!(!faults.is_empty());
                        assert!(!manifest::render(&faults, true).is_empty());
                    }
                    continue;
                }
                if let Ok(page) = manifest::page(&mutated, "security.md", &known) {
                    assert!(!manifest::page::html(&page, &|_| None).contains("<script"));
                    assert!(!manifest::page::markdown(&page, &|_| None).is_empty());
                }
            }
        }
    }
}
