// The filter of tests/foreign, by the Go SDK.
package main

import (
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"
)

const language = "go"

func main() {}

func init() {
	proxywasm.SetVMContext(&vm{})
}

type vm struct {
	types.DefaultVMContext
}

func (*vm) NewPluginContext(uint32) types.PluginContext {
	return &plugin{}
}

type plugin struct {
	types.DefaultPluginContext
	configuration string
	ticks         proxywasm.MetricCounter
}

func (p *plugin) OnPluginStart(int) types.OnPluginStartStatus {
	configuration, err := proxywasm.GetPluginConfiguration()
	must(err)
	p.configuration = string(configuration)
	p.ticks = proxywasm.DefineCounterMetric("foreign_ticks")
	must(proxywasm.SetTickPeriodMilliSeconds(1000))
	return types.OnPluginStartStatusOK
}

func (p *plugin) OnTick() {
	p.ticks.Increment(1)
}

func (p *plugin) NewHttpContext(uint32) types.HttpContext {
	return &stream{configuration: p.configuration}
}

type stream struct {
	types.DefaultHttpContext
	configuration string
}

func (s *stream) OnHttpRequestHeaders(int, bool) types.Action {
	must(proxywasm.ReplaceHttpRequestHeader("x-language", language))
	must(proxywasm.AddHttpRequestHeader("x-configuration", s.configuration))
	must(proxywasm.RemoveHttpRequestHeader("x-secret"))
	question, err := proxywasm.GetHttpRequestHeader("x-ask")
	if err != nil {
		return types.ActionContinue
	}
	headers := [][2]string{{":method", "POST"}, {":path", "/ask"}, {":authority", "oracle"}}
	_, err = proxywasm.DispatchHttpCall("oracle", headers, []byte(question), nil, 1000, answered)
	must(err)
	return types.ActionPause
}

func answered(_, bodySize, _ int) {
	answer, err := proxywasm.GetHttpCallResponseBody(0, bodySize)
	must(err)
	must(proxywasm.AddHttpRequestHeader("x-answer", string(answer)))
	must(proxywasm.ResumeHttpRequest())
}

func (*stream) OnHttpResponseHeaders(int, bool) types.Action {
	must(proxywasm.RemoveHttpResponseHeader("content-length"))
	must(proxywasm.AddHttpResponseHeader("x-filtered", language))
	return types.ActionContinue
}

func (s *stream) OnHttpResponseBody(size int, endOfStream bool) types.Action {
	// While the filter pauses, each size is that of all that is buffered.
	if !endOfStream {
		return types.ActionPause
	}
	body, err := proxywasm.GetHttpResponseBody(0, size)
	must(err)
	must(proxywasm.ReplaceHttpResponseBody(append([]byte("[go] "), body...)))
	return types.ActionContinue
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
