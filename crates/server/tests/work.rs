//! What people do with what a product is about: drafts, orders, files, lists; through the network and nothing else.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod house;

use house::*;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draft_is_seen_when_it_is_published() {
    let house = House::open("nordkestrel").await;
    let (manager, guest) = (house.member(0, "manager").await, house.tenant(0));
    let menu = manager.post(&records("menus"), &json!({"name": "Winter", "slug": "winter"})).await.is(201).json();
    let path = record("menus", &menu["id"]);
    let hidden = guest.get(&path).await.problem(404);
    let unknown = guest.get(&record("menus", &json!("01900000-0000-7000-8000-000000000000"))).await.problem(404);
    assert_eq!(hidden.text(), unknown.text());
    let act = async |name: &str| manager.post(&format!("{path}/actions/{name}"), &json!({})).await;
    act("publish").await.is(200);
    assert_eq!(guest.get(&path).await.is(200).json()["name"], "Winter");
    // A change of a published record waits until it is published again.
    manager.patch(&path, &json!({"name": "Deep winter"})).await.is(200);
    assert_eq!(guest.get(&path).await.is(200).json()["name"], "Winter");
    let seen = manager.get(&path).await.is(200).json();
    assert_eq!((&seen["name"], &seen["draft"]), (&json!("Deep winter"), &json!(true)));
    act("publish").await.is(200);
    assert_eq!(guest.get(&path).await.is(200).json()["name"], "Deep winter");
    act("unpublish").await.is(200);
    guest.get(&path).await.problem(404);

    let cashier = house.member(0, "cashier").await;
    cashier.get(&path).await.problem(404);
    cashier.post(&format!("{path}/actions/publish"), &json!({})).await.problem(403);
    let told = house.member(0, "owner").await.leaves().await;
    assert_eq!(told.iter().filter(|l| l["action"] == "menu.published" && l["outcome"] == "done").count(), 2);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_change_a_record_one_learns_of_the_other() {
    let house = House::open("nordkestrel").await;
    let owner = house.member(0, "owner").await;
    let made = owner.post(&records("customers"), &json!({"name": "Ada"})).await.is(201);
    let (tag, path) = (made.header("etag").unwrap().to_owned(), record("customers", &made.json()["id"]));
    let with = owner.with("if-match", &tag);
    with.patch(&path, &json!({"name": "Ada L"})).await.is(200);
    with.patch(&path, &json!({"name": "Ada K"})).await.problem(412);
    with.delete(&path).await.problem(412);
    owner.with("if-match", "nonsense").patch(&path, &json!({"name": "x"})).await.problem(400);
    let now = owner.get(&path).await.is(200);
    assert_eq!(now.json()["name"], "Ada L");
    let tag = now.header("etag").unwrap().to_owned();
    let tries: Vec<_> = (0..20)
        .map(|n| {
            let (door, path) = (owner.with("if-match", &tag), path.clone());
            tokio::spawn(async move { door.patch(&path, &json!({"name": format!("Ada {n}")})).await.status })
        })
        .collect();
    let mut statuses = Vec::new();
    for status in tries {
        statuses.push(status.await.unwrap());
    }
    assert_eq!(statuses.iter().filter(|s| **s == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|s| **s == 412).count(), 19, "{statuses:?}");
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_sent_again_with_its_key_is_carried_out_once() {
    // Pages in the clear, so that what is sealed inside them can be told from what is not.
    let volume = |text: &str| swap(&unlimited(text), "at_rest  = \"program\"", "at_rest = \"volume\"");
    let house = House::with("nordkestrel", volume).await;
    let owner = house.member(0, "owner").await;
    let before = owner.list("customers").await.len();
    let keyed = owner.with("idempotency-key", "order-77");
    let body = json!({"name": "Twice", "email": "plainly.visible@guests.example"});
    let tries: Vec<_> = (0..20)
        .map(|_| {
            let (keyed, body) = (keyed.clone(), body.clone());
            tokio::spawn(async move { keyed.post(&records("customers"), &body).await })
        })
        .collect();
    let mut ids = Vec::new();
    for answer in tries {
        let answer = answer.await.unwrap();
        if answer.good() {
            ids.push(answer.json()["id"].clone());
        } else {
            answer.problem(409); // one that came while the first was on its way
        }
    }
    assert!(!ids.is_empty() && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(owner.list("customers").await.len(), before + 1);
    let replayed = keyed.post(&records("customers"), &body).await.is(201);
    assert_eq!((&replayed.json()["id"], replayed.header("idempotent-replayed")), (&ids[0], Some("true")));
    assert_eq!(replayed.json()["email"], body["email"]);
    keyed.post(&records("customers"), &json!({"name": "Other"})).await.problem(400);
    // The key is one person's, and one place's.
    let admin = house.member(0, "admin").await.with("idempotency-key", "order-77");
    admin.post(&records("customers"), &body).await.is(201);
    keyed.post(&records("menus"), &json!({"name": "Keyed", "slug": "keyed"})).await.is(201);
    assert_eq!(owner.list("customers").await.len(), before + 2);

    // Someone who belongs to two restaurants: what was done at one is not what was done at the other.
    let other = house.member(1, "owner").await;
    let email = house.ready.tenants[0].members[0].email.clone();
    other.post("/api/v1/members/invitations", &json!({"email": email, "role": "admin"})).await.is(201);
    let token = house.mailed(&email, "You are invited").await;
    let both = bearer(
        &house.apex(),
        &signed_in(&house.apex(), &email, &house.ready.tenants[0].members[0].password).await.is(200),
    );
    both.post("/api/v1/invitations/accept", &json!({"token": token})).await.is(201);
    let there = bearer(
        &house.tenant(1),
        &signed_in(&house.tenant(1), &email, &house.ready.tenants[0].members[0].password).await.is(200),
    );
    let invite = json!({"email": "guest@guests.example", "role": "kitchen"});
    let one = owner.with("idempotency-key", "k").post("/api/v1/members/invitations", &invite).await.is(201).json();
    let two = there.with("idempotency-key", "k").post("/api/v1/members/invitations", &invite).await.is(201).json();
    assert_ne!(one["id"], two["id"]);

    // What was answered holds sealed fields: it is kept sealed.
    let file = house.file_of(&house.ready.tenants[0].id);
    house
        .end_keeping(|_| {
            let bytes = [file.clone(), file.with_extension("db-wal")]
                .iter()
                .filter_map(|f| std::fs::read(f).ok())
                .flatten()
                .collect::<Vec<_>>();
            let lies = |text: &[u8]| bytes.windows(text.len()).any(|w| w == text);
            assert!(lies(b"Twice") && !lies(b"plainly.visible"), "a sealed field lies open in the file");
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_that_are_not_taken_are_refused_by_name() {
    let house = House::open("nordkestrel").await;
    let (owner, cashier, kitchen) =
        (house.member(0, "owner").await, house.member(0, "cashier").await, house.member(0, "kitchen").await);
    let refused = async |door: &Door, method: &str, path: &str, body: Value, field: &str, code: &str| {
        let answer = door.ask(method, path, &body).await.problem(422).json();
        let errors = answer["errors"].as_array().unwrap();
        assert!(errors.iter().any(|e| e["field"] == field && e["code"] == code), "{field} {code}: {answer}");
    };
    let order = owner.list("orders").await.into_iter().find(|o| o["status"] == "paid").unwrap();
    let (all, one) = (records("orders"), record("orders", &order["id"]));
    refused(&owner, "POST", &all, json!({"colour": "red"}), "colour", "unknown").await;
    refused(&owner, "POST", &all, json!({"total": "1.00 EUR"}), "total", "derived").await;
    refused(&owner, "POST", &all, json!({"number": 1}), "number", "derived").await;
    refused(&owner, "PATCH", &one, json!({"payment_ref": "x"}), "payment_ref", "read_only").await;
    refused(&owner, "PATCH", &one, json!({"id": "x"}), "id", "read_only").await;
    refused(&owner, "PATCH", &one, json!({"created_at": "x"}), "created_at", "read_only").await;
    refused(&owner, "POST", &records("customers"), json!({"name": "4111 1111 1111 1111"}), "name", "card_number").await;
    refused(&cashier, "POST", &records("customers"), json!({"name": "A", "email": "a@b.example"}), "email", "unknown")
        .await;
    // A hidden field has no place in a query either, and is as unknown as one that does not exist.
    for field in ["cost", "nonsense"] {
        for query in
            [format!("filter={field}%20%3D%20%221.00%20EUR%22"), format!("sort={field}"), format!("fields={field}")]
        {
            let answer = kitchen.get(&format!("{}?{query}", records("dishes"))).await.problem(422);
            assert_eq!(
                answer.text().replace(field, "*"),
                kitchen
                    .get(&format!("{}?{}", records("dishes"), query.replace(field, "nothing")))
                    .await
                    .text()
                    .replace("nothing", "*")
            );
        }
    }
    for field in ["customer", "total", "tip", "payment_ref"] {
        kitchen.get(&format!("{}?sort={field}", records("orders"))).await.problem(422);
    }
    house.end().await;
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_what_their_bytes_say() {
    let house = House::open("nordkestrel").await;
    let (manager, guest) = (house.member(0, "manager").await, house.tenant(0));
    let dish = manager.list("dishes").await.into_iter().find(|d| d["published"] == true).unwrap();
    let (box_, of) =
        ("/api/v1/collections/dishes/files/photo", format!("{}/files/photo", record("dishes", &dish["id"])));
    for (kind, bytes) in [
        (Some("image/png"), b"<html><script>alert(1)</script>".as_slice()),
        (Some("image/svg+xml"), b"<svg xmlns='http://www.w3.org/2000/svg' onload='x()'/>"),
        (Some("image/png"), b"MZ\x90\0\x03\0\0\0"),
        (Some("image/jpeg"), PNG),
        (None, b"%PDF-1.7 no picture"),
        (Some("text/plain"), b"hello"),
    ] {
        manager.send("PUT", &of, kind, bytes).await.problem(415);
        manager.send("POST", box_, kind, bytes).await.problem(415);
    }
    manager.send("PUT", &of, Some("image/png"), b"").await.problem(400);
    // The request filter refuses the way up; a name with a folder in it loses the folder.
    manager.send("POST", &format!("{box_}?name=..%2F..%2Fsoup.png"), Some("image/png"), PNG).await.is(403);
    let kept =
        manager.send("POST", &format!("{box_}?name=pots%2Fsoup.png"), Some("image/png"), PNG).await.is(201).json();
    assert_eq!(
        (&kept["type"], &kept["name"], &kept["size"]),
        (&json!("image/png"), &json!("soup.png"), &json!(PNG.len()))
    );
    let tag = manager.send("PUT", &format!("{of}?name=plate.png"), Some("image/png"), PNG).await.is(200);
    assert_eq!(tag.json()["photo"]["name"], "plate.png");
    let shown = manager.get(&of).await.is(200);
    assert_eq!((shown.body.as_slice(), shown.header("content-type")), (PNG, Some("image/png")));
    assert_eq!(shown.header("x-content-type-options"), Some("nosniff"));
    assert!(shown.header("content-disposition").unwrap().contains("plate.png"));
    // It is a draft's photo until the dish is published again.
    guest.get(&of).await.problem(404);
    manager.post(&format!("{}/actions/publish", record("dishes", &dish["id"])), &json!({})).await.is(200);
    assert_eq!(guest.get(&of).await.is(200).body, PNG);
    house.tenant(1).get(&of).await.problem(404);
    house.member(1, "owner").await.get(&of).await.problem(404);
    // An upload of one restaurant is no file of another's dish, nor of anybody's twice.
    let other = house.member(1, "owner").await;
    let theirs = other.list("dishes").await[0]["id"].clone();
    let stolen = other.patch(&record("dishes", &theirs), &json!({"photo": kept["id"]})).await;
    assert!(!stolen.good(), "{}", stolen.text());
    let menu = dish["menu"].clone();
    let with = json!({"menu": menu, "name": "Pictured", "price": "1.00 EUR", "photo": kept["id"]});
    let made = manager.post(&records("dishes"), &with).await;
    assert!(made.good(), "{}", made.text());
    let twice = manager.post(&records("dishes"), &with).await;
    assert!(!twice.good(), "{}", twice.text());
    let cashier = house.member(0, "cashier").await;
    cashier.send("PUT", &of, Some("image/png"), PNG).await.problem(403);
    // Over the field's 8 MB: refused by what it says of itself, and by what comes.
    let mut big = PNG.to_vec();
    big.resize(8_000_001 + 600_000, 7);
    manager.send("PUT", &of, Some("image/png"), &big).await.problem(413);
    assert_eq!(guest.get(&of).await.is(200).body, PNG);
    house.end().await;
}

/// A kitchen reads orders without their totals, and so their lines without the amounts that add up to one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_shows_no_part_that_its_maker_may_not_read() {
    let shows = "{ orders = [\"number\", \"total\", \"status\"], order_lines = [\"dish\", \"count\", \"amount\"] }";
    for (fewer, status) in [
        ("{ orders = [\"number\", \"status\"], order_lines = [\"dish\", \"count\", \"amount\"] }", 403),
        ("{ orders = [\"number\", \"status\"], order_lines = [\"dish\", \"count\"] }", 201),
    ] {
        let house = House::with("nordkestrel", |text| swap(text, shows, fewer)).await;
        let (owner, kitchen) = (house.member(0, "owner").await, house.member(0, "kitchen").await);
        let wanted = json!({"record": kitchen.list("orders").await[0]["id"]});
        kitchen.post("/api/v1/shares/receipt", &wanted).await.is(status);
        owner.post("/api/v1/shares/receipt", &wanted).await.is(201);
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_orders_and_follows_the_order() {
    let house = House::open("nordkestrel").await;
    let (owner, guest) = (house.member(0, "owner").await, house.tenant(0));
    let dishes = guest.list("dishes").await;
    let (soup, price) = (dishes[0]["id"].clone(), dishes[0]["price"].clone());
    let unpublished = owner.list("dishes").await.into_iter().find(|d| d["published"] == false).unwrap();
    let send = async |body: Value| guest.post("/api/v1/submissions/order", &body).await;
    let before = owner.list("orders").await.len();
    for (body, why) in [
        (json!({"order_lines": [{"dish": soup, "price": "0.01 EUR"}]}), "a price of one's own"),
        (json!({"order_lines": [{"dish": soup, "amount": "0.01 EUR"}]}), "an amount of one's own"),
        (json!({"order_lines": [{"dish": soup, "count": 0}]}), "nothing of it"),
        (json!({"order_lines": [{"dish": soup, "count": -3}]}), "less than nothing"),
        (json!({"order_lines": [{"dish": soup, "count": 51}]}), "too much"),
        (json!({"order_lines": [{"dish": unpublished["id"]}]}), "not on the menu"),
        (json!({"order_lines": [{"dish": soup}], "status": "paid"}), "paid by one's own word"),
        (json!({"order_lines": [{"dish": soup}], "refunded": "1.00 EUR"}), "refunded"),
        (json!({"order_lines": [{"dish": soup}], "payment_ref": "pi_1"}), "a payment"),
        (json!({"order_lines": [{"dish": soup}], "customer": {"name": "A", "notes": "x"}}), "a note of the house"),
        (
            json!({"order_lines": [{"dish": soup}], "customer": "01900000-0000-7000-8000-000000000000"}),
            "another's record",
        ),
        (json!({"order_lines": vec![json!({"dish": soup}); 61]}), "more lines than allowed"),
        (json!({"order_lines": [{"dish": soup}], "website": "http://spam.example"}), "the honeypot"),
        (json!({"order_lines": [{"dish": soup}], "elapsed_ms": 12}), "faster than a person"),
    ] {
        let answer = send(body).await;
        assert_eq!(answer.status, 422, "{why}: {}", answer.text());
    }
    assert_eq!(owner.list("orders").await.len(), before);
    let body = json!({
        "order_lines": [{"dish": soup, "count": 2, "wish": "no dill"}], "tip": "1.00 EUR", "website": "", "elapsed_ms": 5000,
        "customer": {"name": "Ole", "email": "ole@guests.example", "consent": true},
    });
    let placed = send(body).await.is(201).json();
    let order = owner.get(&record("orders", &placed["id"])).await.is(200).json();
    let cents = |m: &Value| m.as_str().unwrap().replace(['.', ' '], "").replace("EUR", "").parse::<i64>().unwrap();
    assert_eq!((cents(&order["total"]), &order["status"]), (2 * cents(&price), &json!("placed")));
    let customer = owner.get(&record("customers", &order["customer"])).await.is(200).json();
    assert_eq!(customer["email"], "ole@guests.example");

    let (token, pin) = (placed["receipt"]["token"].as_str().unwrap(), placed["receipt"]["pin"].as_str().unwrap());
    let share = format!("/api/v1/shares/{token}");
    assert_eq!(pin.len(), 6);
    guest.get(&share).await.problem(401);
    let wrong = if pin == "000000" { "000001" } else { "000000" };
    guest.with("x-pin", wrong).get(&share).await.problem(401);
    let seen = guest.with("x-pin", pin).get(&share).await.is(200).json();
    let names = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mut shown = names(&seen["record"]);
    shown.retain(|n| !["id", "created_at", "updated_at", "version"].contains(&n.as_str()));
    assert_eq!(shown, ["number", "status", "total"], "{seen}");
    assert!(!seen.to_string().contains("Ole") && !seen.to_string().contains("no dill"), "{seen}");
    house.tenant(1).with("x-pin", pin).get(&share).await.problem(404);
    // Nobody shows others what they may not see themselves: a kitchen reads orders without their totals.
    let kitchen = house.member(0, "kitchen").await;
    let wanted = json!({"record": kitchen.list("orders").await[0]["id"]});
    kitchen.post("/api/v1/shares/receipt", &wanted).await.problem(403);
    owner.post("/api/v1/shares/receipt", &wanted).await.is(201);
    // Ten wrong guesses, and the link is closed, from wherever they come and however fast.
    let tries: Vec<_> = (0..40)
        .map(|n| {
            let (door, share) = (guest.from(fresh()).with("x-pin", &format!("9{n:05}")), share.clone());
            tokio::spawn(async move { door.get(&share).await.status })
        })
        .collect();
    for status in tries {
        let status = status.await.unwrap();
        assert!(matches!(status, 401 | 410), "{status}");
    }
    guest.with("x-pin", pin).get(&share).await.problem(410);
    intact(&[&owner]).await;
    house.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_is_all_or_nothing_and_an_export_gives_it_back() {
    let house = House::open("nordkestrel").await;
    let owner = house.member(0, "owner").await;
    let import = format!("{}/import", records("customers"));
    let before = owner.list("customers").await;
    let bad = "name,email,consent\r\nAnna,anna@guests.example,true\r\n,no-name@guests.example,false\r\nBo,not an address,true\r\n\
               Cy,cy@guests.example,perhaps\r\nDi,di@guests.example\r\n";
    let errors = owner.send("POST", &import, Some("text/csv"), bad.as_bytes()).await.problem(422).json();
    let told: Vec<_> = errors["errors"].as_array().unwrap().iter().map(|e| e["field"].as_str().unwrap()).collect();
    for field in ["rows/2/name", "rows/3/email", "rows/4/consent", "rows/5"] {
        assert!(told.contains(&field), "{field}: {told:?}");
    }
    assert!(!errors.to_string().contains("not an address"), "nothing of the input is repeated");
    for (text, status) in [
        ("name,colour\r\nA,red\r\n", 422),
        ("name,name\r\nA,B\r\n", 422),
        ("name\r\n", 400),
        ("", 400),
        ("name\r\n\u{0}\r\n", 422),
        ("name\r\n4111111111111111\r\n", 422),
    ] {
        owner.send("POST", &import, Some("text/csv"), text.as_bytes()).await.problem(status);
    }
    owner.send("POST", &import, Some("text/csv"), b"name\r\n\xff\xfe\r\n").await.problem(400);
    owner.send("POST", &import, Some("image/png"), b"name\r\nA\r\n").await.problem(415);
    assert_eq!(owner.list("customers").await, before);

    let mut good = "name,email,phone,consent,notes\r\n".to_owned();
    for n in 0..1500 {
        let name = format!("\"Guest {n}, the \"\"{n}th\"\"\"");
        good += &format!("{name},guest{n}@guests.example,+47 {n},{},\"=1+{n}\nsecond line\"\r\n", n % 2 == 0);
    }
    let done = owner.send("POST", &import, Some("text/csv"), good.as_bytes()).await.is(200).json();
    assert_eq!(done["rows"], 1500);
    let count = owner.get(&format!("{}?count=true&limit=1", records("customers"))).await.is(200).json();
    assert_eq!(count["count"], 1500 + before.len());

    // Over the admin socket a body that breaks off is none, though what came of it is well-formed.
    let id = house.ready.tenants[0].id.clone();
    let order = json!({"do": "call", "tenant": id, "method": "POST", "path": import, "type": "text/csv"});
    let text = "name\r\nHalf\r\n";
    let piece = format!("{:x}\n{text}", text.len());
    for (cut, status) in [(piece.clone(), 400), (format!("{piece}5\nOth"), 400), (format!("{piece}0\n"), 200)] {
        let told = house.sent(order.clone(), &cut).await;
        assert!(
            told.contains(&format!("\"status\":{status}")) || (status == 400 && told.contains("error")),
            "{cut:?}: {told}"
        );
        let count = owner.get(&format!("{}?count=true&limit=1", records("customers"))).await.is(200).json();
        assert_eq!(count["count"], 1500 + before.len() + usize::from(status == 200), "{cut:?}");
    }
    let half = owner.get(&format!("{}?filter=name%20%3D%20%22Half%22", records("customers"))).await.is(200).json();
    owner.delete(&record("customers", &half["items"][0]["id"])).await.is(204);

    // Another restaurant takes the file as it is, and gives the same rows back.
    let rows = async |door: &Door| {
        let file = door.get(&format!("{}/export?format=json", records("customers"))).await.is(200);
        let mut rows: Vec<Value> = file.json().as_array().unwrap().clone();
        for row in &mut rows {
            row.as_object_mut()
                .unwrap()
                .retain(|name, _| !["created_at", "updated_at", "version"].contains(&name.as_str()));
        }
        rows
    };
    let ours = rows(&owner).await;
    assert_eq!(ours.len(), 1500 + before.len());
    assert!(ours.iter().any(|r| r["name"] == "Guest 77, the \"77th\"" && r["notes"] == "=1+77\nsecond line"));
    for (format, kind, slug) in [("csv", "text/csv", "third"), ("json", "application/x-ndjson", "fourth")] {
        let person =
            json!({"email": format!("owner@{slug}.example"), "role": "owner", "password": "correct horse battery 9"});
        let made = json!({"do": "tenant.create", "slug": slug, "people": [person]});
        house.admin(made).await;
        let host = house.host(&format!("{slug}.localhost"));
        let other = bearer(
            &host,
            &signed_in(&host, person["email"].as_str().unwrap(), "correct horse battery 9").await.is(200),
        );
        let file = owner.get(&format!("{}/export?format={format}", records("customers"))).await.is(200);
        assert!(file.header("content-disposition").unwrap().starts_with("attachment"));
        let taken = other.send("POST", &import, Some(kind), &file.body).await.is(200).json();
        assert_eq!(taken["rows"], ours.len(), "{taken}");
        assert_eq!(rows(&other).await, ours, "{format}");
        other.send("POST", &import, Some(kind), &file.body).await.problem(422); // every id is taken
        intact(&[&other]).await;
    }
    // Whoever may read the records may not take all of them along for that.
    let export = format!("{}/export", records("dishes"));
    house.tenant(0).get(&export).await.problem(401);
    house.member(0, "cashier").await.get(&export).await.problem(403);
    house.member(0, "manager").await.get(&export).await.is(200);
    house.member(0, "manager").await.send("POST", &import, Some("text/csv"), b"name\r\nA\r\n").await.problem(403);

    let leaves = owner.leaves().await;
    let told = actions(&leaves);
    assert_eq!(told.iter().filter(|a| **a == "records.imported").count(), 2, "one leaf for each whole file");
    assert_eq!(told.iter().filter(|a| **a == "records.exported").count(), 4);
    intact(&[&owner]).await;
    house.end().await;
}
