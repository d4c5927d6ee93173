//! The algebra of rights: `effective = (floor or custom grants) within ceiling, key scope and modules`, empty when the
//! tenant or the user is suspended. Pure functions; the compiled matrix is this, evaluated once.

use std::collections::BTreeMap;

use kernel::{Action, FieldSet, Reason};
use manifest::{App, CollectionGrant, GrantRows, Grants, Manage};

use crate::rows;

/// Everything a decision rests on.
#[derive(Clone, Copy, Debug)]
pub struct Basis<'a> {
    /// What everybody of the role may do.
    pub floor: &'a Grants,
    /// What custom roles add.
    pub custom: &'a [Grants],
    /// What custom roles may raise the role to.
    pub ceiling: &'a Grants,
    /// What the API key is limited to; `None` for people.
    pub scope: Option<Scope<'a>>,
    /// Whether an operator blocked the tenant.
    pub tenant_suspended: bool,
    /// Whether the member was deactivated.
    pub user_suspended: bool,
}

/// Verbs of an API key's scope, as the manifest lists them.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a>(pub &'a [&'static str]);

impl Scope<'_> {
    /// Whether `verb` is inside; `actions` stands for every declared action, `all` for everything.
    fn holds(self, app: &App, collection: usize, verb: &str) -> bool {
        let declared = || app.collections.get(collection).is_some_and(|c| c.actions.iter().any(|a| a.id == verb));
        self.0.iter().any(|s| *s == verb || *s == "all" || *s == "actions" && verb != "publish" && declared())
    }
    /// How far tenant resources are open: `management` (or `manage`) opens them, `read` does not.
    fn tenant(self) -> Option<Manage> {
        self.0.iter().any(|s| matches!(*s, "management" | "manage" | "all")).then_some(Manage::Manage)
    }
}

/// INVARIANT: `effective` is contained in the ceiling and in the scope, and is empty when anything is suspended.
/// INVARIANT: an empty custom grant changes nothing.
#[must_use]
pub fn effective(app: &App, basis: &Basis<'_>) -> Grants {
    if basis.tenant_suspended || basis.user_suspended {
        return Grants::default();
    }
    let raised = basis.custom.iter().fold(basis.floor.clone(), |held, more| union(&held, more));
    let held = within(&raised, basis.ceiling);
    match basis.scope {
        None => held,
        Some(scope) => scoped(app, held, scope),
    }
}

/// Why `action` is not held: the first operand that takes it away. `module` names the module that gates it and is off.
///
/// # Errors
/// The reason.
pub fn decide(app: &App, basis: &Basis<'_>, action: Action, module: Option<&'static str>) -> Result<(), Reason> {
    if basis.tenant_suspended {
        return Err(Reason::TenantSuspended);
    }
    if basis.user_suspended {
        return Err(Reason::UserSuspended);
    }
    let raised = basis.custom.iter().fold(basis.floor.clone(), |held, more| union(&held, more));
    if !holds(app, &raised, action) {
        return Err(Reason::NotGranted);
    }
    let held = within(&raised, basis.ceiling);
    if !holds(app, &held, action) {
        return Err(Reason::Ceiling);
    }
    if basis.scope.is_some_and(|scope| !holds(app, &scoped(app, held, scope), action)) {
        return Err(Reason::Scope);
    }
    module.map_or(Ok(()), |_| Err(Reason::Module))
}

/// Whether `grants` reach any row of `action`.
#[must_use]
pub fn holds(app: &App, grants: &Grants, action: Action) -> bool {
    match app.collections.iter().position(|c| c.id == action.resource) {
        Some(at) => grants.collections.get(&at).is_some_and(|g| g.verbs.contains_key(action.verb)),
        None => match (grants.tenant.get(action.resource), action.verb) {
            (Some(_), "read") => true,
            (Some(level), "manage") => *level == Manage::Manage,
            _ => false,
        },
    }
}

/// Whether everything `narrow` holds is surely held by `wide`: who may confer what.
/// INVARIANT: no one confers a right they do not hold.
#[must_use]
pub fn covers(wide: &Grants, narrow: &Grants) -> bool {
    let level = |name| wide.tenant.get(name);
    narrow.tenant.iter().all(|(name, wanted)| level(name).is_some_and(|held| held >= wanted))
        && narrow.collections.iter().all(|(at, wanted)| match wide.collections.get(at) {
            None => wanted.verbs.is_empty(),
            Some(held) => covers_collection(held, wanted),
        })
}

