//! What every engine keeps.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::StreamExt;
use kernel::{Bind, Cell, Failure, Id, Outcome, Read, RowSet, Rows, Time, Write};
use store::{Apply, Change, Control, KeptReply, OnDelete, Own, Revoke, Table, Tx, Whole};

use crate::bench::{place::Place, *};

pub async fn tenants_see_only_their_own(place: &Place) {
    let bench = place.open().await;
    bench.tenants([1, 2]).await;
    let id = bench.add(1, "a", 1).await.unwrap();
    bench.add(2, "b", 2).await.unwrap();
    // The same unique value in two tenants does not collide.
    bench.add(2, "a", 3).await.unwrap();
    assert_eq!(bench.slugs(1).await, ["a"]);
    assert_eq!(bench.slugs(2).await, ["a", "b"]);
    // A foreign id is an unknown id.
    assert_eq!(bench.read(2).one(&BY_ID, (id.clone(),)).await, Err(Failure::NotFound));
    let change = bench.write(2).batch::<Own>("note/x").rows(1, &SIZE, (9, id.clone())).commit().await;
    assert_eq!(change.err(), Some(Failure::NotFound));
    let gone = bench.write(2).batch::<Own>("note/x").any(&DROP, (id.clone(),)).commit().await;
    assert!(gone.is_ok());
    assert_eq!(bench.read(1).one(&BY_ID, (id,)).await.unwrap().1, 1);
    assert_eq!((bench.chain(1).await, bench.chain(2).await), (Ok(1), Ok(3)));
}

pub async fn an_unknown_tenant_is_not_found(place: &Place) {
    let bench = place.open().await;
    assert_eq!(bench.read(7).all(&ALL, ()).await, Err(Failure::NotFound));
    assert_eq!(bench.add(7, "a", 1).await, Err(Failure::NotFound));
    bench.tenants([7]).await;
    bench.tenants([7]).await;
    assert_eq!(bench.slugs(7).await, Vec::<String>::new());
    assert_eq!(bench.store.tenants().await.unwrap(), [tenant(7)]);
}

pub async fn a_tenant_that_was_never_used_is_empty(place: &Place) {
    let bench = place.open().await;
    bench.tenants([1]).await;
    assert_eq!(bench.chain(1).await, Ok(0));
    assert!(bench.read(1).all(&OUTBOX, ()).await.unwrap().is_empty());
}

pub async fn a_batch_happens_whole_or_not_at_all(place: &Place) {
    let bench = place.open().await;
    bench.tenants([1]).await;
    let id = bench.add(1, "a", 1).await.unwrap();
    let batch = bench.write(1).batch("note/b");
    let batch = batch.any(&ADD, (fresh(), None, "b".to_owned(), 1)).any(&SIZE, (5, id.clone()));
    let refused = batch.emit("mail", b"x".to_vec()).rows(1, &SIZE, (1, fresh())).commit().await;
    assert_eq!(refused.err(), Some(Failure::NotFound));
    assert_eq!(bench.slugs(1).await, ["a"]);
    assert_eq!(bench.read(1).one(&BY_ID, (id,)).await.unwrap().1, 1);
    assert!(bench.read(1).all(&OUTBOX, ()).await.unwrap().is_empty());
    assert_eq!(bench.chain(1).await, Ok(1));
}

pub async fn an_unmet_expectation_answers_with_its_failure(place: &Place) {
    let bench = place.open().await;
    bench.tenants([1]).await;
    let id = bench.add(1, "a", 1).await.unwrap();
    let stale = || bench.write(1).batch::<Own>("note/a").rows(1, &SIZE, (2, id.clone()));
    let answer = stale().expect(1, &SIZE, (3, fresh()), Failure::Stale).commit().await;
    assert_eq!(answer.err(), Some(Failure::Stale));
    let answer = stale().expect(0, &SIZE, (3, id.clone()), Failure::Gone).commit().await;
    assert_eq!(answer.err(), Some(Failure::Gone));
    assert!(stale().expect(0, &SIZE, (3, fresh()), Failure::Gone).commit().await.is_ok());
}

pub async fn returning_keeps_rows(place: &Place) {
    let bench = place.open().await;
    bench.tenants([1]).await;
    let id = bench.add(1, "a", 1).await.unwrap();
    let batch = bench.write(1).batch::<Own>("note/a");
    let batch = batch.returning(1, &GROW, (2, id.clone()), Failure::Gone).any(&GROW, (4, id.clone()));
    let receipt = batch.commit().await.unwrap();
    assert_eq!(receipt.rows::<(String, i64)>().unwrap(), [("a".to_owned(), 3)]);
    assert_eq!(bench.read(1).one(&BY_ID, (id,)).await.unwrap().1, 7);
    let none = bench.write(1).batch::<Own>("note/a").returning(1, &GROW, (2, fresh()), Failure::Gone).commit().await;
    assert_eq!(none.err(), Some(Failure::Gone));
}

