//! The one ordered list of stages. Each takes what the one before it made; nothing reaches a handler past a missing one.

use std::{
    net::{IpAddr, SocketAddr},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use encryption::hash;
use futures_util::FutureExt as _;
use http::{HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use kernel::{Failure, Home, Principal, RequestId, TenantId, Time};
use limits::{Quota, Who};
use monitoring::Line;
use route::{BodyStream, Intake, Raw, Reply, Route, Run};
use transport::{About, Body};

use crate::{
    Server, admission,
    browser::{self, Asked},
    faults, replay, site,
};

/// What the log line will say; filled in as stages pass.
struct Trace {
    request: RequestId,
    at: Time,
    template: &'static str,
    tenant: Option<TenantId>,
    actor: &'static str,
    secure: bool,
    address: IpAddr,
    quota: Option<Quota>,
    /// Whose pages a refusal looks like.
    home: Option<Arc<Home>>,
    /// Cookies of a session that went on by itself.
    cookies: Vec<HeaderValue>,
}

/// Answers one request, whatever it is.
pub(crate) async fn pass(
    server: Arc<Server>,
    socket: SocketAddr,
    tls: bool,
    request: Request<Incoming>,
) -> http::Response<Body> {
    let at = server.clock.now();
    let started = std::time::Instant::now();
    let mut trace = Trace {
        request: RequestId(server.rng.id(at)),
        at,
        template: "",
        tenant: None,
        actor: "none",
        secure: tls,
        address: socket.ip(),
        quota: None,
        home: None,
        cookies: Vec::new(),
    };
    let asked = Asked::new(&request);
    let (method, head) = (request.method().clone(), request.method() == Method::HEAD);
    let clear = framed(request.headers());
    let answer = if clear {
        // A panic is a bug: its place goes to the log, the client learns that it is ours, and the server goes on.
        let answered = AssertUnwindSafe(stages(&server, socket, tls, request, &asked, &mut trace)).catch_unwind().await;
        answered.unwrap_or(Err(Failure::internal("a handler panicked")))
    } else {
        Err(Failure::bad("a transfer coding other than chunked"))
    };
    if let Err(Failure::TooMany { retry_after, tier }) = &answer {
        trace.quota = server.limits.spent(tier, *retry_after);
    }
    let mut reply = match answer {
        Ok(reply) => reply,
        Err(failure) if asked.wants_page() => {
            server.monitor.failure(&failure, Some(trace.request), trace.tenant);
            browser::refusal(&server, trace.home.as_deref(), &asked, failure)
        }
        Err(failure) => refuse(&server, &trace, failure),
    };
    if !reply.headers.contains_key(header::SET_COOKIE) {
        reply.headers.extend(trace.cookies.drain(..).map(|cookie| (header::SET_COOKIE, cookie)));
    }
    let status = reply.status;
    let about = About {
        request: trace.request,
        secure: trace.secure,
        nonce: server.rng.array(),
        quota: trace.quota.as_ref(),
        no_store: trace.template != "site",
    };
    let mut response = server.transport.dress(reply, &about);
    if !clear {
        // Where this request ends is a matter of opinion: nothing behind it is read as the next.
        response.headers_mut().insert(header::CONNECTION, http::HeaderValue::from_static("close"));
    }
    server.monitor.access(Line {
        at: trace.at,
        request: trace.request,
        tenant: trace.tenant,
        method,
        route: trace.template,
        status: status.as_u16(),
        micros: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        bytes: response.body().len().unwrap_or(0),
        actor: trace.actor,
        address: trace.address,
    });
    if head { response.map(|_| Body::Whole(None)) } else { response }
}

async fn stages(
    server: &Arc<Server>,
    socket: SocketAddr,
    tls: bool,
    request: Request<Incoming>,
    asked: &Asked,
    trace: &mut Trace,
) -> Result<Reply, Failure> {
    if kernel::sabotage::off("obs.error_scrub") {
        let told = Failure::Internal(format!("{} {:?}", request.uri(), request.headers()).into());
        server.monitor.failure(&told, Some(trace.request), None);
    }
    let (parts, body) = request.into_parts();
    let mut headers = parts.headers;

    // What only an attack says is answered before anything is looked up.
    server.filter.check(&parts.uri, &headers)?;

    // Who is at the other end, and which host they came to.
    let peer = server.transport.peer(socket, &headers, trace.request, tls, trace.at)?;
    trace.secure = peer.secure();
    trace.address = peer.address();
    if server.blocklist.holds(peer.address()) {
        return Err(Failure::Filtered("blocklist"));
    }
    let site = server.tenancy.site(peer, host(&parts.uri, &headers)?).await?;

    // Which credential they showed, and which tenant that makes it.
    let desk = admission::desk(&site, parts.uri.path());
    let mut caller = match desk {
        true => server.at_desk(site, &headers).await?,
        false => server.authentication.caller(site, &headers).await?,
    };
    if !desk && let Some(renewed) = browser::renewed(server, &caller, asked, &headers).await? {
        trace.cookies = renewed.cookies;
        if let Some(cookie) = renewed.cookie {
            headers.insert(header::COOKIE, cookie);
            caller = server.authentication.caller(caller.site().clone(), &headers).await?;
        }
    }
    let path = parts.uri.path();
    let stranger = *caller.credential() == kernel::Credential::None;
    let (tenant, rest) = match server.tenancy.tenant(caller, path).await {
        // Which workspaces there are is nobody's business; a visitor's browser is sent to sign in for any of them.
        Err(Failure::NotFound) if stranger && path.starts_with("/w/") && asked.wants_page() => {
            return Err(Failure::SignInNeeded);
        }
        found => found?,
    };
    trace.tenant = Some(tenant.home().id);
    trace.home = Some(Arc::clone(tenant.home()));
    if tenant.delivery() && !parts.method.is_safe() {
        return Err(Failure::MethodNotAllowed("GET, HEAD".to_owned()));
    }

    // Which route. Files of the app's own site come last, for GET alone.
    let matched = match server.router.find(&parts.method, rest) {
        Ok(matched) => matched,
        Err(Failure::NotFound) if parts.method == Method::GET || parts.method == Method::HEAD => {
            trace.template = "site";
            return site::file(server, tenant.home(), rest).await;
        }
        Err(failure) => return Err(failure),
    };
    trace.template = matched.template;
    let route = matched.route;

    if desk && stranger && asked.wants_page() && route.action.resource == "operator" && route.action.verb != "enter" {
        return Ok(route::page::see_other("/operator/enter"));
    }

    // A change is not asked for from another site; and who acts, by the roster as it is now.
    let credential = tenant.caller().credential();
    let cookie = matches!(credential, kernel::Credential::User { cookie: true, .. } | kernel::Credential::Desk(_));
    let noted = matches!(route.serve.run, Run::Write(_)) || route.action.resource == "audit";
    if matches!(route.serve.run, Run::Write(_)) {
        transport::cross_site(&parts.method, &headers, &server.origin_of(tenant.home()), cookie)?;
    }
    let principal = server.authentication.principal(tenant).await?;
    trace.actor = Line::kind(principal.actor());

    let raw = Raw {
        params: matched.params,
        query: query(parts.uri.query())?,
        headers,
        body: bytes::Bytes::new(),
        stream: None,
    };
    let again = route.serve.redraw.as_ref().filter(|_| asked.form).map(|redraw| (redraw, browser::copy(&raw)));
    let step = Step { server, route, template: matched.template, principal: &principal, noted };
    let mut typed = bytes::Bytes::new();
    let answer = answer(&step, raw, body, &mut typed, trace).await;
    match (answer, again) {
        (Err(failure), Some((redraw, raw))) if browser::mends(&failure, route.action.resource == "public") => {
            if let Failure::TooMany { retry_after, tier } = &failure {
                trace.quota = server.limits.spent(tier, *retry_after);
            }
            server.monitor.failure(&failure, Some(trace.request), trace.tenant);
            let permit = server.access.permit(principal.clone(), route.action, "", false).await?;
            browser::redrawn(failure, &typed, |mishap| redraw(&server.store, permit, raw, mishap)).await
        }
        // A name that is no file of ours may be one of the app's own.
        (Err(Failure::NotFound), _) if matched.template == route::page::assets::PATH => {
            trace.template = "site";
            site::file(server, principal.home(), rest).await
        }
        (answer, _) => answer,
    }
}

/// A request at its route.
struct Step<'r> {
    server: &'r Server,
    route: &'r Route,
    template: &'static str,
    principal: &'r Principal,
    noted: bool,
}

async fn answer(
    step: &Step<'_>,
    raw: Raw,
    body: Incoming,
    typed: &mut bytes::Bytes,
    trace: &mut Trace,
) -> Result<Reply, Failure> {
    let Step { server, route, template, principal, noted } = *step;
    // Within their budget; visitors' budgets per account are counted once the body names the account.
    let late = needs_account(server, route, principal);
    if !late {
        trace.quota = Some(spend(server, route, template, principal, None)?);
    }

    // May they? Then the body, and the handler. A refusal that only the handler can know leaves its leaf all the same.
    let total = (!matches!(route.serve.intake, Intake::Stream(_))).then(|| flood(server.app.edge.flood.total));
    let (action, event) = (route.action, route.serve.event);
    if let Some(also) = route.serve.also {
        let _held: kernel::Permit<kernel::Read> = server.access.permit(principal.clone(), also, event, noted).await?;
    }
    let ready = async |raw, trace: &mut Trace| {
        let raw = within(total, Failure::TooSlow, take(server, route, principal.tenant(), raw, body)).await?;
        *typed = raw.body.clone();
        if late {
            trace.quota = Some(spend(server, route, template, principal, account(&raw))?);
        }
        Ok(raw)
    };
    let answer = match &route.serve.run {
        Run::Read(run) => {
            let permit = server.access.permit(principal.clone(), action, event, noted).await?;
            let raw = ready(raw, trace).await?;
            let handler = run(&server.store, permit, raw, None);
            match server.faults.next() {
                None => within(total, Failure::Busy(1), handler).await,
                Some(fault) => faults::struck(fault, handler).await?,
            }
        }
        Run::Write(run) => {
            let permit = server.access.permit(principal.clone(), action, event, noted).await?;
            let raw = ready(raw, trace).await?;
            let run = |raw, prepare| run(&server.store, permit, raw, prepare);
            within(total, Failure::Unknown, replay::once(server, principal, (template, event), raw, run)).await
        }
    };
    match answer {
        Err(failure @ Failure::Refused(_)) => Err(server.access.refused(principal, action, event, failure).await),
        answer => answer,
    }
}

fn flood(limit: manifest::Millis) -> Duration {
    Duration::from_millis(limit.0.max(1).cast_unsigned())
}

/// The answer, or `late` when it takes longer than the whole request may. Streams have deadlines between their pieces.
async fn within<T>(
    total: Option<Duration>,
    late: Failure,
    answer: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match total {
        None => answer.await,
        Some(total) => tokio::time::timeout(total, answer).await.unwrap_or(Err(late)),
    }
}

/// Whether the end of the body is where everybody on the way saw it: no transfer coding, or `chunked` alone (RFC 9112, 6.1).
fn framed(headers: &http::HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(only), None) => only.as_bytes().eq_ignore_ascii_case(b"chunked"),
        _ => false,
    }
}

