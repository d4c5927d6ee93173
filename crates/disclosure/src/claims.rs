use kernel::Claim;

/// Checks that this section keeps.
pub const CLAIMS: &[Claim] = &[
    Claim {
        check: "gov.claims_bound",
        keeps: "Every promise stands on the trust page with its verdict; a changed one shows old and new.",
    },
    Claim {
        check: "gov.access_review",
        keeps: "A review decides about each operator, and is signed under the digest of what was reviewed.",
    },
    Claim { check: "gov.monitoring_live", keeps: "A verdict older than two rounds is stale, and says so." },
];
