package openai

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
)

func TestEncodersGiveTheDocumentedShapes(t *testing.T) {
	t.Parallel()
	h := &Head{ID: "chatcmpl-1", Created: 7, Model: "m", Fingerprint: "fp", ServiceTier: "default", NullUsage: true}
	bare := &Head{ID: "x", Created: 7, Model: "m"}
	u := llm.Usage{Input: 5, CachedInput: 2, Output: 4, Reasoning: 1}
	const usage = `{"prompt_tokens":5,"completion_tokens":4,"total_tokens":9,"prompt_tokens_details":{"cached_tokens":2,` +
		`"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":1,"audio_tokens":0,` +
		`"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}`
	const head = `{"id":"chatcmpl-1","object":"chat.completion.chunk","created":7,"model":"m","service_tier":"default",` +
		`"system_fingerprint":"fp"`
	const bareChunk = `{"id":"x","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"index":0,"delta":`
	f := func(name string, got []byte, want string) {
		t.Helper()
		if !json.Valid(got) {
			t.Errorf("%s is not JSON: %s", name, got)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	f("role chunk", AppendChunk(nil, h, &Delta{Role: "assistant", Content: []byte{}}), head+
		`,"choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"usage":null}`)
	f("text", AppendChunk(nil, bare, &Delta{Content: []byte("a\"b\n")}), bareChunk+
		`{"content":"a\"b\n"},"logprobs":null,"finish_reason":null}]}`)
	f("null content", AppendChunk(nil, bare, &Delta{NullContent: true}), bareChunk+
		`{"content":null},"logprobs":null,"finish_reason":null}]}`)
	f("reasoning", AppendChunk(nil, bare, &Delta{Reasoning: []byte("hm")}), bareChunk+
		`{"reasoning_content":"hm"},"logprobs":null,"finish_reason":null}]}`)
	f("parts", AppendChunk(nil, bare, &Delta{RawContent: AppendTextPart(nil, []byte("hm"))}), bareChunk+
		`{"content":[{"type":"text","text":"hm"}]},"logprobs":null,"finish_reason":null}]}`)
	f("tool start", AppendChunk(nil, bare, &Delta{Tool: &ToolDelta{Index: 1, ID: "call_1", Name: "f"}}), bareChunk+
		`{"tool_calls":[{"index":1,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]},`+
		`"logprobs":null,"finish_reason":null}]}`)
	f("tool arguments", AppendChunk(nil, bare, &Delta{Tool: &ToolDelta{NoIndex: true, Arguments: []byte(`{"`)}}), bareChunk+
		`{"tool_calls":[{"function":{"arguments":"{\""}}]},"logprobs":null,"finish_reason":null}]}`)
	f("finish with usage", AppendChunk(nil, bare, &Delta{Finish: "stop", Usage: &u}), bareChunk+
		`{},"logprobs":null,"finish_reason":"stop"}],"usage":`+usage+`}`)
	f("usage chunk", AppendUsageChunk(nil, h, "chat.completion.chunk", u), head+`,"choices":[],"usage":`+usage+`}`)
	f("text chunk", AppendTextChunk(nil, bare, &Delta{Index: 2, Content: []byte("hi"), Finish: "length"}),
		`{"id":"x","object":"text_completion","created":7,"model":"m","choices":[{"index":2,"text":"hi","logprobs":null,"finish_reason":"length"}]}`)
	f("chat", AppendChatCompletion(nil, bare, []Choice{{Content: []byte("hi"), Finish: "stop"}, {
		Index: 1, NullContent: true,
		Reasoning: []byte("r"), Finish: "tool_calls", Tools: []ToolCall{{ID: "a", Name: "f", Arguments: []byte("{}")}, {ID: "b", Name: "g"}},
	}}, &u),
		`{"id":"x","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":{"role":"assistant",`+
			`"content":"hi","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"},{"index":1,"message":`+
			`{"role":"assistant","content":null,"reasoning_content":"r","tool_calls":[{"id":"a","type":"function","function":`+
			`{"name":"f","arguments":"{}"}},{"id":"b","type":"function","function":{"name":"g","arguments":""}}],"refusal":null,`+
			`"annotations":[]},"logprobs":null,"finish_reason":"tool_calls"}],"usage":`+usage+`}`)
	f("text answer", AppendText(nil, bare, []Choice{{Content: []byte("hi"), Finish: "stop"}}, nil),
		`{"id":"x","object":"text_completion","created":7,"model":"m","choices":[{"text":"hi","index":0,"logprobs":null,"finish_reason":"stop"}]}`)
	f("logprobs", AppendChunk(nil, bare, &Delta{Content: []byte("é"), Logprobs: []Logprob{{
		Token: "é", Logprob: -0.5,
		Top: []Logprob{{Token: "e", Logprob: -1}},
	}}}), bareChunk+
		`{"content":"é"},"logprobs":{"content":[{"token":"é","logprob":-0.5,"bytes":[195,169],"top_logprobs":[{"token":"e",`+
		`"logprob":-1,"bytes":[101]}]}],"refusal":null},"finish_reason":null}]}`)
	f("models", AppendModels(nil, []ModelCard{{ID: "a", Created: 1, OwnedBy: "o"}, {ID: "b"}}),
		`{"object":"list","data":[{"id":"a","object":"model","created":1,"owned_by":"o"},{"id":"b","object":"model","created":0,"owned_by":""}]}`)
	f("floats", AppendEmbeddings(nil, "m", [][]float32{{0.5, -1}}, false, 3),
		`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1]}],"model":"m","usage":{"prompt_tokens":3,"total_tokens":3}}`)
}

func TestPackedEmbeddingIsLittleEndianFloat32(t *testing.T) {
	t.Parallel()
	want := []float32{0.25, -3.5, 1e-7}
	var got struct {
		Data []struct{ Embedding string }
	}
	if err := json.Unmarshal(AppendEmbeddings(nil, "m", [][]float32{want}, true, 1), &got); err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(got.Data[0].Embedding)
	if err != nil || len(raw) != 4*len(want) {
		t.Fatalf("decode base64: %d bytes, error %v", len(raw), err)
	}
	for i, f := range want {
		if g := math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])); g != f {
			t.Errorf("value %d = %v, want %v", i, g, f)
		}
	}
}

func TestAppendChunkDoesNotAllocate(t *testing.T) {
	h := &Head{ID: "chatcmpl-1", Created: 7, Model: "m"}
	d := &Delta{Content: []byte(" größte \"gate\"")}
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { buf = AppendChunk(buf[:0], h, d) }); n != 0 {
		t.Errorf("AppendChunk allocates %v times, want 0", n)
	}
}