pub async fn constraints_name_columns_only(place: &Place) {
    let bench = place.open().await;
    bench.tenants([1]).await;
    let id = bench.add(1, "secret-value", 1).await.unwrap();
    assert_eq!(bench.add(1, "secret-value", 2).await, Err(Failure::Unique("slug".to_owned())));
    let again = bench.write(1).batch("note/a").any(&ADD, (id, None, "b".to_owned(), 1)).commit().await;
    assert_eq!(again.err(), Some(Failure::Unique("id".to_owned())));
    // One `ON CONFLICT (slug)` for both engines.
    for n in 0..3 {
        bench.write(1).batch("note/a").rows(1, &UPSERT, (fresh(), "u".to_owned(), n)).commit().await.unwrap();
    }
    assert_eq!(bench.read(1).one(&BY_SLUG, ("u".to_owned(),)).await.unwrap().1, 3);
}

pub async fn references_are_kept(place: &Place) {
    let bench = place.open().await;
    bench.tenants([1, 2]).await;
    let id = bench.add(1, "a", 1).await.unwrap();
    let line = |n, id: &str| bench.write(n).batch("line/a").any(&LINE, (fresh(), id.to_owned())).commit();
    assert_eq!(line(1, &fresh()).await.err(), Some(Failure::Reference));
    // A row of another tenant is no row at all.
    assert_eq!(line(2, &id).await.err(), Some(Failure::Reference));
    line(1, &id).await.unwrap();
    let gone = bench.write(1).batch::<Own>("note/a").any(&DROP, (id,)).commit().await;
    assert_eq!(gone.err(), Some(Failure::Reference));
}

pub async fn a_refused_neighbour_spoils_nothing(place: &Place) {
    let bench = Arc::new(place.open().await);
    bench.tenants([1]).await;
    let tasks: Vec<_> = (0..60)
        .map(|i| {
            let bench = Arc::clone(&bench);
            // Every third collides with one before.
            tokio::spawn(async move { bench.add(1, &format!("n{}", if i % 3 == 2 { i - 1 } else { i }), i).await })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => done += 1,
            Err(failure) => assert_eq!(failure, Failure::Unique("slug".to_owned())),
        }
    }
    assert_eq!(done, 40);
    assert_eq!(bench.slugs(1).await.len(), 40);
    assert_eq!(bench.chain(1).await, Ok(40));
}

pub async fn the_chain_is_whole_under_concurrency(place: &Place) {
    let bench = Arc::new(place.open().await);
    bench.tenants(1..=4).await;
    let tasks: Vec<_> = (0..200)
        .map(|i: u32| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move { bench.add((i % 4) as u8 + 1, &format!("n{i}"), 1).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    for n in 1..=4 {
        assert_eq!(bench.chain(n).await, Ok(50));
        let leaves = bench.read(n).all(&LEAVES, ()).await.unwrap();
        let mut broken = leaves.clone();
        broken[7].1[3] ^= 1;
        assert!(verify(&broken).is_err());
        let mut short = leaves.clone();
        short.remove(20);
        assert_eq!(verify(&short), Err(20));
        let mut swapped = leaves;
        swapped.swap(30, 31);
        assert_eq!(verify(&swapped), Err(30));
    }
}

pub async fn a_clock_that_steps_back_does_not_turn_the_log_around(place: &Place) {
    let bench = place.open().await;
    bench.tenants([1]).await;
    for i in 0..4 {
        bench.add(1, &format!("n{i}"), 1).await.unwrap();
        bench.clock.advance(-60_000);
    }
    assert_eq!(bench.chain(1).await, Ok(4));
}

pub async fn counters_add_up_under_concurrency(place: &Place) {
    let bench = Arc::new(place.open().await);
    bench.tenants([1]).await;
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move { bench.write(1).batch("tally/1").rows(1, &TALLY, (1,)).commit().await.is_ok() })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap());
    }
    assert_eq!(bench.read(1).one(&TALLIED, ()).await.unwrap().0, 100);
}

pub async fn leaf_values_and_outbox_come_with_the_batch(place: &Place) {
    let bench = place.open().await;
    bench.tenants([1]).await;
    let batch = bench.write(1).batch("note/a").any(&ADD, (fresh(), None, "a".to_owned(), 1));
    batch.fact("address", "203.0.113.9").fact("name", "Ada").emit("mail", b"one".to_vec()).commit().await.unwrap();
    let values = bench.read(1).all(&VALUES, ()).await.unwrap();
    assert_eq!(values, [("address".into(), "203.0.113.9".into()), ("name".into(), "Ada".into())]);
    assert_eq!(bench.read(1).all(&OUTBOX, ()).await.unwrap(), [("mail".to_owned(), b"one".to_vec())]);
    let noted = bench.write(1).batch::<Own>("note/a").outcome(Outcome::Failed).commit().await;
    assert!(noted.is_ok());
    assert_eq!(bench.chain(1).await, Ok(2));
}

fn mine(id: u32) -> Rows {
    Rows::Set(Arc::new(RowSet { id, any: vec![vec![Cell { column: "owner".into(), any: vec![Bind::Me] }]] }))
}

