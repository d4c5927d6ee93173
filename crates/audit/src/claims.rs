use kernel::Claim;

/// Checks this section keeps.
pub const CLAIMS: [Claim; 2] = [
    Claim {
        check: "audit.hash_chain",
        keeps: "Each leaf carries the hash of the one before; the whole chain is checked and the first broken link named",
    },
    Claim { check: "audit.per_tenant", keeps: "Each tenant has its own chain, read only under a permit for its log" },
];
