//! The access matrix: every decision the manifest determines, made once. A look-up is one hash and one index.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use kernel::{Action, Grant, Home, Reason, may, sabotage};
use manifest::{App, Grants};

use crate::{
    compile,
    mask::{self, Basis},
};

/// Tenant resources, in the order they are shown. Verbs: `read`, `manage`.
pub const TENANT: &[&str] = &[
    "members", "roles", "keys", "domains", "webhooks", "audit", "exports", "imports", "limits", "billing", "settings",
    "failover", "deletion",
];

/// Roles whose holders decide about people or about the tenant itself: what a review of accesses looks at.
#[must_use]
pub fn powerful(app: &App) -> Vec<&'static str> {
    let matrix = Matrix::compile(app);
    let holds = |at: u8| {
        let rights = ["members", "roles", "keys", "settings", "exports", "deletion"];
        rights.into_iter().any(|r| matrix.cell(Column::Role(at), may(r, "manage")).is_some())
    };
    (0_u8..).zip(&app.roles).filter(|(at, _)| *at == 0 || holds(*at)).map(|(_, role)| role.id).collect()
}

/// Who asks: a column of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// A person without an account.
    Visitor,
    /// A member, by index of their role.
    Role(u8),
}

/// Why a cell is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The rights do not hold it.
    Reason(Reason),
    /// They do, and its module is off: its name.
    ModuleOff(&'static str),
}

/// Compiled rights of an app.
pub struct Matrix {
    rows: HashMap<Action, usize, BuildHasherDefault<Fold>>,
    order: Vec<Action>,
    modules: Vec<Option<&'static str>>,
    cells: Vec<Result<Grant, Reason>>,
    width: usize,
    confers: Vec<u64>,
}

impl Matrix {
    /// Evaluates the algebra for every role and the visitor.
    #[must_use]
    pub fn compile(app: &App) -> Self {
        let order = actions(app);
        let rows = order.iter().enumerate().map(|(at, action)| (*action, at)).collect();
        let nothing = Grants::default();
        let people = app.roles.iter().map(|r| (&r.floor, &r.ceiling));
        let columns: Vec<_> = std::iter::once((&app.visitor, &app.visitor)).chain(people).collect();
        let mut matrix = Self {
            rows,
            modules: order.iter().map(|a| gate(app, *a)).collect(),
            cells: vec![Err(Reason::NotGranted); order.len() * columns.len()],
            order,
            width: columns.len(),
            confers: Vec::new(),
        };
        let mut masks = Vec::with_capacity(columns.len());
        for (column, (floor, ceiling)) in columns.into_iter().enumerate() {
            let basis =
                Basis { floor, custom: &[], ceiling, scope: None, tenant_suspended: false, user_suspended: false };
            let held = mask::effective(app, &basis);
            matrix.fill(app, column, &basis, &held);
            masks.push(held);
        }
        let masks = masks.get(1..).unwrap_or(std::slice::from_ref(&nothing));
        matrix.confers = masks.iter().map(|granter| may_confer(granter, masks)).collect();
        matrix
    }

    fn fill(&mut self, app: &App, column: usize, basis: &Basis<'_>, held: &Grants) {
        let held: HashMap<_, _> = compile::grants(app, held).into_iter().collect();
        for (at, action) in self.order.iter().enumerate() {
            let public = self.cells.get(at * self.width).filter(|_| action.verb == "submit");
            let cell = match (held.get(&(action.resource, action.verb)), public) {
                (Some(grant), _) => Ok(grant.clone()),
                // A public form is open to everybody, not only to those who are signed out.
                (None, Some(Ok(grant))) => Ok(grant.clone()),
                (None, _) => Err(mask::decide(app, basis, *action, None).err().unwrap_or(Reason::NotGranted)),
            };
            if let Some(place) = self.cells.get_mut(at * self.width + column) {
                *place = cell;
            }
        }
    }

    /// The decision, as far as role and modules determine it. What no row names is not granted.
    ///
    /// # Errors
    /// Why not.
    pub fn decide(&self, who: Column, action: Action, home: &Home) -> Result<&Grant, Denied> {
        let column = match who {
            Column::Role(_) if sabotage::off("access.role_floor") => 1,
            Column::Visitor => 0,
            Column::Role(role) => usize::from(role) + 1,
        };
        let row = self.rows.get(&action).filter(|_| column < self.width);
        let cell = row.and_then(|row| self.cells.get(row * self.width + column).zip(self.modules.get(*row)));
        match cell {
            None => Err(Denied::Reason(Reason::NotGranted)),
            Some((Err(reason), _)) => Err(Denied::Reason(*reason)),
            Some((Ok(_), Some(module))) if !home.modules.iter().any(|on| on == module) => {
                Err(Denied::ModuleOff(module))
            }
            Some((Ok(grant), _)) => Ok(grant),
        }
    }

