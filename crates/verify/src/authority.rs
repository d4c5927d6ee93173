//! A throw-away certificate authority: the only one the prober's clients trust.

use std::{io, path::Path, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    version,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _};

/// The authority's certificate.
pub struct Authority {
    root: CertificateDer<'static>,
}

impl Authority {
    /// Makes an authority and a server certificate for `names`, written as PEM to the two files.
    ///
    /// # Errors
    /// When a key cannot be made or a file not written.
    pub fn issue(names: Vec<String>, cert: &Path, key: &Path) -> io::Result<Self> {
        let fail = |e: rcgen::Error| io::Error::other(e.to_string());
        let mut params = CertificateParams::new(Vec::new()).map_err(fail)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root_key = KeyPair::generate().map_err(fail)?;
        let root = params.self_signed(&root_key).map_err(fail)?;
        let issuer = Issuer::new(params, root_key);
        let leaf_key = KeyPair::generate().map_err(fail)?;
        let leaf = CertificateParams::new(names).map_err(fail)?.signed_by(&leaf_key, &issuer).map_err(fail)?;
        std::fs::write(cert, format!("{}{}", leaf.pem(), root.pem()))?;
        std::fs::write(key, leaf_key.serialize_pem())?;
        Ok(Self { root: root.der().clone() })
    }
    /// A client that trusts this authority alone and offers these versions and application protocols.
    ///
    /// # Errors
    /// When the certificate is not one; it was made here.
    pub fn client(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&str],
    ) -> io::Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).map_err(io::Error::other)?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
        Ok(Arc::new(config))
    }
    /// A client that trusts the one certificate at the head of a file, whatever signed it and whatever it is for: that of a
    /// server on this machine whose files we read.
    ///
    /// # Errors
    /// When the file holds no certificate.
    pub fn pinned(chain: &Path) -> io::Result<Arc<ClientConfig>> {
        let only = CertificateDer::from_pem_file(chain).map_err(|e| io::Error::other(e.to_string()))?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Pinned { only, provider: Arc::clone(&provider) };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
    /// A client that trusts what this machine trusts.
    ///
    /// # Errors
    /// When the machine's certificates cannot be read.
    pub fn public() -> io::Result<Arc<ClientConfig>> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(&provider)).map_err(io::Error::other)?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
    /// The usual client: both versions, HTTP/1.1.
    ///
    /// # Errors
    /// As [`Self::client`].
    pub fn usual(&self) -> io::Result<Arc<ClientConfig>> {
        self.client(&[&version::TLS13, &version::TLS12], &["http/1.1"])
    }
}

/// Accepts one certificate, byte for byte, from whoever holds its key.
#[derive(Debug)]
struct Pinned {
    only: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match *leaf == self.only {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(rustls::CertificateError::UnknownIssuer.into()),
        }
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
