//! What `distinct` does when the keys do not fit into memory.
//!
//! From then on, rows whose key is in memory are dropped as before. All others are candidates: they go to one file, in
//! order, and their keys, each with its row's number in that file, to sixteen files by the hash's first bits. At the
//! end of the input the memory is free again: each key file is read, and the first row of each key is marked in a
//! bitmap. A key file whose keys do not fit is split further by the next bits. Last, the rows are read back, and those
//! that are marked come out: in the order of the input, each row written and read once.

use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::buffer::{BooleanBuffer, Buffer};
use arrow::compute::cast;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::spill_file::{SpillFile, SpillWriter};
use datafusion::physical_plan::metrics::SpillMetrics;

use super::keys::{Added, Keys};
use crate::exec::gate::Gathered;
use crate::sink::{plain_batch, plain_schema};

/// Files that keys are divided into, at each level.
const PARTS: usize = 16;
/// Levels of 4 bits that a hash has.
const LEVELS: u32 = 16;
/// Keys between two points where a cancelled job ends.
const KEYS_AT_ONCE: usize = 32 << 10;

/// Rows and keys on their way to disk.
pub(super) struct Spill {
    env: Arc<RuntimeEnv>,
    metrics: SpillMetrics,
    /// The rows' schema, and that of the file.
    schema: SchemaRef,
    plain: SchemaRef,
    gathered: Gathered,
    file: TempFile,
    /// Writes plain types: views would bring the whole buffers along that they point into.
    rows: StreamWriter<BufWriter<Box<dyn SpillWriter>>>,
    keys: KeyFiles,
    count: u64,
}

impl Spill {
    pub(super) fn begin(
        env: Arc<RuntimeEnv>,
        schema: SchemaRef,
        batch_rows: usize,
        metrics: SpillMetrics,
    ) -> DfResult<Self> {
        let gathered = Gathered::new(Arc::clone(&schema), batch_rows);
        let file = TempFile(env.disk_manager.create_tmp_file("distinct: rows")?);
        let writer = BufWriter::with_capacity(256 << 10, file.0.open_writer()?);
        let plain = plain_schema(&schema);
        let rows = StreamWriter::try_new(writer, &plain)?;
        metrics.spill_file_count.add(1);
        Ok(Self { env, metrics, schema, plain, gathered, file, rows, keys: KeyFiles::new(0), count: 0 })
    }

    /// Notes the key of the next candidate.
    pub(super) fn key(&mut self, hash: u64, key: &[u8]) -> DfResult<()> {
        self.keys.write(&self.env, hash, self.count, key)?;
        self.count += 1;
        Ok(())
    }

    /// Takes the candidates of a batch, whose keys were noted.
    pub(super) fn rows(&mut self, batch: RecordBatch, candidates: &BooleanArray) -> DfResult<()> {
        self.gathered.push(batch, Some(candidates))?;
        self.flush()
    }

    fn flush(&mut self) -> DfResult<()> {
        while let Some(batch) = self.gathered.take() {
            let plain = plain_batch(&batch, &self.plain)?;
            self.rows.write(&plain)?;
            self.metrics.spilled_rows.add(plain.num_rows());
            self.metrics.spilled_bytes.add(plain.get_array_memory_size());
        }
        Ok(())
    }

    /// Finds the first row of each key, with the memory of `keys`, which is free again.
    pub(super) async fn replay(mut self, keys: &mut Keys, bitmap: MemoryReservation) -> DfResult<Replay> {
        self.gathered.finish()?;
        self.flush()?;
        close(self.rows.into_inner()?)?;
        let mut first = Bitmap::new(self.count, bitmap)?;
        let mut files: Vec<(TempFile, u32)> = self.keys.finish()?;
        while let Some((file, level)) = files.pop() {
            keys.clear();
            files.extend(mark(&self.env, &file, level, keys, &mut first).await?);
        }
        keys.clear();
        let rows = StreamReader::try_new(self.file.open()?, None)?;
        let bits = Buffer::from_vec(first.bits);
        Ok(Replay { schema: self.schema, rows, first: bits, position: 0, _file: self.file, _memory: first.memory })
    }
}

/// Rows on their way back.
pub(super) struct Replay {
    schema: SchemaRef,
    rows: StreamReader<BufReader<File>>,
    first: Buffer,
    position: usize,
    _file: TempFile,
    _memory: MemoryReservation,
}

impl Replay {
    /// The next candidates, and which of them are the first of their key.
    pub(super) async fn next(&mut self) -> DfResult<Option<(RecordBatch, BooleanArray)>> {
        // Nothing else waits here: a cancelled job ends at this point.
        tokio::task::yield_now().await;
        let Some(plain) = self.rows.next().transpose()? else { return Ok(None) };
        let columns = plain.columns().iter().zip(self.schema.fields());
        let columns = columns.map(|(array, field)| cast(array, field.data_type())).collect::<Result<_, _>>()?;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        let mask = BooleanBuffer::new(self.first.clone(), self.position, batch.num_rows());
        self.position += batch.num_rows();
        Ok(Some((batch, BooleanArray::new(mask, None))))
    }
}

