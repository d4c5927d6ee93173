//! The floor: what one request costs when nothing is done with it.

use axum::{Router, routing::get};

#[tokio::main]
async fn main() {
    let address = std::env::args().nth(1).expect("an address");
    let listener = tokio::net::TcpListener::bind(address).await.expect("a free port");
    let router = Router::new().route("/", get(|| async { "hello" }));
    axum::serve(listener, router).await.expect("to serve");
}
