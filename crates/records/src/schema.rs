//! Collections as tables.

use manifest::{App, Collection, Field, Index, Kind, OnDelete, Target};
use store::{Table, Type};

use crate::shelf::column_type;

/// Every collection's table, and the section's own.
#[must_use]
pub fn tables(app: &App) -> Vec<Table> {
    let mut tables: Vec<Table> = app.collections.iter().map(|c| collection(app, c)).collect();
    tables.extend(own(app));
    tables
}

fn collection(app: &App, c: &Collection) -> Table {
    let mut table = Table::own(c.id, "CSV and JSON, by export", "when the record or the tenant goes")
        .text("id")
        .int("created_at")
        .opt_text("created_by")
        .int("updated_at")
        .int("version");
    if c.drafts {
        table = table.int("published").opt_int("published_at").opt_int("publish_at").opt_text("draft");
        // The oldest key among what is sealed in the draft.
        table = table.opt_int("draft_key").index(["draft_key"]);
    }
    for (at, field) in c.fields.iter().enumerate() {
        table = column(app, c, at, field, table);
    }
    for key in &c.unique {
        table = table.unique(key.iter().filter_map(|i| c.fields.get(*i)).map(|f| f.id));
    }
    table
}

fn column(app: &App, c: &Collection, at: usize, field: &Field, table: Table) -> Table {
    let mut table = match column_type(field) {
        Type::Int => table.opt_int(field.id),
        Type::Text => table.opt_text(field.id),
        Type::Blob if field.index == Index::Blind => table.opt_blob(field.id).blind(),
        Type::Blob => table.opt_blob(field.id).sealed(),
    };
    let part = c.part_of.is_some_and(|(_, reference)| reference == at);
    if let Kind::Reference { to: Target::Collection(to), on_delete, .. } = &field.kind
        && let Some(to) = app.collections.get(*to)
        && !field.many
    {
        let on_delete = match on_delete {
            _ if part => store::OnDelete::Cascade,
            OnDelete::Refuse => store::OnDelete::Refuse,
            OnDelete::Cascade => store::OnDelete::Cascade,
            OnDelete::Clear => store::OnDelete::Clear,
        };
        table = table.refers(to.id, on_delete).index([field.id]);
    } else if field.index == Index::Plain && !field.unique {
        table = table.index([field.id]);
    }
    if field.unique { table.unique([field.id]) } else { table }
}

/// How many columns of each type a staged row needs: one table stages imports of every collection.
pub(crate) fn staging(app: &App) -> [usize; 3] {
    let mut most = [0; 3];
    for c in &app.collections {
        for (most, kind) in most.iter_mut().zip([Type::Int, Type::Text, Type::Blob]) {
            *most = (*most).max(c.fields.iter().filter(|f| column_type(f) == kind).count());
        }
    }
    most
}

fn own(app: &App) -> Vec<Table> {
    let [ints, texts, blobs] = staging(app);
    let mut stage = Table::own("_stage", "no: an import under way", "when the import ends, or after a day")
        .text("job")
        .int("n")
        .text("id")
        .key(2);
    stage = (0..ints).fold(stage, |t, n| t.opt_int(format!("i{n}")));
    stage = (0..texts).fold(stage, |t, n| t.opt_text(format!("t{n}")));
    stage = (0..blobs).fold(stage, |t, n| t.opt_blob(format!("b{n}")));
    vec![
        Table::own("_sequence", "no: derived", "with the tenant").text("name").int("value"),
        Table::own("_version", "with its record", "when the record goes")
            .text("collection")
            .text("record")
            .int("version")
            .int("at")
            .opt_text("actor")
            .text("body")
            .opt_int("oldest_key")
            .index(["oldest_key"])
            .key(3),
        Table::own("_file", "with its record", "when the record or the tenant goes")
            .text("id")
            .text("collection")
            .text("field")
            .text("name")
            .text("type")
            .int("size")
            .text("sha256")
            .int("created_at")
            .opt_text("created_by")
            .opt_text("record")
            .index(["collection", "record"]),
        Table::own("_share", "no: a way in, not data", "a day after it expired")
            .text("id")
            .text("name")
            .blob("token")
            .opt_blob("pin")
            .text("record")
            .int("created_at")
            .opt_text("created_by")
            .int("expires_at")
            .int("attempts")
            .unique(["token"])
            .index(["expires_at"]),
        stage,
    ]
}
