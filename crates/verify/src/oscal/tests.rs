use std::collections::BTreeSet;

use super::*;
use crate::checked::Place;

fn read(name: &str) -> (App, Page) {
    let folder = format!("{}/../../apps/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = |file: &str| std::fs::read_to_string(format!("{folder}/{file}")).unwrap();
    let app = manifest::read(&text("app.toml"), "app.toml").unwrap();
    let page = manifest::page(&text("security.md"), "security.md", &app).unwrap();
    (app, page)
}

fn seen(check: &'static str, verdict: Verdict) -> Seen {
    let mut seen = Seen::nothing(check, Time(1_700_000_000_000));
    (seen.verdict, seen.place, seen.summary) = (verdict, Place::Live, "96 ids".into());
    seen.evidence.insert("ids, in all".into(), 96.into());
    seen
}

/// Two checks of a page.
fn two(page: &Page) -> [&'static str; 2] {
    let ids: Vec<&str> = checks(page).iter().map(|check| check.id).collect();
    [ids[0], ids[1]]
}

fn all(name: &str) -> [(&'static str, Value); 4] {
    let (app, page) = read(name);
    let of = Subject { app: &app, page: &page, build: "0.1.0", at: Time(1_700_000_100_000), live: &|_| None };
    let [good, bad] = two(&page);
    let seen = [seen(good, Verdict::Proven), seen(bad, Verdict::Failing)];
    documents(&of, &seen, &|_| Verdict::Unproven)
}

/// Every value under a key, anywhere.
fn under<'v>(value: &'v Value, key: &str, out: &mut Vec<&'v Value>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, inner)| {
            if name == key {
                out.push(inner);
            }
            under(inner, key, out);
        }),
        Value::Array(items) => items.iter().for_each(|inner| under(inner, key, out)),
        _ => {}
    }
}

fn texts(documents: &[(&str, Value)], key: &str) -> Vec<String> {
    let mut found = Vec::new();
    documents.iter().for_each(|(_, document)| under(document, key, &mut found));
    found.into_iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[test]
fn every_reference_leads_somewhere() {
    for app in ["kwestra", "kontraktr"] {
        let documents = all(app);
        let ids: BTreeSet<String> = texts(&documents, "id").into_iter().collect();
        let uuids = texts(&documents, "uuid");
        let known: BTreeSet<&String> = uuids.iter().collect();
        for key in ["control-id", "objective-id", "target-id"] {
            let named = texts(&documents, key);
            assert!(!named.is_empty(), "{key}");
            assert!(named.iter().all(|id| ids.contains(id)), "{key}");
        }
        for key in ["observation-uuid", "subject-uuid", "actor-uuid"] {
            let named = texts(&documents, key);
            assert!(!named.is_empty() && named.iter().all(|id| known.contains(id)), "{key}");
        }
        for href in texts(&documents, "href").into_iter().chain(texts(&documents, "source")) {
            let inner = href.strip_prefix('#').is_some_and(|id| known.contains(&id.to_owned()));
            assert!(inner || documents.iter().any(|(name, _)| *name == href), "{href}");
        }
    }
}

#[test]
fn ids_follow_from_what_they_name() {
    assert_eq!(all("kwestra"), all("kwestra"));
    let id = uuid(&["a", "b"]);
    assert_ne!(id, uuid(&["ab"]));
    assert_eq!(id.len(), 36);
    assert_eq!(id.as_bytes()[14], b'5');
    assert!(b"89ab".contains(&id.as_bytes()[19]));
}

#[test]
fn the_whole_catalogue_is_there_and_verdicts_are_not_flattered() {
    let documents = all("nordkestrel");
    let (_, catalog) = &documents[0];
    assert_eq!(texts(&documents[..1], "class").iter().filter(|c| *c == "vouchsafe").count(), 113);
    assert_eq!(catalog["catalog"]["metadata"]["oscal-version"], "1.1.3");
    let results = &documents[3].1["assessment-results"]["results"][0];
    let of = |check: &str| {
        let all = results["findings"].as_array().unwrap();
        all.iter().find(|f| f["title"] == check).unwrap()["target"]["status"]["state"].clone()
    };
    let [good, bad] = two(&read("nordkestrel").1);
    assert_eq!((of(good), of(bad)), ("satisfied".into(), "not-satisfied".into()));
    let satisfied = texts(&documents[3..], "state").iter().filter(|s| *s == "satisfied").count();
    assert_eq!(satisfied, 1);
}