fn covers_collection(held: &CollectionGrant, wanted: &CollectionGrant) -> bool {
    let fields = |group: &&Group| {
        let (held, wanted_fields) = ((group.fields)(held), (group.fields)(wanted));
        !group.used(wanted) || wanted_fields.and(held) == wanted_fields
    };
    wanted.verbs.iter().all(|(verb, rows)| held.verbs.get(verb).is_some_and(|h| rows::covers(h, rows)))
        && GROUPS.iter().all(fields)
}

/// Verbs that share a set of fields.
struct Group {
    verbs: &'static [&'static str],
    fields: fn(&CollectionGrant) -> FieldSet,
}

static READ: Group = Group { verbs: &["read", "read_draft"], fields: |g| g.read };
static WRITE: Group = Group { verbs: &["write"], fields: |g| g.write };
static CREATE: Group = Group { verbs: &["create"], fields: |g| g.create };
static GROUPS: [&Group; 3] = [&READ, &WRITE, &CREATE];

impl Group {
    fn used(&self, grant: &CollectionGrant) -> bool {
        self.verbs.iter().any(|v| grant.verbs.contains_key(v))
    }
    fn fields_of(&self, grant: &CollectionGrant) -> FieldSet {
        if self.used(grant) { (self.fields)(grant) } else { FieldSet::NONE }
    }
}

/// `floor` and `extra`.
/// INVARIANT: contains `floor`; reaches no pair of row and field that neither of them reaches. Where a field-limited and a
/// row-limited grant cannot be told apart in one mask, the extra right is left out rather than widened.
#[must_use]
pub fn union(floor: &Grants, extra: &Grants) -> Grants {
    let mut sum = floor.clone();
    for (name, level) in &extra.tenant {
        let held = sum.tenant.entry(name).or_insert(*level);
        *held = (*held).max(*level);
    }
    for (at, more) in &extra.collections {
        let held = sum.collections.entry(*at).or_default();
        *held = union_collection(held, more);
    }
    sum
}

fn union_collection(floor: &CollectionGrant, extra: &CollectionGrant) -> CollectionGrant {
    let mut verbs = BTreeMap::new();
    for verb in floor.verbs.keys().chain(extra.verbs.keys()).filter(|v| !GROUPS.iter().any(|g| g.verbs.contains(v))) {
        let held = [floor.verbs.get(verb), extra.verbs.get(verb)].into_iter().flatten();
        verbs.insert(*verb, held.fold(NOTHING.clone(), |sum, rows| rows::either(&sum, rows)));
    }
    let [read, write, create] = GROUPS.map(|group| blend(group, floor, extra, &mut verbs));
    verbs.retain(|_, rows| !rows::none(rows));
    CollectionGrant { verbs, read, write, create }
}

static NOTHING: GrantRows = GrantRows::Any(Vec::new());

/// One group: all fields of both, when that loses no row of the floor; else the floor's fields.
fn blend(
    group: &Group,
    floor: &CollectionGrant,
    extra: &CollectionGrant,
    verbs: &mut BTreeMap<&'static str, GrantRows>,
) -> FieldSet {
    let (a, b) = (group.fields_of(floor), group.fields_of(extra));
    let rows_with = |fields: FieldSet, verb: &str| {
        let x = floor.verbs.get(verb).unwrap_or(&NOTHING);
        let y = extra.verbs.get(verb).unwrap_or(&NOTHING);
        let alone =
            |own: FieldSet, rows: &GrantRows| if fields.and(own) == fields { rows.clone() } else { NOTHING.clone() };
        rows::either(&rows::either(&alone(a, x), &alone(b, y)), &rows::both(x, y))
    };
    let keeps = |fields| {
        group.verbs.iter().all(|v| floor.verbs.get(v).is_none_or(|held| rows::covers(&rows_with(fields, v), held)))
    };
    let fields = if keeps(a.or(b)) { a.or(b) } else { a };
    verbs.extend(group.verbs.iter().map(|v| (*v, rows_with(fields, v))));
    fields
}