    /// Whether a member of role `granter` may make somebody a `role`, or change a member who is one. Owners are made by
    /// owners only.
    #[must_use]
    pub fn may_confer(&self, granter: u8, role: u8) -> bool {
        let held = self.confers.get(usize::from(granter)).copied().unwrap_or(0);
        role < 64 && held >> role & 1 == 1
    }

    /// Every row, collections first.
    pub fn actions(&self) -> impl Iterator<Item = Action> + '_ {
        self.order.iter().copied()
    }

    /// The cell, without regard to modules.
    #[must_use]
    pub fn cell(&self, who: Column, action: Action) -> Option<&Grant> {
        let column = match who {
            Column::Visitor => 0,
            Column::Role(role) => usize::from(role) + 1,
        };
        let row = self.rows.get(&action).filter(|_| column < self.width)?;
        self.cells.get(row * self.width + column)?.as_ref().ok()
    }

    /// The module that gates a row.
    #[must_use]
    pub fn module(&self, action: Action) -> Option<&'static str> {
        self.rows.get(&action).and_then(|row| self.modules.get(*row).copied()).flatten()
    }
}

/// INVARIANT: no one confers a right they do not hold; the first role is conferred by itself only.
fn may_confer(granter: &Grants, roles: &[Grants]) -> u64 {
    let owns = roles.first().is_some_and(|owner| std::ptr::eq(owner, granter));
    let may = |(at, role): (usize, &Grants)| u64::from((at > 0 || owns) && mask::covers(granter, role)) << at;
    roles.iter().take(64).enumerate().map(may).fold(0, |all, bit| all | bit)
}

fn actions(app: &App) -> Vec<Action> {
    let of = |c| compile::verbs(app, c).into_iter().map(|verb| may(c.id, verb));
    let collections = app.collections.iter().flat_map(of);
    collections.chain(TENANT.iter().flat_map(|name| [may(name, "read"), may(name, "manage")])).collect()
}

/// Which module must be on. A part belongs to its parent's module; of custom roles and keys only the making is gated, so
/// that what exists can still be seen.
fn gate(app: &App, action: Action) -> Option<&'static str> {
    let module = |gates: &str| app.modules.iter().find(|m| m.gates.iter().any(|g| g == gates)).map(|m| m.id);
    let Some(mut collection) = app.collections.iter().find(|c| c.id == action.resource) else {
        return match (action.resource, action.verb) {
            ("roles", "manage") => module("custom_roles").or(app.custom_roles.module),
            ("keys", "manage") => module("keys"),
            ("failover", "manage") => module("failover"),
            _ => None,
        };
    };
    if let Some(module) = module(&format!("{}.{}", action.resource, action.verb)) {
        return Some(module);
    }
    loop {
        match (module(collection.id), collection.part_of.and_then(|(parent, _)| app.collections.get(parent))) {
            (None, Some(parent)) => collection = parent,
            (found, _) => return found,
        }
    }
}

/// A multiply-and-rotate hash: the keys are the manifest's own names, so nobody can choose them to collide.
#[derive(Default)]
struct Fold(u64);

