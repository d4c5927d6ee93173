use super::{Key, Own, Ty, key};

pub(super) static ENCRYPTION: &[Key] = &[
    key("at_rest", Ty::OneOf(&["program", "volume"]), "\"program\"", "who encrypts database files"),
    key("objects", Ty::OneOf(&["program"]), "\"program\"", "who encrypts stored objects"),
    key("cipher", Ty::OneOf(&["AES-256-GCM"]), "\"AES-256-GCM\"", "informative, fixed"),
    key("rotate", Ty::Duration, "\"90 days\"", "age at which keys rotate"),
];

pub(super) static AUDIT: &[Key] = &[
    key("retention", Ty::Duration, "\"12 months\"", "how long leaves are kept; shorter is refused"),
    key("sensitive", Ty::Texts, "[\"*\"]", "patterns of sensitive events"),
    key("checkpoints", Ty::OneOf(&["daily"]), "\"daily\"", "fixed"),
    key("jwks", Ty::Bool, "true", "daily roots in the tenant's JWKS"),
];

pub(super) static BACKUPS: &[Key] = &[
    key("every", Ty::Every, "\"daily\"", "how often"),
    key("keep", Ty::Int(1, 1000), "10", "the newest so many are kept"),
    key("to", Ty::Pointers, "", "where; absent: a folder `backups/`"),
    key("archive", Ty::Table(ARCHIVE), "", "continuous archive"),
    key("restore_any_second_of", Ty::Duration, "\"30 days\"", "window of point-in-time restore"),
    key("regions", Ty::OneOf(&["own"]), "\"own\"", "fixed"),
];

static ARCHIVE: &[Key] = &[key("lag", Ty::Duration, "\"60 s\"", "longest lag")];

pub(super) static FAILOVER: &[Key] = &[
    key("every", Ty::Every, "\"24 h\"", "how often the copy is renewed"),
    key("targets", Ty::Own(Own::Targets), "\"eu\"", "\"eu\" or a list of ISO 3166 countries"),
    key("standby", Ty::OneOf(&["cold"]), "\"cold\"", "fixed"),
    key("promoted_by", Ty::Name, "", "role that wakes it; absent: the owner role"),
    key("ready_in", Ty::Duration, "\"4 h\"", "from the click to reading and writing"),
];

pub(super) static DATA: &[Key] = &[
    key("export", Ty::Table(EXPORT), "", "export"),
    key("purge", Ty::Duration, "\"30 days\"", "deleted tenants are gone after"),
    key("billing", Ty::Duration, "\"7 years\"", "billing rows stay for"),
];

static EXPORT: &[Key] = &[
    key("formats", Ty::SomeOf(&["csv", "json"]), "[\"csv\", \"json\"]", "formats"),
    key("collections", Ty::Texts, "", "absent: all"),
];
