use std::{collections::BTreeMap, sync::Mutex};

use kernel::TenantId;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;

/// A key service of the test's own: keeps what it was told by ciphertext, checks the shape of each request.
struct Service {
    address: String,
    seen: Arc<Mutex<Vec<String>>>,
}

const TOKEN: &str = "hvs.test-token";

async fn service(status: u16) -> Service {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://127.0.0.1:{}/transit/eu-root", listener.local_addr().unwrap().port());
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let told = Arc::clone(&seen);
    tokio::spawn(async move {
        let mut kept: BTreeMap<String, (String, String)> = BTreeMap::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut text = Vec::new();
            let (head, body) = loop {
                let mut piece = [0; 4096];
                let n = stream.read(&mut piece).await.unwrap();
                text.extend_from_slice(&piece[..n]);
                let whole = String::from_utf8_lossy(&text).into_owned();
                let Some((head, body)) = whole.split_once("\r\n\r\n") else { continue };
                let length = head.to_lowercase();
                let length = length.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
                if body.len() >= length.parse().unwrap() {
                    break (head.to_owned(), body.to_owned());
                }
            };
            told.lock().unwrap().push(head.lines().next().unwrap().to_owned());
            let lower = head.to_lowercase();
            assert!(lower.contains(&format!("x-vault-token: {TOKEN}")) && lower.contains("x-vault-request: true"));
            let body: Value = serde_json::from_str(&body).unwrap();
            let of = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
            let (status, answer) = if status != 200 {
                (status, json!({"errors": ["permission denied on transit/secret-policy"]}))
            } else if head.starts_with("POST /v1/transit/encrypt/eu-root ") {
                let ciphertext = format!("vault:v1:{}", kept.len());
                kept.insert(ciphertext.clone(), (of("plaintext"), of("associated_data")));
                (200, json!({"data": {"ciphertext": ciphertext, "key_version": 1}}))
            } else {
                assert!(head.starts_with("POST /v1/transit/decrypt/eu-root "), "{head}");
                match kept.get(&of("ciphertext")) {
                    Some((plain, bound)) if *bound == of("associated_data") => {
                        (200, json!({"data": {"plaintext": plain}}))
                    }
                    _ => (400, json!({"errors": ["cipher: message authentication failed"]})),
                }
            };
            let answer = answer.to_string();
            let reply = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
            stream.write_all(reply.as_bytes()).await.unwrap();
        }
    });
    Service { address, seen }
}

fn transit(address: &str) -> Transit {
    Transit::new(address, Credentials { token: Secret::new(TOKEN), ..Credentials::default() }).unwrap()
}

fn binding() -> Binding<'static> {
    Binding { region: "eu", tenant: TenantId::HOUSE, version: 3 }
}

#[tokio::test]
async fn a_key_comes_back_as_bound_and_nothing_else_does() {
    let service = service(200).await;
    let transit = transit(&service.address);
    assert_eq!(transit.name(), "transit/eu-root");
    let key = Secret::new([7; 32]);
    let wrapped = transit.wrap(&key, binding()).await.unwrap();
    assert_eq!(wrapped, b"vault:v1:0");
    assert_eq!(transit.unwrap(&wrapped, binding()).await.unwrap(), Some(key));
    assert_eq!(transit.unwrap(&wrapped, Binding { version: 4, ..binding() }).await.unwrap(), None);
    assert_eq!(transit.unwrap(b"vault:v1:9", binding()).await.unwrap(), None);
    assert_eq!(transit.unwrap(&[0xff, 0xfe], binding()).await.unwrap(), None);
    let seen = service.seen.lock().unwrap().clone();
    assert_eq!(seen[..2], ["POST /v1/transit/encrypt/eu-root HTTP/1.1", "POST /v1/transit/decrypt/eu-root HTTP/1.1"]);
}

#[tokio::test]
async fn a_service_that_refuses_or_is_gone_is_named_without_its_words() {
    let service = service(403).await;
    let Err(Failure::Internal(said)) = transit(&service.address).wrap(&Secret::new([7; 32]), binding()).await else {
        panic!()
    };
    assert!(said.contains("403") && !said.contains("policy") && !said.contains(TOKEN), "{said}");
    let nobody = transit("http://127.0.0.1:1/transit/eu-root");
    assert!(nobody.unwrap(b"vault:v1:0", binding()).await.is_err());
}

#[test]
fn addresses_that_are_none_are_refused() {
    let bad = [
        "vault.example/transit/k",
        "ftp://127.0.0.1/transit/k",
        "http://vault.example/transit/k",
        "https://vault.example/transit/k",
        "http://127.0.0.1:x/transit/k",
        "http://127.0.0.1/k",
        "http://127.0.0.1/../k",
        "http://127.0.0.1/transit/k?x=1",
    ];
    for address in bad {
        assert!(Transit::new(address, Credentials::default()).is_err(), "{address}");
    }
}
