;; The smallest plugin that says something: it logs "configured" when it gets its configuration, "request" for each
;; request's headers, and traps in a request's body callback. ABI 0.2.1.
(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "configured: ")
  (data (i32.const 512) "request\n\"\c3\a9\"")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "_initialize"))
  ;; Everything the host hands over lands at 28, right behind "configured: ".
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 28))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  ;; A configuration that starts with "!" is refused.
  (func (export "proxy_on_configure") (param $id i32) (param $size i32) (result i32)
    (drop (call $buffer (i32.const 7) (i32.const 0) (local.get $size) (i32.const 0) (i32.const 4)))
    (drop (call $log (i32.const 2) (i32.const 16) (i32.add (i32.const 12) (local.get $size))))
    (i32.ne (i32.load8_u (i32.const 28)) (i32.const 33)))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $log (i32.const 2) (i32.const 512) (i32.const 12)))
    (i32.const 0))
  (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
    unreachable))
