package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// backend is a provider that keeps what it is asked and answers by answer.
type backend struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []asked // guarded by mu
	answer http.HandlerFunc
}

// asked is a request that a backend was sent.
type asked struct {
	method, path, query, body string
	header                    http.Header
}

// serveBackend starts a backend. answer may read the body again.
func serveBackend(t *testing.T, answer http.HandlerFunc) *backend {
	t.Helper()
	b := &backend{answer: answer}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // an upload that breaks off is what the test is about
		b.mu.Lock()
		b.asked = append(b.asked, asked{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, string(body), r.Header})
		b.mu.Unlock()
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		b.answer(w, r)
	}))
	t.Cleanup(b.Close)
	return b
}

// took returns what the backend was asked so far, and forgets it.
func (b *backend) took() []asked {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.asked
	b.asked = nil
	return all
}

// says returns a handler that answers with a JSON text.
func says(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	}
}

// provide returns the configuration of one account.
func provide(name, api, url string) string {
	return fmt.Sprintf("  %s: {api: %s, base_url: %s, api_key: sk-provider}\n", name, api, url)
}

// sameJSON compares two JSON texts by what they mean.
func sameJSON(t *testing.T, what, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Errorf("%s: %v: %.500s", what, err, got)
		return
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(w, g); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// TestEmbeddingsToEveryShape sends one request in OpenAI's form to providers of other forms.
func TestEmbeddingsToEveryShape(t *testing.T) {
	t.Parallel()
	f := func(api, path, want, answer string) {
		t.Helper()
		b := serveBackend(t, says(answer))
		g := start(t, "providers:\n"+provide("p", api, b.URL))
		rp := g.post("/embeddings", `{"model":"p/m","input":["a","b"],"dimensions":2,"encoding_format":"float","user":"u","input_type":"query"}`)
		if rp.status != 200 {
			t.Fatalf("%s: %d %s", api, rp.status, rp.body)
		}
		got := b.took()
		if len(got) != 1 || got[0].path != path {
			t.Fatalf("%s was asked %v", api, got)
		}
		sameJSON(t, api+" is asked", got[0].body, want)
		sameJSON(t, "the answer of "+api, rp.body, `{"object":"list","model":"m","usage":{"prompt_tokens":7,"total_tokens":7},"data":[
			{"object":"embedding","index":0,"embedding":[0.5,-1]},{"object":"embedding","index":1,"embedding":[0.25,2]}]}`)
		if row := g.row(rp); row.Usage.Input != 7 || row.Usage.Estimated {
			t.Errorf("%s: the ledger has %+v", api, row.Usage)
		}
		if auth := got[0].header.Get("Authorization"); auth != "Bearer sk-provider" {
			t.Errorf("%s is shown the credential %q", api, auth)
		}
	}
	f("cohere", "/v2/embed", `{"model":"m","texts":["a","b"],"input_type":"search_query","output_dimension":2,"embedding_types":["float"]}`,
		`{"id":"x","embeddings":{"float":[[0.5,-1],[0.25,2]]},"texts":["a","b"],"meta":{"api_version":{"version":"2"},"billed_units":{"input_tokens":7}}}`)
	f("voyage", "/embeddings", `{"model":"m","input":["a","b"],"input_type":"query","output_dimension":2}`,
		`{"object":"list","data":[{"object":"embedding","embedding":[0.25,2],"index":1},{"object":"embedding","embedding":"AAAAPwAAgL8=","index":0}],
		"model":"m","usage":{"total_tokens":7}}`)
	f("jina", "/embeddings", `{"model":"m","input":["a","b"],"task":"retrieval.query","dimensions":2}`,
		`{"model":"m","object":"list","usage":{"total_tokens":7,"prompt_tokens":7},
		"data":[{"object":"embedding","index":0,"embedding":[0.5,-1]},{"object":"embedding","index":1,"embedding":[0.25,2]}]}`)
}

// TestEmbeddingsPackedForClient has the vectors of a provider that gives numbers sent on as base64.
func TestEmbeddingsPackedForClient(t *testing.T) {
	t.Parallel()
	b := serveBackend(t, says(`{"embeddings":{"float":[[0.5,-1]]},"meta":{"billed_units":{"input_tokens":1}}}`))
	g := start(t, "providers:\n"+provide("p", "cohere", b.URL))
	rp := g.post("/embeddings", `{"model":"p/embed-v4.0","input":"a","encoding_format":"base64"}`)
	sameJSON(t, "the answer", rp.body, `{"object":"list","model":"embed-v4.0","usage":{"prompt_tokens":1,"total_tokens":1},
		"data":[{"object":"embedding","index":0,"embedding":"AAAAPwAAgL8="}]}`)
	rp = g.post("/embeddings", `{"model":"p/embed-v4.0","input":[[1,2]]}`)
	if rp.status != 400 || !strings.Contains(rp.body, "tokens") {
		t.Errorf("token arrays to Cohere: %d %s", rp.status, rp.body)
	}
}

// TestEmbeddingsGemini goes from OpenAI's form to Gemini's and back again.
func TestEmbeddingsGemini(t *testing.T) {
	t.Parallel()
	b := serveBackend(t, says(`{"embeddings":[{"values":[0.5,-1]},{"values":[0.25,2]}],"usageMetadata":{"promptTokenCount":7}}`))
	o := serveBackend(t, says(`{"object":"list","data":[{"index":0,"embedding":[0.5,-1]},{"index":1,"embedding":[0.25,2]}],"model":"m","usage":{"prompt_tokens":7,"total_tokens":7}}`))
	g := start(t, "providers:\n"+provide("p", "gemini", b.URL)+provide("o", "openai", o.URL))
	rp := g.post("/embeddings", `{"model":"p/gemini-embedding-001","input":["a","b"],"dimensions":2}`)
	sameJSON(t, "the answer", rp.body, `{"object":"list","model":"gemini-embedding-001","usage":{"prompt_tokens":7,"total_tokens":7},"data":[
		{"object":"embedding","index":0,"embedding":[0.5,-1]},{"object":"embedding","index":1,"embedding":[0.25,2]}]}`)
	got := b.took()[0]
	if !strings.HasSuffix(got.path, "/models/gemini-embedding-001:batchEmbedContents") {
		t.Errorf("Gemini was asked at %s", got.path)
	}
	sameJSON(t, "Gemini is asked", got.body, `{"requests":[
		{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"a"}]},"outputDimensionality":2},
		{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"b"}]},"outputDimensionality":2}]}`)

	g.url = strings.TrimSuffix(g.url, "/v1") + "/gemini/v1beta/models/"
	rp = g.post("o/m:batchEmbedContents", `{"requests":[{"model":"models/o/m","content":{"parts":[{"text":"a"}]}},{"model":"models/o/m","content":{"parts":[{"text":"b"}]}}]}`)
	sameJSON(t, "the answer", rp.body, `{"embeddings":[{"values":[0.5,-1]},{"values":[0.25,2]}],"usageMetadata":{"promptTokenCount":7,"totalTokenCount":7}}`)
	sameJSON(t, "the provider is asked", o.took()[0].body, `{"model":"m","input":["a","b"]}`)
	rp = g.post("o/gpt-4o:countTokens", `{"contents":[{"role":"user","parts":[{"text":"hello world"}]}]}`)
	if rp.status != 200 || !strings.HasPrefix(rp.body, `{"totalTokens":`) {
		t.Errorf("%d %s", rp.status, rp.body)
	}
}

// TestEmbeddingsGeminiSplit sends more than a batch of Gemini holds, in both clients' forms.
func TestEmbeddingsGeminiSplit(t *testing.T) {
	t.Parallel()
	b := serveBackend(t, func(w http.ResponseWriter, r *http.Request) {
		var rq struct {
			Requests []struct {
				Content struct{ Parts []struct{ Text string } }
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&rq); err != nil || len(rq.Requests) > 100 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		var list []string
		for _, one := range rq.Requests {
			list = append(list, `{"values":[`+one.Content.Parts[0].Text+`]}`)
		}
		says(`{"embeddings":[`+strings.Join(list, ",")+`]}`)(w, r)
	})
	g := start(t, "providers:\n"+provide("p", "gemini", b.URL))
	const n = 250
	rp := g.post("/embeddings", `{"model":"p/gemini-embedding-001","input":`+inputs(n)+`}`)
	var got struct {
		Data []struct{ Embedding []int }
	}
	if err := json.Unmarshal([]byte(rp.body), &got); err != nil || rp.header.Get("X-Sluice-Parts") != "3" || len(got.Data) != n {
		t.Fatalf("%d %v: %d embeddings in %q parts: %.300s", rp.status, err, len(got.Data), rp.header.Get("X-Sluice-Parts"), rp.body)
	}
	for i, d := range got.Data {
		if d.Embedding[0] != i {
			t.Fatalf("embedding %d is %v", i, d.Embedding)
		}
	}
	if row := g.row(rp); !row.Usage.Estimated || row.Usage.Input == 0 {
		t.Errorf("the row has %+v", row.Usage)
	}
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`{"model":"models/p/gemini-embedding-001","content":{"parts":[{"text":"%d"}]}}`, i))
	}
	g.url = strings.TrimSuffix(g.url, "/v1") + "/gemini/v1beta/models/"
	rp = g.post("p/gemini-embedding-001:batchEmbedContents", `{"requests":[`+strings.Join(list, ",")+`]}`)
	var own struct {
		Embeddings []struct{ Values []int }
	}
	if err := json.Unmarshal([]byte(rp.body), &own); err != nil || len(own.Embeddings) != n || own.Embeddings[n-1].Values[0] != n-1 {
		t.Errorf("%d %v: %.300s", rp.status, err, rp.body)
	}
}

