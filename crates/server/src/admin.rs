//! The admin socket: how the command line acts on a running server. A unix socket in the data folder, readable by its owner
//! only, peer uid checked; one order a connection, as a line of JSON, and behind a `call` the route's body in `pieces`; every
//! act leaves a leaf that names the operator.

use std::{os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

use futures_util::StreamExt as _;
use kernel::{Action, Credential, DAY, Failure, Permit, Principal, TenantId, Write, may};
use route::{Body, Intake, Raw, Reply, Run};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Control, Tx};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
};

use crate::{
    Server,
    admission::{Note, Turned},
    operators, people, pieces,
};

/// Longest order, in bytes.
const LONGEST: u64 = 256 * 1024;

/// What the command line asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    #[serde(rename = "do")]
    pub(crate) what: String,
    #[serde(rename = "as")]
    pub(crate) operator: String,
    pub(crate) tenant: Option<String>,
    slug: Option<String>,
    pub(crate) name: Option<String>,
    region: Option<String>,
    #[serde(default)]
    pub(crate) canary: bool,
    #[serde(default)]
    pub(crate) people: Vec<people::Person>,
    pub(crate) email: Option<String>,
    role: Option<String>,
    password: Option<String>,
    subject: Option<String>,
    #[serde(default)]
    values: Vec<String>,
    method: Option<String>,
    path: Option<String>,
    attestation: Option<Attestation>,
    #[serde(rename = "type")]
    kind: Option<String>,
    pub(crate) newcomer: Option<operators::Newcomer>,
    #[serde(default)]
    pub(crate) keep: Vec<String>,
    #[serde(default)]
    pub(crate) remove: Vec<String>,
}

/// What a person signs; who signs is who acts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attestation {
    subject: String,
    statement: String,
    evidence: Option<String>,
    /// Last day (`2027-01-31`) or moment.
    expires: Option<String>,
    days: Option<i64>,
}

impl Attestation {
    fn wish(self, name: &str, now: kernel::Time) -> Result<disclosure::Wish, Failure> {
        let expires = moment(self.expires.as_deref(), self.days, now)?;
        let Self { subject, statement, evidence, .. } = self;
        Ok(disclosure::Wish { subject, name: name.to_owned(), statement, evidence, expires })
    }
}

/// A last moment: a day such as `2027-01-31` to its end, a moment, or days from now.
pub(crate) fn moment(
    text: Option<&str>,
    days: Option<i64>,
    now: kernel::Time,
) -> Result<Option<kernel::Time>, Failure> {
    let Some(text) = text else { return Ok(days.map(|days| now.plus(days.saturating_mul(DAY)))) };
    let last = kernel::Time::day(text).map(|day| day.plus(DAY - 1)).or_else(|| kernel::Time::parse(text));
    last.map(Some).ok_or(Failure::bad("`expires` is a day such as 2027-01-31"))
}

/// Listens on `<data>/admin.sock` until the runtime ends.
///
/// # Errors
/// Words for the terminal.
pub(crate) fn listen(server: &Arc<Server>, data: &Path) -> Result<(), String> {
    let path = data.join("admin.sock");
    let _stale = std::fs::remove_file(&path); // the folder's lock is ours: whoever made it is gone
    let said = |e: std::io::Error| format!("{}: {e}", path.display());
    let listener = UnixListener::bind(&path).map_err(said)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(said)?;
    let own = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&path).map_err(said)?);
    let server = Arc::clone(server);
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Out of handles, most likely: others end and give some back.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            };
            if stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0) {
                tokio::spawn(converse(Arc::clone(&server), stream));
            }
        }
    });
    Ok(())
}

async fn converse(server: Arc<Server>, stream: UnixStream) {
    let (read, mut write) = stream.into_split();
    let mut reader = BufReader::new(read);
    let mut line = String::new();
    let _length = (&mut reader).take(LONGEST).read_line(&mut line).await;
    let order: Result<Order, _> = serde_json::from_str(&line);
    let (answer, note) = match order {
        Ok(order) => match server.admit(&order).await {
            Ok(note) if order.what == "call" => match call(&server, order, reader).await {
                Ok(reply) => return forward(reply, note, write).await,
                Err(failure) => (Err(words(failure)), note),
            },
            Ok(note) => (act(&server, order).await.map_err(words), note),
            Err(Turned::Away(why)) => (Err(why.to_owned()), None),
            Err(Turned::Failed(failure)) => (Err(words(failure)), None),
        },
        Err(_) => (Err(words(Failure::bad("an order is one line of JSON with `do` and `as`"))), None),
    };
    let mut text = match answer {
        Ok(value) => json!({"ok": value}),
        Err(words) => json!({"error": words}),
    };
    if let (Some(note), Some(members)) = (note, text.as_object_mut()) {
        members.insert("note".to_owned(), note.into());
    }
    let _gone = write.write_all(format!("{text}\n").as_bytes()).await;
}

