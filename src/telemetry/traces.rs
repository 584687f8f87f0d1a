//! Traces, where driftd was built with the feature `otel` and `OTEL_EXPORTER_OTLP_ENDPOINT` is set.

use tracing_subscriber::{Layer, Registry};

use super::LoggingError;

/// A layer of the subscriber.
type Traces = Box<dyn Layer<Registry> + Send + Sync>;

#[cfg(feature = "otel")]
mod otlp {
    use std::sync::OnceLock;

    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::{EnvFilter, Layer as _};

    use super::{LoggingError, Traces};

    /// Kept to send what is left at the end.
    static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

    pub(super) fn layer() -> Result<Option<Traces>, LoggingError> {
        if std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").is_none() {
            return Ok(None);
        }
        // The exporter's client asks for one even where it speaks plain HTTP.
        let _chosen_already = rustls::crypto::ring::default_provider().install_default();
        let exporter =
            opentelemetry_otlp::SpanExporter::builder().with_http().build().map_err(LoggingError::Traces)?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(Resource::builder().with_service_name("driftd").build())
            .build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("driftd"));
        // Later starts have no effect.
        let _started_already = PROVIDER.set(provider);
        Ok(Some(layer.with_filter(EnvFilter::new("driftd=debug")).boxed()))
    }

    pub(super) fn finish() {
        if let Some(provider) = PROVIDER.get()
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "cannot export the remaining traces");
        }
    }
}

/// The layer that exports spans; none without a place to export them to.
///
/// # Errors
/// When the exporter cannot be built.
#[cfg_attr(not(feature = "otel"), expect(clippy::unnecessary_wraps, reason = "with the feature it can fail"))]
pub(super) fn layer() -> Result<Option<Traces>, LoggingError> {
    #[cfg(feature = "otel")]
    return otlp::layer();
    #[cfg(not(feature = "otel"))]
    Ok(None)
}

/// Sends what was not exported yet.
pub fn finish_traces() {
    #[cfg(feature = "otel")]
    otlp::finish();
}