// TestRerankToEveryShape sends one request of the common form to each provider that ranks.
func TestRerankToEveryShape(t *testing.T) {
	t.Parallel()
	f := func(api, path, want, answer string, extra string) {
		t.Helper()
		b := serveBackend(t, says(answer))
		g := start(t, "providers:\n"+provide("p", api, b.URL))
		rp := g.post("/rerank", `{"model":"p/m","query":"q","documents":["a",{"text":"b","id":7}],"top_n":1,"return_documents":true}`)
		if rp.status != 200 {
			t.Fatalf("%s: %d %s", api, rp.status, rp.body)
		}
		got := b.took()
		if len(got) != 1 || got[0].path != path {
			t.Fatalf("%s was asked %v", api, got)
		}
		sameJSON(t, api+" is asked", got[0].body, want)
		var answered map[string]json.RawMessage
		if err := json.Unmarshal([]byte(rp.body), &answered); err != nil {
			t.Fatal(err)
		}
		sameJSON(t, "the results of "+api, string(answered["results"]), `[{"index":1,"relevance_score":0.9,"document":{"text":"b","id":7}}]`)
		if !strings.Contains(rp.body, extra) {
			t.Errorf("the answer of %s has no %s: %s", api, extra, rp.body)
		}
	}
	f("cohere", "/v2/rerank", `{"model":"m","query":"q","documents":["a","b"],"top_n":1}`,
		`{"id":"x","results":[{"index":1,"relevance_score":0.9}],"meta":{"billed_units":{"search_units":1}}}`, `"search_units":1`)
	f("voyage", "/rerank", `{"model":"m","query":"q","documents":["a","b"],"top_k":1,"return_documents":true}`,
		`{"object":"list","data":[{"relevance_score":0.9,"index":1,"document":"b"}],"model":"m","usage":{"total_tokens":5}}`, `"total_tokens":5`)
	same := `{"model":"m","results":[{"index":1,"relevance_score":0.9,"document":{"text":"b","id":7}}],"usage":{"total_tokens":5}}`
	asIs := `{"model":"m","query":"q","documents":["a",{"text":"b","id":7}],"top_n":1,"return_documents":true}`
	f("jina", "/rerank", asIs, same, `"total_tokens":5`)
	f("vllm", "/rerank", asIs, same, `"total_tokens":5`)
}