/// What `held` and `ceiling` both reach.
/// INVARIANT: contained in both.
#[must_use]
pub fn within(held: &Grants, ceiling: &Grants) -> Grants {
    let tenant = held.tenant.iter().filter_map(|(name, level)| Some((*name, (*level).min(*ceiling.tenant.get(name)?))));
    let collections = held.collections.iter().filter_map(|(at, grant)| {
        let limit = ceiling.collections.get(at)?;
        let verb = |(verb, rows): (&&'static str, &GrantRows)| {
            let rows = rows::both(rows, limit.verbs.get(verb)?);
            (!rows::none(&rows)).then_some((*verb, rows))
        };
        let verbs: BTreeMap<_, _> = grant.verbs.iter().filter_map(verb).collect();
        let (read, write) = (grant.read.and(limit.read), grant.write.and(limit.write));
        let cut = CollectionGrant { verbs, read, write, create: grant.create.and(limit.create) };
        (!cut.verbs.is_empty()).then_some((*at, cut))
    });
    Grants { collections: collections.collect(), tenant: tenant.collect() }
}

fn scoped(app: &App, mut held: Grants, scope: Scope<'_>) -> Grants {
    held.collections.retain(|at, grant| {
        grant.verbs.retain(|verb, _| scope.holds(app, *at, verb));
        !grant.verbs.is_empty()
    });
    if scope.tenant().is_none() {
        held.tenant.clear();
    }
    held
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kernel::may;
    use manifest::{Equal, Literal};

    use super::*;
    use crate::bench;

    const NOTES: usize = 0;

    fn set(column: &str) -> GrantRows {
        GrantRows::Any(vec![vec![Equal { column: column.to_owned(), any: vec![Literal::Int(1)] }]])
    }

    fn grants(verbs: &[(&'static str, Option<GrantRows>)], fields: u128) -> Grants {
        let verbs: BTreeMap<_, _> = verbs.iter().filter_map(|(verb, rows)| Some((*verb, rows.clone()?))).collect();
        let fields = FieldSet(fields);
        let grant = CollectionGrant { verbs, read: fields, write: fields, create: fields };
        Grants { collections: [(NOTES, grant)].into(), tenant: BTreeMap::new() }
    }

    /// Every mask over these verbs, two row sets and two fields.
    fn universe(verbs: [&'static str; 2], rows: &[Option<GrantRows>]) -> Vec<Grants> {
        let mut all = Vec::new();
        for first in rows {
            for second in rows {
                // `read_draft` always comes with `read`.
                if verbs == ["read", "read_draft"] && first.is_none() && second.is_some() {
                    continue;
                }
                all.extend((0..4).map(|f| grants(&[(verbs[0], first.clone()), (verbs[1], second.clone())], f)));
            }
        }
        all
    }

    /// What a mask means: verb, row (two bits: in set `a`, in set `b`), field. Verbs without fields have field 9.
    fn meaning(mask: &Grants) -> BTreeSet<(&'static str, u8, usize)> {
        let mut all = BTreeSet::new();
        for (verb, rows) in mask.collections.values().flat_map(|g| &g.verbs) {
            let grant = &mask.collections[&NOTES];
            let group = GROUPS.iter().find(|g| g.verbs.contains(verb));
            let inside = |row: u8| match rows {
                GrantRows::All => true,
                GrantRows::Any(any) => any.iter().any(|c| c.iter().all(|e| row >> u8::from(e.column == "b") & 1 == 1)),
            };
            for row in (0..4).filter(|row| inside(*row)) {
                match group {
                    None => drop(all.insert((*verb, row, 9))),
                    Some(g) => all.extend((0..2).filter(|f| (g.fields)(grant).has(*f)).map(|f| (*verb, row, f))),
                }
            }
        }
        all
    }

    fn pairs() -> [Vec<Grants>; 3] {
        let rows =
            [None, Some(GrantRows::All), Some(set("a")), Some(set("b")), Some(rows::either(&set("a"), &set("b")))];
        [
            universe(["read", "read_draft"], &rows),
            universe(["write", "create"], &rows),
            universe(["delete", "pay"], &rows),
        ]
    }

    #[test]
    fn union_keeps_the_floor_and_invents_nothing() {
        let empty = Grants::default();
        for masks in pairs() {
            for floor in &masks {
                let low = meaning(floor);
                assert_eq!(meaning(&union(floor, &empty)), low, "an empty grant changes nothing");
                assert_eq!(meaning(&union(&empty, floor)), low);
                for extra in &masks {
                    let sum = meaning(&union(floor, extra));
                    assert!(low.is_subset(&sum), "{floor:?} with {extra:?}");
                    assert!(
                        sum.iter().all(|x| low.contains(x) || meaning(extra).contains(x)),
                        "{floor:?} with {extra:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn within_is_what_both_reach() {
        for masks in pairs() {
            for held in &masks {
                for ceiling in &masks {
                    let (x, y) = (meaning(held), meaning(ceiling));
                    assert_eq!(meaning(&within(held, ceiling)), x.intersection(&y).copied().collect());
                    if covers(held, ceiling) {
                        assert!(y.is_subset(&x), "{held:?} covers {ceiling:?}");
                    }
                }
                assert!(covers(held, held));
            }
        }
    }

    #[test]
    fn effective_stays_between_floor_and_ceiling() {
        let app = bench::app();
        let rows = [None, Some(GrantRows::All), Some(set("a"))];
        let some = |mask: &Grants| [FieldSet(1), FieldSet(3)].contains(&mask.collections[&NOTES].read);
        let masks: Vec<_> = universe(["read", "pay"], &rows).into_iter().filter(some).collect();
        let scopes = [None, Some(Scope(&["read"])), Some(Scope(&["read", "actions"])), Some(Scope(&["all"]))];
        for at in 0..masks.len().pow(3) {
            let n = masks.len();
            let (floor, custom, ceiling) = (&masks[at % n], &masks[at / n % n], &masks[at / n / n]);
            let (low, more, high) = (meaning(floor), meaning(custom), meaning(ceiling));
            for scope in scopes {
                let custom = std::slice::from_ref(custom);
                let basis = Basis { floor, custom, ceiling, scope, tenant_suspended: false, user_suspended: false };
                let held = effective(&app, &basis);
                let got = meaning(&held);
                assert!(got.iter().all(|x| high.contains(x) && (low.contains(x) || more.contains(x))));
                if scope.is_none() {
                    assert!(low.intersection(&high).all(|x| got.contains(x)), "the floor stays");
                }
                for action in
                    [may("notes", "read"), may("notes", "pay"), may("notes", "delete"), may("members", "read")]
                {
                    assert_eq!(decide(&app, &basis, action, None).is_ok(), holds(&app, &held, action), "{action:?}");
                }
                for (tenant_suspended, user_suspended) in [(true, false), (false, true), (true, true)] {
                    let basis = Basis { tenant_suspended, user_suspended, ..basis };
                    assert_eq!(effective(&app, &basis), Grants::default());
                    assert!(decide(&app, &basis, may("notes", "read"), None).is_err());
                }
            }
        }
    }

    #[test]
    fn the_reason_names_what_takes_it_away() {
        let app = bench::app();
        let (all, none) = (Some(GrantRows::All), Grants::default());
        let held = grants(&[("read", all.clone()), ("pay", all)], 3);
        let pay = may("notes", "pay");
        let plain = Basis {
            floor: &held,
            custom: &[],
            ceiling: &held,
            scope: None,
            tenant_suspended: false,
            user_suspended: false,
        };
        let why = |basis: Basis<'_>, module| decide(&app, &basis, pay, module).err();
        assert_eq!(why(plain, None), None);
        assert_eq!(why(plain, Some("extra")), Some(Reason::Module));
        assert_eq!(why(Basis { scope: Some(Scope(&["read"])), ..plain }, Some("extra")), Some(Reason::Scope));
        assert_eq!(why(Basis { ceiling: &none, ..plain }, Some("extra")), Some(Reason::Ceiling));
        assert_eq!(why(Basis { floor: &none, ceiling: &none, ..plain }, Some("extra")), Some(Reason::NotGranted));
        assert_eq!(why(Basis { user_suspended: true, ..plain }, Some("extra")), Some(Reason::UserSuspended));
        assert_eq!(
            why(Basis { user_suspended: true, tenant_suspended: true, ..plain }, None),
            Some(Reason::TenantSuspended)
        );
    }
}
