use kernel::Rng;

/// The operating system's randomness, through the crypto library's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRng;

impl Rng for OsRng {
    fn fill(&self, bytes: &mut [u8]) {
        if aws_lc_rs::rand::fill(bytes).is_err() {
            // Nothing made from here on could be trusted, and no caller could handle it.
            std::process::abort();
        }
    }
}
