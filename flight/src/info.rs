//! The messages that tell what may be pulled, and by which ticket.

use arrow::datatypes::Schema;
use arrow_flight::{FlightDescriptor, FlightEndpoint, FlightInfo, Ticket};
use bytes::Bytes;
use prost_types::Timestamp;

use crate::error::Result;
use crate::stream::schema_bytes;

/// `-1` is Flight's "unknown".
pub fn number(value: Option<u64>) -> i64 {
    value.and_then(|value| i64::try_from(value).ok()).unwrap_or(-1)
}

/// One part of a result, which this server gives for a ticket until `expires` (Unix seconds; absent: for ever).
pub fn endpoint(ticket: impl Into<Bytes>, expires: Option<u64>) -> FlightEndpoint {
    FlightEndpoint {
        ticket: Some(Ticket { ticket: ticket.into() }),
        // Empty means: here. A client never has to dial another address, nor sends its token there.
        location: vec![],
        expiration_time: expires.map(|seconds| Timestamp { seconds: number(Some(seconds)), nanos: 0 }),
        app_metadata: Bytes::new(),
    }
}

/// A result in one part, whose rows nobody has counted yet.
pub fn uncounted(schema: &Schema, descriptor: &FlightDescriptor, endpoint: FlightEndpoint) -> Result<FlightInfo> {
    Ok(FlightInfo {
        schema: schema_bytes(schema)?,
        flight_descriptor: Some(descriptor.clone()),
        endpoint: vec![endpoint],
        total_records: -1,
        total_bytes: -1,
        ordered: true,
        app_metadata: Bytes::new(),
    })
}
