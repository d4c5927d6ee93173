use super::{Key, Own, Ty, key, must};

pub(super) static ROLE: &[Key] = &[
    key("label", Ty::Text, "", "for people; absent: the name"),
    key("like", Ty::Name, "", "another role whose rights this one starts from"),
    key("default", Ty::Bool, "false", "the role of an invitation that names none"),
    must("floor", Ty::Own(Own::Grants), "what everybody of the role may do"),
    key("ceiling", Ty::Own(Own::Grants), "", "what a custom role may raise them to; absent: the floor"),
];

pub(super) static CUSTOM_ROLES: &[Key] = &[
    key("module", Ty::Name, "", "module that gates them; absent: always on"),
    key("per_member", Ty::Int(1, 64), "8", "how many one member may hold"),
    key("verbs", Ty::Texts, "[\"read\", \"read_draft\", \"write\", \"publish\"]", "verbs they may grant"),
];