/// The host that was asked for: the authority of HTTP/2, else exactly one Host header.
fn host<'r>(uri: &'r http::Uri, headers: &'r http::HeaderMap) -> Result<&'r str, Failure> {
    if let Some(authority) = uri.authority() {
        return Ok(authority.as_str());
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let only = hosts.next().and_then(|h| h.to_str().ok()).ok_or(Failure::UnknownHost)?;
    if hosts.next().is_some() { Err(Failure::bad("Host is given twice")) } else { Ok(only) }
}

fn query(text: Option<&str>) -> Result<Vec<(String, String)>, Failure> {
    let pairs = route::form(text.unwrap_or("").as_bytes())?;
    if pairs.len() > 64 {
        return Err(Failure::bad("the query has too many members"));
    }
    let twice = pairs.iter().enumerate().any(|(i, (name, _))| pairs.iter().skip(i + 1).any(|(other, _)| other == name));
    if twice { Err(Failure::bad("a name is given twice")) } else { Ok(pairs) }
}

/// Reads the body as the route wants it, under the edge's caps and deadlines.
async fn take(
    server: &Server,
    route: &Route,
    tenant: kernel::TenantId,
    mut raw: Raw,
    body: Incoming,
) -> Result<Raw, Failure> {
    let most = || server.limits.body(tenant).unwrap_or(u64::MAX);
    let idle = flood(server.app.edge.flood.body_idle);
    match route.serve.intake {
        Intake::None => {
            raw.body = transport::whole(body, 0, idle).await.map_err(|f| match f {
                Failure::TooLarge(_) => Failure::bad("no body is expected here"),
                other => other,
            })?;
        }
        Intake::Whole(cap) => {
            raw.body = transport::whole(body, cap.min(server.app.edge.flood.body).min(most()), idle).await?;
            if server.app.auth.honeypot && matches!(route.action.verb, "sign_in" | "sign_up") {
                let kind = raw.media_type();
                raw.body = transport::people_only(raw.body, kind.as_deref())?;
            }
        }
        Intake::Stream(cap) => {
            let stream: BodyStream = transport::stream(body, cap.min(most()), idle)?;
            raw.stream = Some(stream);
        }
    }
    Ok(raw)
}

/// Whether the tier counts per account while nobody is signed in: then the account is the one the body names.
fn needs_account(server: &Server, route: &Route, principal: &Principal) -> bool {
    let per_account = |r: &manifest::Rate| r.per == manifest::Per::Account;
    principal.user().is_none()
        && server.app.limits.tiers.get(route.tier).is_some_and(|rates| rates.iter().any(per_account))
}

/// Whether the request spends what all of the tenant share. Whoever will be refused does not: strangers could otherwise use up
/// the exports of a customer. They count by their address.
fn counts_for_tenant(server: &Server, route: &Route, principal: &Principal) -> bool {
    let shared = |r: &manifest::Rate| r.per == manifest::Per::Tenant;
    !server.app.limits.tiers.get(route.tier).is_some_and(|rates| rates.iter().any(shared))
        || server.access.weigh(principal, route.action).is_ok()
}

/// Hash of the account that a sign-in, reset or link request names: the address itself is personal data.
fn account(raw: &Raw) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Named {
        email: Option<String>,
    }
    let email = if raw.media_type().is_some_and(|kind| kind == "application/x-www-form-urlencoded") {
        route::form(&raw.body).ok()?.into_iter().find(|(name, _)| name == "email").map(|(_, value)| value)?
    } else {
        serde_json::from_slice::<Named>(&raw.body).ok()?.email?
    };
    let email = email.trim().to_lowercase();
    Some(hex::encode(hash::sha256(email.as_bytes())))
}

