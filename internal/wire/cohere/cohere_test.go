package cohere_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/wire"
	"sluice/internal/wire/cohere"
)

var shapes = [...]cohere.Shape{cohere.Cohere, cohere.Voyage, cohere.Jina}

// TestEmbedRoundTrip holds that what the client end writes the server end reads, in every shape.
func TestEmbedRoundTrip(t *testing.T) {
	t.Parallel()
	for _, s := range shapes {
		for _, e := range []llm.Embed{
			{Model: "m", Inputs: []llm.EmbedInput{{Text: "a"}, {Text: "\"ü\n"}}, Dimensions: 256, Task: llm.TaskQuery, Truncate: "end"},
			{Model: "m", Inputs: []llm.EmbedInput{{Text: "a"}}, Task: llm.TaskDocument, Base64: true, Extra: []llm.Member{{Name: "x", Value: `{"y":1}`}}},
		} {
			body := s.AppendEmbed(nil, &e)
			if !json.Valid(body) {
				t.Fatalf("%v: not JSON: %s", s.Dialect(), body)
			}
			got, fault := s.ReadEmbed(body)
			if fault != nil {
				t.Fatalf("%v: %v: %s", s.Dialect(), fault, body)
			}
			if d := cmp.Diff(&e, got); d != "" {
				t.Errorf("%v: %s\n(-want +got):\n%s", s.Dialect(), body, d)
			}
		}
	}
}

// TestEmbeddedRoundTrip does the same for answers, with numbers and packed.
func TestEmbeddedRoundTrip(t *testing.T) {
	t.Parallel()
	want := llm.Embedded{Model: "m", Vectors: [][]float32{{0.1, -1e-30, 3}, {0, 7, 1.0 / 3}}, HasUsage: true, Usage: llm.Usage{Input: 9}}
	for _, s := range shapes {
		for _, packed := range []bool{false, true} {
			rq := &llm.Embed{Inputs: []llm.EmbedInput{{Text: "a"}, {Text: "b"}}, Base64: packed}
			body := s.AppendEmbedded(nil, &want, rq)
			got, fault := s.ReadEmbedded(body)
			if fault != nil {
				t.Fatalf("%v: %v: %s", s.Dialect(), fault, body)
			}
			if s == cohere.Cohere {
				got.Model = "m" // it does not say
			}
			if d := cmp.Diff(&want, got); d != "" {
				t.Errorf("%v: %s\n(-want +got):\n%s", s.Dialect(), body, d)
			}
			if a, fault := s.Scan(llm.OpEmbedding, body); fault != nil || !a.Complete || a.Usage.Input != 9 {
				t.Errorf("%v: scan: %+v %v", s.Dialect(), a, fault)
			}
		}
	}
}

// TestRerankRoundTrip does the same for rerank.
func TestRerankRoundTrip(t *testing.T) {
	t.Parallel()
	for _, s := range shapes {
		rq := llm.Rerank{Model: "m", Query: "q", Documents: []llm.RerankDocument{{Text: "a"}, {Text: "b"}, {Text: "c"}}, TopN: 2, ReturnDocuments: s != cohere.Cohere}
		got, fault := s.ReadRerank(s.AppendRerank(nil, &rq))
		if fault != nil {
			t.Fatal(fault)
		}
		if d := cmp.Diff(&rq, got); d != "" {
			t.Errorf("%v (-want +got):\n%s", s.Dialect(), d)
		}
		a := llm.Ranked{ID: "i", Model: "m", HasUsage: true, Usage: llm.Usage{Input: 4}, SearchUnits: 1, Results: []llm.RankedResult{
			{Index: 2, Score: 0.9}, {Index: 0, Score: 0.5}, {Index: 1, Score: 0.1},
		}}
		body := s.AppendRanked(nil, &a, &rq)
		back, fault := s.ReadRanked(body)
		if fault != nil {
			t.Fatalf("%v: %v: %s", s.Dialect(), fault, body)
		}
		if len(back.Results) != 2 || back.Results[0].Index != 2 || back.Results[1].Score != 0.5 || (back.Results[0].Document != "") != rq.ReturnDocuments {
			t.Errorf("%v: %s: %+v", s.Dialect(), body, back.Results)
		}
	}
}

