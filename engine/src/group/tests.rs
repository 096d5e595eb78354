//! Groups and rejects are those of the general way, whatever the file, the threads and the memory.

use std::io::Write;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::physical_plan::{ExecutionPlan, collect, displayable};
use karyaksham_spec::OnBadRow;
use proptest::prelude::*;

use super::own_groups;
use crate::progress::Progress;
use crate::rows;
use crate::scan::{BadRows, Content, Dialect, Ledger, Reject, TextFile, TextTable};
use crate::session::{self, Settings};
use crate::store::Stores;

/// What came of a query: rows, rejects, and how many rows were read, rejected and left out.
type Outcome = (Vec<Vec<String>>, Vec<Reject>, [u64; 3]);

struct Table {
    name: &'static str,
    columns: Vec<(&'static str, DataType)>,
    text: Vec<u8>,
}

fn facts(text: impl Into<Vec<u8>>) -> Table {
    let columns = vec![
        ("k", DataType::Utf8View),
        ("i", DataType::Int64),
        ("f", DataType::Float64),
        ("d", DataType::Date32),
        ("m", DataType::Decimal128(12, 2)),
        ("b", DataType::Boolean),
        ("t", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        ("s", DataType::Utf8View),
    ];
    Table { name: "facts", columns, text: text.into() }
}

fn dims(text: impl Into<Vec<u8>>) -> Table {
    let columns = vec![
        ("dk", DataType::Utf8View),
        ("di", DataType::Int64),
        ("dd", DataType::Date32),
        ("region", DataType::Utf8View),
        ("w", DataType::Float64),
    ];
    Table { name: "dims", columns, text: text.into() }
}

/// Runs a query both ways, or only the general one; `None` if our way does not take it.
fn run(tables: &[Table], query: &str, threads: usize, limit: Option<u64>, own: bool) -> Option<Outcome> {
    let settings =
        Settings { partitions: threads, batch_rows: 64, views: true, hash_join: true, direct: false, own_parts: false };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    runtime.block_on(async {
        let context = session::context(settings, limit, Some(folder.path()), None).unwrap();
        let policy = BadRows { on_bad_row: OnBadRow::Reject, max_rejects: None };
        let progress: Arc<Progress> = Arc::default();
        let ledger = Arc::new(Ledger::new(policy, Arc::clone(&progress), None));
        for table in tables {
            let path = folder.path().join(table.name);
            std::fs::File::create(&path).unwrap().write_all(&table.text).unwrap();
            let fields: Vec<Field> =
                table.columns.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true)).collect();
            let file = TextFile {
                location: Stores::new(None).locate(path.to_str().unwrap()).unwrap(),
                size: table.text.len() as u64,
                content: Content::Csv(Dialect::default(), Vec::new()),
                schema: Arc::new(Schema::new(fields)),
            };
            let provider = TextTable::new(file, Arc::clone(&ledger), threads);
            context.register_table(table.name, Arc::new(provider)).unwrap();
        }
        let mut plan = context.sql(query).await.unwrap().create_physical_plan().await.unwrap();
        if own {
            plan = own_groups(plan).unwrap();
            let shown = displayable(plan.as_ref()).indent(false).to_string();
            if !shown.contains("GroupScan") {
                eprintln!("not taken: {query}\n{shown}");
                return None;
            }
        }
        let batches = collect(Arc::clone(&plan), context.task_ctx()).await.unwrap();
        let mut rejects = ledger.collected();
        rejects.sort_by_key(|reject| (reject.line, reject.raw.clone()));
        let snapshot = progress.snapshot();
        let counts = [progress.booked(), snapshot.rows_rejected, rows::filtered(plan.as_ref() as &dyn ExecutionPlan)];
        Some((shown(&batches), rejects, counts))
    })
}

