//! What a browser gets where a program gets a problem document, and how its session goes on without anybody noticing.

use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use kernel::{Caller, Credential, Failure, Home, Permit, Place, Reason, Write};
use limits::Who;
use route::{
    Kept, Mishap, Raw, Reply, Run,
    page::{Card, see_other},
};

use crate::Server;

const REFRESH: &str = "/api/v1/auth/refresh";

/// How a request was asked, as far as the form of its answer goes.
pub(crate) struct Asked {
    method: Method,
    /// Path and query, as they came.
    path: String,
    html: bool,
    api: bool,
    /// A form's body.
    pub(crate) form: bool,
    fragment: bool,
    navigates: bool,
    /// The value of Sec-Fetch-Site.
    from: Option<String>,
}

impl Asked {
    pub(crate) fn new<B>(request: &Request<B>) -> Self {
        let text = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok());
        let has = |name, part: &str| text(name).is_some_and(|value| value.contains(part));
        let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
        let html = has("accept", "text/html");
        let body =
            has("content-type", "application/x-www-form-urlencoded") || has("content-type", "multipart/form-data");
        Self {
            method: request.method().clone(),
            api: path.starts_with("/api/") || path.contains("/api/v1/"),
            path: path.to_owned(),
            form: html && body && *request.method() == Method::POST,
            fragment: text("hx-request") == Some("true"),
            html,
            navigates: text("sec-fetch-mode") == Some("navigate"),
            from: text("sec-fetch-site").map(str::to_owned),
        }
    }
    fn reads(&self) -> bool {
        self.method == Method::GET || self.method == Method::HEAD
    }
    /// Whether a refusal should be a page.
    pub(crate) fn wants_page(&self) -> bool {
        self.html && (!self.api || self.form)
    }
    /// Whether another site's link led here: the browser then left the strict cookies out.
    fn led_from_outside(&self) -> bool {
        matches!(self.from.as_deref(), Some("cross-site" | "same-site"))
    }
}

/// A refusal as a page, or the way to the sign-in page and back.
pub(crate) fn refusal(server: &Server, home: Option<&Home>, asked: &Asked, failure: Failure) -> Reply {
    let sign_in = failure == Failure::SignInNeeded
        && !asked.fragment
        && home.is_none_or(|home| home.status == kernel::Status::Active);
    if sign_in && asked.reads() {
        if asked.led_from_outside() && asked.navigates {
            return once_more(server, home, asked);
        }
        return see_other(format!("/sign-in?next={}", escaped(&asked.path)));
    }
    let problem = route::problem(failure);
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut reply = page(server.frame.problem(home, &problem), status);
    if let Some(seconds) = problem.retry_after {
        reply = reply.with(header::RETRY_AFTER, &seconds.to_string());
    }
    if let Some(allow) = &problem.allow {
        reply = reply.with(header::ALLOW, allow);
    }
    if status == StatusCode::UNAUTHORIZED {
        reply = reply.with(header::WWW_AUTHENTICATE, "Bearer");
    }
    reply
}

fn page(html: route::Html, status: StatusCode) -> Reply {
    Reply::new(status, route::Body::Page(html.0)).with(header::CONTENT_TYPE, "text/html; charset=utf-8")
}

/// A page of our own that asks for the same address again: then the browser sends the strict cookies, and a session that
/// only needs renewing is renewed.
fn once_more(server: &Server, home: Option<&Home>, asked: &Asked) -> Reply {
    let path = &asked.path;
    let body = maud::html! { p { a href=(path) { "Go on" } } };
    let card = Card::new("One moment", body).refresh(path.clone());
    let shown = server.frame.card_at(home, card);
    page(shown, StatusCode::OK)
}

/// As the value of a query member.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for b in text.bytes() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(char::from(b)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// A session that went on.
pub(crate) struct Renewed {
    /// What the request should have brought; none: the session is over, and its cookies go.
    pub(crate) cookie: Option<HeaderValue>,
    /// For the answer.
    pub(crate) cookies: Vec<HeaderValue>,
}

