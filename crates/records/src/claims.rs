use kernel::Claim;

/// Checks that this section keeps.
pub const CLAIMS: [Claim; 5] = [
    Claim {
        check: "edge.input_validation",
        keeps: "unknown, derived and forbidden members of an input are refused by name",
    },
    Claim { check: "edge.sanitise", keeps: "rich text is sanitised before it is stored and again before it is shown" },
    Claim { check: "edge.parameterised", keeps: "every value is bound; identifiers come from the manifest alone" },
    Claim { check: "pay.no_card_data", keeps: "a card number is refused in every member of every input" },
    Claim { check: "data.export_tenant", keeps: "every declared collection exports as CSV and JSON" },
];
