//! Files whose columns are encoded here say the same as those that the `parquet` crate writes.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    StringViewArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, Schema};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::{ArrowSchemaConverter, ArrowWriter};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use proptest::prelude::*;

use super::super::SLICE_ROWS;
use super::pages::PAGE_ROWS;
use super::*;

const NO_LIMIT: usize = 1 << 30;

/// How a column is encoded.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Dictionary,
    /// As texts without a dictionary.
    Texts,
}

fn properties(way: Way) -> Arc<WriterProperties> {
    let zstd = Compression::ZSTD(ZstdLevel::try_new(1).unwrap());
    // The crate ends a page where one of its steps does.
    let builder = WriterProperties::builder().set_compression(zstd).set_write_batch_size(PAGE_ROWS);
    Arc::new(match way {
        Way::Dictionary => builder.build(),
        Way::Texts => builder.set_dictionary_enabled(false).set_encoding(Encoding::DELTA_LENGTH_BYTE_ARRAY).build(),
    })
}

fn schema(array: &ArrayRef, nullable: bool) -> Arc<Schema> {
    Arc::new(Schema::new(vec![Field::new("column", array.data_type().clone(), nullable)]))
}

fn plan(array: &ArrayRef, nullable: bool) -> Plan {
    let columns = ArrowSchemaConverter::new().convert(&schema(array, nullable)).unwrap();
    let compressor = Compressor::new(Compression::ZSTD(ZstdLevel::try_new(1).unwrap()));
    Plan { kind: array.data_type().clone(), description: columns.column(0), compressor, statistics: true }
}

/// A file whose column is encoded here, from arrays of at most so many rows.
fn own_file(array: &ArrayRef, nullable: bool, step: usize, way: Way) -> Bytes {
    let columns = ArrowSchemaConverter::new().convert(&schema(array, nullable)).unwrap();
    let mut file = SerializedFileWriter::new(Vec::new(), columns.root_schema_ptr(), properties(way)).unwrap();
    let plan = plan(array, nullable);
    let parts = || (0..array.len()).step_by(step).map(|start| array.slice(start, step.min(array.len() - start)));
    let column = if way == Way::Dictionary {
        let mut column = DictionaryColumn::new(plan, NO_LIMIT);
        parts().for_each(|part| assert!(column.push(&part).unwrap()));
        OwnColumn::Dictionary(Box::new(column))
    } else {
        let mut column = TextColumn::new(&plan);
        parts().for_each(|part| column.push(&part).unwrap());
        OwnColumn::Texts(Box::new(column))
    };
    assert!(column.size() > 0);
    let column = column.finish().unwrap();
    let mut group = file.next_row_group().unwrap();
    group.append_column(&column.bytes, column.close).unwrap();
    group.close().unwrap();
    file.into_inner().unwrap().into()
}

fn crate_file(array: &ArrayRef, nullable: bool, way: Way) -> Bytes {
    let schema = schema(array, nullable);
    let options = ArrowWriterOptions::new().with_properties((*properties(way)).clone()).with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(Vec::new(), schema.clone(), options).unwrap();
    writer.write(&RecordBatch::try_new(schema, vec![Arc::clone(array)]).unwrap()).unwrap();
    writer.into_inner().unwrap().into()
}

fn read(file: Bytes) -> (Vec<RecordBatch>, Arc<ParquetMetaData>) {
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).unwrap();
    let metadata = Arc::clone(reader.metadata());
    (reader.with_batch_size(1 << 20).build().unwrap().map(Result::unwrap).collect(), metadata)
}

