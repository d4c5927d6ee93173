//! Sockets: accepting, TLS, deadlines before the first byte of our own code, and an orderly end.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use transport::Connections;

use crate::{Server, pipeline, preface::Prompt};

/// How long requests under way may take after a stop was asked for.
const GRACE: Duration = Duration::from_secs(10);

/// Connections at most, over all addresses.
const CONNECTIONS: usize = 16 * 1024;

fn builder(server: &Server) -> Builder<TokioExecutor> {
    let flood = &server.app.edge.flood;
    let header = Duration::from_millis(flood.header.0.max(1).cast_unsigned());
    let bytes = usize::try_from(flood.header_bytes).unwrap_or(16 * 1024).max(8 * 1024);
    let mut builder = Builder::new(TokioExecutor::new());
    // Whoever closes their side after a whole request still gets the answer.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(header)
        .max_buf_size(bytes)
        .max_headers(100)
        .half_close(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(100)
        .max_header_list_size(u32::try_from(bytes).unwrap_or(16 * 1024))
        .keep_alive_interval(Some(Duration::from_secs(20)))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}

/// Accepts until `stop` resolves, then lets requests under way finish.
pub(crate) async fn serve(
    server: Arc<Server>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    stop: impl Future<Output = ()>,
) {
    let builder = Arc::new(builder(&server));
    let connections = Connections::new(server.app.edge.flood.connections_per_ip, CONNECTIONS);
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(_) => {
                    // Out of handles or the like: wait for some to come back instead of spinning.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        if server.blocklist.holds(peer.ip()) {
            continue;
        }
        // Everybody behind a declared proxy shares its address.
        let guard = if server.transport.is_proxy(peer.ip()) { None } else { Some(connections.enter(peer.ip())) };
        if matches!(guard, Some(None)) {
            continue;
        }
        let _ignored = stream.set_nodelay(true);
        let (server, builder, tls, watcher) =
            (Arc::clone(&server), Arc::clone(&builder), tls.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _guard = guard;
            connection(server, &builder, tls, stream, peer, watcher).await;
        });
    }
    drop(listener);
    let _late = tokio::time::timeout(GRACE, graceful.shutdown()).await;
}

async fn connection(
    server: Arc<Server>,
    builder: &Builder<TokioExecutor>,
    tls: Option<TlsAcceptor>,
    stream: TcpStream,
    peer: SocketAddr,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let secure = tls.is_some();
    let limit = Duration::from_millis(server.app.edge.flood.header.0.max(1).cast_unsigned());
    let service = service_fn(move |request: Request<Incoming>| {
        let server = Arc::clone(&server);
        async move { Ok::<_, std::convert::Infallible>(pipeline::pass(server, peer, secure, request).await) }
    });
    // What goes wrong on one connection ends that connection; there is nobody to tell.
    let _ended = match tls {
        None => {
            watcher
                .watch(builder.serve_connection(TokioIo::new(Prompt::new(stream, limit)), service).into_owned())
                .await
        }
        Some(tls) => match tokio::time::timeout(limit, tls.accept(stream)).await {
            Ok(Ok(stream)) => {
                let stream = TokioIo::new(Prompt::new(stream, limit));
                watcher.watch(builder.serve_connection(stream, service).into_owned()).await
            }
            _ => return,
        },
    };
}

/// Plain HTTP beside TLS: pages of hosts we serve are sent to TLS, everything else is refused unrun.
pub(crate) async fn redirect(server: Arc<Server>, listener: TcpListener) {
    let builder = Arc::new(builder(&server));
    let limit = Duration::from_millis(server.app.edge.flood.header.0.max(1).cast_unsigned());
    let connections = Connections::new(server.app.edge.flood.connections_per_ip, CONNECTIONS);
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Some(guard) = connections.enter(peer.ip()).filter(|_| !server.blocklist.holds(peer.ip())) else { continue };
        let (server, builder) = (Arc::clone(&server), Arc::clone(&builder));
        tokio::spawn(async move {
            let _guard = guard;
            let service = service_fn(move |request: Request<Incoming>| {
                let server = Arc::clone(&server);
                async move { Ok::<_, std::convert::Infallible>(pipeline::insist(&server, peer, &request).await) }
            });
            let _ended = builder.serve_connection(TokioIo::new(Prompt::new(stream, limit)), service).await;
        });
    }
}
