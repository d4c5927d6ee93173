//! `/metrics` on a listener of its own, never on the public one.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::Server;

/// Answers every request on `address` with the counters; the address it got.
///
/// # Errors
/// Words for the terminal.
pub(crate) async fn listen(server: &Arc<Server>, address: SocketAddr) -> Result<SocketAddr, String> {
    let listener = TcpListener::bind(address).await.map_err(|e| format!("--metrics {address}: {e}"))?;
    let bound = listener.local_addr().map_err(|e| format!("--metrics {address}: {e}"))?;
    let server = Arc::clone(server);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let text = server.metrics();
            tokio::spawn(async move {
                let mut head = [0; 2048];
                let wait = std::time::Duration::from_secs(5);
                let _read = tokio::time::timeout(wait, stream.read(&mut head)).await;
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\nconnection: close\r\n";
                let answer = format!("{head}content-length: {}\r\n\r\n{text}", text.len());
                let _gone = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    Ok(bound)
}

impl Server {
    fn metrics(&self) -> String {
        let stats = self.store.stats();
        let refused = self.access.counts();
        format!(
            "{}vouchsafe_tenants_open {}\nvouchsafe_store_queued {}\nvouchsafe_store_following {}\nvouchsafe_store_buried {}\nvouchsafe_refusals_total{{who=\"visitors\"}} {}\nvouchsafe_refusals_total{{who=\"people\"}} {}\nvouchsafe_budgets_held {}\n",
            self.monitor.metrics(),
            stats.open,
            stats.queued,
            stats.following,
            stats.buried,
            refused.visitors,
            refused.people,
            self.limits.held()
        )
    }
}
