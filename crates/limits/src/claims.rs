use kernel::Claim;

/// Checks this section keeps.
pub const CLAIMS: [Claim; 4] = [
    Claim {
        check: "limit.tiers",
        keeps: "Every route spends a declared tier; a tier the manifest lacks answers nothing",
    },
    Claim {
        check: "limit.per_ip_route",
        keeps: "Budgets are separate per tier and per address, account, key, tenant, source",
    },
    Claim {
        check: "limit.retry_after",
        keeps: "A 429 says after how many whole seconds the same request passes, and it does",
    },
    Claim {
        check: "limit.graduated",
        keeps: "Whoever is refused again within the longest step is blocked for the next longer one",
    },
];