/// Marks the first row of each key of a file; what does not fit into memory is split by the next bits.
async fn mark(
    env: &Arc<RuntimeEnv>,
    file: &TempFile,
    level: u32,
    keys: &mut Keys,
    first: &mut Bitmap,
) -> DfResult<Vec<(TempFile, u32)>> {
    let mut reader = file.open()?;
    let mut key = Vec::new();
    let mut rest: Option<KeyFiles> = None;
    let mut read = 0_usize;
    while let Some((hash, row)) = next_key(&mut reader, &mut key)? {
        read += 1;
        if read.is_multiple_of(KEYS_AT_ONCE) {
            tokio::task::yield_now().await;
        }
        if let Some(rest) = &mut rest {
            if !keys.contains(hash, &key) {
                rest.write(env, hash, row, &key)?;
            }
            continue;
        }
        match keys.add(hash, &key) {
            Added::New => first.set(row),
            Added::Known => {}
            // Each level takes some keys at least.
            Added::Full if read > 1 && level + 1 < LEVELS => {
                let mut files = KeyFiles::new(level + 1);
                files.write(env, hash, row, &key)?;
                rest = Some(files);
            }
            Added::Full => {
                return Err(DataFusionError::ResourcesExhausted("distinct: not even some keys fit".to_owned()));
            }
        }
    }
    rest.map_or(Ok(Vec::new()), KeyFiles::finish)
}

/// One bit for each candidate.
struct Bitmap {
    bits: Vec<u8>,
    memory: MemoryReservation,
}

impl Bitmap {
    fn new(rows: u64, memory: MemoryReservation) -> DfResult<Self> {
        let bytes = usize::try_from(rows.div_ceil(8)).unwrap_or(usize::MAX);
        memory.try_grow(bytes)?;
        Ok(Self { bits: vec![0; bytes], memory })
    }

    fn set(&mut self, row: u64) {
        if let Some(byte) = usize::try_from(row / 8).ok().and_then(|byte| self.bits.get_mut(byte)) {
            *byte |= 1 << (row % 8);
        }
    }
}

/// Keys divided by the bits of one level.
struct KeyFiles {
    level: u32,
    parts: [Option<KeyWriter>; PARTS],
}

struct KeyWriter {
    file: TempFile,
    writer: BufWriter<Box<dyn SpillWriter>>,
}

impl KeyFiles {
    fn new(level: u32) -> Self {
        Self { level, parts: [const { None }; PARTS] }
    }

    fn write(&mut self, env: &RuntimeEnv, hash: u64, row: u64, key: &[u8]) -> DfResult<()> {
        let part = usize::from((hash >> (64 - 4 * (self.level + 1))).to_le_bytes()[0]) % PARTS;
        let part = match &mut self.parts[part] {
            Some(part) => part,
            empty => {
                let file = TempFile(env.disk_manager.create_tmp_file("distinct: keys")?);
                let writer = BufWriter::with_capacity(64 << 10, file.0.open_writer()?);
                empty.insert(KeyWriter { file, writer })
            }
        };
        let length = u32::try_from(key.len()).map_err(|_| DataFusionError::Execution("a key of 4 GiB".to_owned()))?;
        part.writer.write_all(&hash.to_le_bytes())?;
        part.writer.write_all(&row.to_le_bytes())?;
        part.writer.write_all(&length.to_le_bytes())?;
        part.writer.write_all(key)?;
        Ok(())
    }

    fn finish(self) -> DfResult<Vec<(TempFile, u32)>> {
        let mut files = Vec::new();
        for part in self.parts.into_iter().flatten() {
            close(part.writer)?;
            files.push((part.file, self.level));
        }
        Ok(files)
    }
}

fn close(writer: BufWriter<Box<dyn SpillWriter>>) -> DfResult<()> {
    writer.into_inner().map_err(std::io::IntoInnerError::into_error)?.finish()
}

/// A file that goes when it is dropped.
struct TempFile(Arc<dyn SpillFile>);

impl TempFile {
    fn open(&self) -> DfResult<BufReader<File>> {
        let path = self.0.path().ok_or_else(|| DataFusionError::Internal("a spill file without a path".to_owned()))?;
        Ok(BufReader::with_capacity(256 << 10, File::open(path)?))
    }
}

/// Hash and row of the next key, whose bytes come into `key`.
fn next_key(reader: &mut impl Read, key: &mut Vec<u8>) -> DfResult<Option<(u64, u64)>> {
    let mut eight = [0; 8];
    match reader.read_exact(&mut eight) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let hash = u64::from_le_bytes(eight);
    reader.read_exact(&mut eight)?;
    let row = u64::from_le_bytes(eight);
    let mut four = [0; 4];
    reader.read_exact(&mut four)?;
    key.resize(u32::from_le_bytes(four) as usize, 0);
    reader.read_exact(key)?;
    Ok(Some((hash, row)))
}