/// Both files have the same rows, statistics, and bounds of pages.
fn same(array: &ArrayRef, nullable: bool, step: usize, way: Way) {
    let (own_rows, own) = read(own_file(array, nullable, step, way));
    let (rows, theirs) = read(crate_file(array, nullable, way));
    assert_eq!(
        own_rows.iter().map(|batch| batch.column(0)).collect::<Vec<_>>(),
        rows.iter().map(|batch| batch.column(0)).collect::<Vec<_>>()
    );
    let (own_column, their_column) = (own.row_group(0).column(0), theirs.row_group(0).column(0));
    assert_eq!(own_column.statistics(), their_column.statistics());
    assert_eq!(own_column.num_values(), their_column.num_values());
    if way == Way::Texts && array.null_count() == 0 {
        // Both encode lengths alike; headers of pages tell compressed sizes, which may take a byte more or less.
        let difference = own_column.uncompressed_size() - their_column.uncompressed_size();
        assert!(difference.abs() < 16, "{difference} bytes more than theirs");
    }
    assert_eq!(own_column.encodings_mask(), their_column.encodings_mask());
    assert_eq!(own_column.definition_level_histogram(), their_column.definition_level_histogram());
    assert_eq!(own_column.unencoded_byte_array_data_bytes(), their_column.unencoded_byte_array_data_bytes());
    assert_eq!(own.column_index(), theirs.column_index());
    let pages = |metadata: &ParquetMetaData| {
        let offsets = &metadata.offset_index().unwrap()[0][0];
        let rows: Vec<_> = offsets.page_locations().iter().map(|page| page.first_row_index).collect();
        (rows, offsets.unencoded_byte_array_data_bytes().cloned())
    };
    assert_eq!(pages(&own), pages(&theirs));
}

#[test]
fn numbers_texts_and_times_are_as_the_crate_writes_them() {
    let rows = 70_000;
    let null = |row: i64| row % 7 == 3 || (20_000..41_500).contains(&row);
    let numbers = |modulus: i64| (0..rows).map(move |row| (!null(row)).then_some(row * 7919 % modulus - 20));
    let texts =
        |length: usize| numbers(900).map(move |number| number.map(|number| format!("{number}é").repeat(length)));
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(numbers(3).collect::<Int64Array>()),
        Arc::new(numbers(60_000).collect::<Int64Array>()),
        Arc::new(
            numbers(300).map(|number| number.map(|number| i32::try_from(number).unwrap())).collect::<Int32Array>(),
        ),
        Arc::new(
            numbers(300).map(|number| number.map(|number| i32::try_from(number).unwrap())).collect::<Date32Array>(),
        ),
        Arc::new(numbers(4000).collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
        Arc::new(
            numbers(40)
                .map(|number| number.map(|number| f64::from(i32::try_from(number).unwrap()) / 8.0))
                .collect::<Float64Array>(),
        ),
        Arc::new(texts(0).collect::<StringViewArray>()),
        Arc::new(texts(1).collect::<StringViewArray>()),
        Arc::new(texts(3).collect::<StringArray>()),
        Arc::new((0..rows).map(Some).map(|row| row.map(|row| row / 5000)).collect::<Int64Array>()),
        Arc::new((0..rows).map(|row| Some(-row / 5000)).collect::<Int64Array>()),
        Arc::new((0..rows).map(|_| None::<i64>).collect::<Int64Array>()),
        Arc::new((0..rows).map(|_| None::<&str>).collect::<StringViewArray>()),
        Arc::new([Some(0.0), None, Some(-0.0), Some(f64::INFINITY)].into_iter().collect::<Float64Array>()),
    ];
    for array in arrays {
        same(&array, true, SLICE_ROWS, Way::Dictionary);
        if TextColumn::takes(array.data_type()) {
            same(&array, true, SLICE_ROWS, Way::Texts);
        }
    }
    // Pages of such texts without a dictionary end where they are large enough, which the crate does not look for at each row.
    let long: ArrayRef = Arc::new(texts(30).collect::<StringViewArray>());
    same(&long, true, SLICE_ROWS, Way::Dictionary);
    let required: ArrayRef = Arc::new((0..rows).map(|row| row % 13).collect::<Int64Array>());
    same(&required, false, 999, Way::Dictionary);
    let required: ArrayRef = Arc::new((0..rows).map(|row| Some(format!("{row:05}"))).collect::<StringViewArray>());
    same(&required, false, 999, Way::Texts);
}