pub async fn rows_of_a_permit_limit_reads_and_changes(place: &Place) {
    let bench = place.open().await;
    bench.tenants([1]).await;
    let mut ids = Vec::new();
    for (slug, owner, size) in [("a", 1, 1), ("b", 1, 2), ("c", 2, 3)] {
        let id = fresh();
        let owner = Some(user(owner).to_string());
        bench.write(1).batch("n").any(&ADD, (id.clone(), owner, slug.to_owned(), size)).commit().await.unwrap();
        ids.push(id);
    }
    bench.add(1, "nobody's", 3).await.unwrap();
    let slugs = async |who: u8, rows: Rows| -> Vec<String> {
        let tx: Tx<Read> = bench.scoped(1, user(who), rows);
        tx.all(&ALL, ()).await.unwrap().into_iter().map(|r| r.0).collect()
    };
    assert_eq!(slugs(1, mine(1)).await, ["a", "b"]);
    assert_eq!(slugs(2, mine(1)).await, ["c"]);
    assert!(slugs(9, mine(1)).await.is_empty());
    let size = |any: Vec<Bind>| Cell { column: "size".into(), any };
    let set = |id, any| Rows::Set(Arc::new(RowSet { id, any }));
    assert_eq!(slugs(1, set(2, vec![vec![size(vec![Bind::Int(2), Bind::Int(3)])]])).await, ["b", "c", "nobody's"]);
    let both = vec![Cell { column: "owner".into(), any: vec![Bind::Me] }, size(vec![Bind::Int(2)])];
    assert_eq!(slugs(1, set(3, vec![both, vec![size(vec![Bind::Int(1)])]])).await, ["a", "b"]);
    assert!(slugs(1, set(4, vec![])).await.is_empty());
    assert_eq!(slugs(1, set(5, vec![vec![]])).await.len(), 4);
    let slug = Cell { column: "slug".into(), any: vec![Bind::Text("a".into())] };
    assert_eq!(slugs(1, set(6, vec![vec![slug]])).await, ["a"]);
    // By key, with the predicate behind the statement's own arguments and a qualified column.
    let tx: Tx<Read> = bench.scoped(1, user(2), mine(1));
    assert_eq!(tx.one(&BY_ID, (ids[0].clone(),)).await, Err(Failure::NotFound));
    assert_eq!(tx.one(&BY_SLUG, ("c".to_owned(),)).await.unwrap().1, 3);
    // Changes reach no further than reads.
    let change = |who, id: &str| {
        let tx: Tx<Write> = bench.scoped(1, user(who), mine(1));
        tx.batch::<Own>("note/a").rows(1, &SIZE, (50, id.to_owned())).commit()
    };
    assert_eq!(change(2, &ids[0]).await.err(), Some(Failure::NotFound));
    assert!(change(1, &ids[0]).await.is_ok());
    assert_eq!(bench.read(1).one(&BY_ID, (ids[0].clone(),)).await.unwrap().1, 50);
}

pub async fn a_statement_on_a_collection_must_say_rows(place: &Place) {
    let bench = place.open().await;
    bench.tenants([1]).await;
    assert!(matches!(bench.read(1).all(&UNSCOPED, ()).await, Err(Failure::Internal(_))));
}

pub async fn values_cannot_inject(place: &Place) {
    let bench = place.open().await;
    bench.tenants([1]).await;
    let hostile = [
        "'; DROP TABLE note; --",
        "\" OR 1=1 --",
        "a' OR 'a'='a",
        "$1",
        "?1",
        "{rows}",
        "%",
        "\\",
        "');DELETE FROM note;--",
        "\u{202e}\u{1f600}",
    ];
    for text in hostile {
        bench.add(1, text, 1).await.unwrap();
        assert_eq!(bench.read(1).all(&BY_SLUG, (text.to_owned(),)).await.unwrap(), [(text.to_owned(), 1)]);
    }
    assert_eq!(bench.slugs(1).await.len(), hostile.len());
    let cell = Cell { column: "slug".into(), any: vec![Bind::Text("x') OR ('1'='1".into())] };
    let rows = Rows::Set(Arc::new(RowSet { id: 90, any: vec![vec![cell]] }));
    let tx: Tx<Read> = bench.scoped(1, user(1), rows);
    assert!(tx.all(&ALL, ()).await.unwrap().is_empty());
    // A column name is quoted, so it is unknown rather than executed.
    let cell = Cell { column: "slug\" = slug OR \"slug".into(), any: vec![Bind::Int(1)] };
    let rows = Rows::Set(Arc::new(RowSet { id: 91, any: vec![vec![cell]] }));
    let tx: Tx<Read> = bench.scoped(1, user(1), rows);
    assert!(matches!(tx.all(&ALL, ()).await, Err(Failure::Internal(_))));
}

pub async fn a_nul_character_is_refused(place: &Place) {
    let bench = place.open().await;
    bench.tenants([1]).await;
    assert!(matches!(bench.add(1, "a\0b", 1).await, Err(Failure::BadInput(_))));
    assert!(matches!(bench.read(1).all(&BY_SLUG, ("\0".to_owned(),)).await, Err(Failure::BadInput(_))));
}