/// Rows as texts, sorted; floats to twelve digits, since sums depend on the order of rows.
fn shown(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("null");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            let value = |(column, field): (&ArrayFormatter<'_>, &Arc<Field>)| {
                let text = column.value(row).to_string();
                match text.parse::<f64>() {
                    Ok(value) if field.data_type() == &DataType::Float64 => format!("{value:.12e}"),
                    _ => format!("{text:?}"),
                }
            };
            rows.push(columns.iter().zip(batch.schema_ref().fields()).map(value).collect::<Vec<_>>());
        }
    }
    rows.sort();
    rows
}

const QUERIES: [&str; 9] = [
    "SELECT k, count(*), sum(i), avg(i), min(i), max(i) FROM facts GROUP BY k",
    "SELECT k, s, count(*), sum(f), avg(f), sum(m), avg(m), min(k), max(s) FROM facts GROUP BY k, s",
    "SELECT i, d, b, count(f), min(d), max(t), count(b) FROM facts WHERE k <> 'a' GROUP BY i, d, b",
    "SELECT f, m, t, count(*) FROM facts WHERE i > 1 AND length(s) < 3 GROUP BY f, m, t",
    "SELECT count(*), sum(f), min(k), max(m), avg(i), sum(i) FILTER (WHERE f > 1) FROM facts WHERE s IS NOT NULL",
    "SELECT count(*) FROM facts",
    "SELECT s, count(k), sum(i * 2 + f), stddev(f) FROM facts GROUP BY s",
    "SELECT k FROM facts GROUP BY k",
    "SELECT k, i, min(f), max(f) FROM facts WHERE f = f OR i IN (1, 2) GROUP BY k, i",
];

const JOINS: [&str; 10] = [
    "SELECT region, count(*), sum(f), sum(w) FROM facts JOIN dims ON i = di GROUP BY region",
    "SELECT region, s, count(*), min(f), max(dk) FROM facts JOIN dims ON k = dk WHERE region <> 'x' GROUP BY region, s",
    "SELECT k, region, w, count(*), sum(i) FROM dims JOIN facts ON k = dk AND i = di GROUP BY k, region, w",
    "SELECT region, d, count(*), count(w), avg(w + f) FROM facts LEFT JOIN dims ON i = di GROUP BY region, d",
    "SELECT count(*), sum(w), sum(f) FROM dims RIGHT JOIN facts ON k = dk AND i = di",
    "SELECT k, count(*), sum(f) FROM facts WHERE i IN (SELECT di FROM dims) GROUP BY k",
    "SELECT k, d, count(*), sum(f) FROM facts WHERE NOT EXISTS (SELECT 1 FROM dims WHERE di = i) GROUP BY k, d",
    "SELECT t, dd, count(*) FROM facts JOIN dims ON i = di WHERE i > 1 GROUP BY t, dd",
    "SELECT di, count(*) FROM facts JOIN dims ON i = di GROUP BY di",
    "SELECT region FROM facts JOIN dims ON k = dk GROUP BY region",
];

/// A record of the facts, often with something wrong in it.
fn record() -> impl Strategy<Value = Vec<u8>> {
    let text = "[ab]{0,2}|\"[ab,\n]{0,2}\"|a\"b|\"a\"\"b\"|\"a\"b|abcdefghijklmnopqr[st]";
    let int = "[1-3]{0,2}|1|\"2\"| 3 |007|x|9{19}|\"\"|  |-0|\\+1";
    let float = "[0-2](\\.[0-9]{1,2})?|1\\.0|1\\.00|NaN|nan|inf|-0|0|-0\\.0|1e3|\"2.5\"| |x||01\\.5";
    let date = "2024-01-0[1-3]|2024-1-1|\"2024-01-02\"||x";
    let decimal = "[0-9](\\.[0-9]{1,3})?|1\\.5|1\\.50||\"1.5\"|1e2";
    let bool = "true|false|TRUE|\"true\"||yes";
    let time = "2024-01-01T00:00:00Z|2024-01-01T01:00:00\\+01:00|2024-01-01 00:00:00|";
    let end = "\n|\r\n|\n\n|,z\n|\r\n\r\n";
    (text, int, float, date, decimal, bool, time, (text, end)).prop_map(|(k, i, f, d, m, b, t, (s, end))| {
        let mut record = [k, i, f, d, m, b, t, s].join(",");
        record.push_str(&end);
        record.into_bytes()
    })
}

