use std::fmt;

use zeroize::Zeroize;

/// Bytes that must not be printed or left behind: wiped on drop, `Debug` and `Display` show nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Drop for Secret {
    /// Eight bytes a write: wiping a kilobyte byte by byte costs as much as decrypting it.
    fn drop(&mut self) {
        // What lies behind the end was never written by the owner of a value that only shrank: wiped as well.
        self.0.resize(self.0.capacity(), 0);
        let (head, middle, tail) = bytemuck::pod_align_to_mut::<u8, u64>(&mut self.0);
        head.zeroize();
        middle.zeroize();
        tail.zeroize();
    }
}

impl Secret {
    /// Takes ownership of the bytes.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }
    /// The bytes; name the place where you use them, and keep no copy.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
    /// The bytes as text, when they are UTF-8.
    #[must_use]
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// From JSON text, so inputs can hold passwords and tokens that never print.
impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Self::new(text.into_bytes()))
    }
}
