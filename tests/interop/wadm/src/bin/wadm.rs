// SPDX-License-Identifier: Apache-2.0
// wadm as it is published, with its defaults; the server's address is in WADM_NATS_SERVER.
use wadm::config::WadmConfig;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let mut config = WadmConfig::default();
    if let Ok(url) = std::env::var("WADM_NATS_SERVER") {
        config.nats_server = url;
    }
    let mut tasks = wadm::start_wadm(config).await?;
    while let Some(end) = tasks.join_next().await {
        end??;
    }
    Ok(())
}
