use kernel::Claim;

/// Checks this section keeps.
pub const CLAIMS: [Claim; 4] = [
    Claim {
        check: "audit.hash_chain",
        keeps: "Each leaf carries the hash of the one before; the whole chain is checked and the first broken link named",
    },
    Claim {
        check: "audit.merkle_jwks",
        keeps: "At each day's end the log's Merkle root is signed and published among its keys, once all it covers is durable",
    },
    Claim {
        check: "audit.retention",
        keeps: "Leaves go by whole bundles once the youngest of them has served its time; their hashes stay for every proof",
    },
    Claim { check: "audit.per_tenant", keeps: "Each tenant has its own chain, read only under a permit for its log" },
];