// TestReadFaults names the field at fault.
func TestReadFaults(t *testing.T) {
	t.Parallel()
	f := func(s cohere.Shape, body, param string) {
		t.Helper()
		_, e := s.ReadEmbed([]byte(body))
		if e == nil || e.Kind != llm.KindBadRequest || e.Param != param {
			t.Errorf("%s: %+v, want one about %q", body, e, param)
		}
	}
	f(cohere.Cohere, `{"model":"m"}`, "texts")
	f(cohere.Cohere, `{"model":"m","texts":["a",1]}`, "texts[1]")
	f(cohere.Cohere, `{"model":"m","texts":["a"],"embedding_types":["float","int8"]}`, "embedding_types")
	f(cohere.Cohere, `{"model":1,"texts":["a"]}`, "model")
	f(cohere.Voyage, `{"model":"m","input":[]}`, "input")
	f(cohere.Voyage, `{"model":"m","input":"a","output_dimension":-1}`, "output_dimension")
	f(cohere.Jina, `{"model":"m","input":[{"image":"x"}]}`, "input[0]")
	f(cohere.Jina, `[]`, "")
	f(cohere.Jina, `{"model":`, "")

	rerank := func(body, param string) {
		t.Helper()
		_, e := cohere.Jina.ReadRerank([]byte(body))
		if e == nil || e.Kind != llm.KindBadRequest || e.Param != param {
			t.Errorf("%s: %+v, want one about %q", body, e, param)
		}
	}
	rerank(`{"model":"m","documents":["a"]}`, "query")
	rerank(`{"model":"m","query":"q"}`, "documents")
	rerank(`{"model":"m","query":"q","documents":[{"title":"a"}]}`, "documents[0]")
	rerank(`{"model":"m","query":"q","documents":["a"],"top_n":"all"}`, "top_n")
	rerank(`{"model":"m","query":"q","documents":["a"],"return_documents":1}`, "return_documents")
}

// TestForward holds that only the model changes in a body that is forwarded.
func TestForward(t *testing.T) {
	t.Parallel()
	const body = ` {"model" : "a/\u0062", "documents":["x", "y"],"query":"q","new":[1.50] }`
	rq, e := cohere.Jina.ParseRequest(llm.OpRerank, []byte(body))
	if e != nil || rq.Model != "a/b" || rq.Inputs != 2 || rq.InputBytes != 3 {
		t.Fatalf("%+v %v", rq, e)
	}
	if got, want := string(rq.AppendUpstream(nil, []byte(body), &wire.Change{Model: "m"})), ` {"model" : "m", "documents":["x", "y"],"query":"q","new":[1.50] }`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := string(rq.AppendUpstream(nil, []byte(body), &wire.Change{})); got != body {
		t.Errorf("%s, want it unchanged", got)
	}
	if _, e := cohere.Jina.ParseRequest(llm.OpRerank, []byte(`{"model":"a","model":"b"}`)); e == nil || e.Param != "model" {
		t.Errorf("two models: %v", e)
	}
}

// TestClassifyError reads the errors of the three.
func TestClassifyError(t *testing.T) {
	t.Parallel()
	f := func(s cohere.Shape, status int, body string, want llm.Kind, says string) {
		t.Helper()
		e := s.ClassifyError(status, http.Header{"Retry-After": {"2"}}, []byte(body), time.Now())
		if e.Kind != want || says != "" && e.Message != says || e.RetryAfter != 2*time.Second && e.Kind != llm.KindProviderAuth {
			t.Errorf("%d %s: %v %v", status, body, e, e.RetryAfter)
		}
	}
	f(cohere.Cohere, 400, `{"id":"x","message":"too long: 9000 tokens"}`, llm.KindContextLength, "provider answered 400: too long: 9000 tokens")
	f(cohere.Cohere, 401, `{"message":"invalid api token sk-secret"}`, llm.KindProviderAuth, "provider refused Sluice's credentials: it answered 401")
	f(cohere.Cohere, 429, `{"message":"You are using a Trial key, which is limited to 1000 API calls / month."}`, llm.KindQuotaExhausted, "")
	f(cohere.Cohere, 429, `{"message":"slow down"}`, llm.KindRateLimited, "")
	f(cohere.Voyage, 400, `{"detail":"Model x is not supported"}`, llm.KindRejected, "provider answered 400: Model x is not supported")
	f(cohere.Voyage, 503, ``, llm.KindOverloaded, "provider answered 503")
	f(cohere.Jina, 422, `{"detail":[{"loc":["body"],"msg":"field required"}]}`, llm.KindRejected, "provider answered 422: field required")
	f(cohere.Jina, 403, `{"detail":"Insufficient account balance"}`, llm.KindQuotaExhausted, "")
	f(cohere.Jina, 500, `<html>`, llm.KindServerError, "")
	f(cohere.Jina, 400, `{"error":{"message":"no such model","param":"model"}}`, llm.KindRejected, "provider answered 400: no such model")
}