// TestModerationDefaults routes a request that names no model.
func TestModerationDefaults(t *testing.T) {
	t.Parallel()
	b := serveBackend(t, says(`{"id":"modr-1","model":"omni-moderation-latest","results":[{"flagged":false}]}`))
	g := start(t, "providers:\n"+provide("p", "openai", b.URL+"/v1"))
	rp := g.post("/moderations", `{ "input":"hello" }`)
	if rp.status != 200 || !strings.Contains(rp.body, `"flagged":false`) {
		t.Fatalf("%d %s", rp.status, rp.body)
	}
	got := b.took()
	if got[0].path != "/v1/moderations" || got[0].body != `{"model":"omni-moderation-latest", "input":"hello" }` {
		t.Errorf("the provider was asked %+v", got[0])
	}
	if row := g.row(rp); row.Op != "moderation" {
		t.Errorf("the row is of %s", row.Op)
	}
}

// vectorsFor answers an embeddings request: input "n" has the vector [n].
func vectorsFor(w http.ResponseWriter, r *http.Request) {
	var rq struct {
		Input []string `json:"input"`
		Extra int      `json:"extra"`
	}
	if err := json.NewDecoder(r.Body).Decode(&rq); err != nil || rq.Extra != 3 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if len(rq.Input) > 2048 {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":{"message":"too many inputs","type":"invalid_request_error"}}`)
		return
	}
	var b strings.Builder
	b.WriteString(`{"object":"list","model":"text-embedding-3-small","data":[`)
	for i, in := range rq.Input {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"object":"embedding","index":%d,"embedding":[%s]}`, i, in)
	}
	fmt.Fprintf(&b, `],"usage":{"prompt_tokens":%d,"total_tokens":%d}}`, len(rq.Input), len(rq.Input))
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, b.String())
}

// inputs returns a list of n numbers as texts.
func inputs(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%q", fmt.Sprint(i))
	}
	return "[" + strings.Join(list, ",") + "]"
}

// TestEmbeddingsSplit sends more inputs than the model takes: it is asked in parts, and the client gets all in order.
func TestEmbeddingsSplit(t *testing.T) {
	t.Parallel()
	b := serveBackend(t, vectorsFor)
	g := start(t, "providers:\n"+provide("p", "openai", b.URL+"/v1"))
	const n = 5000
	rp := g.post("/embeddings", `{"model":"p/text-embedding-3-small","extra":3,"input":`+inputs(n)+`}`)
	if rp.status != 200 || rp.header.Get("X-Sluice-Parts") != "3" || rp.header.Get("X-Sluice-Attempts") != "3" {
		t.Fatalf("%d, parts %q, attempts %q: %.300s", rp.status, rp.header.Get("X-Sluice-Parts"), rp.header.Get("X-Sluice-Attempts"), rp.body)
	}
	var got struct {
		Data []struct {
			Index     int
			Embedding []int
		}
		Usage struct {
			Total int `json:"total_tokens"`
		}
	}
	if err := json.Unmarshal([]byte(rp.body), &got); err != nil || len(got.Data) != n || got.Usage.Total != n {
		t.Fatalf("%v: %d embeddings, usage %d", err, len(got.Data), got.Usage.Total)
	}
	for i, d := range got.Data {
		if d.Index != i || d.Embedding[0] != i {
			t.Fatalf("embedding %d has index %d and vector %v", i, d.Index, d.Embedding)
		}
	}
	if row := g.row(rp); row.Usage.Input != n || row.Attempts != 3 {
		t.Errorf("the row has %+v", row)
	}
}

// TestEmbeddingsSplitFails has one part refused: the call fails with that part's error, in one row.
func TestEmbeddingsSplitFails(t *testing.T) {
	t.Parallel()
	b := serveBackend(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), `"2048"`) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":{"message":"input[0] is bad","type":"invalid_request_error","param":"input[0]"}}`)
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		vectorsFor(w, r)
	})
	g := start(t, "providers:\n"+provide("p", "openai", b.URL+"/v1"))
	rp := g.post("/embeddings", `{"model":"p/text-embedding-3-small","extra":3,"input":`+inputs(2050)+`}`)
	if rp.status != 400 || !strings.Contains(rp.body, "inputs 2048 to 2049") || !strings.Contains(rp.body, "input[0] is bad") {
		t.Errorf("%d %s", rp.status, rp.body)
	}
	if row := g.row(rp); row.Code != "provider_rejected" {
		t.Errorf("the row has code %q", row.Code)
	}
}

