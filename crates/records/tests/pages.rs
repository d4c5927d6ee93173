//! The console's pages of records, through their handlers, under the gate's own permits.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's helpers, too")]

mod bench;

use bench::{Answer, Bench, OWNER, Who};
use kernel::{Failure, Reason};
use serde_json::{Value as Json, json};

suite! {
    crate::bench::read(include_str!("pages.toml"));
    hidden_fields_are_nowhere
    rows_out_of_reach_are_not_shown
    absent_and_foreign_look_alike
    forms_bring_every_kind_of_value_in
    refused_forms_keep_what_was_typed
    texts_are_escaped_everywhere
    a_form_sent_twice_makes_one_record
    a_change_meanwhile_shows_both
    write_only_fields_stay_hidden
    grids_filter_sort_and_page
    files_come_in_their_own_forms
    deletion_asks_first
    imports_are_looked_at_first
    the_console_is_for_members
    many_records_are_named_not_listed
}

const CLERK: Who = Who::Role("clerk", 2);
/// Parts hold their parent's rights.
const PICKER: Who = Who::Role("picker", 4);
const ADDER: Who = Who::Role("adder", 3);

fn at(collection: &str) -> String {
    format!("/console/collections/{collection}")
}

/// The value of a hidden member.
fn member(page: &str, name: &str) -> String {
    let start = page.find(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("no {name} in {page}"));
    page[start..].split('"').nth(3).unwrap().to_owned()
}

fn to(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}", answer.text());
    answer.headers["location"].to_str().unwrap().split('?').next().unwrap().to_owned()
}

/// Fills the form of a new record in and sends it.
async fn add(b: &Bench, who: Who, collection: &str, form: &[(&str, &str)]) -> Result<Answer, Failure> {
    let path = format!("{}/new", at(collection));
    let once = member(&b.look(who, &path).await?.text(), "_once");
    let mut all = vec![("_once", once.as_str())];
    all.extend(form);
    b.submit(who, &path, &all).await
}

async fn hidden_fields_are_nowhere(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let id = b.made("things", json!({"name": "Visible", "margin": "77.77 EUR", "status": "open"})).await;
    let part = b.made("bits", json!({"thing": id, "what": "A bit", "margin_note": "hushhush"})).await;
    let all = at("things");
    let pages = [
        all.clone(),
        format!("{all}?columns=all"),
        format!("{all}?sort=margin"),
        format!("{all}?f1=margin&o1=over&v1=1"),
        format!("{all}?f1=margin&o1=empty&f2=name&o2=has&v2=x"),
        format!("{all}?view=dear"),
        format!("{all}?q=77"),
        format!("{all}/{id}"),
        format!("{all}/new"),
        format!("{all}/{id}/edit"),
        format!("{all}/{id}/actions/settle"),
        format!("{all}/transfer"),
        at("bits"),
        format!("{}/{part}", at("bits")),
    ];
    for path in pages {
        let owner = b.look(OWNER, &path).await.unwrap();
        let clerk = b.look(CLERK, &path).await.unwrap();
        let text = clerk.text().to_lowercase();
        for word in ["margin", "77.77", "hushhush", "profit"] {
            let around =
                text.find(word).map(|at| text.chars().skip(at.saturating_sub(200)).take(400).collect::<String>());
            assert_eq!(around, None, "{word} on {path}");
        }
        assert!(owner.status < 500);
    }
    assert!(b.look(OWNER, &format!("{all}/{id}")).await.unwrap().text().contains("Profit"), "the owner sees it");
    // Also not where a clerk sends it: as unknown as any other name.
    let answer = add(&b, CLERK, "things", &[("name", "N"), ("margin", "1")]).await.unwrap();
    let page = b.look(OWNER, &to(&answer)).await.unwrap().text();
    assert!(page.contains("N") && !page.contains("1.00"), "{page}");
}

