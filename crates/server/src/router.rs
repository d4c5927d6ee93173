//! From method and path to the route, and the enumerable table of all of them.

use std::collections::BTreeMap;

use http::Method;
use kernel::{Failure, intern};
use route::Route;

/// One path with its methods.
#[derive(Default)]
struct Methods(Vec<(Method, usize)>);

/// The route table.
pub struct Router {
    routes: Vec<Route>,
    templates: Vec<&'static str>,
    paths: matchit::Router<usize>,
    methods: Vec<Methods>,
}

/// A route that matched, with its path's segments.
pub struct Matched<'r> {
    /// The route.
    pub route: &'r Route,
    /// Its path template: what logs and limits name.
    pub template: &'static str,
    /// Named segments, percent-decoded.
    pub params: Vec<(&'static str, String)>,
}

impl Router {
    /// Builds the table.
    ///
    /// # Errors
    /// When two routes have the same method and path, or a path is malformed: a mistake in a section or manifest.
    pub fn new(routes: Vec<Route>) -> Result<Self, Failure> {
        let mut paths = matchit::Router::new();
        let mut methods: Vec<Methods> = Vec::new();
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        let mut templates = Vec::new();
        for (at, route) in routes.iter().enumerate() {
            templates.push(intern(&route.path));
            let slot = match known.get(&route.path) {
                Some(slot) => *slot,
                None => {
                    let slot = methods.len();
                    let clash = |e| Failure::Internal(format!("router: {}: {e}", route.path).into());
                    paths.insert(route.path.clone(), slot).map_err(clash)?;
                    known.insert(route.path.clone(), slot);
                    methods.push(Methods::default());
                    slot
                }
            };
            let Some(Methods(here)) = methods.get_mut(slot) else { continue };
            if here.iter().any(|(m, _)| *m == route.serve.method) {
                return Err(Failure::Internal(format!("router: {} twice", route.path).into()));
            }
            here.push((route.serve.method.clone(), at));
        }
        Ok(Self { routes, templates, paths, methods })
    }

    /// Every route.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Finds the route. HEAD is answered by GET.
    ///
    /// # Errors
    /// `NotFound`, `MethodNotAllowed` with the methods that are possible, `BadInput` for a broken escape.
    pub fn find(&self, method: &Method, path: &str) -> Result<Matched<'_>, Failure> {
        let found = self.paths.at(path).map_err(|_| Failure::NotFound)?;
        let Methods(here) = self.methods.get(*found.value).ok_or(Failure::NotFound)?;
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        let Some((_, at)) = here.iter().find(|(m, _)| m == wanted) else {
            let allow: Vec<&str> = here.iter().map(|(m, _)| m.as_str()).collect();
            return Err(Failure::MethodNotAllowed(allow.join(", ")));
        };
        let route = self.routes.get(*at).ok_or(Failure::NotFound)?;
        let template = self.templates.get(*at).copied().ok_or(Failure::NotFound)?;
        let mut params = Vec::with_capacity(found.params.len());
        for (name, value) in found.params.iter() {
            params.push((name_in(template, name), decode(value)?));
        }
        Ok(Matched { route, template, params })
    }
}

/// The template's own spelling of a segment's name, which lives as long as the program.
fn name_in(template: &'static str, name: &str) -> &'static str {
    template.find(name).and_then(|at| template.get(at..at + name.len())).unwrap_or("")
}

fn decode(segment: &str) -> Result<String, Failure> {
    if !segment.contains('%') {
        return Ok(segment.to_owned());
    }
    let text = segment.replace('+', "%2B");
    let pairs = route::form(text.as_bytes())?;
    pairs.into_iter().next().map(|(name, _)| name).ok_or(Failure::NotFound)
}
