//! TLS from certificate files.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::SystemTime,
};

use kernel::{Failure, sabotage::off};
use rustls::{
    CipherSuite, RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

/// AEAD with ephemeral keys, best first; an own list, so that a library's default cannot widen it.
const SUITES: [CipherSuite; 9] = [
    CipherSuite::TLS13_AES_256_GCM_SHA384,
    CipherSuite::TLS13_AES_128_GCM_SHA256,
    CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| SUITES.contains(&suite.suite()));
    provider
}

/// A certificate chain and its key, as files that may be replaced while the server runs.
#[derive(Debug)]
pub struct Certificates {
    chain: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
    changed: Mutex<Option<SystemTime>>,
}

impl Certificates {
    /// Reads both files (PEM).
    ///
    /// # Errors
    /// Internal, saying which file is wrong and how.
    pub fn load(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Arc<Self>, Failure> {
        let (chain, key) = (chain.into(), key.into());
        let current = RwLock::new(Arc::new(read(&chain, &key)?));
        let changed = Mutex::new(changed(&chain, &key));
        Ok(Arc::new(Self { chain, key, current, changed }))
    }

    /// Reads them again if one was written since. What is wrong now leaves the old ones in force.
    ///
    /// # Errors
    /// As [`Certificates::load`].
    pub fn refresh(&self) -> Result<bool, Failure> {
        let now = changed(&self.chain, &self.key);
        let mut last = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        if *last == now {
            return Ok(false);
        }
        let fresh = Arc::new(read(&self.chain, &self.key)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        *last = now;
        Ok(true)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn changed(chain: &PathBuf, key: &PathBuf) -> Option<SystemTime> {
    let of = |path| std::fs::metadata(path).and_then(|m| m.modified()).ok();
    of(chain).max(of(key))
}

fn read(chain: &PathBuf, key: &PathBuf) -> Result<CertifiedKey, Failure> {
    let wrong = |path: &PathBuf, what: &str| Failure::Internal(format!("tls: {} {what}", path.display()).into());
    let certificates: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(chain)
            .and_then(Iterator::collect)
            .map_err(|e| wrong(chain, &format!("cannot be read as PEM certificates: {e}")))?;
    if certificates.is_empty() {
        return Err(wrong(chain, "holds no certificate"));
    }
    let private =
        PrivateKeyDer::from_pem_file(key).map_err(|e| wrong(key, &format!("cannot be read as a PEM key: {e}")))?;
    // Also compares the certificate's public key with the private one.
    CertifiedKey::from_der(certificates, private, &provider())
        .map_err(|e| wrong(key, &format!("does not fit the certificate: {e}")))
}

/// The server's side of TLS: `least` is "1.2" or "1.3"; 1.3 is chosen whenever the client has it. Offers h2 and http/1.1.
///
/// # Errors
/// Internal, for any other version.
pub fn config(certificates: &Arc<Certificates>, least: &str) -> Result<Arc<ServerConfig>, Failure> {
    configured(certificates, least, None)
}

/// As [`config`]; only clients with a certificate of one of these authorities (PEM) get through the handshake.
///
/// # Errors
/// Internal, also when the file holds no authority.
pub fn config_for(
    certificates: &Arc<Certificates>,
    least: &str,
    authorities: &Path,
) -> Result<Arc<ServerConfig>, Failure> {
    configured(certificates, least, Some(authorities))
}

fn verifier(authorities: &Path) -> Result<Arc<dyn ClientCertVerifier>, Failure> {
    let wrong = || Failure::Internal(format!("{} holds no authority as PEM", authorities.display()).into());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authorities).map_err(|_| wrong())? {
        roots.add(certificate.map_err(|_| wrong())?).map_err(|_| wrong())?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider())).build().map_err(|_| wrong())
}

fn configured(
    certificates: &Arc<Certificates>,
    least: &str,
    authorities: Option<&Path>,
) -> Result<Arc<ServerConfig>, Failure> {
    let versions: &[&SupportedProtocolVersion] = match least {
        "1.2" if off("edge.tls") => &[&TLS12],
        "1.2" => &[&TLS13, &TLS12],
        "1.3" => &[&TLS13],
        _ => return Err(Failure::internal("tls: the least version is neither 1.2 nor 1.3")),
    };
    let builder = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(versions)
        .map_err(|_| Failure::internal("tls: the versions do not fit the suites"))?;
    let resolver = Arc::clone(certificates);
    let builder = match authorities.filter(|_| !off("edge.origin_lock")) {
        Some(authorities) => builder.with_client_cert_verifier(verifier(authorities)?),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ignore_client_order = true;
    // Early data can be replayed.
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use rustls::{ClientConfig, ProtocolVersion};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;

    fn write(folder: &Path) -> (PathBuf, PathBuf, CertificateDer<'static>) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (chain, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        fs::write(&chain, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        (chain, key, made.cert.der().clone())
    }

    async fn shake(
        server: &Arc<ServerConfig>,
        root: &CertificateDer<'static>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Option<(ProtocolVersion, Vec<u8>)> {
        let mut roots = RootCertStore::empty();
        roots.add(root.clone()).unwrap();
        let mut client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
        let (near, far) = tokio::io::duplex(64 * 1024);
        let connector = TlsConnector::from(Arc::new(client));
        let connect = connector.connect("localhost".try_into().unwrap(), near);
        let (accepted, connected) = tokio::join!(TlsAcceptor::from(Arc::clone(server)).accept(far), connect);
        let (_accepted, connected) = (accepted.ok()?, connected.ok()?);
        let (_, session) = connected.get_ref();
        let suite = session.negotiated_cipher_suite().unwrap().suite();
        assert!(SUITES.contains(&suite), "{suite:?}");
        Some((session.protocol_version().unwrap(), session.alpn_protocol().unwrap().to_vec()))
    }

    #[tokio::test]
    async fn the_best_version_wins_and_the_least_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (chain, key, root) = write(folder.path());
        let certificates = Certificates::load(&chain, &key).unwrap();
        let from_12 = config(&certificates, "1.2").unwrap();
        let (version, alpn) = shake(&from_12, &root, &[&TLS12, &TLS13]).await.unwrap();
        assert_eq!((version, alpn.as_slice()), (ProtocolVersion::TLSv1_3, b"h2".as_slice()));
        assert_eq!(shake(&from_12, &root, &[&TLS12]).await.unwrap().0, ProtocolVersion::TLSv1_2);
        let from_13 = config(&certificates, "1.3").unwrap();
        assert!(shake(&from_13, &root, &[&TLS12]).await.is_none());
        assert!(config(&certificates, "1.1").is_err());
    }

    #[tokio::test]
    async fn replaced_files_are_taken_and_bad_ones_not() {
        let folder = tempfile::tempdir().unwrap();
        let (chain, key, old) = write(folder.path());
        let certificates = Certificates::load(&chain, &key).unwrap();
        let server = config(&certificates, "1.2").unwrap();
        assert!(!certificates.refresh().unwrap());
        let later = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
        let touch = |at| fs::File::options().write(true).open(&chain).unwrap().set_modified(at).unwrap();
        fs::write(&chain, "nonsense").unwrap();
        touch(later);
        assert!(certificates.refresh().is_err());
        assert!(shake(&server, &old, &[&TLS13]).await.is_some());
        let (_, _, new) = write(folder.path());
        touch(later + Duration::from_secs(1));
        assert!(certificates.refresh().unwrap());
        assert!(shake(&server, &old, &[&TLS13]).await.is_none());
        assert!(shake(&server, &new, &[&TLS13]).await.is_some());
    }

    #[test]
    fn wrong_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let (chain, key, _) = write(folder.path());
        let words = |a: &Path, b: &Path| match Certificates::load(a, b) {
            Err(Failure::Internal(words)) => words.into_owned(),
            other => panic!("{other:?}"),
        };
        assert!(words(&folder.path().join("none.pem"), &key).contains("none.pem"));
        assert!(words(&key, &key).contains("no certificate"));
        assert!(words(&chain, &chain).contains("cert.pem"));
        let other = tempfile::tempdir().unwrap();
        let (_, foreign, _) = write(other.path());
        assert!(words(&chain, &foreign).contains("does not fit"));
    }
}
