package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/internal/dialect"
	"sluice/internal/gateway"
	"sluice/internal/llm"
)

// TestBatchOfEmbeddingsAtVertex sends a Gemini client's batch to a target that takes one input at a time: each goes in the form for
// one, and the answer has the form for many.
func TestBatchOfEmbeddingsAtVertex(t *testing.T) {
	t.Parallel()
	s := steps(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, ":embedContent") {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		whole(`{"embedding":{"values":[0.5,1]}}`)(w, r)
	})
	onRoad(t, options{providers: []provider{{name: "p", api: "vertex", answer: s}}}, func(rd *road) {
		const body = `{"requests":[{"model":"models/p/m","content":{"parts":[{"text":"a"}]}},{"model":"models/p/m","content":{"parts":[{"text":"b"}]}}]}`
		rq, e := dialect.Of(llm.Gemini).Parse(llm.OpEmbedding, []byte(body))
		if e != nil {
			t.Fatal(e)
		}
		rq.Fields().Model = "p/m"
		rd.mu.Lock()
		rd.calls["call-0"] = true
		rd.mu.Unlock()
		now := time.Now()
		x := &gateway.Exchange{Body: []byte(body), Request: rq, Header: http.Header{}, Checked: now, Key: rd.key(""), Path: ":batchEmbedContents"}
		x.Call = llm.Call{ID: "call-0", Op: llm.OpEmbedding, Front: llm.Gemini, Start: now, Model: "p/m", Choices: 1, InputTokens: 2}
		w := rd.do(rd.t.Context(), x)
		if w.err != nil || w.status != 200 {
			t.Fatalf("status %d, error %v", w.status, w.err)
		}
		if n := strings.Count(w.body.String(), `"values":[0.5,1]`); n != 2 || !strings.Contains(w.body.String(), `"embeddings":[`) {
			t.Errorf("client got %s", w.body.String())
		}
		for _, rq := range s.got() {
			if strings.Contains(rq.body, "requests") || !strings.Contains(rq.body, `"content"`) {
				t.Errorf("the provider was sent %s", rq.body)
			}
		}
	})
}
