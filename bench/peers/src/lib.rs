//! The filter somebody would write by hand in Rust: what the Python filters are measured against.
//!
//! Features choose what it does with each chunk of a response body; the Proxy-Wasm ABI is 0.2.1, spoken directly:
//!
//! | feature  | work |
//! |----------|------|
//! | (none)   | nothing: the price of a wasm filter as such |
//! | `copy`   | reads the chunk and counts its bytes |
//! | `search` | searches it with each regex in turn |
//! | `set`    | asks one `RegexSet` which regexes occur, then searches with those only |
//!
//! It joins no matches across chunks and knows no policy.

mod host;
#[cfg(any(feature = "search", feature = "set"))]
mod patterns;
#[cfg(any(feature = "search", feature = "set"))]
mod scanner;

use core::cell::RefCell;

/// What a variant does with its chunks.
trait Work {
    fn start() -> Self;
    fn chunk(&mut self, size: u32);
}

#[cfg(not(any(feature = "copy", feature = "search", feature = "set")))]
struct Nothing;

#[cfg(not(any(feature = "copy", feature = "search", feature = "set")))]
impl Work for Nothing {
    fn start() -> Self {
        Nothing
    }
    fn chunk(&mut self, _size: u32) {}
}

#[cfg(feature = "copy")]
struct Copy {
    bytes: host::Counter,
}

#[cfg(feature = "copy")]
impl Work for Copy {
    fn start() -> Self {
        Copy { bytes: host::Counter::define("peer.bytes") }
    }
    fn chunk(&mut self, size: u32) {
        if let Some(body) = host::response_body(size) {
            self.bytes.add(body.len() as i64);
        }
    }
}

#[cfg(any(feature = "search", feature = "set"))]
struct Search {
    scanner: scanner::Scanner,
    counters: Vec<host::Counter>,
    found: Vec<u64>,
}

#[cfg(any(feature = "search", feature = "set"))]
impl Work for Search {
    fn start() -> Self {
        let counters: Vec<_> = patterns::PATTERNS
            .iter()
            .map(|(name, _)| host::Counter::define(&format!("peer.{name}")))
            .collect();
        let found = vec![0; counters.len()];
        Search { scanner: scanner::Scanner::new(), counters, found }
    }
    fn chunk(&mut self, size: u32) {
        let Some(body) = host::response_body(size) else { return };
        self.found.fill(0);
        self.scanner.count(&body, &mut self.found);
        for (counter, &count) in self.counters.iter().zip(&self.found) {
            if count > 0 {
                counter.add(count as i64);
            }
        }
    }
}

#[cfg(not(any(feature = "copy", feature = "search", feature = "set")))]
type Chosen = Nothing;
#[cfg(feature = "copy")]
type Chosen = Copy;
#[cfg(any(feature = "search", feature = "set"))]
type Chosen = Search;

thread_local! {
    static WORK: RefCell<Option<Chosen>> = const { RefCell::new(None) };
}

const TRUE: u32 = 1;
const CONTINUE: u32 = 0;

#[no_mangle]
pub extern "C" fn proxy_abi_version_0_2_1() {}

#[no_mangle]
pub extern "C" fn proxy_on_vm_start(_context: u32, _size: u32) -> u32 {
    TRUE
}

#[no_mangle]
pub extern "C" fn proxy_on_configure(_context: u32, _size: u32) -> u32 {
    WORK.with(|work| *work.borrow_mut() = Some(Chosen::start()));
    TRUE
}

#[no_mangle]
pub extern "C" fn proxy_on_context_create(_context: u32, _parent: u32) {}

#[no_mangle]
pub extern "C" fn proxy_on_response_body(_context: u32, size: u32, _end_of_stream: u32) -> u32 {
    if size > 0 {
        WORK.with(|work| {
            if let Some(work) = work.borrow_mut().as_mut() {
                work.chunk(size);
            }
        });
    }
    CONTINUE
}

#[no_mangle]
pub extern "C" fn proxy_on_done(_context: u32) -> u32 {
    TRUE
}

#[no_mangle]
pub extern "C" fn proxy_on_delete(_context: u32) {}
