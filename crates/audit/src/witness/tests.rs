use std::sync::{Arc, Mutex};

use encryption::{Signer, hash::sha256};
use kernel::{Clock, Read, Secret, Steered};
use route::{Asking, Body};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{
    http::tests::{House, TODAY},
    note::Vkey,
};

fn signer(n: u8) -> Signer {
    Signer::from_seed(&Secret::new([n; 32])).unwrap()
}

fn cosigner(n: u8) -> Cosigner {
    Cosigner { name: format!("witness.example/w{n}"), public: signer(n).public().try_into().unwrap() }
}

fn cosign(n: u8, body: &str, at: i64) -> String {
    let mut bytes = cosigner(n).id().to_vec();
    bytes.extend(u64::try_from(at).unwrap().to_be_bytes());
    bytes.extend(signer(n).sign(format!("cosignature/v1\ntime {at}\n{body}").as_bytes()));
    format!("\u{2014} {} {}\n", cosigner(n).name, STANDARD.encode(bytes))
}

/// How the witness behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Honest,
    Forges,
    SignsAnotherSize,
    SignsLongAgo,
    SignsAhead,
    NamesAnotherSizeEachTime,
    NamesTheSameSize,
    NamesALargerSize,
    Babbles,
    Away,
}

/// A witness of the test's own: it remembers the largest tree and checks each proof by itself (RFC 9162, 2.1.4.2).
struct Fake {
    log: Mutex<Option<Vkey>>,
    seen: Mutex<Option<(u64, Hash)>>,
    mood: Mutex<Mood>,
    asked: Mutex<Vec<u64>>,
    clock: Arc<Steered>,
}

fn pair(left: Hash, right: Hash) -> Hash {
    sha256(&[&[1][..], &left, &right].concat())
}

fn consistent(old: u64, old_root: Hash, new: u64, new_root: Hash, proof: &[Hash]) -> bool {
    if old == 0 {
        return proof.is_empty();
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    let mut path = proof.to_vec();
    if old.is_power_of_two() {
        path.insert(0, old_root);
    }
    let (mut node, mut last) = (old - 1, new - 1);
    while node & 1 == 1 {
        (node, last) = (node >> 1, last >> 1);
    }
    let Some((first, rest)) = path.split_first() else { return false };
    let (mut from, mut to) = (*first, *first);
    for hash in rest {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            (from, to) = (pair(*hash, from), pair(*hash, to));
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            to = pair(to, *hash);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    from == old_root && to == new_root && last == 0
}

impl Fake {
    async fn start(house: &House) -> (Arc<Self>, Witness) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://127.0.0.1:{}/w1/", listener.local_addr().unwrap().port());
        let fake = Arc::new(Self {
            log: Mutex::default(),
            seen: Mutex::default(),
            mood: Mutex::new(Mood::Honest),
            asked: Mutex::default(),
            clock: Arc::clone(&house.clock),
        });
        let serving = Arc::clone(&fake);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serving.answer(stream).await;
            }
        });
        let post = Post::new(&address, 443, || Err("no TLS here".into())).unwrap();
        (fake, Witness { key: cosigner(1), post })
    }
    fn mood(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }
    fn asked(&self) -> Vec<u64> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
    async fn answer(&self, mut stream: TcpStream) {
        if *self.mood.lock().unwrap() == Mood::Away {
            return;
        }
        let mut text = Vec::new();
        let body = loop {
            let mut piece = [0; 4096];
            let n = stream.read(&mut piece).await.unwrap();
            text.extend_from_slice(&piece[..n]);
            let whole = String::from_utf8_lossy(&text).into_owned();
            let Some((head, body)) = whole.split_once("\r\n\r\n") else { continue };
            assert!(head.starts_with("POST /w1/add-checkpoint HTTP/1.1\r\n"), "{head}");
            let length = head.to_lowercase();
            let length = length.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
            if body.len() >= length.parse().unwrap() {
                break body.to_owned();
            }
        };
        let (status, kind, said) = self.decide(&body);
        let reply =
            format!("HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{said}", said.len());
        stream.write_all(reply.as_bytes()).await.unwrap();
    }
    fn decide(&self, text: &str) -> (u16, &'static str, String) {
        const SIZE: &str = "text/x.tlog.size";
        let (head, note) = text.split_once("\n\n").unwrap();
        let mut lines = head.lines();
        let old: u64 = lines.next().unwrap().strip_prefix("old ").unwrap().parse().unwrap();
        self.asked.lock().unwrap().push(old);
        let proof: Vec<Hash> = lines.map(|line| STANDARD.decode(line).unwrap().try_into().unwrap()).collect();
        let log = self.log.lock().unwrap().clone().unwrap();
        let Some(found) = Checkpoint::open(note, &log) else { return (403, "text/plain", String::new()) };
        let now = self.clock.now().0.div_euclid(1000);
        let mut seen = self.seen.lock().unwrap();
        let (size, root) = seen.unwrap_or_default();
        match *self.mood.lock().unwrap() {
            Mood::NamesAnotherSizeEachTime => return (409, SIZE, format!("{}\n", (old + 1) % found.size)),
            Mood::NamesTheSameSize => return (409, SIZE, format!("{old}\n")),
            Mood::NamesALargerSize => return (409, SIZE, format!("{}\n", found.size + 1)),
            Mood::Babbles => return (200, "text/plain", "fine".into()),
            Mood::Forges => return (200, "text/plain", cosign(2, &found.body(), now).replace("/w2", "/w1")),
            Mood::SignsAnotherSize => {
                let other = Checkpoint { size: found.size + 1, ..found };
                return (200, "text/plain", cosign(1, &other.body(), now));
            }
            Mood::SignsLongAgo => return (200, "text/plain", cosign(1, &found.body(), now - 86_400)),
            Mood::SignsAhead => return (200, "text/plain", cosign(1, &found.body(), now + 86_400)),
            Mood::Honest | Mood::Away => {}
        }
        if old > found.size {
            return (400, "text/plain", String::new());
        }
        if old != size {
            return (409, SIZE, format!("{size}\n"));
        }
        if old == found.size && root != found.root {
            return (409, "text/plain", String::new());
        }
        if !consistent(old, root, found.size, found.root, &proof) {
            return (422, "text/plain", String::new());
        }
        *seen = Some((found.size, found.root));
        // Another key of the same operator first: it is not looked at.
        (200, "text/plain", cosign(2, &found.body(), now) + &cosign(1, &found.body(), now))
    }
}

