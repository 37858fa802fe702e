"""A Proxy-Wasm host on wasmtime."""
