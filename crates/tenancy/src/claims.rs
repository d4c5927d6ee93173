use kernel::Claim;

/// Checks this section keeps.
pub const CLAIMS: [Claim; 4] = [
    Claim {
        check: "tenant.resolve",
        keeps: "The host fixes the tenant before any handler runs; an unknown host gets 421",
    },
    Claim {
        check: "tenant.slug_membership",
        keeps: "A slug is looked up among the caller's own memberships; a foreign one answers like an unknown one",
    },
    Claim {
        check: "tenant.suspension",
        keeps: "A suspended tenant answers TenantSuspendedError before data is reached",
    },
    Claim { check: "tenant.reserved_names", keeps: "Reserved names are refused in every spelling" },
];
