//! Asks the witnesses of the instance's log for their signatures, beside everything else: one that is down, or says
//! something that does not hold, costs its line and nothing more.

use std::{fs, sync::Arc, time::Duration};

use audit::Witness;
use encryption::Post;
use kernel::TenantId;
use tokio_rustls::rustls::ClientConfig;

use crate::{Server, Settings, closing};

/// Where the policy file is named.
const NAME: &str = "VOUCHSAFE_WITNESSES";
/// How often it looks whether there is a newer checkpoint.
const LOOK: Duration = Duration::from_secs(10);
/// How long a witness that did not sign is left alone.
const PAUSE: Duration = Duration::from_secs(600);

/// The witnesses of the policy file that the environment names; none without one.
pub(crate) fn read(settings: &Settings) -> Result<Vec<Witness>, String> {
    let Some(path) = settings.environment.get(NAME).filter(|path| !path.is_empty()) else { return Ok(Vec::new()) };
    let wrong = |words: String| format!("{NAME}: {path}: {words}");
    let text = fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
    let mut witnesses = Vec::new();
    for (key, address) in audit::policy(&text).map_err(wrong)? {
        let post = Post::new(&address, 443, trusted).map_err(|words| wrong(format!("{}: {words}", key.name)))?;
        witnesses.push(Witness { key, post });
    }
    Ok(witnesses)
}

/// The authorities that this machine believes.
fn trusted() -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(&provider)).map_err(|e| e.to_string())?;
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|e| e.to_string())?.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    Ok(Arc::new(config.with_no_client_auth()))
}

/// Asks them, each by itself, until the runtime ends.
pub(crate) fn start(server: &Arc<Server>) {
    for witness in server.audit.witnesses() {
        let witness = witness.clone();
        crate::jobs::forever(server, move |server| {
            let witness = witness.clone();
            async move {
                loop {
                    let pause = match ask(&server, &witness).await {
                        Ok(_) => LOOK,
                        Err(failure) => {
                            server.monitor.failure(&failure, None, Some(TenantId::HOUSE));
                            PAUSE
                        }
                    };
                    tokio::time::sleep(pause).await;
                }
            }
        });
    }
}

async fn ask(server: &Server, witness: &Witness) -> Result<bool, kernel::Failure> {
    let tx = closing::tx(server, TenantId::HOUSE, "log.witnessed").await?;
    server.audit.witness(tx, witness).await
}
