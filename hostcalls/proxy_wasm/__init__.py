"""The Proxy-Wasm SDK."""