/// Some good records for each bad one, and sometimes bytes that are no text.
fn records() -> impl Strategy<Value = Vec<u8>> {
    let good = prop::sample::select(vec![
        b"a,1,1.0,2024-01-01,1.5,true,2024-01-01T00:00:00Z,b\n".to_vec(),
        b"b,2,2.5,2024-01-02,2.5,false,,a\n".to_vec(),
        b",,,,,,,\n".to_vec(),
        b"\"a\",3,1.00,,,,,\"\"\n".to_vec(),
    ]);
    let dirt =
        prop::sample::select(vec![b"\xff,1,1,,,,,a\n".to_vec(), b"a,1,x,x,x,x,x,\xff\n".to_vec(), b"a,1\n".to_vec()]);
    prop::collection::vec(prop_oneof![3 => good, 4 => record(), 1 => dirt], 0..40).prop_map(|records| records.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn the_same_as_the_general_way(
        text in records(),
        query in prop::sample::select(QUERIES.to_vec()),
        threads in prop::sample::select(vec![1_usize, 2, 7]),
    ) {
        let text = [b"k,i,f,d,m,b,t,s\n".to_vec(), text].concat();
        let tables = || [facts(text.clone())];
        let own = run(&tables(), query, threads, None, true);
        prop_assert!(own.is_some(), "not taken: {query}");
        prop_assert_eq!(own, run(&tables(), query, threads, None, false), "{}", query);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn joins_are_the_same_as_in_the_general_way(
        text in records(),
        others in "(([ab]{0,2}|\"a\"\"b\"),([1-3]| 2|07|)?,(2024-01-0[1-3])?,(x|y|zz)?,([0-2]|1\\.5)?\n){1,12}",
        query in prop::sample::select(JOINS.to_vec()),
        threads in prop::sample::select(vec![1_usize, 2, 7]),
    ) {
        // So many that the facts are always the larger input, which is the one that is not held.
        let more = b"c,2,0.5,2024-1-2,,true,,a text that makes the facts larger\n".repeat(20);
        let text = [b"k,i,f,d,m,b,t,s\n".to_vec(), more, text].concat();
        // With nothing to join, the general way does not even read the facts.
        let held = "dk,di,dd,region,w\na,1,2024-01-01,y,1\na,2,2024-01-02,y,1\n";
        let tables = || [facts(text.clone()), dims(format!("{held}{others}"))];
        let own = run(&tables(), query, threads, None, true);
        // The optimizer holds the input that it takes for the smaller one. Where that is the facts, the join is not ours.
        prop_assume!(own.is_some());
        prop_assert_eq!(own, run(&tables(), query, threads, None, false), "{}", query);
    }
}

#[test]
fn joins_of_a_large_file_with_few_rows_are_ours() {
    let rows = b"a,2,0.5,2024-1-2,,true,,some text that makes the facts larger\n".repeat(2000);
    let text = [b"k,i,f,d,m,b,t,s\n".to_vec(), rows].concat();
    let tables = || [facts(text.clone()), dims("dk,di,dd,region,w\na,1,2024-01-01,y,1\na,2,2024-01-02,y,1\n")];
    for query in JOINS {
        for threads in [1, 2, 7] {
            let own = run(&tables(), query, threads, None, true);
            // On several threads the optimizer makes the last a semi join, which groups rows of the held input.
            let general = threads > 1 && query == JOINS[9];
            assert!(own.is_some() != general, "{threads} threads: {query}");
            assert!(general || own == run(&tables(), query, threads, None, false), "{query}");
        }
    }
}

#[test]
fn a_join_with_too_many_rows_goes_the_general_way() {
    let (mut text, mut others) = (b"k,i,f,d,m,b,t,s\n".to_vec(), b"dk,di,dd,region,w\n".to_vec());
    for row in 0..30_000 {
        writeln!(others, "a key of the other input {row},{row},,{},1.5", row % 7).unwrap();
        writeln!(text, "a key,{},0.5,,,,,some text that makes the facts larger than the other input", row / 2).unwrap();
    }
    writeln!(text, "a key,x,0.5,,,,,").unwrap();
    let tables = || [facts(text.clone()), dims(others.clone())];
    let query = "SELECT region, min(dk), count(*), sum(f) FROM facts JOIN dims ON i = di WHERE f > 0 GROUP BY region";
    let own = run(&tables(), query, 2, None, true).unwrap();
    assert_eq!((own.0.len(), own.1.len(), own.2), (7, 1, [60_001, 1, 0]));
    assert!(own == run(&tables(), query, 2, None, false).unwrap());
}

#[test]
fn many_groups_are_handed_on_and_merged() {
    let mut text = b"k,i,f,d,m,b,t,s\n".to_vec();
    for row in 0..120_000 {
        // Each key twice, far apart.
        let key = row % 60_000;
        writeln!(text, "a key that is longer than some {key},{row},1.5,,,,,").unwrap();
    }
    let query = "SELECT k, count(*), sum(i), sum(f) FROM facts GROUP BY k";
    let expected = run(&[facts(text.clone())], query, 1, None, false).unwrap();
    assert_eq!(expected.0.len(), 60_000);
    for (threads, limit) in [(1, None), (2, None), (2, Some(24 << 20))] {
        let own = run(&[facts(text.clone())], query, threads, limit, true);
        assert!(own.as_ref() == Some(&expected), "{threads} threads, limit {limit:?}");
    }
}

#[test]
fn rows_are_told_apart_and_rejected_wherever_they_are_among_those_looked_up_together() {
    // Keys of which some are quoted, null, long or spelled in another way, and some that fit no date: at the borders
    // of what is looked up together, and where that begins anew after rejects.
    for wrong in [&[0][..], &[255, 256], &[511], &[0, 1, 254, 255, 257, 512, 700, 999]] {
        let mut text = b"k,i,f,d,m,b,t,s\n".to_vec();
        for row in 0..1000 {
            let key = ["a", "\"a\"", "", "abcdefghijklmnop", "abcdefghijklmnopq", "\"b,\"", "b\"b"][row % 7];
            let date = if wrong.contains(&row) { "x" } else { ["2024-01-01", "2024-01-02", ""][row % 3] };
            writeln!(text, "{key},{row},1.5,{date},,,,{}", row % 5).unwrap();
        }
        for query in [
            "SELECT k, d, s, count(*), sum(i), min(i), max(i), sum(f) FROM facts GROUP BY k, d, s",
            "SELECT d, count(*), sum(i) FROM facts WHERE f > 1 GROUP BY d",
        ] {
            let own = run(&[facts(text.clone())], query, 1, None, true).unwrap();
            assert_eq!(own.1.len(), wrong.len());
            assert!(own == run(&[facts(text.clone())], query, 1, None, false).unwrap(), "{query} without {wrong:?}");
        }
    }
}

#[test]
fn what_is_left_to_the_general_way() {
    for query in [
        "SELECT upper(k), count(*) FROM facts GROUP BY upper(k)",
        "SELECT k, count(*) FROM facts GROUP BY ROLLUP (k)",
        "SELECT k, array_agg(i ORDER BY f) FROM facts GROUP BY k",
        "SELECT region, count(*) FROM facts FULL JOIN dims ON i = di GROUP BY region",
        "SELECT region, count(*) FROM facts JOIN dims ON i = di AND f > w GROUP BY region",
        "SELECT region, count(*) FROM facts JOIN dims ON f = w GROUP BY region",
        // Dates have several spellings.
        "SELECT region, count(*) FROM facts JOIN dims ON d = dd GROUP BY region",
    ] {
        assert!(
            run(&[facts("k,i,f,d,m,b,t,s\n"), dims("dk,di,dd,region,w\n")], query, 2, None, true).is_none(),
            "{query}"
        );
    }
}