/// A failure as one line for the terminal.
fn words(failure: Failure) -> String {
    if let Failure::Internal(detail) = &failure {
        return format!("internal: {detail}");
    }
    let problem = route::problem(failure);
    let details = problem.errors.iter().map(|e| format!("{}: {}", e.field, e.detail)).chain(problem.detail);
    std::iter::once(problem.title.to_owned()).chain(details).collect::<Vec<_>>().join(": ")
}

impl Server {
    /// The operator's principal in one tenant, on the same walk as a request's.
    pub(crate) async fn operator(&self, name: &str, tenant: TenantId) -> Result<Principal, Failure> {
        if name.trim().is_empty() || name.len() > 200 {
            return Err(Failure::bad("`as` names who acts"));
        }
        let now = self.clock.now();
        let caller = self.authentication.operator(self.inside(now), name);
        self.authentication.principal(self.tenancy.enter(caller, tenant).await?).await
    }
    /// A transaction of the house for the operator; `event` names its leaf.
    pub(crate) async fn house_tx(&self, name: &str, event: &'static str) -> Result<Tx<Write>, Failure> {
        let who = self.operator(name, TenantId::HOUSE).await?;
        let permit: Permit<Write> = self.access.permit(who, may("house", "manage"), event, true).await?;
        Ok(Tx::open(&self.store, permit))
    }
    pub(crate) async fn named(&self, name: Option<&str>) -> Result<TenantId, Failure> {
        let name = name.ok_or(Failure::bad("`tenant` is missing: a slug or an id"))?;
        if let Ok(id) = name.parse::<TenantId>() {
            return Ok(id);
        }
        Ok(self.tenancy.named(name).await?.ok_or(Failure::NotFound)?.id)
    }
}

async fn act(server: &Server, order: Order) -> Result<Value, Failure> {
    let who = order.operator.as_str();
    match order.what.as_str() {
        "status" => Ok(json!({
            "version": crate::VERSION,
            "nodes": 1,
            "regions": server.app.regions.iter().map(|r| r.id).collect::<Vec<_>>(),
            "engine": server.engine,
            "posture": server.posture.get(),
            "filter": transport::RULES,
            "pool": {"connections": server.store.capacity().0, "wait_ms": server.store.capacity().1.as_millis() as u64},
            "blocklist": server.blocklist.declared().then(|| server.blocklist.standing(server.clock.now())),
            "openings": server.vault.openings(),
        })),
        "attest" => {
            let wanted = order.attestation.ok_or(Failure::bad("`attestation` is missing"))?;
            let wish = wanted.wish(who, server.clock.now())?;
            let tx = server.house_tx(who, "promise.attested").await?;
            let (_, made) = server.disclosure.attest(tx, wish).await?;
            Ok(json!({"signed": made.subject, "by": made.name, "until": made.expires_at}))
        }
        "attest.due" => server.disclosure.reminders(&server.house_tx(who, "promise.attested").await?).await,
        what if what.starts_with("operator.") => operators::act(server, &order).await,
        "csp.list" => Ok(violations(server)),
        // Mail of canaries, which goes nowhere else.
        "mail.sunk" => {
            let to = order.email.as_deref();
            let mails = server.mailer.sunk(&|address| to.is_none_or(|to| to == address));
            Ok(json!(
                mails.iter().map(|m| json!({"to": m.to, "subject": m.subject, "text": m.text})).collect::<Vec<_>>()
            ))
        }
        "keys.status" => crate::rotation::status(server).await,
        "keys.rotate" => {
            let tenant = match order.tenant.as_deref() {
                Some(_) => Some(server.named(order.tenant.as_deref()).await?),
                None => None,
            };
            crate::rotation::now(server, who, tenant).await
        }
        "keys.rewrap" => crate::rotation::root(server, who).await,
        "tenant.create" => {
            let slug = order.slug.as_deref().ok_or(Failure::bad("`slug` is missing"))?;
            let wish = people::Wish {
                slug,
                name: order.name.as_deref().unwrap_or(slug),
                region: order.region.as_deref(),
                canary: order.canary,
                people: &order.people,
            };
            let made = people::found(server, who, &wish).await?;
            serde_json::to_value(made).map_err(|_| Failure::internal("admin: answer"))
        }
        "tenant.list" => {
            let mut list = Vec::new();
            for id in server.tenancy.every().await? {
                if let Some(home) = server.tenancy.home(id).await? {
                    list.push(json!({"id": id, "slug": home.slug, "name": home.name, "url": home.url, "status": format!("{:?}", home.status).to_lowercase()}));
                }
            }
            Ok(Value::Array(list))
        }
        "tenant.suspend" => {
            let tenant = server.named(order.tenant.as_deref()).await?;
            let batch = server.house_tx(who, "tenant.suspended").await?.batch::<Control>(format!("tenant/{tenant}"));
            tenancy::suspend(batch, tenant).commit().await.map(|_| Value::Null)
        }
        "tenant.resume" => {
            let tenant = server.named(order.tenant.as_deref()).await?;
            let batch = server.house_tx(who, "tenant.resumed").await?.batch::<Control>(format!("tenant/{tenant}"));
            tenancy::resume(batch, tenant).commit().await.map(|_| Value::Null)
        }
        "tenant.delete" => {
            let tenant = server.named(order.tenant.as_deref()).await?;
            let batch = server.house_tx(who, "tenant.deleted").await?.batch::<Control>(format!("tenant/{tenant}"));
            tenancy::delete(batch, tenant, server.clock.now()).commit().await.map(|_| Value::Null)
        }
        "member.add" => {
            let tenant = server.named(order.tenant.as_deref()).await?;
            let person = people::Person {
                email: order.email.ok_or(Failure::bad("`email` is missing"))?,
                name: order.name.unwrap_or_default(),
                role: order.role,
                password: order.password,
                subject: order.subject,
            };
            let user = people::join(server, who, tenant, &person).await?;
            Ok(json!({"user": user}))
        }
        "audit.erase" => {
            let tenant = server.named(order.tenant.as_deref()).await?;
            let subject = order.subject.ok_or(Failure::bad("`subject` is missing"))?;
            let who = server.operator(who, tenant).await?;
            let permit: Permit<Write> = server.access.permit(who, may("audit", "manage"), "audit.erased", true).await?;
            let erased = audit::erase(Tx::open(&server.store, permit), &subject, &order.values).await?;
            Ok(json!({"leaves": erased.leaves, "values found nowhere": erased.absent}))
        }
        "user.deactivate" => {
            let email = order.email.ok_or(Failure::bad("`email` is missing"))?;
            people::deactivate(server, who, &email).await.map(|()| Value::Null)
        }
        _ => Err(Failure::bad("unknown order")),
    }
}

