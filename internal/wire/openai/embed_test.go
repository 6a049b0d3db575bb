package openai

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// TestReadEmbed reads every form of input.
func TestReadEmbed(t *testing.T) {
	t.Parallel()
	f := func(body string, want llm.Embed) {
		t.Helper()
		got, e := ReadEmbed([]byte(body))
		if e != nil {
			t.Fatalf("%s: %v", body, e)
		}
		if d := cmp.Diff(&want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", body, d)
		}
		again, e := ReadEmbed(AppendEmbed(nil, got))
		want.Task = llm.TaskNone // OpenAI has no word for it
		if e != nil {
			t.Fatal(e)
		}
		if d := cmp.Diff(&want, again); d != "" {
			t.Errorf("%s, written again (-want +got):\n%s", body, d)
		}
	}
	f(`{"model":"m","input":"a"}`, llm.Embed{Model: "m", Inputs: []llm.EmbedInput{{Text: "a"}}, Single: true})
	f(`{"model":"m","input":[1,2]}`, llm.Embed{Model: "m", Inputs: []llm.EmbedInput{{Tokens: []int64{1, 2}}}, Single: true})
	f(`{"model":"m","input":["a",[3]],"dimensions":8,"encoding_format":"base64","user":"u","input_type":"passage","z":{"a":1}}`,
		llm.Embed{
			Model: "m", Inputs: []llm.EmbedInput{{Text: "a"}, {Tokens: []int64{3}}}, Dimensions: 8, Base64: true, User: "u", Task: llm.TaskDocument,
			Extra: []llm.Member{{Name: "z", Value: `{"a":1}`}},
		})

	bad := func(body, param string) {
		t.Helper()
		if _, e := ReadEmbed([]byte(body)); e == nil || e.Kind != llm.KindBadRequest || e.Param != param {
			t.Errorf("%s: %+v, want one about %q", body, e, param)
		}
	}
	bad(`{"model":"m"}`, "input")
	bad(`{"input":[]}`, "input")
	bad(`{"input":{}}`, "input")
	bad(`{"input":["a",[]]}`, "input[1]")
	bad(`{"input":["a",null]}`, "input[1]")
	bad(`{"input":[[1,"a"]]}`, "input[0][1]")
	bad(`{"input":[1,2.5]}`, "input[1]")
	bad(`{"input":"a","encoding_format":"int8"}`, "encoding_format")
	bad(`{"input":"a","dimensions":"many"}`, "dimensions")
	bad(`{"input":"a"`, "")
	bad(`"a"`, "")
}

// TestReadEmbedded reads vectors in both forms and in any order.
func TestReadEmbedded(t *testing.T) {
	t.Parallel()
	want := llm.Embedded{Model: "m", Vectors: [][]float32{{0.5, -1}, {0.25, 2}}, HasUsage: true, Usage: llm.Usage{Input: 3}}
	f := func(data string) {
		t.Helper()
		got, e := ReadEmbedded([]byte(`{"object":"list","data":` + data + `,"model":"m","usage":{"prompt_tokens":3,"total_tokens":3}}`))
		if e != nil {
			t.Fatal(e)
		}
		if d := cmp.Diff(&want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", data, d)
		}
	}
	f(`[{"index":0,"embedding":[0.5,-1]},{"index":1,"embedding":[0.25,2]}]`)
	f(`[{"embedding":[0.25,2e0],"index":1},{"embedding":"AAAAPwAAgL8=","index":0}]`)
	f(`[{"embedding":[5E-1,-1]},{"embedding":[0.25,2]}]`)
	for _, data := range []string{
		`[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]`, `[{"index":2,"embedding":[1]}]`, `[{"index":0}]`, `[{"index":0,"embedding":["a"]}]`,
		`[{"index":0,"embedding":"AAA"}]`, `[{"index":0,"embedding":"AAAA"}]`, `[{"index":0,"embedding":[1e99]}]`, `{}`,
	} {
		if a, e := ReadEmbedded([]byte(`{"data":` + data + `}`)); e == nil || e.Kind != llm.KindBadAnswer {
			t.Errorf("%s: %+v %v", data, a, e)
		}
	}
}