async fn rows_out_of_reach_are_not_shown(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let open = b.made("things", json!({"name": "Openthing", "status": "open"})).await;
    let secret = b.made("things", json!({"name": "Lockedthing", "status": "locked"})).await;
    b.made("bits", json!({"thing": secret, "what": "Lockedbit"})).await;
    b.made("bits", json!({"thing": open, "what": "Openbit"})).await;
    for path in [at("things"), at("bits"), format!("{}?q=thing", at("things")), format!("{}/new", at("bits"))] {
        let text = b.look(PICKER, &path).await.unwrap().text();
        assert!(
            text.contains("Openthing") && !text.contains("Lockedthing") && !text.contains("Lockedbit"),
            "{path}: {text}"
        );
    }
    assert_eq!(b.look(PICKER, &format!("{}/{secret}", at("things"))).await.err(), Some(Failure::NotFound));
    assert_eq!(b.look(PICKER, &format!("{}/{secret}/edit", at("things"))).await.err(), Some(Failure::NotFound));
    let count = |text: &str| text.contains("1 thing<") || text.contains("1 thing ");
    assert!(count(&b.look(PICKER, &at("things")).await.unwrap().text()));
}

async fn absent_and_foreign_look_alike(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    b.made("things", json!({"name": "A"})).await;
    for id in ["01910000-0000-7000-8000-000000000001", "nonsense"] {
        for tail in ["", "/edit", "/delete", "/actions/settle"] {
            let path = format!("{}/{id}{tail}", at("things"));
            assert_eq!(b.look(OWNER, &path).await.err(), Some(Failure::NotFound), "{path}");
            if !tail.is_empty() {
                assert_eq!(b.submit(OWNER, &path, &[("_version", "1")]).await.err(), Some(Failure::NotFound), "{path}");
            }
        }
    }
}

async fn forms_bring_every_kind_of_value_in(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let thing = b.made("things", json!({"name": "Target"})).await;
    let me = bench::user(1).to_string();
    let form = [
        ("label", "Every kind"),
        ("long", "line one\r\nline two"),
        ("rich", "<p>Hi <b>there</b></p><script>x()</script>"),
        ("whole", "12345"),
        ("part", "1,25"),
        ("price", "1 200.5"),
        ("flag", "false"),
        ("flag", "true"),
        ("day", "2026-05-04"),
        ("moment", "2026-05-04T09:30"),
        ("pick", "two"),
        ("picks", ""),
        ("picks", "a"),
        ("picks", "c"),
        ("tags", "x\r\n\r\ny"),
        ("mail", "a@example.com"),
        ("web", "https://example.com/a?b=c"),
        ("data", "{\"a\": [1, 2]}"),
        ("thing", &thing),
        ("person", &me),
        ("hush", "top secret"),
        ("sealed", "sealed text"),
    ];
    let place = to(&add(&b, OWNER, "kinds", &form).await.unwrap());
    let id = place.rsplit('/').next().unwrap();
    let record = b.one(OWNER, "kinds", id).await.unwrap();
    let wanted = json!({
        "label": "Every kind", "long": "line one\nline two", "rich": "<p>Hi <b>there</b></p>", "whole": 12345, "part": 1.25,
        "price": "1200.50 EUR", "flag": true, "day": "2026-05-04", "moment": "2026-05-04T09:30:00.000Z", "pick": "two",
        "picks": ["a", "c"], "tags": ["x", "y"], "mail": "a@example.com", "web": "https://example.com/a?b=c",
        "data": {"a": [1, 2]}, "thing": thing, "person": me, "sealed": "sealed text", "number": 1, "twice": 24690,
    });
    for (name, value) in wanted.as_object().unwrap() {
        assert_eq!(record[name], *value, "{name}");
    }
    let page = b.look(OWNER, &place).await.unwrap().text();
    for shown in
        ["12\u{202f}345", "1200.50", "4 May 2026", "Target", "Person 1", "<b>there</b>", "Two", "24\u{202f}690"]
    {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("top secret") && !page.contains("x()"));

    // The form of the change holds the same, and sent as it is changes nothing.
    let edit = format!("{place}/edit");
    let drawn = b.look(OWNER, &edit).await.unwrap().text();
    assert!(!drawn.contains("sealed text") && !drawn.contains("top secret"));
    let version = member(&drawn, "_version");
    let mut same: Vec<(&str, &str)> = vec![("_version", &version)];
    same.extend(form.iter().filter(|(n, _)| !["hush", "sealed"].contains(n)).map(|(n, v)| match *n {
        "rich" => ("rich", "<p>Hi <b>there</b></p>"),
        "part" => ("part", "1.25"),
        "price" => ("price", "1200.50"),
        "data" => ("data", "{\n  \"a\": [\n    1,\n    2\n  ]\n}"),
        n => (n, *v),
    }));
    let answer = b.submit(OWNER, &edit, &same).await.unwrap();
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert!(answer.text().contains("nothing was changed"));

    // Emptied, every optional value goes.
    let empty: Vec<(&str, &str)> = same
        .iter()
        .map(|(n, v)| match *n {
            "_version" | "label" => (*n, *v),
            "flag" => ("flag", "false"),
            n => (n, ""),
        })
        .chain([("_empty.sealed", "true")])
        .collect();
    to(&b.submit(OWNER, &edit, &empty).await.unwrap());
    let record = b.one(OWNER, "kinds", id).await.unwrap();
    for name in
        ["long", "rich", "whole", "part", "price", "day", "moment", "pick", "mail", "web", "data", "thing", "sealed"]
    {
        assert_eq!(record[name], Json::Null, "{name}");
    }
    assert_eq!((&record["picks"], &record["tags"], &record["flag"]), (&json!([]), &json!([]), &json!(false)));
}