#[test]
fn what_is_not_a_number_has_no_rank() {
    let array: ArrayRef =
        Arc::new(Float64Array::from(vec![Some(f64::NAN), Some(2.5), None, Some(-1.0), Some(f64::NAN)]));
    let ((own_rows, own), (rows, theirs)) =
        (read(own_file(&array, true, 2, Way::Dictionary)), read(crate_file(&array, true, Way::Dictionary)));
    assert_eq!(format!("{own_rows:?}"), format!("{rows:?}"));
    assert_eq!(own.row_group(0).column(0).statistics(), theirs.row_group(0).column(0).statistics());
    assert_eq!(own.column_index(), theirs.column_index());

    let array: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN, f64::from_bits(f64::NAN.to_bits() + 1)]));
    let ((own_rows, own), (rows, theirs)) =
        (read(own_file(&array, true, 2, Way::Dictionary)), read(crate_file(&array, true, Way::Dictionary)));
    assert_eq!(format!("{own_rows:?}"), format!("{rows:?}"));
    assert_eq!(own.row_group(0).column(0).statistics(), theirs.row_group(0).column(0).statistics());
    assert_eq!(own.column_index(), theirs.column_index());
}

fn text_arrays() -> impl Strategy<Value = ArrayRef> {
    let text = prop_oneof!["[ab]{0,2}", "[a-c\u{0}é]{9,18}", "[a-c]{63,66}", "\u{10ffff}{15,18}"];
    prop::collection::vec(prop::option::weighted(0.9, text), 1..300)
        .prop_map(|texts| Arc::new(StringViewArray::from_iter(texts)) as ArrayRef)
}

fn number_arrays() -> impl Strategy<Value = ArrayRef> {
    let number = prop_oneof![3 => -3..3_i64, 1 => any::<i64>()];
    prop::collection::vec(prop::option::weighted(0.9, number), 1..300)
        .prop_map(|numbers| Arc::new(Int64Array::from_iter(numbers)) as ArrayRef)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_column_is_as_the_crate_writes_it(array in prop_oneof![text_arrays(), number_arrays()], step in 1..100_usize) {
        same(&array, true, step, Way::Dictionary);
    }

    #[test]
    fn any_texts_are_as_the_crate_writes_them(array in text_arrays(), step in 1..100_usize) {
        same(&array, true, step, Way::Texts);
    }

    #[test]
    fn a_dictionary_that_grows_too_large_gives_all_rows_back(array in prop_oneof![text_arrays(), number_arrays()], step in 1..100_usize, limit in 1..2000_usize) {
        let mut column = DictionaryColumn::new(plan(&array, true), limit);
        let taken = (0..array.len()).step_by(step).take_while(|start| column.push(&array.slice(*start, step.min(array.len() - start))).unwrap()).count();
        let mut back = Vec::new();
        column.give_back(|rows| { back.push(Arc::clone(rows)); Ok(()) }).unwrap();
        let back: Vec<&dyn Array> = back.iter().map(AsRef::as_ref).collect();
        let rows = (taken * step).min(array.len());
        if rows > 0 {
            prop_assert_eq!(&arrow::compute::concat(&back).unwrap(), &array.slice(0, rows));
        }
    }
}

#[test]
fn rows_of_another_type_are_not_taken() {
    let views: ArrayRef = Arc::new(StringViewArray::from(vec!["a"]));
    let mut column = DictionaryColumn::new(plan(&views, true), NO_LIMIT);
    assert!(!column.push(&StringArray::from(vec!["a"])).unwrap());
    assert!(TextColumn::new(&plan(&views, true)).push(&Int64Array::from(vec![1])).is_err());
}

#[test]
fn long_texts_end_pages() {
    let texts =
        (0..500_usize).map(|row| (row % 9 != 2).then(|| "é".repeat(if row == 77 { 2 << 20 } else { row * 11 })));
    let array: ArrayRef = Arc::new(texts.collect::<StringViewArray>());
    let (rows, metadata) = read(own_file(&array, true, 333, Way::Texts));
    assert!(rows[0].column(0).as_string::<i32>().iter().eq(array.as_string_view().iter()));
    let pages = metadata.offset_index().unwrap()[0][0].page_locations().len();
    let bytes: usize = array.as_string_view().iter().flatten().map(str::len).sum();
    assert!(pages > 2 && pages <= bytes / (1 << 20), "{pages} pages of {bytes} bytes");
}