// FuzzRead looks for bodies that a reader takes and its writer cannot give again.
func FuzzRead(f *testing.F) {
	f.Add(uint8(0), []byte(`{"model":"m","texts":["a"],"input_type":"search_query","embedding_types":["base64"],"truncate":"END"}`))
	f.Add(uint8(1), []byte(`{"model":"m","input":["a"],"truncation":false,"output_dimension":2}`))
	f.Add(uint8(2), []byte(`{"model":"m","input":[{"text":"a"}],"task":"separation","x":null}`))
	f.Add(uint8(2), []byte(`{"model":"m","query":"q","documents":["a",{"text":"b"}],"top_n":1}`))
	f.Add(uint8(0), []byte(`{"id":"x","embeddings":{"float":[[1,2]]},"meta":{"billed_units":{"input_tokens":1}}}`))
	f.Add(uint8(1), []byte(`{"data":[{"index":0,"embedding":"AAAAAA=="}],"usage":{"total_tokens":3}}`))
	f.Add(uint8(2), []byte(`{"results":[{"index":0,"relevance_score":0.5,"document":{"text":"a"}}]}`))
	f.Fuzz(func(t *testing.T, n uint8, body []byte) {
		s := shapes[int(n)%len(shapes)]
		if e, fault := s.ReadEmbed(body); fault == nil {
			if again, fault := s.ReadEmbed(s.AppendEmbed(nil, e)); fault != nil || len(again.Inputs) != len(e.Inputs) {
				t.Errorf("%s becomes %s: %v", body, s.AppendEmbed(nil, e), fault)
			}
		}
		if r, fault := s.ReadRerank(body); fault == nil {
			if again, fault := s.ReadRerank(s.AppendRerank(nil, r)); fault != nil || len(again.Documents) != len(r.Documents) {
				t.Errorf("%s becomes %s: %v", body, s.AppendRerank(nil, r), fault)
			}
		}
		if a, fault := s.ReadEmbedded(body); fault == nil && !json.Valid(s.AppendEmbedded(nil, a, &llm.Embed{})) {
			t.Errorf("the answer %s is written as no JSON", body)
		}
		if a, fault := s.ReadRanked(body); fault == nil && !json.Valid(s.AppendRanked(nil, a, &llm.Rerank{})) {
			t.Errorf("the answer %s is written as no JSON", body)
		}
		if rq, fault := s.ParseRequest(llm.OpRerank, body); fault == nil && !wire.Valid(rq.AppendUpstream(nil, body, &wire.Change{Model: "other", Drop: []string{"x"}})) {
			t.Errorf("the request %s is forwarded as no JSON", body)
		}
		_, _ = s.Scan(llm.OpEmbedding, body)
		_ = s.ClassifyError(400, nil, body, time.Time{})
	})
}

// TestBodiesThatAreNone checks that what is wrong with a body as a whole is said in plain words.
func TestBodiesThatAreNone(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{``: "is empty", `[1]`: "must be a JSON object", `{`: "is not valid JSON"} {
		if _, e := cohere.Jina.ParseRequest(llm.OpRerank, []byte(body)); e == nil || e.Kind != llm.KindBadRequest || !strings.Contains(e.Message, want) {
			t.Errorf("%q: error %v, want %q", body, e, want)
		}
	}
}
