//! The demo's data: two years of hourly bike rentals in Washington, D.C.
//!
//! UCI Machine Learning Repository, "Bike Sharing Dataset" (Hadi Fanaee-T and Joao Gama, 2013,
//! doi:10.1007/s13748-013-0040-3), licensed CC BY 4.0. The column of the hour was joined with the date to `ts`.

use arrow::error::ArrowError;
use arrow::json::LineDelimitedWriter;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::super::CliError;

const PARQUET: &[u8] = include_bytes!("bike_hour.parquet");

/// The first half of 2011: what the model was trained on.
pub(super) const TRAINING_ROWS: usize = 4_250;

/// All records as JSON lines, in the order of time.
pub(super) fn records() -> Result<Vec<String>, CliError> {
    read().map_err(|error| CliError::Failed(format!("cannot read the demo's data: {error}")))
}

fn read() -> Result<Vec<String>, ArrowError> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from_static(PARQUET))?.build()?;
    let mut writer = LineDelimitedWriter::new(Vec::new());
    for batch in reader {
        writer.write(&batch?)?;
    }
    writer.finish()?;
    let text = String::from_utf8_lossy(&writer.into_inner()).into_owned();
    Ok(text.lines().map(str::to_owned).collect())
}
