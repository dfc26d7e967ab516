//! `clip-in serve`

use crate::config::ServeSettings;
use crate::telemetry::start_logging;

pub fn run(settings: &ServeSettings) -> anyhow::Result<()> {
    start_logging(settings.log_format, &settings.log);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("http")
        .build()?;
    let result = runtime.block_on(crate::api::serve(settings));
    // Connections that outlived the drain are cut here; waiting for them was the drain's business.
    runtime.shutdown_background();
    Ok(result?)
}