/// A browser that opens a page or sends a form, whose short cookie has run out and whose long one is there: the refresh route
/// is called for it. As that route is a change, only our own pages or the person may cause it, never another site.
pub(crate) async fn renewed(
    server: &Server,
    caller: &Caller,
    asked: &Asked,
    headers: &HeaderMap,
) -> Result<Option<Renewed>, Failure> {
    let fits = asked.html && asked.navigates && !asked.api && *caller.credential() == Credential::None;
    if !fits || !authentication::renewable(headers) {
        return Ok(None);
    }
    let home = match caller.site().place() {
        Place::Tenant(home) => home.clone(),
        Place::House | Place::Shared => server.tenancy.tenant(caller.clone(), REFRESH).await?.0.home().clone(),
    };
    let ours = if asked.reads() {
        matches!(asked.from.as_deref(), Some("same-origin" | "none"))
    } else {
        transport::cross_site(&asked.method, headers, &server.origin_of(&home), true).is_ok()
    };
    let Ok(matched) = server.router.find(&Method::POST, REFRESH) else { return Ok(None) };
    let Run::Write(run) = &matched.route.serve.run else { return Ok(None) };
    if !ours {
        return Ok(None);
    }
    let ip = caller.site().peer().address();
    let tenant = Some(home.id);
    server.limits.take("api", &Who { ip, account: None, key: None, tenant, source: None, route: REFRESH })?;
    let (tenant, _) = server.tenancy.tenant(caller.clone(), REFRESH).await?;
    let principal = server.authentication.principal(tenant).await?;
    let permit: Permit<Write> =
        server.access.permit(principal, matched.route.action, matched.route.serve.event, true).await?;
    let mut shown = HeaderMap::new();
    for value in headers.get_all(header::COOKIE) {
        shown.append(header::COOKIE, value.clone());
    }
    let raw = Raw { params: Vec::new(), query: Vec::new(), headers: shown, body: bytes::Bytes::new(), stream: None };
    match run(&server.store, permit, raw, None).await {
        Ok(reply) => {
            let cookies: Vec<HeaderValue> = reply.headers.get_all(header::SET_COOKIE).iter().cloned().collect();
            Ok(Some(Renewed { cookie: authentication::carried(&cookies), cookies }))
        }
        Err(Failure::SignInNeeded) => Ok(Some(Renewed { cookie: None, cookies: authentication::cleared() })),
        Err(other) => Err(other),
    }
}

/// What a page needs to be drawn again: path, query, headers.
pub(crate) fn copy(raw: &Raw) -> Raw {
    Raw {
        params: raw.params.clone(),
        query: raw.query.clone(),
        headers: raw.headers.clone(),
        body: bytes::Bytes::new(),
        stream: None,
    }
}

/// Whether the person can do something about it in the form. A page of `everybody`'s says itself what a token that is
/// unknown, or that belongs to an account, comes to.
pub(crate) fn mends(failure: &Failure, everybody: bool) -> bool {
    if matches!(failure, Failure::SignInNeeded | Failure::NotFound) {
        return everybody;
    }
    !matches!(
        failure,
        Failure::UnknownHost
            | Failure::MethodNotAllowed(_)
            | Failure::Internal(_)
            | Failure::Unknown
            | Failure::Refused(
                Reason::CrossSite | Reason::TenantSuspended | Reason::UserSuspended | Reason::NotGranted
            )
    )
}

/// The form again, under the failure's status.
pub(crate) async fn redrawn(
    failure: Failure,
    typed: &[u8],
    draw: impl FnOnce(Mishap) -> route::Pending,
) -> Result<Reply, Failure> {
    let problem = route::problem(failure);
    let wait = problem.retry_after;
    let kept = Kept(route::form(typed).unwrap_or_default());
    let reply = draw(Mishap { problem, kept }).await?;
    Ok(match wait {
        Some(seconds) => reply.with(header::RETRY_AFTER, &seconds.to_string()),
        None => reply,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &str, path: &str, headers: &[(&str, &str)]) -> Asked {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Asked::new(&request.body(()).unwrap())
    }

    #[test]
    fn programs_keep_their_problem_documents() {
        let html = ("accept", "text/html,application/xhtml+xml");
        let form = ("content-type", "application/x-www-form-urlencoded");
        assert!(asked("GET", "/console", &[html]).wants_page());
        assert!(!asked("GET", "/console", &[]).wants_page());
        assert!(!asked("GET", "/console", &[("accept", "*/*")]).wants_page());
        assert!(!asked("GET", "/api/v1/me", &[html]).wants_page());
        assert!(!asked("GET", "/w/north/api/v1/me", &[html]).wants_page());
        assert!(!asked("POST", "/api/v1/auth/sign-in", &[html, ("content-type", "application/json")]).wants_page());
        assert!(asked("POST", "/api/v1/auth/sign-in", &[html, form]).wants_page());
        assert!(!asked("POST", "/api/v1/auth/sign-in", &[form]).form);
    }

    #[test]
    fn an_address_becomes_a_query_member() {
        assert_eq!(escaped("/console/a?b=c&d=%20#x"), "/console/a%3Fb%3Dc%26d%3D%2520%23x");
    }
}
