package app

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// front is one of the fronts beside chat completions, with a provider that speaks the same dialect.
type front struct {
	name    string
	path    string // of calls without a stream, below the gateway's root; %s is the model
	stream  string // of calls with one
	header  http.Header
	inPath  bool // the model is in the path, and not in the body
	request []string
	answers []string
	streams []string
}

const frontAccounts = `providers:
  o: {api: openai, base_url: "%[1]s/v1", api_key: provider-secret, models: [m], http2: "off", responses: native}
  a: {api: anthropic, base_url: "%[1]s", api_key: provider-secret, models: [c], http2: "off"}
  g: {api: gemini, base_url: "%[1]s", api_key: provider-secret, models: [f], http2: "off"}
`

// odd is a member that nobody knows, with all that a decoder might write otherwise.
const odd = `"novel" : {"z":[1e0,1.0E+2,-0,0.10,1e400,123456789012345678901234567890,{"model":"x","":null}],"\u00e9":"\ud800 \/\u2028 é😀","z":2}`

func fronts() []front {
	return []front{
		{
			name: "responses", path: "/v1/responses", stream: "/v1/responses",
			request: []string{
				`{"model":«"o/m"|"m"»,"store":false,%s"input":"hi",` + odd + `}`,
				`{ "input" : [{"type":"message","role":"user","content":[{"type":"input_text","text":"hi","novel":1e0}],` + odd + `},{"type":"novel_call",` + odd + `},{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"x\/y"}],"store":false,%s"model":«"o/m"|"m"»,"tools":[{"type":"novel",` + odd + `}] }`,
			},
			answers: []string{
				`{"id":"resp_1","object":"response","status":"completed","model":"m-1",` + odd + `,"output":[{"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"hi","annotations":[],` + odd + `}]},{"type":"novel_call",` + odd + `}],"usage":{"input_tokens":3,"output_tokens":1,"total_tokens":4,"novel":1.0}}`,
			},
			streams: []string{
				"event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\",\"status\":\"in_progress\"," + odd + "}}\n\n" +
					"event: response.novel.delta\r\ndata: {\"type\":\"response.novel.delta\",\"sequence_number\":1," + odd + "}\r\n\r\n: hello\n\n" +
					"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":2,\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,\"delta\":\"h\\u00e9\\/\"," + odd + "}\n\n" +
					"event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":3,\"response\":{\"id\":\"resp_1\",\"status\":\"completed\",\"output\":[],\"usage\":{\"input_tokens\":3,\"output_tokens\":1,\"total_tokens\":4}," + odd + "}}\n\n",
			},
		},
		{
			name: "messages", path: "/v1/messages", stream: "/v1/messages", header: http.Header{"Anthropic-Version": {"2023-06-01"}},
			request: []string{
				`{"model":«"a/c"|"c"»,%s"max_tokens":9,"messages":[{"role":"user","content":"hi"}],` + odd + `}`,
				`{"messages" : [{"role":"user","content":[{"type":"novel",` + odd + `},{"type":"text","text":"\u0068i","cache_control":{"type":"ephemeral"},` + odd + `}],"novel":1},{"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"a\/b=="},{"type":"redacted_thinking","data":"x"},{"type":"tool_use","id":"t","name":"f","input":{"a":1e0}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t"}]}],"system":[],"max_tokens":9,"tools":[{"type":"novel_20990101",` + odd + `}],%s "model" : «"a/c"|"c"»,"temperature":1.0}`,
			},
			answers: []string{
				`{"id":"msg_1","type":"message","role":"assistant","model":"c-1","content":[{"type":"text","text":"h\u00e9","citations":null},{"type":"novel",` + odd + `}],"stop_reason":"end_turn","stop_sequence":null,` + odd + `,"usage":{"input_tokens":3,"output_tokens":1,"novel":1.0}}`,
			},
			streams: []string{
				"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"c-1\",\"content\":[],\"usage\":{\"input_tokens\":3,\"output_tokens\":1}," + odd + "}}\n\n" +
					"event: ping\ndata: {\"type\": \"ping\"}\n\nevent: novel\ndata: {\"type\":\"novel\"," + odd + "}\n\n" +
					"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"," + odd + "}}\n\n" +
					"event: content_block_delta\r\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"h\\u00e9\"},\"novel\":1e0}\r\n\r\n" +
					"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"novel_delta\"," + odd + "}}\n\n" +
					"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n" +
					"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2},\"novel\":1}\n\n" +
					"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
			},
		},
		{
			name: "generateContent", path: "/gemini/v1beta/models/g/f:generateContent", stream: "/gemini/v1beta/models/g/f:streamGenerateContent", inPath: true,
			request: []string{
				`{"contents":[{"role":"user","parts":[{"text":"hi"}]}],` + odd + `}`,
				`{ "generation_config" : {"max_output_tokens":9,` + odd + `},"contents":[{"role":"user","parts":[{"text":"\u0068i",` + odd + `},{"novel":{}}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":1e0}},"thoughtSignature":"YQ=="}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"x":0.10}}}]}],"safetySettings":[{` + odd + `}],"tools":[{"novelTool":{}}]}`,
			},
			answers: []string{
				`{"candidates":[{"content":{"parts":[{"text":"h\u00e9"},{"novel":{"a":1e0}}],"role":"model"},"finishReason":"STOP","index":0,` + odd + `}],` + odd + `,"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":1,"totalTokenCount":4},"modelVersion":"f-1"}`,
			},
			// Its events go out as one data line each, ended by \n: go-genai reads lines, not events.
			streams: []string{
				"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"h\\u00e9\"," + odd + "}],\"role\":\"model\"},\"index\":0}]," + odd + "}\n\n" +
					"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}],\"role\":\"model\"},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":3,\"candidatesTokenCount\":1,\"totalTokenCount\":4,\"novel\":1.0}}\n\n",
			},
		},
	}
}