async fn refused_forms_keep_what_was_typed(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let form = [
        ("label", ""),
        ("whole", "many"),
        ("price", "cheap"),
        ("day", "May"),
        ("data", "{"),
        ("long", "kept as typed"),
    ];
    let answer = add(&b, OWNER, "kinds", &form).await.unwrap();
    let page = answer.text();
    assert_eq!(answer.status, 422, "{page}");
    assert!(page.contains("this is not JSON") && page.contains("kept as typed") && page.contains(">{</textarea>"));
    let form: Vec<_> = form.into_iter().filter(|(n, _)| *n != "data").collect();
    let answer = add(&b, OWNER, "kinds", &form).await.unwrap();
    let page = answer.text();
    assert_eq!(answer.status, 422);
    for name in ["label", "whole", "price", "day"] {
        assert!(page.contains(&format!("id=\"f-{name}-error\"")), "{name}: {page}");
    }
    assert!(page.contains("value=\"many\"") && page.contains("value=\"cheap\"") && page.contains("kept as typed"));
    assert!(page.contains("aria-invalid=\"true\""));
    assert_eq!(b.list(OWNER, "kinds", &[("count", "true")]).await.unwrap()["count"], 0);
}

const EVIL: &str = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'{{7*7}}";

async fn texts_are_escaped_everywhere(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let thing = b.made("things", json!({"name": EVIL, "note": EVIL, "status": "open"})).await;
    b.made("bits", json!({"thing": thing, "what": EVIL})).await;
    let kind = b
        .made("kinds", json!({"label": EVIL, "long": EVIL, "rich": EVIL, "tags": [EVIL], "data": {"k": EVIL}, "sealed": EVIL, "thing": thing}))
        .await;
    let encoded: String = EVIL.bytes().map(|b| format!("%{b:02X}")).collect();
    let mut pages = vec![
        at("things"),
        format!("{}/{thing}", at("things")),
        format!("{}/{thing}/edit", at("things")),
        format!("{}/{thing}/delete", at("things")),
        format!("{}/{thing}/actions/settle", at("things")),
        at("bits"),
        format!("{}/new", at("bits")),
        at("kinds"),
        format!("{}?columns=all", at("kinds")),
        format!("{}/{kind}", at("kinds")),
        format!("{}/{kind}/edit", at("kinds")),
        format!("{}/new", at("kinds")),
    ];
    for asked in ["q", "f1", "view", "state", "sort", "cursor", "said"] {
        pages.push(format!("{}?{asked}={encoded}", at("things")));
    }
    pages.push(format!("{}?f1=name&o1={encoded}&v1={encoded}", at("things")));
    pages.push(format!("{}/new?thing={encoded}&what={encoded}", at("bits")));
    for path in pages {
        let answer = b.look(OWNER, &path).await.unwrap();
        harmless(&answer.text(), &path);
    }
    let refused =
        add(&b, OWNER, "kinds", &[("label", ""), ("long", EVIL), ("mail", EVIL), ("pick", EVIL), ("thing", EVIL)])
            .await;
    let refused = refused.unwrap();
    assert_eq!(refused.status, 422);
    harmless(&refused.text(), "a refused form");
}