// TestSplitAndJoin holds that splitting a request, answering the parts and joining the answers is the answer to the whole.
func TestSplitAndJoin(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		n := 1 + rnd.IntN(40)
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf("%q", strings.Repeat("\"[,]é", rnd.IntN(3))+fmt.Sprint(i))
			if rnd.IntN(4) == 0 {
				list[i] = fmt.Sprintf("[%d, %d]", i, rnd.IntN(100))
			}
		}
		body := []byte(`{"new":1.50,"input": [ ` + strings.Join(list, " , ") + ` ],"model":"m"}`)
		at, inputs, ok := SplitEmbed(body)
		if list[0][0] == '[' || ok {
			if !ok || len(inputs) != n || body[at.Start] != '[' {
				t.Fatalf("%s: %v %v", body, inputs, ok)
			}
		}
		var parts [][]byte
		var all []wire.Span
		for from := 0; from < n; {
			end := min(n, from+1+rnd.IntN(n))
			parts = append(parts, answerTo(body, inputs[from:end], rnd.IntN(2) == 0))
			all = append(all, inputs[from:end]...)
			from = end
		}
		got, e := JoinEmbedded(nil, parts)
		if e != nil {
			t.Fatal(e)
		}
		var joined, whole any
		if json.Unmarshal(got, &joined) != nil || json.Unmarshal(answerTo(body, all, false), &whole) != nil {
			t.Fatalf("no JSON: %s", got)
		}
		if d := cmp.Diff(whole, joined); d != "" {
			t.Fatalf("%d parts (-whole +joined):\n%s", len(parts), d)
		}
	}
	for _, body := range []string{`{"input":"a"}`, `{"input":[1,2,3]}`, `{"input":[]}`, `{"model":"m"}`} {
		if _, _, ok := SplitEmbed([]byte(body)); ok {
			t.Errorf("%s can be split", body)
		}
	}
}

// answerTo answers inputs with a vector made of their bytes; backward puts the last first.
func answerTo(body []byte, inputs []wire.Span, backward bool) []byte {
	var items []string
	for i, in := range inputs {
		items = append(items, fmt.Sprintf(`{"object":"embedding","index":%d,"embedding":[%d,0.10]}`, i, len(in.Of(body))))
	}
	if backward {
		slices.Reverse(items)
	}
	return fmt.Appendf(nil, `{"object":"list","data":[%s],"model":"m","usage":{"prompt_tokens":%d,"total_tokens":%d},"new":true}`,
		strings.Join(items, ","), len(inputs), len(inputs))
}

// FuzzEmbed looks for requests and answers that are read and cannot be written again.
func FuzzEmbed(f *testing.F) {
	f.Add([]byte(`{"model":"m","input":["a",[1,2]],"dimensions":3,"encoding_format":"float","x":[1]}`))
	f.Add([]byte(`{"model":"m","input":"a","user":null}`))
	f.Add([]byte(`{"object":"list","data":[{"index":0,"embedding":[1,2.5]}],"model":"m","usage":{"prompt_tokens":1}}`))
	f.Add([]byte(`{"data":[{"embedding":"AACAPw=="}]}`))
	f.Add([]byte(`{"text":"a","usage":{"type":"duration","seconds":3}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if e, fault := ReadEmbed(body); fault == nil {
			if again, fault := ReadEmbed(AppendEmbed(nil, e)); fault != nil || len(again.Inputs) != len(e.Inputs) {
				t.Errorf("%s becomes %s: %v", body, AppendEmbed(nil, e), fault)
			}
		}
		if a, fault := ReadEmbedded(body); fault == nil {
			got, fault := JoinEmbedded(nil, [][]byte{body, body})
			if fault != nil || !json.Valid(got) {
				t.Fatalf("%s joined with itself is %s: %v", body, got, fault)
			}
			if again, fault := ReadEmbedded(got); fault != nil || len(again.Vectors) != 2*len(a.Vectors) {
				t.Errorf("%s joined with itself is %s: %v", body, got, fault)
			}
		}
		_, _, _ = SplitEmbed(body)
		_, _ = ScanAnswer(llm.OpTranscription, body)
	})
}

// TestScanMedia reads answers about images, sound and moderation.
func TestScanMedia(t *testing.T) {
	t.Parallel()
	f := func(op llm.Op, body string, want llm.Usage, has, complete bool) {
		t.Helper()
		a, e := ScanAnswer(op, []byte(body))
		if e != nil || a.Usage != want || a.HasUsage != has || a.Complete != complete {
			t.Errorf("%s: %+v %v", body, a, e)
		}
	}
	f(llm.OpImage, `{"created":1,"data":[{"b64_json":""}],"usage":{"input_tokens":5,"input_tokens_details":{"text_tokens":5,"cached_tokens":2},"output_tokens":7,"total_tokens":12}}`,
		llm.Usage{Input: 5, Output: 7, CachedInput: 2}, true, true)
	f(llm.OpImage, `{"created":1}`, llm.Usage{}, false, false)
	f(llm.OpTranscription, `{"text":"a","usage":{"type":"duration","seconds":3}}`, llm.Usage{}, false, true)
	f(llm.OpTranscription, `{"text":"","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"audio_tokens":10},"output_tokens":4,"total_tokens":18}}`,
		llm.Usage{Input: 14, Output: 4, AudioInput: 10}, true, true)
	f(llm.OpModeration, `{"id":"m","model":"x","results":[]}`, llm.Usage{}, false, true)
	if _, e := ScanAnswer(llm.OpImage, []byte(`{"error":{"message":"no","code":"content_policy_violation"}}`)); e == nil || e.Kind != llm.KindContentFilter {
		t.Errorf("an error in an answer: %v", e)
	}
	if _, e := ScanAnswer(llm.OpImage, []byte(`{"data":[`)); e == nil || e.Kind != llm.KindBadAnswer {
		t.Errorf("half an answer: %v", e)
	}
}