async fn day(house: &House, day: i64) {
    house.note(TenantId::HOUSE, 1).await;
    house.close(TenantId::HOUSE, day, false).await.unwrap();
}

async fn shown(house: &House) -> String {
    let call = Asking { tx: house.tx::<Read>(TenantId::HOUSE), input: serde_json::from_value(json!({})).unwrap() };
    let reply = crate::http::published::checkpoint(Arc::clone(&house.audit), call).await.unwrap();
    let Body::Bytes(bytes) = reply.body else { panic!() };
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn ask(house: &House, witness: &Witness) -> Result<bool, String> {
    match house.audit.witness(house.named(TenantId::HOUSE, "log.witnessed"), witness).await {
        Ok(done) => Ok(done),
        Err(Failure::Internal(words)) => Err(words.into_owned()),
        Err(other) => Err(format!("{other:?}")),
    }
}

fn key(house: &House) -> Vkey {
    let tx: Tx<Read> = house.tx(TenantId::HOUSE);
    house.audit.key(tx.permit().principal().home()).unwrap().1
}

#[tokio::test]
async fn a_witness_signs_day_after_day_and_its_line_is_served() {
    let house = House::open().await;
    let (fake, witness) = Fake::start(&house).await;
    *fake.log.lock().unwrap() = Some(key(&house));
    assert_eq!(ask(&house, &witness).await, Ok(false), "nothing is published");
    let mut sizes = vec![0];
    for n in 0..4 {
        day(&house, TODAY + n).await;
        assert_eq!(ask(&house, &witness).await, Ok(true));
        assert_eq!(fake.asked(), [*sizes.last().unwrap()], "asked once, from what it knew");
        assert_eq!(ask(&house, &witness).await, Ok(false));
        let note = shown(&house).await;
        let found = Checkpoint::open(&note, &key(&house)).expect("our own signature still holds");
        sizes.push(found.size);
        let line = note.lines().last().unwrap();
        assert!(cosigner(1).cosigned(&found.body(), line).is_some());
        assert!(!note.contains("/w2"), "another's line is not served");
    }
    house.close(TenantId::HOUSE, TODAY + 9, false).await.unwrap();
    assert!(!shown(&house).await.contains("witness.example"), "a line is of its checkpoint only");
}

#[tokio::test]
async fn what_the_witness_knows_better_is_tried_once_more() {
    let house = House::open().await;
    let (fake, witness) = Fake::start(&house).await;
    *fake.log.lock().unwrap() = Some(key(&house));
    day(&house, TODAY).await;
    let first = Checkpoint::open(&shown(&house).await, &key(&house)).unwrap();
    // It was asked by somebody else, or its answer was lost.
    *fake.seen.lock().unwrap() = Some((first.size, first.root));
    day(&house, TODAY + 1).await;
    assert_eq!(ask(&house, &witness).await, Ok(true));
    assert_eq!(fake.asked(), [0, first.size]);
    // It has forgotten everything.
    *fake.seen.lock().unwrap() = None;
    day(&house, TODAY + 2).await;
    assert_eq!(ask(&house, &witness).await, Ok(true));
    assert_eq!(fake.asked().len(), 2);
}

#[tokio::test]
async fn answers_that_do_not_hold_are_refused_and_hold_up_nothing() {
    let house = House::open().await;
    let (fake, witness) = Fake::start(&house).await;
    *fake.log.lock().unwrap() = Some(key(&house));
    for n in 0..3 {
        day(&house, TODAY + n).await;
    }
    let moods = [
        (Mood::Forges, "no signature"),
        (Mood::SignsAnotherSize, "no signature"),
        (Mood::SignsLongAgo, "another time"),
        (Mood::SignsAhead, "another time"),
        (Mood::NamesAnotherSizeEachTime, "each time"),
        (Mood::NamesTheSameSize, "the size that it was given"),
        (Mood::NamesALargerSize, "larger tree"),
        (Mood::Babbles, "does not end"),
        (Mood::Away, "cannot be reached"),
    ];
    for (mood, words) in moods {
        fake.mood(mood);
        let said = ask(&house, &witness).await.unwrap_err();
        assert!(said.contains(words), "{mood:?}: {said}");
        assert!(fake.asked().len() <= TURNS, "{mood:?}");
        assert!(!shown(&house).await.contains("witness.example"));
    }
    // Another history of the same size, and one that ours does not begin with.
    fake.mood(Mood::Honest);
    let size = Checkpoint::parse(&shown(&house).await).unwrap().size;
    for known in [size, size - 1] {
        *fake.seen.lock().unwrap() = Some((known, [9; 32]));
        assert!(ask(&house, &witness).await.unwrap_err().contains("another history"), "{known} of {size}");
        fake.asked();
    }
    *fake.log.lock().unwrap() = Some(Vkey { name: "else".into(), public: [1; 32] });
    assert!(ask(&house, &witness).await.unwrap_err().contains("answered 403"));
    // The day after closes as ever, and the witness comes back.
    *fake.log.lock().unwrap() = Some(key(&house));
    *fake.seen.lock().unwrap() = None;
    day(&house, TODAY + 3).await;
    assert_eq!(ask(&house, &witness).await, Ok(true));
}

#[test]
fn the_fakes_own_check_is_the_standards() {
    let leaves: Vec<Hash> = (0..40_u8).map(|n| crate::leaf_hash(&[n])).collect();
    let over = |some: &[Hash]| {
        let mut tree = crate::merkle::Frontier::default();
        some.iter().for_each(|leaf| tree.push(*leaf));
        tree.root()
    };
    let root = |n: usize| over(&leaves[..n]);
    for new in 1..=40 {
        for old in 1..=new {
            let path = crate::merkle::consistency_path(old, new).unwrap();
            let hash = |(a, b): &(u64, u64)| over(&leaves[usize::try_from(*a).unwrap()..usize::try_from(*b).unwrap()]);
            let proof: Vec<Hash> = if old == new { Vec::new() } else { path.iter().map(hash).collect() };
            let (a, b) = (usize::try_from(old).unwrap(), usize::try_from(new).unwrap());
            assert!(consistent(old, root(a), new, root(b), &proof), "{old} of {new}");
            assert!(!consistent(old, [7; 32], new, root(b), &proof) || old == 0);
            assert!(!consistent(old, root(a), new, [7; 32], &proof));
        }
    }
}

#[test]
fn a_policy_names_keys_and_addresses() {
    let vkey = cosigner(1).to_string();
    let text = format!("# ours\nlog example.com+1+AA==\n\nwitness w1 {vkey} https://witness.example/w1\nquorum none\n");
    assert_eq!(policy(&text).unwrap(), [(cosigner(1), "https://witness.example/w1".to_owned())]);
    let log = Vkey { name: "witness.example/w1".into(), public: cosigner(1).public }.to_string();
    for bad in [
        format!("witness w1 {vkey} https://witness.example/w1\nquorum w1"),
        format!("group g any w1 w2\nwitness w1 {vkey} https://witness.example/w1"),
        format!("witness w1 {vkey}"),
        format!("witness w1 {log} https://witness.example/w1"),
        format!("witness w1 {vkey}x https://witness.example/w1"),
        format!("witness w1 {vkey} https://a.example\nwitness w2 {vkey} https://b.example"),
        "witnes w1".to_owned(),
    ] {
        assert!(policy(&bad).unwrap_err().starts_with("line "), "{bad}");
    }
}

#[test]
fn every_changed_bit_of_a_cosignature_is_refused() {
    let (body, at) = ("log.example\n7\nAAAA\n", 1_777_887_000);
    let line = cosign(1, body, at);
    let line = line.trim_end();
    assert_eq!(cosigner(1).cosigned(body, line), Some(at));
    let (head, text) = line.rsplit_once(' ').unwrap();
    let bytes = STANDARD.decode(text).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(cosigner(1).cosigned(body, &format!("{head} {}", STANDARD.encode(bad))), None, "bit {bit}");
    }
    assert_eq!(cosigner(2).cosigned(body, line), None);
    assert_eq!(cosigner(1).cosigned("log.example\n8\nAAAA\n", line), None);
}
