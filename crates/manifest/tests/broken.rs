//! Every broken file fails where and as its first lines say: `# expect: LINE:COLUMN | words of the message`.
//! A page's are read as blank. Sections that every app needs are added below the file when it lacks them.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{fs, path::PathBuf};

use manifest::Fault;

const NEEDED: [(&str, &str); 3] = [
    ("[app]", "\n[app]\nname = \"Probe\"\n"),
    ("[tenant]", "\n[tenant]\nnoun = \"shop\"\n"),
    ("[roles", "\n[roles]\nowner.floor = \"all\"\n"),
];

fn whole(text: &str) -> String {
    let mut whole = text.to_owned();
    for (section, lines) in NEEDED {
        if !text.contains(section) {
            whole.push_str(lines);
        }
    }
    whole
}

fn faults(name: &str, text: &str) -> Vec<Fault> {
    if name.ends_with(".toml") {
        return manifest::read(&whole(text), name).err().unwrap_or_default();
    }
    let app = manifest::read(&whole(""), "app.toml").unwrap();
    let heads = expected(text).len();
    let body: Vec<&str> = text.lines().enumerate().map(|(at, line)| if at < heads { "" } else { line }).collect();
    manifest::page(&body.join("\n"), name, &app).err().unwrap_or_default()
}

/// What the file's first lines say: place and words of each fault, in order.
fn expected(text: &str) -> Vec<(&str, &str)> {
    let line = |line: &'_ str| line.trim_start_matches("# ").starts_with("expect: ");
    let lines = text.lines().take_while(|l| line(l));
    lines.map(|l| l.split_once("expect: ").unwrap().1.split_once(" | ").unwrap()).collect()
}

#[test]
fn every_broken_file_fails_where_and_as_it_says() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/broken");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 100);
    let mut wrong = String::new();
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(file).unwrap();
        let (expected, found) = (expected(&text), faults(&name, &text));
        let fits = |(f, (place, words)): (&Fault, &(&str, &str))| {
            format!("{}:{}", f.line, f.column) == *place && format!("{} {}", f.message, f.help).contains(words)
        };
        if expected.is_empty() || expected.len() != found.len() || !found.iter().zip(&expected).all(fits) {
            wrong.push_str(&format!("{name} expects {expected:?}, and got:\n{}\n", manifest::render(&found, false)));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn no_message_repeats_a_secret() {
    let token = ["sk", "live", "4eC39HqLyjWDarjtT1zdp7dc"].join("_");
    for text in [
        format!("[app]\nname = \"X\"\ncolor = \"{token}\"\n"),
        format!("[mail]\nsmtp = \"{token}\"\n"),
        format!("[secrets]\nx = {{ from = \"{token}\", frm = 1 }}\n"),
        format!("[app]\nname = \"{token}\" x\n"),
    ] {
        let found = manifest::read(&text, "app.toml").unwrap_err();
        let shown = manifest::render(&found, false) + &format!("{found:?}");
        assert!(!shown.contains("4eC39"), "{shown}");
    }
}