fn spend(
    server: &Server,
    route: &Route,
    template: &'static str,
    principal: &Principal,
    named: Option<String>,
) -> Result<Quota, Failure> {
    let mut buffer = [0; 36];
    let user = principal.user();
    let account = match &user {
        Some(user) => Some(user.0.encode(&mut buffer)),
        None => named.as_deref(),
    };
    server.limits.take(
        route.tier,
        &Who {
            ip: principal.peer().address(),
            account,
            key: None,
            tenant: counts_for_tenant(server, route, principal).then(|| principal.tenant()),
            source: None,
            route: template,
        },
    )
}

/// A problem document; the detail of an internal failure goes to the log and nowhere else.
fn refuse(server: &Server, trace: &Trace, failure: Failure) -> Reply {
    server.monitor.failure(&failure, Some(trace.request), trace.tenant);
    let retry_only = matches!(failure, Failure::SignInNeeded);
    let problem = route::problem(failure);
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let text = serde_json::to_vec(&problem).unwrap_or_default();
    let mut reply =
        Reply::new(status, route::Body::Bytes(text.into())).with(header::CONTENT_TYPE, "application/problem+json");
    if let Some(seconds) = problem.retry_after {
        reply = reply.with(header::RETRY_AFTER, &seconds.to_string());
    }
    if let Some(allow) = &problem.allow {
        reply = reply.with(header::ALLOW, allow);
    }
    if retry_only {
        reply = reply.with(header::WWW_AUTHENTICATE, "Bearer");
    }
    reply
}

