// The filter of tests/foreign, by the AssemblyScript SDK.
export * from "@solo-io/proxy-runtime/proxy";
import {
  BaseContext, Context, Counter, FilterDataStatusValues, FilterHeadersStatusValues, HeaderPair, RootContext,
  continue_request, registerRootContext, stream_context,
} from "@solo-io/proxy-runtime";
import {
  BufferTypeValues, get_buffer_bytes, set_tick_period_milliseconds,
} from "@solo-io/proxy-runtime/runtime";

// The SDK has no call that writes a buffer.
// @ts-ignore: decorator
@external("env", "proxy_set_buffer_bytes")
declare function proxy_set_buffer_bytes(buffer: u32, start: u32, size: u32, data: usize, data_size: u32): u32;

const LANGUAGE = "assemblyscript";

class Root extends RootContext {
  text: string = "";
  ticks: Counter = new Counter("foreign_ticks");

  // The SDK's own reads the configuration's size into the address that equals this size.
  onConfigure(size: u32): bool {
    this.text = String.UTF8.decode(get_buffer_bytes(BufferTypeValues.PluginConfiguration, 0, size));
    set_tick_period_milliseconds(1000);
    return true;
  }

  onTick(): void {
    this.ticks.increment(1);
  }

  createContext(id: u32): Context {
    return new Stream(id, this);
  }
}

function answered(context: Context, headers: u32, size: usize, trailers: u32): void {
  const answer = get_buffer_bytes(BufferTypeValues.HttpCallResponseBody, 0, <u32>size);
  stream_context.headers.request.add("x-answer", String.UTF8.decode(answer));
  continue_request();
}

class Stream extends Context {
  constructor(id: u32, root: Root) {
    super(id, root);
  }

  onRequestHeaders(count: u32, end: bool): FilterHeadersStatusValues {
    const headers = stream_context.headers.request;
    headers.replace("x-language", LANGUAGE);
    headers.add("x-configuration", (this.root_context as Root).text);
    headers.remove("x-secret");
    const question = headers.get("x-ask");
    if (question == "") return FilterHeadersStatusValues.Continue;
    const ask = [pair(":method", "POST"), pair(":path", "/ask"), pair(":authority", "oracle")];
    this.root_context.httpCall("oracle", ask, String.UTF8.encode(question), [], 1000, this, answered);
    return FilterHeadersStatusValues.StopIteration;
  }

  onResponseHeaders(count: u32, end: bool): FilterHeadersStatusValues {
    const headers = stream_context.headers.response;
    headers.remove("content-length");
    headers.add("x-filtered", LANGUAGE);
    return FilterHeadersStatusValues.Continue;
  }

  onResponseBody(size: usize, end: bool): FilterDataStatusValues {
    if (!end) return FilterDataStatusValues.StopIterationAndBuffer;
    const body = get_buffer_bytes(BufferTypeValues.HttpResponseBody, 0, <u32>size);
    const marked = String.UTF8.encode("[" + LANGUAGE + "] " + String.UTF8.decode(body));
    proxy_set_buffer_bytes(
      BufferTypeValues.HttpResponseBody, 0, <u32>size, changetype<usize>(marked), marked.byteLength,
    );
    return FilterDataStatusValues.Continue;
  }
}

function pair(name: string, value: string): HeaderPair {
  return new HeaderPair(String.UTF8.encode(name), String.UTF8.encode(value));
}

registerRootContext((id: u32) => new Root(id), "foreign");
