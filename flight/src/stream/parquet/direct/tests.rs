//! What is written straight into messages is what the `parquet` crate reads.

use std::collections::HashMap;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow_flight::utils::flight_data_to_arrow_batch;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;
use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::*;
use crate::stream::objects::Object;
use crate::ticket::File;

/// How a file is written.
#[derive(Debug, Clone)]
struct Writing {
    version: WriterVersion,
    compression: Compression,
    dictionary: bool,
    dictionary_bytes: usize,
    page_rows: usize,
    own_encodings: bool,
}

fn writing() -> impl Strategy<Value = Writing> {
    let version = prop_oneof![Just(WriterVersion::PARQUET_1_0), Just(WriterVersion::PARQUET_2_0)];
    let compression = prop_oneof![Just(Compression::UNCOMPRESSED), Just(Compression::ZSTD(ZstdLevel::default()))];
    let dictionary_bytes = prop_oneof![Just(1 << 20), Just(40_usize)];
    (version, compression, any::<bool>(), dictionary_bytes, 1..200_usize, any::<bool>()).prop_map(
        |(version, compression, dictionary, dictionary_bytes, page_rows, own_encodings)| Writing {
            version,
            compression,
            dictionary,
            dictionary_bytes,
            page_rows,
            own_encodings,
        },
    )
}

fn write(batch: &RecordBatch, writing: &Writing) -> Vec<u8> {
    let mut properties = WriterProperties::builder()
        .set_writer_version(writing.version)
        .set_compression(writing.compression)
        .set_dictionary_enabled(writing.dictionary)
        .set_dictionary_page_size_limit(writing.dictionary_bytes)
        .set_data_page_row_count_limit(writing.page_rows)
        .set_write_batch_size(writing.page_rows.min(64));
    if writing.own_encodings {
        for field in batch.schema().fields() {
            let encoding = match field.data_type() {
                DataType::Utf8 | DataType::Binary => Encoding::DELTA_LENGTH_BYTE_ARRAY,
                DataType::Boolean => Encoding::RLE,
                DataType::Float32 | DataType::Float64 => Encoding::PLAIN,
                _ => Encoding::DELTA_BINARY_PACKED,
            };
            properties = properties.set_column_encoding(ColumnPath::from(field.name().as_str()), encoding);
        }
    }
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties.build())).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    file
}

/// What the crate reads, and the file's footer.
fn read(file: &[u8]) -> (Arc<ParquetMetaData>, RecordBatch) {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::copy_from_slice(file)).unwrap();
    let (metadata, schema) = (Arc::clone(builder.metadata()), Arc::clone(builder.schema()));
    let batches: Vec<_> = builder.build().unwrap().collect::<Result<_, _>>().unwrap();
    (metadata, concat_batches(&schema, &batches).unwrap())
}

/// The messages of the first row group, and how it ended.
fn messages(
    runtime: &Runtime,
    file: &[u8],
    metadata: &ParquetMetaData,
    schema: &SchemaRef,
    rows: usize,
    target: usize,
) -> Option<(Vec<FlightData>, Result<(), Halt>)> {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    runtime.block_on(store.put(&"w/x".into(), file.to_vec().into())).unwrap();
    let object = Object::new(&store, &File { key: "w/x".into(), size_bytes: file.len() as u64, rows: None }).unwrap();
    let _inside = runtime.enter();
    let windows = Windows::new(object, std::iter::once(0..file.len() as u64), 64 << 20, false);
    let group = metadata.row_group(0);
    let mut direct = RowGroup::open(&windows, group, schema)?;
    let pool = Arc::default();
    let mut messages = Vec::new();
    loop {
        match direct.next(rows, target, &pool) {
            Ok(Some((message, _))) => messages.push(message),
            Ok(None) => return Some((messages, Ok(()))),
            Err(halt) => return Some((messages, Err(halt))),
        }
    }
}

fn table(messages: &[FlightData], schema: &SchemaRef) -> RecordBatch {
    let batches: Vec<_> = messages
        .iter()
        .map(|message| flight_data_to_arrow_batch(message, Arc::clone(schema), &HashMap::new()).unwrap())
        .collect();
    for batch in &batches {
        for column in batch.columns() {
            column.to_data().validate_full().unwrap();
        }
    }
    concat_batches(schema, &batches).unwrap()
}

