//! `DoGet`'s answers without a copy: gRPC frames whose bodies are the encoded batches themselves.
//!
//! The generated service writes each message into a buffer of its own before it goes out: a copy and fresh pages for every
//! byte. Here a message is a few bytes of framing, and behind them the batch as it lies in memory (gRPC over HTTP/2:
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>). All other calls go to the generated service.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use arrow_flight::flight_service_server::FlightService;
use arrow_flight::{FlightData, Ticket};
use bytes::{BufMut, Bytes, BytesMut};
use futures::StreamExt;
use futures::future::BoxFuture;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body as HttpBody, Frame};
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use tonic::codegen::http::{Request, Response};
use tonic::metadata::{GRPC_CONTENT_TYPE, MetadataMap};
use tonic::server::NamedService;
use tonic::{Code, Status};

use crate::service::{DoGetStream, Flight};

const DO_GET: &str = "/arrow.flight.protocol.FlightService/DoGet";
/// A byte that says "not compressed", and the length in four.
const PREFIX: usize = 5;
/// The field of a batch's bytes in `FlightData`.
const BODY_FIELD: u32 = 1000;

/// The generated service, with `DoGet` answered here.
#[derive(Clone)]
pub struct DoGet<S> {
    pub others: S,
    pub flight: Flight,
    /// Largest request, in bytes.
    pub most: usize,
}

impl<S: NamedService> NamedService for DoGet<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for DoGet<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.others.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path() != DO_GET {
            return Box::pin(self.others.call(request));
        }
        let (flight, most) = (self.flight.clone(), self.most);
        Box::pin(async move { Ok(answer(&flight, request, most).await.unwrap_or_else(Status::into_http)) })
    }
}

async fn answer(flight: &Flight, request: Request<Body>, most: usize) -> Result<Response<Body>, Status> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, most + PREFIX).collect().await;
    let body = body.map_err(|error| Status::out_of_range(format!("The request cannot be read: {error}.")))?.to_bytes();
    let ticket = message(body)?;
    let request = tonic::Request::from_parts(MetadataMap::from_headers(parts.headers), parts.extensions, ticket);
    let stream = flight.do_get(request).await?.into_inner();
    let mut response = Response::new(Body::new(Frames { stream: Some(stream), body: None }));
    response.headers_mut().insert(CONTENT_TYPE, GRPC_CONTENT_TYPE);
    Ok(response)
}

/// The one message of a request.
fn message(mut framed: Bytes) -> Result<Ticket, Status> {
    let wrong = || Status::internal("The request holds no message, or not only one.");
    if framed.len() < PREFIX {
        return Err(wrong());
    }
    let prefix = framed.split_to(PREFIX);
    if prefix[0] != 0 {
        return Err(Status::unimplemented("Compressed messages are not taken: send them plain."));
    }
    let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]);
    if framed.len() as u64 != u64::from(length) {
        return Err(wrong());
    }
    Ticket::decode(framed).map_err(|error| Status::internal(format!("The request is no ticket: {error}.")))
}

/// What stands before a batch's bytes: the frame, the other fields, and the field's own head.
fn head(message: &FlightData) -> Result<Bytes, Status> {
    let length = message.data_body.len();
    let others = FlightData {
        flight_descriptor: message.flight_descriptor.clone(),
        data_header: message.data_header.clone(),
        app_metadata: message.app_metadata.clone(),
        data_body: Bytes::new(),
    };
    let mut field = BytesMut::new();
    if length > 0 {
        encode_key(BODY_FIELD, WireType::LengthDelimited, &mut field);
        encode_varint(length as u64, &mut field);
    }
    let before = others.encoded_len() + field.len();
    let total = u32::try_from(before + length)
        .map_err(|_| Status::out_of_range("A row is larger than a message of gRPC can be (4 GiB)."))?;
    let mut head = BytesMut::with_capacity(PREFIX + before);
    head.put_u8(0);
    head.put_u32(total);
    others.encode(&mut head).map_err(|error| Status::internal(format!("A message cannot be framed: {error}.")))?;
    head.put(field);
    Ok(head.freeze())
}

/// The body of an answer: heads and batches in turn, and the status at the end.
struct Frames {
    stream: Option<DoGetStream>,
    /// A batch whose head went out.
    body: Option<Bytes>,
}

impl HttpBody for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(body) = self.body.take() {
            return Poll::Ready(Some(Ok(Frame::data(body))));
        }
        let Some(stream) = &mut self.stream else { return Poll::Ready(None) };
        let status = match std::task::ready!(stream.poll_next_unpin(context)) {
            Some(Ok(message)) => match head(&message) {
                Ok(head) => {
                    self.body = Some(message.data_body).filter(|body| !body.is_empty());
                    return Poll::Ready(Some(Ok(Frame::data(head))));
                }
                Err(status) => status,
            },
            Some(Err(status)) => status,
            None => Status::new(Code::Ok, ""),
        };
        self.stream = None;
        let mut trailers = HeaderMap::new();
        if status.add_header(&mut trailers).is_err() {
            // Nothing of ours makes such a message; the client must not take the stream for whole.
            trailers.insert(Status::GRPC_STATUS, HeaderValue::from(Code::Internal as i32));
        }
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_and_body_are_the_message_as_prost_writes_it() {
        for size in [0, 1, 127, 128, 3_000_000] {
            for metadata in ["", "{}"] {
                let message = FlightData {
                    data_header: vec![7; 300].into(),
                    app_metadata: Bytes::from_static(metadata.as_bytes()),
                    data_body: vec![9; size].into(),
                    ..FlightData::default()
                };
                let sent = [&head(&message).unwrap()[..], &message.data_body].concat();
                assert_eq!(
                    sent[..PREFIX],
                    [&[0][..], &u32::try_from(sent.len() - PREFIX).unwrap().to_be_bytes()].concat()
                );
                assert_eq!(sent[PREFIX..], message.encode_to_vec());
            }
        }
    }

    #[test]
    fn a_request_is_one_whole_message() {
        let framed = |ticket: &[u8]| {
            let body = Ticket { ticket: ticket.to_vec().into() }.encode_to_vec();
            [&[0][..], &u32::try_from(body.len()).unwrap().to_be_bytes(), &body].concat()
        };
        assert_eq!(message(framed(b"abc").into()).unwrap().ticket, "abc");
        assert_eq!(message(framed(b"").into()).unwrap().ticket, "");
        let mut cut = framed(b"abc");
        cut.pop();
        let two = [framed(b"a"), framed(b"b")].concat();
        for wrong in [vec![], vec![0, 0, 0], cut, two, vec![0, 0, 0, 0, 2, 0xff, 0xff]] {
            assert_eq!(message(wrong.clone().into()).unwrap_err().code(), Code::Internal, "{wrong:?}");
        }
        let mut compressed = framed(b"abc");
        compressed[0] = 1;
        assert_eq!(message(compressed.into()).unwrap_err().code(), Code::Unimplemented);
    }
}