// TestUnknownMembersSurvive sends what no codec knows through each front to a provider of its dialect, and back whole and streamed: not a
// byte may differ but the model's name. Chat completions have tests of their own (TestRequestBytes, TestAnswerBytes, TestStreamBytes).
func TestUnknownMembersSurvive(t *testing.T) {
	t.Parallel()
	p := newProvider(t, true)
	g := start(t, fmt.Sprintf(frontAccounts, p.URL)+"supervise: \"off\"\n")
	root := strings.TrimSuffix(g.url, "/v1")
	for _, f := range fronts() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			call := func(path, contentType, from, want, answer string, cut int) {
				t.Helper()
				rec := &record{kind: contentType, body: answer, got: make(chan string, 1)}
				if cut > 0 {
					rec.cuts = []int{cut}
				}
				url := root + path + p.script(rec.answer)
				if f.inPath && contentType == sse {
					url += "&alt=sse"
				}
				rq, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(from))
				if err != nil {
					t.Fatal(err)
				}
				for k, v := range f.header {
					rq.Header[k] = v
				}
				rq.Header.Set("Content-Type", jsonBody)
				resp, err := g.client.Do(rq)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				back, err := io.ReadAll(resp.Body)
				if err != nil || resp.StatusCode != http.StatusOK {
					t.Fatalf("status %d, %v: %s", resp.StatusCode, err, back)
				}
				if sent := <-rec.got; sent != want {
					t.Fatalf("client sent  %q\nprovider got %q\nwant         %q", from, sent, want)
				}
				if string(back) != answer {
					t.Fatalf("cut at %d\nprovider sent %q\nclient got    %q", cut, answer, back)
				}
			}
			for _, text := range f.request {
				from, want, _ := versions(strings.Replace(text, "%s", "", 1))
				for _, answer := range f.answers {
					call(f.path, jsonBody, from, want, answer, 0)
				}
				from, want, _ = versions(strings.Replace(text, "%s", `"stream":true,`, 1))
				for _, answer := range f.streams {
					call(f.stream, sse, from, want, answer, 0)
					for cut := 1; cut < len(answer); cut += 7 {
						call(f.stream, sse, from, want, answer, cut)
					}
				}
			}
		})
	}
}