// TestEmbeddingsTooLong refuses an input that the model's own vocabulary shows to be too long, before anything is sent.
func TestEmbeddingsTooLong(t *testing.T) {
	t.Parallel()
	b := serveBackend(t, vectorsFor)
	g := start(t, "providers:\n"+provide("p", "openai", b.URL+"/v1"))
	rp := g.post("/embeddings", `{"model":"p/text-embedding-3-small","input":["a","`+strings.Repeat("word ", 9000)+`"]}`)
	if rp.status != 400 || !strings.Contains(rp.body, "takes 8192") || !strings.Contains(rp.body, `"param":"input[1]"`) {
		t.Errorf("%d %s", rp.status, rp.body)
	}
	if asked := b.took(); len(asked) != 0 {
		t.Errorf("the provider was asked %d times", len(asked))
	}
}

// TestEmbeddingsSplitByTokens sends inputs that are few, and too many tokens in all.
func TestEmbeddingsSplitByTokens(t *testing.T) {
	t.Parallel()
	b := serveBackend(t, func(w http.ResponseWriter, r *http.Request) {
		var rq struct{ Input []string }
		_ = json.NewDecoder(r.Body).Decode(&rq)
		says(fmt.Sprintf(`{"data":[%s{"embedding":[1],"index":%d}],"usage":{"prompt_tokens":1}}`,
			indexes(len(rq.Input)-1), len(rq.Input)-1))(w, r)
	})
	g := start(t, "providers:\n"+provide("p", "openai", b.URL+"/v1"))
	list := make([]string, 80)
	for i := range list {
		list[i] = `"` + strings.Repeat("word ", 5000) + `"`
	}
	rp := g.post("/embeddings", `{"model":"p/text-embedding-3-small","input":[`+strings.Join(list, ",")+`]}`)
	if rp.status != 200 || rp.header.Get("X-Sluice-Parts") != "2" {
		t.Fatalf("%d, %q parts: %.300s", rp.status, rp.header.Get("X-Sluice-Parts"), rp.body)
	}
}

