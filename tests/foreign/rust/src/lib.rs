//! The filter of `tests/foreign`, by the Rust SDK.

use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, MetricType};

const LANGUAGE: &str = "rust";

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::<Root>::default());
}}

#[derive(Default)]
struct Root {
    configuration: String,
    ticks: u32,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let configuration = self.get_plugin_configuration().unwrap_or_default();
        self.configuration = String::from_utf8(configuration).expect("a configuration in UTF-8");
        self.ticks = proxy_wasm::hostcalls::define_metric(MetricType::Counter, "foreign_ticks").unwrap();
        self.set_tick_period(Duration::from_millis(1000));
        true
    }

    fn on_tick(&mut self) {
        proxy_wasm::hostcalls::increment_metric(self.ticks, 1).unwrap();
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { configuration: self.configuration.clone() }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream {
    configuration: String,
}

impl Context for Stream {
    fn on_http_call_response(&mut self, _call: u32, _headers: usize, body_size: usize, _trailers: usize) {
        let answer = self.get_http_call_response_body(0, body_size).unwrap_or_default();
        self.add_http_request_header_bytes("x-answer", &answer);
        self.resume_http_request();
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        self.set_http_request_header("x-language", Some(LANGUAGE));
        self.add_http_request_header("x-configuration", &self.configuration);
        self.set_http_request_header("x-secret", None);
        let Some(question) = self.get_http_request_header("x-ask") else {
            return Action::Continue;
        };
        let headers = vec![(":method", "POST"), (":path", "/ask"), (":authority", "oracle")];
        let body = Some(question.as_bytes());
        self.dispatch_http_call("oracle", headers, body, vec![], Duration::from_millis(1000)).unwrap();
        Action::Pause
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        self.set_http_response_header("content-length", None);
        self.add_http_response_header("x-filtered", LANGUAGE);
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if !end_of_stream {
            return Action::Pause;
        }
        let body = self.get_http_response_body(0, size).unwrap_or_default();
        let marked = [b"[rust] ", body.as_slice()].concat();
        self.set_http_response_body(0, size, &marked);
        Action::Continue
    }
}