fn harmless(page: &str, what: &str) {
    let body = &page[page.find("<body").unwrap()..];
    assert!(
        !body.contains("<script") && !body.contains("<img src=x") && !body.contains("onerror=alert(1)>"),
        "{what}: {body}"
    );
    assert!(!body.contains(" style=\"") && !body.contains(" onclick"), "{what}: inline code");
}

async fn a_form_sent_twice_makes_one_record(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let path = format!("{}/new", at("things"));
    let once = member(&b.look(OWNER, &path).await.unwrap().text(), "_once");
    let form = [("_once", once.as_str()), ("name", "Only one")];
    let place = to(&b.submit(OWNER, &path, &form).await.unwrap());
    let again = b.submit(OWNER, &path, &form).await.unwrap();
    assert_eq!(again.status, 409);
    assert!(again.text().contains("saved already") && again.text().contains(&place), "{}", again.text());
    assert_eq!(b.list(OWNER, "things", &[("count", "true")]).await.unwrap()["count"], 1);
    // Somebody else's form, another collection's, none.
    assert_eq!(b.submit(CLERK, &path, &form).await.unwrap().status, 400);
    assert_eq!(
        b.submit(OWNER, &format!("{}/new", at("kinds")), &[("_once", &once), ("label", "x")]).await.unwrap().status,
        400
    );
    assert_eq!(b.submit(OWNER, &path, &[("name", "x")]).await.unwrap().status, 400);
}

async fn a_change_meanwhile_shows_both(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let id = b.made("things", json!({"name": "First", "note": "n"})).await;
    let edit = format!("{}/{id}/edit", at("things"));
    let version = member(&b.look(OWNER, &edit).await.unwrap().text(), "_version");
    let line = format!("PATCH /api/v1/collections/things/records/{id}");
    b.call(OWNER, &line, json!({"name": "Theirs"})).await.unwrap();
    let form = [("_version", version.as_str()), ("name", "Mine"), ("note", "n")];
    let answer = b.submit(OWNER, &edit, &form).await.unwrap();
    let page = answer.text();
    assert_eq!(answer.status, 412);
    assert!(page.contains("Mine") && page.contains("Theirs") && page.contains("Stored now"), "{page}");
    assert_eq!(b.one(OWNER, "things", &id).await.unwrap()["name"], "Theirs");
    let version = member(&page, "_version");
    let form = [("_version", version.as_str()), ("name", "Mine"), ("note", "n")];
    to(&b.submit(OWNER, &edit, &form).await.unwrap());
    assert_eq!(b.one(OWNER, "things", &id).await.unwrap()["name"], "Mine");
}