pub async fn the_house_and_a_tenant_follow_each_other(place: &Place) {
    let bench = place.open().await;
    bench.tenants([1]).await;
    let note = fresh();
    let apply = Apply::new("member/1").any(&ADD, (note.clone(), None, "joined".to_owned(), 4)).fact("via", "mail");
    let batch = bench.write(1).batch::<Control>("person/p").any(&USER, ("p".to_owned(), 1));
    batch.then(tenant(1), apply).commit().await.unwrap();
    assert_eq!(bench.read(1).one(&BY_ID, (note,)).await.unwrap().1, 4);
    assert_eq!(bench.chain(1).await, Ok(1));
    let (_, body, _) = bench.read(1).one(&LEAVES, ()).await.unwrap();
    let body = String::from_utf8(body).unwrap();
    assert!(body.ends_with(&format!("note.changed|user/{}|member/1", user(1))), "{body}");
    assert_eq!(bench.read(1).all(&VALUES, ()).await.unwrap(), [("via".to_owned(), "mail".to_owned())]);
    assert_eq!(bench.read(1).all(&USERS, ()).await.unwrap(), [("p".to_owned(), 1)]);
    assert_eq!(verify(&bench.read(1).all(&HOUSE_LEAVES, ()).await.unwrap()), Ok(1));
    // A refused change of the house is followed by nothing.
    let apply = Apply::new("member/2").any(&ADD, (fresh(), None, "never".to_owned(), 4));
    let batch = bench.write(1).batch::<Control>("person/p").any(&USER, ("p".to_owned(), 2));
    assert_eq!(batch.then(tenant(1), apply).commit().await.err(), Some(Failure::Unique("id".to_owned())));
    assert_eq!(bench.slugs(1).await, ["joined"]);
    bench.store.close().await;
    drop(bench);
    let bench = place.open().await;
    assert!(bench.read(1).all(&JOBS, ()).await.unwrap().is_empty(), "done jobs are gone");
    assert_eq!(bench.slugs(1).await, ["joined"]);
}

pub async fn a_following_change_creates_the_tenant(place: &Place) {
    let bench = place.open().await;
    let batch = bench.write(3).batch::<Control>("person/p").any(&USER, ("p".to_owned(), 1));
    batch.then(tenant(3), Apply::new("tenant/3").founding()).commit().await.unwrap();
    assert_eq!(bench.chain(3).await, Ok(1));
}

