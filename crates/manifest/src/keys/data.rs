use super::{Key, Names, Own, Ty, key, must};

pub(super) static COLLECTION: &[Key] = &[
    key("label", Ty::Text, "", "for people; absent: the name"),
    key("drafts", Ty::Bool, "false", "records start as drafts and are published"),
    key("versions", Ty::Own(Own::Versions), "0", "earlier versions kept: a number or \"all\""),
    key("append_only", Ty::Bool, "false", "records are never changed or deleted"),
    key(
        "part_of",
        Ty::Own(Own::PartOf),
        "",
        "{ collection = reference field }: lives with its parent, shares its rights",
    ),
    key("unique", Ty::Own(Own::Unique), "[]", "keys of several fields"),
    key("assigned_to", Ty::Name, "", "field with the member a record is assigned to"),
    key("team", Ty::Name, "", "field with the member whose team a record belongs to"),
    key("subject", Ty::Name, "", "field that says whose data a row is"),
    must("fields", Ty::Own(Own::Fields), "the fields"),
    key("rows", Ty::Own(Own::Rows), "", "named row sets"),
    key("actions", Ty::Map(Names::Plain, ACTION), "", "declared verbs on a record"),
    key("publish", Ty::Maybe(PUBLISH), "", "the publish action"),
];

pub(crate) static FIELD: &[Key] = &[
    must("type", Ty::OneOf(TYPES), "its type"),
    key("required", Ty::Bool, "false", "must be given at creation"),
    key("unique", Ty::Bool, "false", "no two records share it"),
    key("default", Ty::Own(Own::Literal), "", "value when none is given"),
    key("label", Ty::Text, "", "for people"),
    key("personal", Ty::Bool, "false", "personal data"),
    key("encrypted", Ty::Bool, "false", "sealed before it is written"),
    key("index", Ty::Own(Own::Index), "false", "true, or \"blind\" for an encrypted field"),
    key("read_only", Ty::Bool, "false", "never accepted from outside"),
    key("min", Ty::Own(Own::Bound), "", "least value, or length"),
    key("max", Ty::Own(Own::Bound), "", "greatest value, length or size"),
    key("pattern", Ty::Text, "", "regular expression for the whole text"),
    key("many", Ty::Own(Own::Many), "false", "several values (text, enum, reference)"),
    key("of", Ty::Texts, "", "values of an enum"),
    key("to", Ty::Name, "", "collection a reference points to, or members"),
    key("where", Ty::Name, "", "row set that a reference's target must be in"),
    key("on_delete", Ty::OneOf(&["refuse", "cascade", "clear"]), "\"refuse\"", "what deleting the target does"),
    key("accept", Ty::Texts, "[\"image/*\", \"application/pdf\"]", "media types of a file"),
    key("auto", Ty::OneOf(&["sequence"]), "", "derived: 1, 2, 3, ..."),
    key("sum", Ty::Text, "", "derived: sum of \"part.field\""),
    key("product", Ty::Texts, "", "derived: product of two fields"),
    key("copy", Ty::Text, "", "derived: \"reference.field\", frozen at creation"),
];

pub(super) static TYPES: &[&str] = &[
    "text",
    "rich_text",
    "integer",
    "decimal",
    "money",
    "boolean",
    "date",
    "date_time",
    "enum",
    "email",
    "url",
    "json",
    "reference",
    "file",
    "secret",
];

pub(super) static ACTION: &[Key] = &[
    key("label", Ty::Text, "", "for people; absent: the name"),
    key("input", Ty::Own(Own::Input), "", "inputs, typed like fields"),
    key("when", Ty::Own(Own::Guard), "", "must hold before"),
    key("set", Ty::Own(Own::Sets), "", "what changes"),
    key("ensure", Ty::Own(Own::Guard), "", "must hold after"),
    key("create", Ty::Own(Own::Create), "", "records made besides"),
    key("audit", Ty::Text, "", "name of the audit leaf; absent: collection.action"),
    key("event", Ty::Text, "", "name of the outgoing event; absent: collection.action"),
    key("limit", Ty::Name, "\"actions\"", "limit tier"),
    key("step_up", Ty::Duration, "", "the person must have proved who they are within this time"),
    key("confirm", Ty::Bool, "false", "asks before acting"),
];

pub(crate) static PUBLISH: &[Key] = &[
    key("label", Ty::Text, "", "for people"),
    key("when", Ty::Own(Own::Guard), "", "must hold before"),
    key("set", Ty::Own(Own::Sets), "", "what changes besides"),
    key("ensure", Ty::Own(Own::Guard), "", "must hold after"),
    key("create", Ty::Own(Own::Create), "", "records made besides"),
    key("at", Ty::Name, "", "date_time field that schedules publishing"),
    key("audit", Ty::Text, "", "name of the audit leaf"),
    key("event", Ty::Text, "", "name of the outgoing event"),
    key("limit", Ty::Name, "\"actions\"", "limit tier"),
    key("step_up", Ty::Duration, "", "the person must have proved who they are within this time"),
    key("confirm", Ty::Bool, "false", "asks before acting"),
];

pub(super) static CONTENT_TYPES: &[Key] = &[
    key("per_workspace", Ty::Int(0, 200), "0", "how many a tenant may declare; 0: off"),
    key("fields", Ty::Int(1, 128), "80", "fields of one"),
];

pub(super) static SUBMISSION: &[Key] = &[
    must("creates", Ty::Name, "collection that gets the record"),
    must("accepts", Ty::Own(Own::Accepts), "{ fields = [..], part = [..], reference = [..] }"),
    key("max", Ty::Own(Own::Counts), "", "{ part = how many }; 50 each when absent"),
    key("sets", Ty::Own(Own::Literals), "", "fields set by us"),
    key("limit", Ty::Name, "\"public_forms\"", "limit tier"),
    key("bots", Ty::SomeOf(&["honeypot", "timing"]), "[\"honeypot\", \"timing\"]", "rules against bots"),
];

pub(super) static SHARE: &[Key] = &[
    must("shows", Ty::Own(Own::Shows), "{ collection = [fields] }; the first is the shared record's"),
    key("pin", Ty::Int(4, 12), "", "digits of the PIN; absent: none"),
    key("ttl", Ty::Duration, "\"7 days\"", "how long a link lives"),
    key("limit", Ty::Name, "\"pin\"", "limit tier"),
];
