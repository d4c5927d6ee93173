use kernel::Claim;

/// Checks this section keeps.
pub const CLAIMS: [Claim; 2] = [
    Claim { check: "obs.json_logs", keeps: "Every log line is a JSON object with time, level, request id and tenant" },
    Claim {
        check: "obs.error_scrub",
        keeps: "Log lines are typed and free texts are scrubbed: no bodies, tokens, e-mail addresses, card numbers or full addresses",
    },
];
