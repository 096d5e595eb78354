//! The allocator of all that is Rust in this process; Python and the C libraries keep the system's.
//!
//! glibc's keeps what a long job frees: what is kept of each part of a file comes to lie between large blocks
//! (`docs/adr/0017-jemalloc.md`).

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What jemalloc reads when it starts (<https://jemalloc.net/jemalloc.3.html#tuning>): free memory goes back to the system
/// after a quarter of a second, also when no thread asks for any.
#[expect(unsafe_code, reason = "a variable of the C library by its name")]
// SAFETY: jemalloc declares it as a pointer to text that ends with a zero; a reference to an array is one.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static OPTIONS: &[u8; 59] = b"background_thread:true,dirty_decay_ms:250,muzzy_decay_ms:0\0";