/// A column of each type that is read here, with many nulls, few or none.
fn batch() -> impl Strategy<Value = RecordBatch> {
    let nulls = prop_oneof![Just(0.0), Just(0.03), Just(0.9), Just(1.0)];
    (1..400_usize, nulls, 1..60_i64, any::<u64>(), any::<bool>()).prop_map(|(rows, nulls, distinct, seed, nullable)| {
        let mut state = seed;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33).cast_signed()
        };
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let mut column = |make: &dyn Fn(i64) -> i64| -> Vec<Option<i64>> {
            (0..rows)
                .map(|_| {
                    let null = nullable && (random() % 1000) as f64 / 1000.0 < nulls;
                    let number = random() % distinct;
                    (!null).then(|| make(number))
                })
                .collect()
        };
        let far = |number: i64| number.wrapping_mul(0x0123_4567_89AB_CDEF);
        let text = |number: Option<i64>| {
            number.map(|number| {
                "añb€c".repeat(usize::try_from(number % 9).unwrap()) + &"x".repeat(usize::try_from(number % 3).unwrap())
            })
        };
        let floats = column(&|number| number);
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "any numbers do")]
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("i32", Arc::new(column(&|number| number).iter().map(|n| n.map(|n| n as i32)).collect::<Int32Array>())),
            ("i64", Arc::new(column(&far).into_iter().collect::<Int64Array>())),
            ("u64", Arc::new(column(&far).iter().map(|n| n.map(i64::cast_unsigned)).collect::<UInt64Array>())),
            (
                "date",
                Arc::new(column(&|number| number - 30).iter().map(|n| n.map(|n| n as i32)).collect::<Date32Array>()),
            ),
            ("time", Arc::new(column(&far).into_iter().collect::<TimestampMicrosecondArray>().with_timezone("UTC"))),
            ("f32", Arc::new(floats.iter().map(|n| n.map(|n| n as f32)).collect::<Float32Array>())),
            ("f64", Arc::new(floats.iter().map(|n| n.map(|n| n as f64 / 3.0)).collect::<Float64Array>())),
            (
                "bool",
                Arc::new(column(&|number| number % 2).iter().map(|n| n.map(|n| n == 1)).collect::<BooleanArray>()),
            ),
            ("text", Arc::new(column(&|number| number).into_iter().map(text).collect::<StringArray>())),
            (
                "bytes",
                Arc::new(column(&|number| number).iter().map(|n| n.map(i64::to_le_bytes)).collect::<BinaryArray>()),
            ),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, nullable)))
            .unwrap()
    })
}

proptest! {
    // `make fuzz` asks for more (`PROPTEST_CASES`).
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn messages_hold_what_the_crate_reads(batch in batch(), writing in writing(), rows in 1..300_usize, target in 1..20_000_usize) {
        let runtime = Runtime::new().unwrap();
        let file = write(&batch, &writing);
        let (metadata, expected) = read(&file);
        let schema = expected.schema();
        match messages(&runtime, &file, &metadata, &schema, rows, target) {
            Some((messages, end)) => {
                prop_assert!(end.is_ok(), "{:?}", end);
                for message in &messages {
                    let one = table(std::slice::from_ref(message), &schema);
                    // Padding comes to it: of three buffers a column at most.
                    prop_assert!(one.num_rows() == 1 || message.data_body.len() <= target + 30 * 64);
                    prop_assert!(one.num_rows() <= rows);
                }
                prop_assert_eq!(table(&messages, &schema), expected);
            }
            // Writers of version 2 have an encoding for texts whose dictionary is too large that is not read here.
            None => prop_assert!(writing.version == WriterVersion::PARQUET_2_0 && !writing.own_encodings),
        }
    }

    #[test]
    fn damaged_pages_end_as_something_never_as_a_panic(batch in batch(), writing in writing(), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let runtime = Runtime::new().unwrap();
        let writing = Writing { compression: Compression::UNCOMPRESSED, ..writing };
        let mut file = write(&batch, &writing);
        let (metadata, expected) = read(&file);
        let ends = metadata.row_group(0).columns().iter().map(ColumnChunkMetaData::byte_range);
        let end = ends.map(|(start, length)| start + length).max();
        let end = usize::try_from(end.unwrap()).unwrap();
        for (place, byte) in damage {
            file[4 + place.index(end - 4)] ^= byte;
        }
        if let Some((messages, _)) = messages(&runtime, &file, &metadata, &expected.schema(), 100, 20_000) {
            // Whatever was sent until then is well-formed.
            if !messages.is_empty() {
                table(&messages, &expected.schema());
            }
        }
    }
}

#[test]
fn columns_that_are_not_read_here_are_left_to_the_crate() {
    let runtime = Runtime::new().unwrap();
    let list = arrow::array::ListArray::from_iter_primitive::<arrow::datatypes::Int32Type, _, _>([Some([Some(1)])]);
    let batch = RecordBatch::try_from_iter([("list", Arc::new(list) as ArrayRef)]).unwrap();
    let writing = Writing {
        version: WriterVersion::PARQUET_1_0,
        compression: Compression::UNCOMPRESSED,
        dictionary: true,
        dictionary_bytes: 1 << 20,
        page_rows: 100,
        own_encodings: false,
    };
    let file = write(&batch, &writing);
    let (metadata, expected) = read(&file);
    assert!(messages(&runtime, &file, &metadata, &expected.schema(), 10, 1000).is_none());
}

#[test]
fn memory_that_is_used_again_shows_nothing_of_what_it_held() {
    let pool: Arc<Pool> = Arc::default();
    let message = |byte: u8, length: usize| {
        let mut body = Body::new(&pool);
        body.room(length).fill(byte);
        body.end(length);
        body.finish(1)
    };
    drop(message(0xAB, 10_000));
    let second = message(0, 1);
    assert_eq!(second.data_body, vec![0; 64]);
    assert_eq!(pool.kept(), 0, "the memory was used again");
    drop(second);
    assert_eq!(pool.kept(), 1);
}
