use kernel::Claim;

/// Checks that this section keeps.
pub const CLAIMS: &[Claim] = &[
    Claim {
        check: "access.server_side",
        keeps: "each route names a resource and a verb, and no handler runs without the permit of this gate",
    },
    Claim { check: "access.role_floor", keeps: "a role holds what the manifest declares for it, and nothing else" },
    Claim {
        check: "access.row_visibility",
        keeps: "a grant that is limited to rows reaches the store as a predicate on every statement",
    },
    Claim {
        check: "gov.named_operators",
        keeps: "a name acts from inside that stands in the register with a reason, an owner and a day within a year",
    },
];