/// Answers plain HTTP beside TLS.
pub(crate) async fn insist(server: &Server, socket: SocketAddr, request: &Request<Incoming>) -> http::Response<Body> {
    let at = server.clock.now();
    let trace = Trace {
        request: RequestId(server.rng.id(at)),
        at,
        template: "plain",
        tenant: None,
        actor: "none",
        secure: false,
        address: socket.ip(),
        quota: None,
        home: None,
        cookies: Vec::new(),
    };
    let answer = async {
        let host = host(request.uri(), request.headers())?;
        let named = host.split_once(':').map_or(host, |(name, _)| name);
        let peer = server.transport.stranger(socket, trace.request, false, at);
        // Whatever port plain HTTP has, the host must be one that we serve over TLS.
        let port = server.tenancy.hosts().port.map(|p| format!(":{p}")).unwrap_or_default();
        server.tenancy.site(peer, &format!("{named}{port}")).await?;
        let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
        if kernel::sabotage::off("edge.https_redirect") {
            return Ok(Reply::json(StatusCode::OK, "{}"));
        }
        transport::insist(request.method(), host, path, request.headers())
    };
    let reply = match answer.await {
        Ok(reply) => reply,
        Err(failure) => refuse(server, &trace, failure),
    };
    let status = reply.status.as_u16();
    let about = About { request: trace.request, secure: false, nonce: server.rng.array(), quota: None, no_store: true };
    let response = server.transport.dress(reply, &about);
    server.monitor.access(Line {
        at,
        request: trace.request,
        tenant: None,
        method: request.method().clone(),
        route: trace.template,
        status,
        micros: 0,
        bytes: 0,
        actor: trace.actor,
        address: socket.ip(),
    });
    response
}