impl Hasher for Fold {
    fn write(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(piece).for_each(|(to, from)| *to = *from);
            self.0 = (self.0.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x517c_c1b7_2722_0a95);
        }
    }
    fn write_u8(&mut self, _: u8) {}
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use kernel::{Bind, Cell, FieldSet, Rows};

    use super::*;
    use crate::bench::{self, LEAD, OWNER, READER, WRITER};

    fn decide(matrix: &Matrix, role: u8, action: (&'static str, &'static str)) -> Result<Grant, Denied> {
        matrix.decide(Column::Role(role), may(action.0, action.1), &bench::home()).cloned()
    }

    fn refused(matrix: &Matrix, role: u8, action: (&'static str, &'static str)) -> bool {
        decide(matrix, role, action).err() == Some(Denied::Reason(Reason::NotGranted))
    }

    #[test]
    fn roles_hold_what_the_manifest_says_and_nothing_else() {
        let (app, home) = (bench::app(), bench::home());
        let matrix = Matrix::compile(&app);
        for action in matrix.actions() {
            assert!(matrix.decide(Column::Role(OWNER), action, &home).is_ok(), "the owner may {action:?}");
        }
        let own = vec![vec![Cell { column: "created_by".into(), any: vec![Bind::Me] }]];
        let write = decide(&matrix, WRITER, ("notes", "write")).unwrap();
        assert!(matches!(&write.rows, Rows::Set(set) if set.any == own));
        assert_eq!(write.visible, Some(Rows::All));
        assert_eq!(decide(&matrix, WRITER, ("notes", "create")).unwrap().rows, Rows::All);
        let read = decide(&matrix, READER, ("notes", "read")).unwrap();
        assert!(matches!(&read.rows, Rows::Set(set) if set.any == own));
        assert_eq!((read.read, read.write), (FieldSet(1), FieldSet::NONE), "the price is hidden");
        for action in [("notes", "create"), ("members", "read"), ("lines", "pay"), ("notes", "nonsense"), ("x", "read")]
        {
            assert!(refused(&matrix, READER, action), "{action:?}");
        }
        assert!(refused(&matrix, 99, ("notes", "read")), "a role that is gone");
    }

    #[test]
    fn who_reads_no_drafts_reads_what_is_published() {
        let matrix = Matrix::compile(&bench::app());
        let published = vec![vec![Cell { column: "published".into(), any: vec![Bind::Int(1)] }]];
        for who in [Column::Visitor, Column::Role(READER), Column::Role(WRITER)] {
            let grant = matrix.decide(who, may("pages", "read"), &bench::home()).unwrap();
            assert!(matches!(&grant.rows, Rows::Set(set) if set.any == published), "{who:?}");
            assert_eq!(grant.visible.as_ref(), Some(&grant.rows));
            assert!(!grant.drafts);
        }
        let owner = decide(&matrix, OWNER, ("pages", "read")).unwrap();
        assert!(owner.rows == Rows::All && owner.drafts);
        let write = decide(&matrix, WRITER, ("pages", "write")).unwrap();
        assert!(write.rows == Rows::All && !write.drafts && write.visible != Some(Rows::All));
    }

    #[test]
    fn equal_row_sets_have_one_number() {
        let (one, two) = (Matrix::compile(&bench::app()), Matrix::compile(&bench::app()));
        let set = |matrix: &Matrix, role, action| match decide(matrix, role, action).unwrap().rows {
            Rows::Set(set) => set.id,
            Rows::All => panic!("limited"),
        };
        assert_eq!(set(&one, WRITER, ("notes", "write")), set(&two, READER, ("notes", "read")));
        assert_ne!(set(&one, WRITER, ("notes", "write")), set(&one, WRITER, ("pages", "read")));
    }

    #[test]
    fn parts_share_the_rights_of_their_parents() {
        let matrix = Matrix::compile(&bench::app());
        let rows = |role, action| match decide(&matrix, role, action).unwrap().rows {
            Rows::All => None,
            Rows::Set(set) => Some(set.any.clone()),
        };
        let cell = |column: &str, bind| vec![Cell { column: column.into(), any: vec![bind] }];
        assert_eq!(rows(LEAD, ("lines", "write")), None);
        assert_eq!(rows(READER, ("lines", "read")), Some(vec![cell("note.created_by", Bind::Me)]));
        assert!(refused(&matrix, READER, ("lines", "write")));
        assert!(refused(&matrix, WRITER, ("lines", "write")), "its own grant counts");
        // What belongs to an unpublished page is as invisible as the page.
        assert_eq!(rows(READER, ("blocks", "read")), Some(vec![cell("page.published", Bind::Int(1))]));
        assert_eq!(rows(OWNER, ("blocks", "read")), None);
    }

    #[test]
    fn modules_close_what_they_gate() {
        let matrix = Matrix::compile(&bench::app());
        let off = Home { modules: Vec::new(), ..bench::home() };
        for action in [may("notes", "pay"), may("lines", "read")] {
            assert!(matrix.decide(Column::Role(OWNER), action, &bench::home()).is_ok());
            assert_eq!(matrix.decide(Column::Role(OWNER), action, &off), Err(Denied::ModuleOff("extra")));
            assert_eq!(matrix.decide(Column::Visitor, action, &off), Err(Denied::Reason(Reason::NotGranted)));
        }
        assert!(matrix.decide(Column::Role(OWNER), may("notes", "write"), &off).is_ok());
    }

    #[test]
    fn nobody_confers_more_than_they_hold() {
        let matrix = Matrix::compile(&bench::app());
        let may = |granter| (0..4).filter(|role| matrix.may_confer(granter, *role)).collect::<Vec<_>>();
        assert_eq!(may(OWNER), [OWNER, LEAD, WRITER, READER]);
        assert_eq!(may(LEAD), [LEAD, WRITER, READER]);
        assert_eq!(may(WRITER), [WRITER, READER]);
        assert_eq!(may(READER), [READER]);
        assert!(may(99).is_empty() && !matrix.may_confer(OWNER, 99));
    }

    #[test]
    #[ignore = "a measurement, to be run optimised"]
    fn a_decision_takes_nanoseconds() {
        let (matrix, home) = (Matrix::compile(&bench::app()), bench::home());
        let actions: Vec<_> = matrix.actions().collect();
        let start = std::time::Instant::now();
        let rounds = 1_000_000_u32;
        let mut held = 0_u64;
        for round in 0..rounds {
            let action = std::hint::black_box(actions[round as usize % actions.len()]);
            let decided = matrix.decide(Column::Role(WRITER), action, &home).cloned();
            held += u64::from(std::hint::black_box(decided).is_ok());
        }
        println!("{} ns a decision, {held} held", start.elapsed().as_nanos() / u128::from(rounds));
    }
}