// indexes returns n embeddings in front of the last.
func indexes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"embedding":[1],"index":%d},`, i)
	}
	return b.String()
}

// TestCountTokensHere counts for a client whose model is at a provider that does not count in its words.
func TestCountTokensHere(t *testing.T) {
	t.Parallel()
	b := serveBackend(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) })
	g := start(t, "providers:\n"+provide("p", "openai", b.URL+"/v1"))
	f := func(model, estimate string) {
		t.Helper()
		rp := g.post("/messages/count_tokens", `{"model":"p/`+model+`","messages":[{"role":"user","content":"hello world"}]}`, "anthropic-version", "2023-06-01")
		if rp.status != 200 || !strings.HasPrefix(rp.body, `{"input_tokens":`) || rp.header.Get("X-Sluice-Estimate") != estimate {
			t.Errorf("%s: %d, estimate %q: %s", model, rp.status, rp.header.Get("X-Sluice-Estimate"), rp.body)
		}
		if row := g.row(rp); row.Usage.Total() != 0 || row.Attempts != 0 || row.Status != 200 {
			t.Errorf("%s: the row has %+v", model, row)
		}
	}
	f("gpt-4o", "")
	f("llama-3", "true")
	if n := len(b.took()); n != 0 {
		t.Errorf("the provider was asked %d times", n)
	}
}
