use kernel::Claim;

/// Checks this section keeps.
pub const CLAIMS: [Claim; 7] = [
    Claim {
        check: "vault.field_encryption",
        keeps: "A declared secret field is sealed with AES-256-GCM before it is written, bound to tenant, collection, field and row",
    },
    Claim { check: "vault.unique_nonce", keeps: "Every seal draws a fresh 192-bit nonce; no caller can supply one" },
    Claim {
        check: "vault.key_separation",
        keeps: "Each purpose, tenant, collection and field has its own key, derived with HKDF from the tenant's",
    },
    Claim {
        check: "vault.region_keys",
        keeps: "Each region has its own root key; a region's root opens no other's keys",
    },
    Claim {
        check: "vault.rotation",
        keeps: "A tenant's key is followed by a new one at the manifest's age; what it sealed is sealed anew, then it is retired",
    },
    Claim {
        check: "vault.at_rest_db",
        keeps: "Pages of SQLite, in the file, its log and its copies, are sealed with AES-256-GCM under a data key of each database",
    },
    Claim {
        check: "vault.at_rest_objects",
        keeps: "Stored objects are sealed in pieces with AES-256-GCM, each object under a data key of its own",
    },
];