pub async fn changes_follow_in_the_order_of_the_house(place: &Place) {
    let bench = Arc::new(place.open().await);
    bench.tenants([1]).await;
    let id = bench.add(1, "a", 0).await.unwrap();
    static SET: Change<Own, (i64, String)> = Change::fixed("UPDATE note SET size = $1 WHERE id = $2 AND {rows}");
    let tasks: Vec<_> = (0..40)
        .map(|i: i64| {
            let (bench, id) = (Arc::clone(&bench), id.clone());
            tokio::spawn(async move {
                let batch = bench.write(1).batch::<Control>(format!("n/{i}")).any(&USER, (format!("{i:02}"), i));
                batch.then(tenant(1), Apply::new(format!("n/{i}")).any(&SET, (i, id))).commit().await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let target = |body: &[u8]| String::from_utf8_lossy(body).rsplit('|').next().unwrap_or_default().to_owned();
    let house: Vec<_> = bench.read(1).all(&HOUSE_LEAVES, ()).await.unwrap().iter().map(|l| target(&l.1)).collect();
    let own: Vec<_> = bench.read(1).all(&LEAVES, ()).await.unwrap().iter().skip(1).map(|l| target(&l.1)).collect();
    assert_eq!(house, own);
    let last: i64 = house.last().and_then(|t| t.strip_prefix("n/")).unwrap().parse().unwrap();
    assert_eq!(bench.read(1).one(&BY_ID, (id,)).await.unwrap().1, last);
}

pub async fn a_following_change_that_cannot_be_is_reported(place: &Place) {
    let bench = place.open().await;
    bench.tenants([1]).await;
    bench.add(1, "a", 0).await.unwrap();
    let apply = Apply::new("n/1").any(&ADD, (fresh(), None, "a".to_owned(), 1));
    let batch = bench.write(1).batch::<Control>("n/1").any(&USER, ("p".to_owned(), 1)).then(tenant(1), apply);
    assert_eq!(batch.commit().await.err(), Some(Failure::Unique("slug".to_owned())));
    // It does not hold up what comes behind it.
    let batch = bench.write(1).batch::<Control>("n/2").any(&USER, ("q".to_owned(), 2));
    batch.then(tenant(1), Apply::new("n/2")).commit().await.unwrap();
    assert_eq!(bench.chain(1).await, Ok(2));
}

pub async fn revocations_are_heard_before_the_answer(place: &Place) {
    let bench = place.open().await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&heard);
    bench.store.on_revoke(move |what| listener.lock().unwrap().push(*what));
    let what = [Revoke::User(user(3)), Revoke::Member(tenant(1), user(3)), Revoke::Tenant(tenant(1))];
    let batch = bench.write(1).batch::<Control>("n/1").any(&USER, ("p".to_owned(), 1));
    batch.revoke(what[0]).revoke(what[1]).revoke(what[2]).commit().await.unwrap();
    assert_eq!(*heard.lock().unwrap(), what);
    // Not for a change that did not happen.
    let batch = bench.write(1).batch::<Control>("n/1").any(&USER, ("p".to_owned(), 1));
    assert!(batch.revoke(what[0]).commit().await.is_err());
    assert_eq!(heard.lock().unwrap().len(), 3);
    let rows = bench.read(1).all(&REVOKED, ()).await.unwrap();
    assert_eq!(rows.iter().map(|r| r.1.as_str()).collect::<Vec<_>>(), ["user", "member", "tenant"]);
    assert!(rows.is_sorted_by(|a, b| a.0 < b.0));
}

pub async fn an_idempotency_key_is_taken_once(place: &Place) {
    let bench = Arc::new(place.open().await);
    bench.tenants([1, 2]).await;
    let tasks: Vec<_> = (0..20)
        .map(|i| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move {
                let mut tx = bench.write(1);
                tx.once(b"key".to_vec(), b"request".to_vec());
                tx.batch("n").any(&ADD, (fresh(), None, format!("n{i}"), 1)).commit().await.map(drop)
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => done += 1,
            Err(failure) => assert_eq!(failure, Failure::Conflict("this idempotency key is in use".into())),
        }
    }
    assert_eq!((done, bench.slugs(1).await.len()), (1, 1));
    // Another tenant's key of the same name is another key.
    assert_eq!(bench.store.replay(tenant(2), b"key").await.unwrap(), None);
    let mut tx = bench.write(2);
    tx.once(b"key".to_vec(), b"request".to_vec());
    assert!(tx.batch("n").any(&ADD, (fresh(), None, "x".to_owned(), 1)).commit().await.is_ok());
    // A batch that failed took no key.
    let mut tx = bench.write(2);
    tx.once(b"other".to_vec(), b"request".to_vec());
    assert!(tx.batch("n").any(&ADD, (fresh(), None, "x".to_owned(), 1)).commit().await.is_err());
    assert_eq!(bench.store.replay(tenant(2), b"other").await.unwrap(), None);
}

pub async fn a_kept_reply_is_found_again_for_a_day(place: &Place) {
    let bench = place.open().await;
    bench.tenants([1]).await;
    let reply = KeptReply { status: 201, headers: "{}".to_owned(), body: b"hello".to_vec() };
    assert_eq!(bench.store.keep_reply(tenant(1), b"key", &reply).await, Err(Failure::NotFound));
    for control in [false, true] {
        let key = if control { b"house".to_vec() } else { b"own".to_vec() };
        let mut tx = bench.write(1);
        tx.once(key.clone(), b"request".to_vec());
        if control {
            tx.batch::<Control>("n").any(&USER, ("p".to_owned(), 1)).commit().await.unwrap();
        } else {
            tx.batch::<Own>("n").any(&ADD, (fresh(), None, "a".to_owned(), 1)).commit().await.unwrap();
        }
        let found = bench.store.replay(tenant(1), &key).await.unwrap().unwrap();
        assert_eq!((found.request, found.reply), (b"request".to_vec(), None));
        bench.store.keep_reply(tenant(1), &key, &reply).await.unwrap();
        let found = bench.store.replay(tenant(1), &key).await.unwrap().unwrap();
        assert_eq!(found.reply, Some(reply.clone()));
    }
    bench.clock.advance(24 * 60 * 60 * 1000 + 1);
    assert_eq!(bench.store.replay(tenant(1), b"own").await.unwrap(), None);
    let mut tx = bench.write(1);
    tx.once(b"own".to_vec(), b"again".to_vec());
    assert!(tx.batch("n").any(&ADD, (fresh(), None, "b".to_owned(), 1)).commit().await.is_ok());
}

pub async fn staged_rows_leave_no_leaf(place: &Place) {
    let bench = place.open().await;
    bench.tenants([1]).await;
    let staging = bench.write(1).staging();
    for slice in 0..3 {
        let rows = (0..500).map(|i| (fresh(), None, format!("{slice}-{i}"), 1)).collect();
        staging.add(&ADD, rows).await.unwrap();
    }
    assert_eq!(bench.chain(1).await, Ok(0));
    staging.publish("note/import").fact("rows", "1500").commit().await.unwrap();
    assert_eq!(bench.chain(1).await, Ok(1));
    assert_eq!(bench.read(1).one(&COUNT, ()).await.unwrap().0, 1500);
}

pub async fn a_stream_gives_every_row(place: &Place) {
    let bench = place.open().await;
    bench.tenants([1]).await;
    let rows = (0..2000).map(|i| (fresh(), None, format!("n{i:04}"), i)).collect();
    bench.write(1).staging().add(&ADD, rows).await.unwrap();
    let mut stream = bench.read(1).stream(&ALL, ());
    let mut next = 0;
    while let Some(row) = stream.recv().await {
        assert_eq!(row.unwrap(), (format!("n{next:04}"), next));
        next += 1;
    }
    assert_eq!(next, 2000);
    let mut unknown = bench.read(9).stream(&ALL, ());
    assert_eq!(unknown.recv().await, Some(Err(Failure::NotFound)));
    assert_eq!(unknown.recv().await, None);
}

pub async fn a_dropped_stream_ends(place: &Place) {
    let bench = place.open().await;
    bench.tenants([1]).await;
    let rows = (0..2000).map(|i| (fresh(), None, format!("n{i:04}"), i)).collect();
    bench.write(1).staging().add(&ADD, rows).await.unwrap();
    for _ in 0..20 {
        let mut stream = bench.read(1).stream(&ALL, ());
        stream.recv().await.unwrap().unwrap();
    }
    bench.add(1, "still-writable", 1).await.unwrap();
}

pub async fn everything_survives_a_restart(place: &Place) {
    let bench = place.open().await;
    bench.tenants([1]).await;
    let id = bench.add(1, "a", 1).await.unwrap();
    drop(bench);
    let bench = place.open().await;
    assert_eq!(bench.read(1).one(&BY_ID, (id,)).await.unwrap(), ("a".to_owned(), 1));
    bench.add(1, "b", 2).await.unwrap();
    bench.store.close().await;
    assert!(matches!(bench.add(1, "c", 2).await, Err(Failure::Busy(_) | Failure::NotFound)));
    drop(bench);
    let bench = place.open().await;
    assert_eq!(bench.slugs(1).await, ["a", "b"]);
    assert_eq!(bench.chain(1).await, Ok(2));
}

pub async fn tables_grow_with_the_app(place: &Place) {
    let bench = place.open().await;
    bench.tenants([1, 2]).await;
    let id = bench.add(1, "a", 1).await.unwrap();
    bench.store.close().await;
    drop(bench);
    // Another app: a column more, one less, one that may be empty now, a reference, a unique key less, a new table.
    let note = Table::own("note", "yes", "with the tenant")
        .text("id")
        .opt_text("owner")
        .opt_text("slug")
        .text("title")
        .opt_text("parent")
        .refers("note", OnDelete::Clear)
        .index(["title"]);
    let tag = Table::own("tag", "yes", "with the tenant").text("id").text("note").refers("note", OnDelete::Cascade);
    let mut grown: Vec<_> = tables().into_iter().filter(|t| t.name != "note").collect();
    grown.extend([note, tag]);
    static ADD: Change<Own, (String, String, Option<String>)> =
        Change::fixed("INSERT INTO note (id, title, parent) VALUES ($1, $2, $3)");
    static TITLES: store::Query<Own, (), (String, Option<String>, String)> =
        store::Query::fixed("SELECT id, slug, title FROM note WHERE {rows} ORDER BY id");
    let bench = place.with(grown.clone()).await.unwrap();
    let was = bench.read(1).all(&TITLES, ()).await.unwrap();
    assert_eq!(was, [(id.clone(), Some("a".to_owned()), String::new())]);
    let add = |parent: Option<String>| bench.write(1).batch("n").any(&ADD, (fresh(), "t".to_owned(), parent)).commit();
    add(Some(id)).await.unwrap();
    add(None).await.unwrap();
    assert_eq!(add(Some(fresh())).await.err(), Some(Failure::Reference));
    assert_eq!(bench.chain(1).await, Ok(3));
    drop(bench);
    // And back: the older app finds its rows, but a unique key that no longer holds is refused for this tenant only.
    let bench = place.with(grown).await.unwrap();
    assert_eq!(bench.read(1).all(&TITLES, ()).await.unwrap().len(), 3);
    assert!(bench.read(2).all(&TITLES, ()).await.unwrap().is_empty());
}

pub async fn a_changed_type_is_refused(place: &Place) {
    let bench = place.open().await;
    bench.tenants([1]).await;
    bench.add(1, "a", 1).await.unwrap();
    bench.store.close().await;
    drop(bench);
    let note = Table::own("note", "yes", "no").text("id").opt_text("owner").text("slug").text("size");
    let mut changed: Vec<_> = tables().into_iter().filter(|t| t.name != "note").collect();
    changed.push(note);
    let refused = match place.with(changed).await {
        // One file per tenant: only that tenant is refused.
        Ok(bench) => bench.read(1).all(&LEAVES, ()).await.err(),
        Err(failure) => Some(failure),
    };
    assert!(matches!(refused, Some(Failure::Internal(_))), "{refused:?}");
    let bench = place.open().await;
    assert_eq!(bench.slugs(1).await, ["a"]);
}

pub async fn objects_are_stored_under_the_tenant(place: &Place) {
    let bench = place.open().await;
    bench.tenants([1, 2]).await;
    let id = Id::from_bytes([9; 16]);
    let stored = bench.write(1).blobs().put(id, 10, Whole::new("hello")).await.unwrap();
    assert_eq!(stored.size, 5);
    assert_eq!(hex::encode(stored.sha256), "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    let (size, mut bytes) = bench.read(1).blobs().get(id).await.unwrap();
    assert_eq!((size, bytes.next().await.unwrap().unwrap().as_ref()), (5, b"hello".as_slice()));
    assert!(bytes.next().await.is_none());
    assert_eq!(bench.read(2).blobs().get(id).await.err(), Some(Failure::NotFound));
    assert!(!bench.write(2).blobs().delete(id).await.unwrap());
    // Too large, or broken off: nothing new is stored, nothing is left behind.
    let large = bench.write(1).blobs().put(id, 10, Whole::new(vec![0; 11])).await;
    assert_eq!(large.err(), Some(Failure::TooLarge(10)));
    let broken = futures_util::stream::iter([Ok("he".into()), Err(Failure::TooSlow)]);
    assert_eq!(bench.write(1).blobs().put(id, 10, broken).await.err(), Some(Failure::TooSlow));
    let left: Vec<_> = std::fs::read_dir(place.folder().join("blobs").join(tenant(1).to_string())).unwrap().collect();
    assert_eq!(left.len(), 1);
    assert!(bench.write(1).blobs().delete(id).await.unwrap());
    assert_eq!(bench.read(1).blobs().get(id).await.err(), Some(Failure::NotFound));
}

async fn all(bytes: Result<(u64, store::BlobStream), Failure>) -> Result<Vec<u8>, Failure> {
    let (_, mut stream) = bytes?;
    let mut out = Vec::new();
    while let Some(piece) = stream.next().await {
        out.extend_from_slice(&piece?);
    }
    Ok(out)
}

/// Bytes that differ from place to place, in pieces that fit no piece of the store.
fn object(size: usize) -> (Vec<u8>, impl futures_util::Stream<Item = Result<bytes::Bytes, Failure>> + Unpin) {
    let whole: Vec<u8> = (0..size).map(|i| (i / 251 + i) as u8).collect();
    let pieces: Vec<_> = whole.chunks(40_000).map(|c| Ok(bytes::Bytes::copy_from_slice(c))).collect();
    (whole, futures_util::stream::iter(pieces))
}

pub async fn objects_lie_sealed(place: &Place) {
    let bench = place.open().await;
    bench.tenants([1]).await;
    let blobs = bench.write(1).blobs();
    for (n, size) in [0, 1, 65_535, 65_536, 65_537, 131_072, 300_001].into_iter().enumerate() {
        let id = Id::from_bytes([n as u8; 16]);
        let (whole, stream) = object(size);
        assert_eq!(blobs.put(id, 1 << 20, stream).await.unwrap().size, size as u64);
        let (told, _) = blobs.get(id).await.unwrap();
        assert_eq!(told, size as u64);
        assert_eq!(all(blobs.get(id).await).await.unwrap(), whole);
        let stored =
            std::fs::read(place.folder().join("blobs").join(tenant(1).to_string()).join(id.to_string())).unwrap();
        assert!(size < 100 || !stored.windows(40).any(|w| w == &whole[..40]));
        assert_eq!(stored.len(), 94 + size + size.div_ceil(65_536).max(1) * 16);
    }
}

pub async fn a_part_of_an_object_is_read_alone(place: &Place) {
    let bench = place.open().await;
    bench.tenants([1]).await;
    let (blobs, id) = (bench.write(1).blobs(), Id::from_bytes([9; 16]));
    let (whole, stream) = object(200_000);
    blobs.put(id, 1 << 20, stream).await.unwrap();
    for (start, length) in
        [(0, 1), (0, 65_536), (65_535, 2), (70_000, 100_000), (199_999, 5), (200_000, 1), (0, u64::MAX), (9, 0)]
    {
        let part = all(blobs.range(id, start, length).await).await.unwrap();
        let end = start.saturating_add(length).min(200_000) as usize;
        assert_eq!(part, whole[start as usize..end], "{start} {length}");
    }
    // A piece that is broken harms only who reads it; the last one, which proves the size, everyone.
    let path = place.folder().join("blobs").join(tenant(1).to_string()).join(id.to_string());
    let sound = std::fs::read(&path).unwrap();
    let mut broken = sound.clone();
    broken[94 + 65_552 + 7] ^= 1;
    std::fs::write(&path, &broken).unwrap();
    assert_eq!(all(blobs.range(id, 0, 65_536).await).await.unwrap(), whole[..65_536]);
    assert!(all(blobs.range(id, 0, 65_537).await).await.is_err());
}

pub async fn a_changed_object_is_refused(place: &Place) {
    let bench = place.open().await;
    bench.tenants([1, 2]).await;
    let (blobs, id) = (bench.write(1).blobs(), Id::from_bytes([9; 16]));
    let (_, stream) = object(200_000);
    blobs.put(id, 1 << 20, stream).await.unwrap();
    let folder = place.folder().join("blobs").join(tenant(1).to_string());
    let path = folder.join(id.to_string());
    let sound = std::fs::read(&path).unwrap();
    let piece = 65_536 + 16;
    let swapped =
        [&sound[..94], &sound[94 + piece..94 + 2 * piece], &sound[94..94 + piece], &sound[94 + 2 * piece..]].concat();
    let mut wrong: Vec<Vec<u8>> = vec![
        sound[..sound.len() - 1].to_vec(),
        sound[..94 + 3 * piece].to_vec(),
        sound[..94 + piece].to_vec(),
        sound[..94].to_vec(),
        sound[..10].to_vec(),
        Vec::new(),
        [&sound[..], &[0]].concat(),
        [&sound[..], &sound[sound.len() - 100..]].concat(),
        swapped,
    ];
    // Magic, envelope, the first piece's bytes and its tag, the last piece's and its tag.
    for at in [0, 15, 16, 20, 50, 93, 94, 94 + piece - 1, sound.len() - 17, sound.len() - 1] {
        let mut bad = sound.clone();
        bad[at] ^= 1;
        wrong.push(bad);
    }
    for (n, bytes) in wrong.iter().enumerate() {
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(all(blobs.get(id).await).await, Err(Failure::Internal(_))), "case {n}");
    }
    // Sound, but somewhere else: under another name, or another tenant's.
    std::fs::write(&path, &sound).unwrap();
    let other = Id::from_bytes([8; 16]);
    std::fs::copy(&path, folder.join(other.to_string())).unwrap();
    assert!(all(blobs.get(other).await).await.is_err());
    let foreign = place.folder().join("blobs").join(tenant(2).to_string());
    std::fs::create_dir_all(&foreign).unwrap();
    std::fs::copy(&path, foreign.join(id.to_string())).unwrap();
    assert!(all(bench.read(2).blobs().get(id).await).await.is_err());
    assert!(all(blobs.get(id).await).await.is_ok());
}

pub async fn wrapping_anew_rewrites_heads_only(place: &Place) {
    let toy = crate::bench::keys::Toy::new();
    let sealing = store::Sealing { keys: toy.clone(), pages: place.pages };
    let bench = Bench::sealed(place.folder(), place.engine.clone(), tables(), Some(sealing)).await.unwrap();
    bench.tenants([1]).await;
    bench.add(1, "a", 1).await.unwrap();
    let files = u64::from(matches!(place.engine, store::Engine::Sqlite) && place.pages);
    let (blobs, id) = (bench.write(1).blobs(), Id::from_bytes([9; 16]));
    let (whole, stream) = object(100_000);
    blobs.put(id, 1 << 20, stream).await.unwrap();
    let path = place.folder().join("blobs").join(tenant(1).to_string()).join(id.to_string());
    let before = std::fs::read(&path).unwrap();
    let kept = bench.store.rewrap(tenant(1)).await.unwrap();
    assert_eq!((kept.versions.get(&1), kept.rewrapped), (Some(&(1 + files)), 0));
    toy.version.store(2, Ordering::SeqCst);
    let done = bench.store.rewrap(tenant(1)).await.unwrap();
    assert_eq!(done.versions.into_iter().collect::<Vec<_>>(), [(2, 1 + files)]);
    assert_eq!(done.rewrapped, 1 + files);
    let after = std::fs::read(&path).unwrap();
    assert!(before[16..94] != after[16..94] && before[94..] == after[94..]);
    // A head that a crash tore, the new envelope whole beside it.
    let mut torn = after.clone();
    torn[40..60].fill(0);
    std::fs::write(&path, &torn).unwrap();
    assert!(blobs.get(id).await.is_err());
    let beside = path.with_file_name(format!("{id}.rewrap"));
    std::fs::write(&beside, [b"vouchsafe key 1\n", &after[16..94]].concat()).unwrap();
    assert_eq!(all(blobs.get(id).await).await.unwrap(), whole);
    bench.store.rewrap(tenant(1)).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), after);
    assert!(!beside.exists());
    assert_eq!(all(blobs.get(id).await).await.unwrap(), whole);
    bench.add(1, "b", 1).await.unwrap();
    bench.store.close().await;
    drop((bench, blobs));
    let bench = place.open().await;
    // The toy of a new bench is at version 1 and opens both.
    assert_eq!(bench.slugs(1).await, ["a", "b"]);
    assert_eq!(all(bench.read(1).blobs().get(id).await).await.unwrap(), whole);
}

pub async fn outbox_listeners_hear_of_commits(place: &Place) {
    let bench = place.open().await;
    bench.tenants([1]).await;
    let heard = Arc::new(AtomicUsize::new(0));
    let listener = Arc::clone(&heard);
    bench.store.on_outbox(move |who, kind| {
        assert_eq!((who, kind), (tenant(1), "mail"));
        listener.fetch_add(1, Ordering::SeqCst);
    });
    bench.write(1).batch::<Own>("n").emit("mail", Vec::new()).commit().await.unwrap();
    for _ in 0..200 {
        if heard.load(Ordering::SeqCst) == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(heard.load(Ordering::SeqCst), 1);
    let _unused = Time(0);
}

pub async fn a_client_that_goes_away_cancels_nothing(place: &Place) {
    let bench = Arc::new(place.open().await);
    bench.tenants([1]).await;
    for i in 0..30 {
        let bench = Arc::clone(&bench);
        let task = tokio::spawn(async move { bench.add(1, &format!("n{i}"), 1).await.map(drop) });
        tokio::time::sleep(std::time::Duration::from_micros(i * 40)).await;
        task.abort();
    }
    bench.add(1, "last", 1).await.unwrap();
    // Whatever got through is whole: a row for every leaf.
    for _ in 0..100 {
        let (rows, leaves) = (bench.slugs(1).await.len(), bench.chain(1).await.unwrap());
        assert!(leaves >= 1);
        if rows == leaves {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("rows and leaves differ");
}