async fn write_only_fields_stay_hidden(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let id = b.made("kinds", json!({"label": "L", "sealed": "old seal", "hush": "old hush"})).await;
    let edit = format!("{}/{id}/edit", at("kinds"));
    let page = b.look(OWNER, &edit).await.unwrap().text();
    assert!(page.contains("What you type replaces it") && !page.contains("old seal") && !page.contains("old hush"));
    let version = member(&page, "_version");
    let form = [("_version", version.as_str()), ("label", "M"), ("sealed", ""), ("hush", "")];
    to(&b.submit(OWNER, &edit, &form).await.unwrap());
    assert_eq!(b.one(OWNER, "kinds", &id).await.unwrap()["sealed"], "old seal");
    let version = member(&b.look(OWNER, &edit).await.unwrap().text(), "_version");
    to(&b.submit(OWNER, &edit, &[("_version", &version), ("sealed", "new seal")]).await.unwrap());
    assert_eq!(b.one(OWNER, "kinds", &id).await.unwrap()["sealed"], "new seal");
    // Nothing is repeated when it is refused either.
    let version = member(&b.look(OWNER, &edit).await.unwrap().text(), "_version");
    let refused =
        b.submit(OWNER, &edit, &[("_version", &version), ("label", ""), ("sealed", "typed seal")]).await.unwrap();
    assert!(refused.status == 422 && !refused.text().contains("typed seal"));
}

async fn grids_filter_sort_and_page(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let empty = b.look(OWNER, &at("things")).await.unwrap().text();
    assert!(
        empty.contains("No things yet") && empty.contains("Add the first thing") && empty.contains("Import a file")
    );
    for n in 0..30 {
        let status = if n % 3 == 0 { "locked" } else { "open" };
        b.made("things", json!({"name": format!("Thing {n:02}"), "status": status, "margin": format!("{n}.00 EUR")}))
            .await;
    }
    let names = |text: &str| {
        let rows = text.split("<td class=\"main\"").skip(1);
        rows.map(|r| r.split("Thing ").nth(1).unwrap()[..2].parse::<u32>().unwrap()).collect::<Vec<_>>()
    };
    let get = async |query: &str| b.look(OWNER, &format!("{}{query}", at("things"))).await.unwrap().text();
    let first = get("?sort=name").await;
    assert_eq!(names(&first), (0..25).collect::<Vec<_>>());
    assert!(first.contains("30 things") && first.contains("aria-sort=\"ascending\""));
    let next = first.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    let second = b.look(OWNER, &next).await.unwrap().text();
    assert_eq!(names(&second), (25..30).collect::<Vec<_>>());
    assert!(second.contains("rel=\"first\"") && !second.contains("rel=\"next\""));
    assert_eq!(names(&get("?f1=margin&o1=over&v1=27&sort=-name").await), vec![29, 28]);
    assert_eq!(names(&get("?f1=margin&o1=least&v1=26,00&f2=status&o2=is&v2=Locked").await), vec![27]);
    assert_eq!(names(&get("?q=g+07").await), vec![7]);
    assert_eq!(names(&get("?state=locked&sort=-name").await).len(), 10);
    assert_eq!(names(&get("?view=dear").await), Vec::<u32>::new());
    assert!(get("?q=nothing+at+all").await.contains("Nothing matches"));
    let wrong = b.look(OWNER, &format!("{}?f1=margin&o1=has&v1=x", at("things"))).await.unwrap();
    assert_eq!(wrong.status, 422);
    assert!(wrong.text().contains("Profit: this operator does not fit"), "{}", wrong.text());
    // A text stays a text.
    assert!(get("?f1=name&o1=is&v1=%22+or+name+is+not+null+or+name+%3D+%22").await.contains("Nothing matches"));
}

/// A form with one file.
fn multipart(name: &str, kind: &str, bytes: &[u8]) -> (String, Vec<u8>) {
    let head = format!(
        "--edge\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\ncontent-type: {kind}\r\n\r\n"
    );
    let body = [head.as_bytes(), bytes, b"\r\n--edge--\r\n"].concat();
    ("multipart/form-data; boundary=edge".to_owned(), body)
}

