//! The few host calls that the peer needs, each right below its extern declaration's safe wrapper.
#![allow(dead_code)] // the variant without work calls none of them

use std::alloc::{alloc, Layout};

#[link(wasm_import_module = "env")]
extern "C" {
    fn proxy_get_buffer_bytes(kind: u32, start: u32, max: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, delta: i64) -> u32;
}

const OK: u32 = 0;
const RESPONSE_BODY: u32 = 1;
const COUNTER: u32 = 0;

/// Memory for what the host hands over; `response_body` takes it back as a `Vec` of the same layout.
#[no_mangle]
pub extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    match Layout::array::<u8>(size) {
        // SAFETY: the layout's size is not zero.
        Ok(layout) if size > 0 => unsafe { alloc(layout) },
        _ => core::ptr::null_mut(),
    }
}

pub fn response_body(size: u32) -> Option<Vec<u8>> {
    let mut data = core::ptr::null_mut();
    let mut length = 0;
    // SAFETY: both out-pointers live through the call; on OK the host has filled memory from `proxy_on_memory_allocate`.
    unsafe {
        let status = proxy_get_buffer_bytes(RESPONSE_BODY, 0, size, &mut data, &mut length);
        (status == OK && !data.is_null()).then(|| Vec::from_raw_parts(data, length, length))
    }
}

pub struct Counter(u32);

impl Counter {
    pub fn define(name: &str) -> Counter {
        let mut id = 0;
        // SAFETY: the name is read during the call only.
        unsafe { proxy_define_metric(COUNTER, name.as_ptr(), name.len(), &mut id) };
        Counter(id)
    }

    pub fn add(&self, delta: i64) {
        // SAFETY: takes plain numbers.
        unsafe { proxy_increment_metric(self.0, delta) };
    }
}
