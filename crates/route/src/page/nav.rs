//! Where one can go: what the manifest declares and the person may read.

use kernel::{Actor, Principal, TenantId, may};
use manifest::App;

use super::Frame;

/// A group of links.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) title: String,
    pub(crate) links: Vec<Link>,
}

/// A link below the tenant's address.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) label: String,
    pub(crate) path: String,
}

impl Link {
    fn new(label: impl Into<String>, path: impl Into<String>) -> Self {
        Self { label: label.into(), path: path.into() }
    }
}

pub(crate) fn groups(frame: &Frame, who: &Principal) -> Vec<Group> {
    if matches!(who.actor(), Actor::Operator(_)) {
        return operators();
    }
    if who.tenant() == TenantId::HOUSE {
        return Vec::new();
    }
    let app = frame.app();
    let reads = |resource| frame.may(who, may(resource, "read"));
    let collections = app.collections.iter().filter(|c| c.part_of.is_none());
    let readable = collections.filter(|c| reads(c.id) || frame.may(who, may(c.id, "read_draft")));
    let records =
        readable.map(|c| Link::new(super::plural(&c.label), format!("/console/collections/{}", c.id))).collect();
    let rooms = [("members", "People", "/console/people"), ("audit", "History", "/console/history")];
    let mut house: Vec<Link> =
        rooms.into_iter().filter(|room| reads(room.0)).map(|room| Link::new(room.1, room.2)).collect();
    house.push(Link::new("Roles", "/console/roles"));
    if reads("settings") {
        house.push(Link::new("Settings", "/console/settings"));
    }
    let all = [
        Group { title: String::new(), links: vec![Link::new("Overview", "/console")] },
        Group { title: "Records".to_owned(), links: records },
        Group { title: capital(&noun(app)), links: house },
    ];
    all.into_iter().filter(|group| !group.links.is_empty()).collect()
}

/// The team's own pages.
fn operators() -> Vec<Group> {
    let group = |title: &str, links: &[(&str, &str)]| Group {
        title: title.to_owned(),
        links: links.iter().map(|(label, path)| Link::new(*label, *path)).collect(),
    };
    vec![
        group("", &[("Overview", "/operator")]),
        group("Promises", &[("Signatures", "/operator/attestations"), ("Access review", "/operator/access")]),
        group("Desk", &[("Reports", "/operator/reports"), ("Incidents", "/operator/incidents")]),
        group("Server", &[("Blocked by browsers", "/operator/violations"), ("Trust page", "/trust")]),
    ]
}

fn noun(app: &App) -> String {
    app.tenant.noun.clone()
}

/// With a capital letter.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The link that `here` lies under: the longest path wins.
pub(crate) fn present<'g>(groups: &'g [Group], here: &str) -> Option<&'g str> {
    // Everything lies below the first page, which is the present one only by itself.
    let below = |path: &str| {
        !matches!(path, "/console" | "/operator") && here.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
    };
    let under = |path: &&str| here == *path || below(path);
    let paths = groups.iter().flat_map(|g| &g.links).map(|l| l.path.as_str());
    paths.filter(under).max_by_key(|path| path.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_path_is_the_present_one() {
        let groups = [Group {
            title: String::new(),
            links: ["/console", "/console/people", "/console/collections/a"].map(|p| Link::new("", p)).into(),
        }];
        for (here, wanted) in [
            ("/console", Some("/console")),
            ("/console/people/invite", Some("/console/people")),
            ("/console/collections/ab", None),
            ("/console/account", None),
            ("/console/collections/a/1", Some("/console/collections/a")),
            ("/consoles", None),
        ] {
            assert_eq!(present(&groups, here), wanted, "{here}");
        }
    }
}