async fn files_come_in_their_own_forms(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let png = [b"\x89PNG\r\n\x1a\n".as_slice(), &[7; 20_000]].concat();
    // A needed file comes first.
    let first = b.look(OWNER, &format!("{}/new", at("papers"))).await.unwrap().text();
    assert!(first.contains("type=\"file\"") && !first.contains("name=\"_once\""));
    let (kind, body) = multipart("a scan.png", "image/png", &png);
    let sent = b.browse(OWNER, &format!("POST {}/files/scan", at("papers")), &kind, body).await.unwrap();
    let next = sent.headers["location"].to_str().unwrap().to_owned();
    let form = b.look(OWNER, &next).await.unwrap().text();
    let (once, file) = (member(&form, "_once"), member(&form, "scan"));
    let refused = b
        .submit(OWNER, &format!("{}/new", at("papers")), &[("_once", &once), ("scan", &file), ("title", "")])
        .await
        .unwrap();
    assert!(refused.status == 422 && member(&refused.text(), "scan") == file, "{}", refused.text());
    let place = to(&b
        .submit(OWNER, &format!("{}/new", at("papers")), &[("_once", &once), ("scan", &file), ("title", "T")])
        .await
        .unwrap());
    let page = b.look(OWNER, &place).await.unwrap().text();
    assert!(page.contains("a scan.png") && page.contains("Replace scan"), "{page}");
    // Replaced on the record's page; the version counts.
    let set = page.split("enctype=\"multipart/form-data\"").next().unwrap().rsplit("action=\"").next().unwrap();
    let set = set.split('"').next().unwrap().to_owned();
    let (kind, body) = multipart("b.png", "image/png", &png);
    to(&b.browse(OWNER, &format!("POST {set}"), &kind, body.clone()).await.unwrap());
    assert!(b.look(OWNER, &place).await.unwrap().text().contains("b.png"));
    assert_eq!(b.browse(OWNER, &format!("POST {set}"), &kind, body).await.unwrap().status, 412);
    // What it is counts, not what it calls itself; nothing chosen is said at the field.
    for (name, kind, bytes, words) in [
        ("x.png", "image/png", b"<svg onload=x>".as_slice(), "not a file of a type"),
        ("", "application/octet-stream", b"".as_slice(), "choose a file"),
    ] {
        let (kind, body) = multipart(name, kind, bytes);
        let answer = b.browse(OWNER, &format!("POST {}/files/scan", at("papers")), &kind, body).await.unwrap();
        assert!(answer.status == 422 && answer.text().contains(words), "{} {}", answer.status, answer.text());
    }
    let broken = b
        .browse(OWNER, &format!("POST {}/files/scan", at("papers")), &kind, b"--edge\r\nno end".to_vec())
        .await
        .unwrap();
    assert_eq!(broken.status, 400);
}

async fn deletion_asks_first(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let id = b.made("things", json!({"name": "Doomed"})).await;
    b.made("bits", json!({"thing": id, "what": "W"})).await;
    let path = format!("{}/{id}/delete", at("things"));
    let page = b.look(OWNER, &path).await.unwrap().text();
    assert!(page.contains("Delete Doomed?") && page.contains("1 bit"), "{page}");
    assert_eq!(b.submit(OWNER, &path, &[("_version", "9")]).await.unwrap().status, 412);
    assert_eq!(b.submit(OWNER, &path, &[]).await.unwrap().status, 400);
    assert_eq!(b.look(CLERK, &path).await.err(), Some(Failure::Refused(Reason::NotGranted)));
    assert_eq!(to(&b.submit(OWNER, &path, &[("_version", &member(&page, "_version"))]).await.unwrap()), at("things"));
    assert_eq!(b.one(OWNER, "things", &id).await.err(), Some(Failure::NotFound));
}

