//! What stands before everything else: the request filter, lists of addresses, rules against robots, the lock of the origin,
//! and where browsers report to.

use std::{
    net::Ipv4Addr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use manifest::{OriginLock, Pointer};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use serde_json::{Value, json};

use super::{
    probe,
    side::{Side, Start, Wish, edited},
};
use crate::{
    act::records,
    evidence::{Evidence, Miss, Outcome, broken, unclear},
    plan::Probe,
    random,
    run::Scene,
    stage::Door,
    wire::{Answer, Ask, Client, Net},
};

pub(super) const PROBES: &[Probe] = &[
    probe!("edge.waf", Together, waf),
    probe!("edge.csp_report", Together, csp_report),
    probe!("edge.bot_rules", Together, bot_rules),
    probe!("edge.blocklist", Together, blocklist),
    probe!("edge.origin_lock", Together, origin_lock),
];

/// What only an attack says, with a harmless text that looks like it.
const SAMPLES: [(&str, &str); 22] = [
    ("/files/..%2f..%2fetc/passwd", "/files/report..final.pdf"),
    ("/static/%252e%252e/%252e%252e/secret", "/static/%2520%2520/secret"),
    ("/.env", "/env"),
    ("/.git/config", "/git/config"),
    ("/?page=../../../../etc/passwd", "/?page=../sibling"),
    ("/?file=php://filter/convert.base64-encode/resource=index", "/?file=php-filter-guide"),
    ("/?id=1%27%20OR%20%271%27=%271", "/?id=O%27Brien%20or%20D%27Arcy"),
    ("/?id=1+or+1=1", "/?id=room+1+or+2"),
    ("/?id=-1+UNION+ALL+SELECT+null,null,null", "/?id=student+union+SELECT+committee"),
    ("/?id=1/**/union/**/select/**/1,2,version()", "/?id=Western+union;+select+from+menu"),
    ("/?id=1;DROP+TABLE+users", "/?id=lunch;+drop+table+tennis+off+the+list"),
    ("/?user=admin%27--", "/?user=rock+%27n%27+roll+--+live"),
    ("/?id=1+and+sleep(5)", "/?id=sleep+(8+hours)"),
    ("/?q=%3Cscript%3Ealert(1)%3C/script%3E", "/?q=%3Cb%3Ebold%3C/b%3E"),
    ("/?q=%253Cscript%253Ealert(1)%253C/script%253E", "/?q=act+2+%3Cscriptwriter%3E"),
    ("/?q=%3Cimg+src=x+onerror=alert(1)%3E", "/?q=a+%3Cem+class=%22online%22%3Eword"),
    ("/?u=javascript:alert(document.cookie)", "/?u=javascript:+the+good+parts"),
    ("/?q=;cat+/etc/hosts", "/?q=salt;+cat+food"),
    ("/?q=$(whoami)", "/?q=whoami+the+musical"),
    ("/?q=$%7Bjndi:ldap://evil.example/a%7D", "/?q=price+$%7Bamount%7D"),
    ("/?q=x%0d%0aSet-Cookie:+a=b", "/?q=x%0d%0aDear+Anna"),
    ("/?__proto__[admin]=1", "/?proto[admin]=1"),
];

/// The rule that an answer names, when the filter gave it.
fn rule(answer: &Answer) -> Option<String> {
    let named = answer.text("code");
    (answer.status == 403 && answer.text("type") == "filtered" && !named.is_empty()).then_some(named)
}

async fn waf(scene: &Scene) -> Outcome {
    let unknown = scene.stage.on("nobody.invalid");
    let hosts: Vec<String> = scene.stage.hosts(&scene.a).into_iter().chain([unknown]).collect();
    let mut rules = std::collections::BTreeSet::new();
    let client = scene.stage.client(&scene.a.host, "");
    for host in &hosts {
        for (attack, twin) in SAMPLES {
            let refused = client.at_root(Ask::get(attack).host(host.clone())).await?;
            let Some(name) = rule(&refused) else {
                let did = format!("an attack sample ({})", attack.split(['?', '=']).next().unwrap_or_default());
                return broken(did, "403 with the rule's name, on every host", format!("{}", refused.status));
            };
            rules.insert(name);
            let passed = client.at_root(Ask::get(twin).host(host.clone())).await?;
            if let Some(name) = rule(&passed) {
                return broken("a harmless twin of an attack sample", "not refused", format!("refused by {name}"));
            }
        }
        for (agent, wanted) in [("sqlmap/1.7.2#stable", true), ("nucleic-acid-client/1.0", false)] {
            let answer = client.at_root(Ask::get("/healthz").host(host.clone()).header("user-agent", agent)).await?;
            if rule(&answer).is_some() != wanted {
                let expected = if wanted { "refused" } else { "not refused" };
                return broken("a program that names itself", expected, format!("{}", answer.status));
            }
        }
    }
    // Contracts that merely look odd are stored, found and shown as they are.
    let (at, field) = scene.carrier()?;
    let owner = scene.a.owner()?;
    let texts =
        ["SELECT * FROM users; -- O'Brien", "<b>bold</b> & '; DROP TABLE x", "1' OR '1'='1", "../../etc/passwd"];
    for text in texts {
        let links = scene.links(&scene.a, at).await?;
        let made = scene.insert(&scene.a, owner, at, &links, &[], Some((field, text))).await?;
        let back = scene.read(&scene.a, owner, &made.path()).await?.decided()?;
        if back.text(field) != text {
            return broken("storing a text that quotes an attack", "the same text", format!("{}", back.status));
        }
    }
    let collection = scene.app.collections.get(at).map_or("", |c| c.id);
    let filter = super::input::escaped(&format!("{field} = \"O'Brien\" or {field} = 'x -- y'"));
    let list = scene.read(&scene.a, owner, &format!("{}?filter={filter}", records(collection))).await?;
    if rule(&list).is_some() {
        return broken("a filter over records with quotes and `or`", "not refused", "refused");
    }
    let status = scene.stage.instance.admin(&json!({"do": "status", "as": "verify"})).await?;
    let Some(version) = status.get("filter").and_then(Value::as_u64) else {
        return broken("asking the server for the version of its rules", "a number", "none");
    };
    Ok(Evidence::new()
        .version("rules version", &version.to_string())
        .count("attack samples refused by name", SAMPLES.len() * hosts.len())
        .count("rules that named one", rules.len())
        .count("harmless twins refused", 0)
        .count("odd texts stored unchanged", texts.len()))
}

/// A report as browsers send it.
fn report(page: &str, blocked: &str) -> Value {
    json!({"type": "csp-violation", "body": {"documentURL": format!("https://canary.example{page}?secret=1"),
        "effectiveDirective": "script-src", "blockedURL": blocked}})
}

fn reported(host: &str, reports: &Value) -> Ask {
    Ask::new("POST", "/csp-report").host(host).bytes("application/reports+json", reports.to_string().into_bytes())
}

async fn csp_report(scene: &Scene) -> Outcome {
    // A server of its own: what this leaves would stand in the way of others.
    let side = Side::up(scene, &Wish::default()).await?;
    let client = side.client(scene, &scene.app.domain);
    let page = client.at_root(Ask::get("/healthz")).await?;
    let policy = page.header("content-security-policy").unwrap_or_default().to_owned();
    if !policy.split(';').any(|d| d.trim() == "report-uri /csp-report") {
        return broken("reading the policy", "its own address for reports", "another or none");
    }
    let (tag, host) = (random::hex(5), client.host.clone());
    let first = format!("/first-{tag}");
    for blocked in ["inline", "inline", "https://evil.example/a.js?b=c"] {
        let answer = client.at_root(reported(&host, &json!([report(&first, blocked)]))).await?.decided()?;
        if !answer.good() {
            return broken("sending a report as browsers do", "taken", format!("{}", answer.status));
        }
    }
    let old = json!({"csp-report": {"document-uri": first, "violated-directive": "img-src", "blocked-uri": "data"}});
    let older = Ask::new("POST", "/csp-report").bytes("application/csp-report", old.to_string().into_bytes());
    client.at_root(older).await?.decided()?.step("a report in the older form")?;
    // A flood of different ones, from many addresses.
    let mut sent = 0;
    for n in 0..60 {
        let batch: Vec<Value> = (0..20).map(|m| report(&format!("/flood-{tag}-{n}-{m}"), "inline")).collect();
        let one = side.client(scene, &scene.app.domain);
        sent += 20 * usize::from(one.at_root(reported(&host, &json!(batch))).await?.good());
    }
    let seen = side.admin(&json!({"do": "csp.list", "as": "verify"})).await?;
    let seen = seen.as_array().cloned().unwrap_or_default();
    let of = |v: &Value, name: &str| v.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let firsts: Vec<&Value> = seen.iter().filter(|v| of(v, "page") == first).collect();
    let twice = firsts.iter().any(|v| of(v, "blocked") == "inline" && v.get("times") == Some(&json!(2)));
    let bare = firsts.iter().any(|v| of(v, "blocked") == "https://evil.example");
    if firsts.len() != 3 || !twice || !bare {
        let did = "the operators' view after a flood of other reports";
        return broken(did, "the first ones still there, counted, without queries", format!("{} of 3", firsts.len()));
    }
    if seen.len() >= sent || seen.len() > 1_000 {
        return broken(format!("{sent} different reports"), "a bounded number kept", format!("{}", seen.len()));
    }
    // Caps: size, rate, type.
    let fat = reported(&host, &json!([report(&format!("/{}", "a".repeat(40_000)), "inline")]));
    let fat = client.at_root(fat).await?.status;
    let other = client.at_root(Ask::new("POST", "/csp-report").bytes("text/plain", b"x".to_vec())).await?.status;
    if fat != 413 || !(400..500).contains(&other) {
        return broken("a report that is too large, and one that is none", "refused", format!("{fat} and {other}"));
    }
    let spender = side.client(scene, &scene.app.domain);
    let mut passed = 0;
    while passed < 2_000 && spender.at_root(reported(&host, &json!([report(&first, "eval")]))).await?.status != 429 {
        passed += 1;
    }
    if passed >= 2_000 {
        return broken("reports from one address", "429 sooner or later", "2,000 taken");
    }
    for path in ["/csp-report", "/api/v1/csp"] {
        let open = client.at_root(Ask::get(path)).await?;
        if open.good() || open.page().contains(&tag) {
            return broken("reading reports without being an operator", "refused", format!("{}", open.status));
        }
    }
    Ok(Evidence::new()
        .count("different reports in a flood", sent)
        .count("kept", seen.len())
        .count("first ones lost", 0)
        .count("reports from one address before 429", passed))
}

/// Whether an answer says that a robot filled in the form.
fn robot(answer: &Answer) -> bool {
    let errors = answer.json().get("errors").and_then(Value::as_array).cloned().unwrap_or_default();
    answer.status == 422
        && errors.iter().any(|e| e.get("field") == Some(&json!("form")) && e.get("code") == Some(&json!("refused")))
}

async fn bot_rules(scene: &Scene) -> Outcome {
    let mut tried = 0;
    let mut forms = 0;
    for form in scene.app.submissions.iter().filter(|s| s.honeypot || s.timing) {
        let path = format!("/api/v1/submissions/{}", form.id);
        let mut cases = vec![(json!({}), false)];
        if form.honeypot {
            cases.extend([(json!({"website": "https://spam.example"}), true), (json!({"website": ""}), false)]);
        }
        if form.timing {
            cases.extend([(json!({"elapsed_ms": 40}), true), (json!({"elapsed_ms": 9_000}), false)]);
            cases.extend([(json!({"elapsed_ms": -1}), true), (json!({"elapsed_ms": "soon"}), true)]);
        }
        for (body, wanted) in cases {
            let answer = scene.stage.at(&scene.a).send(Ask::post(path.clone(), &body)).await?.decided()?;
            if robot(&answer) != wanted {
                let what = body.as_object().and_then(|b| b.keys().next().cloned()).unwrap_or_default();
                let expected = if wanted { "refused as a robot" } else { "not refused as a robot" };
                return broken(
                    format!("the public form {} with `{what}`", form.id),
                    expected,
                    format!("{}", answer.status),
                );
            }
            tried += 1;
        }
        forms += 1;
    }
    let mut doors = 0;
    if scene.app.auth.honeypot && scene.stage.door() != Door::Delegated {
        let person = scene.a.owner()?;
        let (path, right) = match scene.stage.door() {
            Door::Password => ("/api/v1/auth/sign-in", json!({"email": person.email, "password": person.password})),
            _ => ("/api/v1/auth/magic-link", json!({"email": person.email})),
        };
        for (website, wanted) in [("https://spam.example", true), ("", false)] {
            let mut body = right.clone();
            if let Some(members) = body.as_object_mut() {
                members.insert("website".to_owned(), website.into());
            }
            let answer = scene.stage.gate(&scene.a).send(Ask::post(path, &body)).await?.decided()?;
            if robot(&answer) != wanted || answer.good() == wanted {
                let expected = if wanted { "refused, right password or not" } else { "let in" };
                return broken(
                    "signing in with the member that people never see",
                    expected,
                    format!("{}", answer.status),
                );
            }
            tried += 1;
        }
        let page =
            scene.stage.gate(&scene.a).at_root(Ask::get("/sign-in").header("accept", "text/html")).await?.decided()?;
        if !page.page().contains("name=\"website\"") {
            return broken("reading the sign-in page", "the member that people never see", "it is not there");
        }
        doors += 1;
    }
    if forms + doors == 0 {
        return Err(Miss::Absent("the app has neither public forms nor a sign-in of its own"));
    }
    // Programs that say that they look for holes.
    let scanner = Ask::get("/sign-in").header("user-agent", "sqlmap/1.7");
    if rule(&scene.stage.gate(&scene.a).at_root(scanner).await?).is_none() {
        return broken("a known scanner at the sign-in page", "refused by rule", "answered");
    }
    Ok(Evidence::new().count("public forms", forms).count("sign-in", doors).count("fillings judged rightly", tried + 1))
}

async fn greeted(scene: &Scene, side: &Side, source: Ipv4Addr) -> Option<u16> {
    let host = format!("{}:{}", scene.app.domain, side.net.address.port());
    let client = Client::new(side.net.clone(), host, String::new(), source);
    client.at_root(Ask::get("/healthz")).await.ok().map(|answer| answer.status)
}

/// Waits until an address is let in, or not.
async fn until(scene: &Scene, side: &Side, source: Ipv4Addr, wanted: bool) -> Option<Duration> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(12) {
        if greeted(scene, side, source).await.is_some() == wanted {
            return Some(began.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    None
}

async fn blocklist(scene: &Scene) -> Outcome {
    let declared: Vec<&String> = scene
        .app
        .edge
        .blocklist
        .iter()
        .filter_map(|p| if let Pointer::File(path) = p { Some(path) } else { None })
        .collect();
    let Some(path) = declared.first() else { return Err(Miss::Absent("the manifest declares no list from a file")) };
    let hours = scene.app.edge.blocklist_age.0 / 3_600_000;
    if hours > 24 {
        return broken("reading the age that a list may have", "24 h or less", format!("{hours} h"));
    }
    let list = scene.stage.instance.scratch().join(format!("list-{}.cidr", random::hex(4)));
    let (here, from) = (format!("\"file:{}\"", list.display()), format!("\"file:{path}\""));
    let folder = edited(scene, |app, page| (app.replace(&from, &here), page))?;
    let (one, two) = (Ipv4Addr::new(127, 250, 1, 9), Ipv4Addr::new(127, 250, 2, 9));
    std::fs::write(&list, "# listed\n127.250.1.0/24 ; first\n2001:db8:bad::/48\n")?;
    let side = Side::up(scene, &Wish { folder: Some(&folder), ..Wish::default() }).await?;
    if greeted(scene, &side, one).await.is_some() {
        return broken("connecting from a listed address", "closed before TLS", "answered");
    }
    if greeted(scene, &side, two).await != Some(200) {
        return unclear("an address that is not listed was not answered");
    }
    // The list changes; nobody restarts anything.
    std::fs::write(&list, "127.250.2.9\n")?;
    let Some(took) = until(scene, &side, two, false).await else {
        return broken("a list that gained an address", "enforced within seconds, by itself", "not after 12 s");
    };
    if until(scene, &side, one, true).await.is_none() {
        return broken("a list that lost an address", "let in again", "still closed after 12 s");
    }
    // What is no list does not open the door, and an old one is told.
    std::fs::write(&list, "not a network\n")?;
    tokio::time::sleep(Duration::from_secs(6)).await;
    if greeted(scene, &side, two).await.is_some() {
        return broken("a list that became unreadable", "the one before stays in force", "the address is let in");
    }
    std::fs::write(&list, "127.250.2.9\n")?;
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    std::fs::File::options().write(true).open(&list)?.set_modified(old)?;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let status = side.admin(&json!({"do": "status", "as": "verify"})).await?;
    if status.pointer("/blocklist/stale") != Some(&Value::Bool(true)) {
        return broken("a list older than declared", "told to the operators", "not told");
    }
    drop(side);
    if !matches!(bad_list(scene, &folder, &list).await?, Start::Refused(2, _)) {
        return broken("starting with an unreadable list", "exit 2", "another end");
    }
    Ok(Evidence::new()
        .count("listed addresses answered", 0)
        .millis("a changed list was in force after", took)
        .count("hours that a list may be old", usize::try_from(hours).unwrap_or(0)))
}

async fn bad_list(scene: &Scene, folder: &Path, list: &Path) -> Result<Start, Miss> {
    std::fs::write(list, "0.0.0.0/0\n")?;
    Side::start(scene, &Wish { folder: Some(folder), ..Wish::default() }).await
}

/// Names of the variables that list the proxies.
fn ranges(scene: &Scene) -> Vec<&str> {
    scene.app.edge.proxies.iter().filter_map(|p| p.strip_prefix("env:")).collect()
}

const PROXY: Ipv4Addr = Ipv4Addr::new(127, 66, 0, 1);
const AROUND: Ipv4Addr = Ipv4Addr::new(127, 67, 0, 1);

async fn origin_lock(scene: &Scene) -> Outcome {
    let names = ranges(scene);
    let Some(name) = names.first() else {
        return Err(Miss::Absent("no proxy is declared: TLS ends in the program"));
    };
    let proxies = [(*name, "127.66.0.0/16")];
    // Without a proxy in the variable, TLS ends here: the instance itself was asked so all along.
    if greeted_at(&scene.stage.instance.net, scene, AROUND, &[]).await != Some(200) {
        return unclear("the instance without a proxy does not answer");
    }
    let tried = match &scene.app.edge.origin_lock {
        OriginLock::None => return Err(Miss::Absent("the manifest declares no lock")),
        OriginLock::Secret(Pointer::Env(variable)) => secret_lock(scene, proxies, variable).await?,
        OriginLock::Secret(_) => return Err(Miss::Unbuilt("the lock's secret is not named by a variable")),
        OriginLock::ClientCertificate => certificate_lock(scene, proxies).await?,
    };
    let kind = if scene.app.edge.origin_lock == OriginLock::ClientCertificate {
        "client certificate"
    } else {
        "shared secret"
    };
    Ok(Evidence::new()
        .word("lock", kind)
        .count("ways around the proxy refused", tried)
        .word("without a proxy", "TLS ends in the program"))
}

async fn greeted_at(net: &Net, scene: &Scene, source: Ipv4Addr, headers: &[(&str, &str)]) -> Option<u16> {
    let host = format!("{}:{}", scene.app.domain, net.address.port());
    let client = Client::new(net.clone(), host, String::new(), source);
    let ask = headers.iter().fold(Ask::get("/healthz"), |ask, (name, value)| ask.header(name, value));
    client.at_root(ask).await.ok().map(|answer| answer.status)
}

async fn secret_lock(scene: &Scene, proxies: [(&str, &str); 1], variable: &str) -> Result<usize, Miss> {
    let ([ranges], secret) = (proxies, random::hex(24));
    for value in ["", "short"] {
        let variables = [ranges, (variable, value)];
        if !matches!(
            Side::start(scene, &Wish { variables: &variables, ..Wish::default() }).await?,
            Start::Refused(2, _)
        ) {
            return broken("starting behind a proxy without the lock's secret", "exit 2", "it starts");
        }
    }
    let side = Side::up(scene, &Wish { variables: &[ranges, (variable, &secret)], ..Wish::default() }).await?;
    let (own, wrong) = (("x-origin-lock", secret.as_str()), ("x-origin-lock", "0123456789abcdef0123456789abcdef"));
    if greeted_at(&side.net, scene, PROXY, &[own, ("x-forwarded-for", "203.0.113.9")]).await != Some(200) {
        return unclear("the proxy itself is not answered");
    }
    let ways: [(Ipv4Addr, &[(&str, &str)]); 6] = [
        (PROXY, &[]),
        (PROXY, &[wrong]),
        (AROUND, &[]),
        (AROUND, &[wrong]),
        (AROUND, &[own]),
        (AROUND, &[("x-forwarded-for", "127.66.0.1")]),
    ];
    for (source, headers) in ways {
        let status = greeted_at(&side.net, scene, source, headers).await;
        if status.is_some_and(|s| s < 400) {
            return broken("a request that did not come through the proxy", "refused", format!("{status:?}"));
        }
    }
    Ok(ways.len())
}

/// A made-up authority: its certificate as PEM, and one for a client.
fn authority() -> Result<(String, Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Miss> {
    let make = || -> Result<_, rcgen::Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root_key = KeyPair::generate()?;
        let root = params.self_signed(&root_key)?;
        let mut leaf = CertificateParams::new(vec!["edge.example".to_owned()])?;
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let signed = leaf.signed_by(&key, &Issuer::new(params, root_key))?;
        Ok((root.pem(), vec![signed.der().clone()], key.serialize_pem()))
    };
    let (root, chain, key) = make().map_err(|e| Miss::Unclear(format!("certificate: {e}")))?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|e| Miss::Unclear(format!("key: {e}")))?;
    Ok((root, chain, key))
}

/// A client of the instance's authority that shows a certificate.
fn showing(
    scene: &Scene,
    side: &Side,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Net, Miss> {
    let mut roots = rustls::RootCertStore::empty();
    let file = scene.stage.instance.scratch().join("cert.pem");
    let served = CertificateDer::pem_file_iter(file).map_err(|e| Miss::Unclear(format!("certificate: {e}")))?;
    for certificate in served.flatten() {
        let _leaf_or_root = roots.add(certificate);
    }
    let wrong = |e: rustls::Error| Miss::Unclear(format!("TLS: {e}"));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(wrong)?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(wrong)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Net { tls: Arc::new(config), ..side.net.clone() })
}

async fn certificate_lock(scene: &Scene, [ranges]: [(&str, &str); 1]) -> Result<usize, Miss> {
    let ((root, chain, key), (_, other_chain, other_key)) = (authority()?, authority()?);
    let file = scene.stage.instance.scratch().join(format!("edge-{}.pem", random::hex(4)));
    std::fs::write(&file, root)?;
    let path = file.display().to_string();
    for value in ["", "/nowhere.pem"] {
        let variables = [ranges, ("VOUCHSAFE_ORIGIN_CA", value)];
        if !matches!(
            Side::start(scene, &Wish { variables: &variables, ..Wish::default() }).await?,
            Start::Refused(2, _)
        ) {
            return broken("starting behind a proxy without its authority", "exit 2", "it starts");
        }
    }
    let side =
        Side::up(scene, &Wish { variables: &[ranges, ("VOUCHSAFE_ORIGIN_CA", &path)], ..Wish::default() }).await?;
    let (edge, stranger) = (showing(scene, &side, chain, key)?, showing(scene, &side, other_chain, other_key)?);
    if greeted_at(&edge, scene, PROXY, &[("x-forwarded-for", "203.0.113.9")]).await != Some(200) {
        return unclear("the proxy itself is not answered");
    }
    let ways = [(&side.net, PROXY), (&side.net, AROUND), (&stranger, PROXY), (&stranger, AROUND), (&edge, AROUND)];
    for (net, source) in ways {
        let status = greeted_at(net, scene, source, &[]).await;
        if status.is_some_and(|s| s < 400) {
            return broken("a connection that did not come through the proxy", "refused", format!("{status:?}"));
        }
    }
    Ok(ways.len())
}