/// What browsers reported as blocked, the most frequent first.
fn violations(server: &Server) -> Value {
    let mut seen = server.violations.list();
    seen.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    let line = |(v, times): &(transport::Violation, u64)| json!({"times": times, "directive": v.directive, "page": v.page, "blocked": v.blocked});
    Value::Array(seen.iter().map(line).collect())
}

/// Calls one route as the operator; what follows the order on the socket is the body.
async fn call(
    server: &Arc<Server>,
    order: Order,
    mut body: BufReader<tokio::net::unix::OwnedReadHalf>,
) -> Result<Reply, Failure> {
    let tenant = server.named(order.tenant.as_deref()).await?;
    let who = server.operator(&order.operator, tenant).await?;
    debug_assert!(matches!(who.credential(), Credential::Operator(_)), "the socket makes operators only");
    let method = order.method.as_deref().and_then(|m| m.parse().ok()).ok_or(Failure::bad("`method` is missing"))?;
    let path = order.path.ok_or(Failure::bad("`path` is missing"))?;
    let (path, query) = path.split_once('?').unwrap_or((&path, ""));
    let matched = server.router.find(&method, path)?;
    let mut headers = http::HeaderMap::new();
    if let Some(kind) = order.kind.as_deref().and_then(|k| k.parse().ok()) {
        headers.insert(http::header::CONTENT_TYPE, kind);
    }
    let mut raw = Raw {
        params: matched.params,
        query: route::form(query.as_bytes())?,
        headers,
        body: bytes::Bytes::new(),
        stream: None,
    };
    let route = matched.route;
    match route.serve.intake {
        Intake::None => {}
        Intake::Whole(cap) => {
            raw.body = pieces::whole(&mut body, cap).await?;
        }
        Intake::Stream(_) => raw.stream = Some(Box::pin(pieces::stream(body))),
    }
    let (action, event): (Action, _) = (route.action, route.serve.event);
    match &route.serve.run {
        Run::Read(run) => run(&server.store, server.access.permit(who, action, event, true).await?, raw, None).await,
        Run::Write(run) => run(&server.store, server.access.permit(who, action, event, true).await?, raw, None).await,
    }
}

/// The head as one line, then the body. A body that breaks off has no end.
async fn forward(reply: Reply, note: Note, mut to: tokio::net::unix::OwnedWriteHalf) {
    let head = json!({"ok": {"status": reply.status.as_u16()}, "note": note});
    let sent = async {
        to.write_all(format!("{head}\n").as_bytes()).await?;
        match reply.body {
            Body::Empty | Body::Page(_) => {}
            Body::Bytes(bytes) => pieces::send(&mut to, &bytes).await?,
            Body::Stream(mut stream) => {
                while let Some(piece) = stream.next().await {
                    let Ok(piece) = piece else { return Ok(()) };
                    pieces::send(&mut to, &piece).await?;
                }
            }
        }
        pieces::end(&mut to).await?;
        to.shutdown().await
    };
    let _whoever_hung_up = sent.await;
}
