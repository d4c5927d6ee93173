//! Switching one control off, to prove that its probe turns red. Exists only with the cargo feature `sabotage`;
//! without it [`off`] is `false` at compile time and the variable's name is not in the binary.

/// True when a test build was told to switch the control of `check` off.
#[cfg(feature = "sabotage")]
#[must_use]
pub fn off(check: &str) -> bool {
    static OFF: std::sync::OnceLock<Vec<String>> = std::sync::OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "test builds only; must reach every section without plumbing")]
    let read = || std::env::var("VOUCHSAFE_SABOTAGE").unwrap_or_default().split(',').map(str::to_owned).collect();
    OFF.get_or_init(read).iter().any(|c| c == check)
}

/// Always false: the release build has no sabotage.
#[cfg(not(feature = "sabotage"))]
#[must_use]
#[inline(always)]
pub const fn off(_check: &str) -> bool {
    false
}

/// The variable that switches controls off, in a test build: a child process must hear of it too.
#[cfg(feature = "sabotage")]
pub const VARIABLE: Option<&str> = Some("VOUCHSAFE_SABOTAGE");
/// None in a release build.
#[cfg(not(feature = "sabotage"))]
pub const VARIABLE: Option<&str> = None;

/// True in a test build that can be sabotaged; its version carries `+sabotage`.
pub const BUILT_IN: bool = cfg!(feature = "sabotage");