async fn imports_are_looked_at_first(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let send = async |name: &str, text: &str| {
        let (kind, body) = multipart(name, "application/vnd.ms-excel", text.as_bytes());
        b.browse(OWNER, &format!("POST {}/import", at("things")), &kind, body).await.unwrap()
    };
    let ends = async |place: &str| {
        for _ in 0..200 {
            let answer = b.look(OWNER, place).await.unwrap();
            if !answer.headers.contains_key("refresh") {
                return answer.text();
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("the import never ended")
    };
    assert_eq!(send("things.exe", "x").await.status, 422);
    let place = to(&send("things.csv", "name,status,version\nImported one,open,3\nImported two,locked,4\n").await);
    let page = b.look(OWNER, &place).await.unwrap().text();
    assert!(
        page.contains("What the columns mean") && page.contains("Imported one") && page.contains("passed over"),
        "{page}"
    );
    assert_eq!(b.look(Who::Role("owner", 5), &place).await.err(), Some(Failure::NotFound), "another's upload");
    assert_eq!(b.list(OWNER, "things", &[("count", "true")]).await.unwrap()["count"], 0);
    assert_eq!(to(&b.submit(OWNER, &place, &[]).await.unwrap()), place);
    assert!(ends(&place).await.contains("2 things imported"));
    assert_eq!(b.list(OWNER, "things", &[("count", "true")]).await.unwrap()["count"], 2);
    // Sent again, the upload is gone; what came of it is still told.
    assert_eq!(b.submit(OWNER, &place, &[]).await.err(), Some(Failure::NotFound));
    let place = to(&send("things.csv", "name,colour\nA,red\n").await);
    let page = b.look(OWNER, &place).await.unwrap().text();
    assert!(page.contains("Unknown") && page.contains("aria-disabled"), "{page}");
    let place = to(&send(
        "things.jsonl",
        "{\"name\": \"B\", \"status\": \"open\"}\n{\"name\": \"C\", \"status\": \"purple\"}\n",
    )
    .await);
    to(&b.submit(OWNER, &place, &[]).await.unwrap());
    let page = ends(&place).await;
    assert!(page.contains("Nothing was imported") && page.contains("Row 2, status"), "{page}");
    assert_eq!(b.list(OWNER, "things", &[("count", "true")]).await.unwrap()["count"], 2);
    let leaves = b.leaves().await;
    for event in ["import.uploaded", "import.started", "records.imported"] {
        assert!(leaves.iter().any(|l| l.starts_with(event)), "{event}");
    }
    let (kind, body) = multipart("t.csv", "text/csv", b"name\nX\n");
    let path = format!("POST {}/import", at("things"));
    assert_eq!(b.browse(CLERK, &path, &kind, body).await.err(), Some(Failure::Refused(Reason::NotGranted)));
    assert!(!b.look(CLERK, &format!("{}/transfer", at("things"))).await.unwrap().text().contains("type=\"file\""));
}

async fn the_console_is_for_members(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let id = b.made("things", json!({"name": "Public", "status": "open"})).await;
    assert!(b.one(Who::Visitor, "things", &id).await.is_ok(), "a visitor reads it over the API");
    for path in [at("things"), format!("{}/{id}", at("things"))] {
        assert_eq!(b.look(Who::Visitor, &path).await.err(), Some(Failure::SignInNeeded));
    }
    // Who may add and not read adds, and is not shown what others added.
    let place = add(&b, ADDER, "things", &[("name", "Added")]).await.unwrap();
    assert!(to(&place).ends_with("/new"));
    assert_eq!(b.look(ADDER, &at("things")).await.err(), Some(Failure::Refused(Reason::NotGranted)));
}

async fn many_records_are_named_not_listed(make: &impl AsyncFn() -> Option<Bench>) {
    let Some(b) = make().await else { return };
    let things: Vec<Json> = (0..203).map(|n| json!({"fields": {"name": format!("Thing {}", n.min(201))}})).collect();
    b.call(OWNER, "POST /api/v1/collections/things/records/batch", json!(things)).await.unwrap();
    let page = b.look(OWNER, &format!("{}/new", at("bits"))).await.unwrap().text();
    assert!(page.contains("<datalist") && page.contains("list=\"of-thing\"") && page.contains("value=\"Thing 7\""));
    let place = to(&add(&b, OWNER, "bits", &[("what", "W"), ("thing", "Thing 7")]).await.unwrap());
    assert!(b.look(OWNER, &place).await.unwrap().text().contains("Thing 7"));
    for (name, words) in [("Thing 999", "no record has this name"), ("Thing 201", "several records have this name")] {
        let answer = add(&b, OWNER, "bits", &[("what", "W"), ("thing", name)]).await.unwrap();
        assert!(answer.status == 422 && answer.text().contains(words), "{name}: {}", answer.text());
    }
}
