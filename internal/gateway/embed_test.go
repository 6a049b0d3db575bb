package gateway_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/internal/admit"
	"sluice/internal/dialect"
	"sluice/internal/gateway"
	"sluice/internal/llm"
	"sluice/internal/model"
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
		w := rd.do(rd.t.Context(), rd.batch("a", "b"))
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

// batch returns a Gemini client's call for the embeddings of some texts.
func (rd *road) batch(texts ...string) *gateway.Exchange {
	rd.t.Helper()
	var requests []string
	for _, text := range texts {
		requests = append(requests, fmt.Sprintf(`{"model":"models/p/m","content":{"parts":[{"text":%q}]}}`, text))
	}
	body := []byte(`{"requests":[` + strings.Join(requests, ",") + `]}`)
	rq, e := dialect.Of(llm.Gemini).Parse(llm.OpEmbedding, body)
	if e != nil {
		rd.t.Fatal(e)
	}
	rq.Fields().Model = "p/m"
	rd.mu.Lock()
	id := "call-" + strconv.Itoa(len(rd.calls))
	rd.calls[id] = true
	rd.mu.Unlock()
	now := time.Now()
	x := &gateway.Exchange{Body: body, Request: rq, Header: http.Header{}, Checked: now, Key: rd.key(""), Path: ":batchEmbedContents"}
	x.Call = llm.Call{ID: id, Op: llm.OpEmbedding, Front: llm.Gemini, Start: now, Model: "p/m", Choices: 1, InputTokens: model.EstimateTokens(rq.Fields().InputBytes)}
	return x
}

// TestPartsTellHowTheyWaited: a call that goes in parts tells the place and the wait of the part that waited longest.
func TestPartsTellHowTheyWaited(t *testing.T) {
	t.Parallel()
	s := steps(later(time.Second, whole(`{"embedding":{"values":[0.5,1]}}`)))
	f := func(texts int, position, ms string) {
		t.Helper()
		onRoad(t, options{providers: []provider{{name: "p", api: "vertex", answer: s, concurrency: 1}}}, func(rd *road) {
			w := rd.do(rd.t.Context(), rd.batch([]string{"a", "b", "c", "d"}[:texts]...))
			h := w.header
			if w.status != 200 || h.Get("X-Sluice-Parts") != strconv.Itoa(texts) || h.Get("X-Sluice-Queue-Position") != position || h.Get("X-Sluice-Queue-Ms") != ms {
				t.Errorf("%d texts: status %d, headers %v; want place %q after %s ms", texts, w.status, h, position, ms)
			}
		})
	}
	f(2, "", "1000") // nobody was before the one that waited
	f(3, "1", "2000")
	f(4, "2", "3000")
}

// TestPartsFitAQuotaThatTheWholeDoesNot: what is asked of a quota at a time is a part.
func TestPartsFitAQuotaThatTheWholeDoesNot(t *testing.T) {
	t.Parallel()
	f := func(text string, want llm.Kind, sent int) {
		t.Helper()
		s := steps(whole(`{"embedding":{"values":[0.5,1]}}`))
		o := options{providers: []provider{{name: "p", api: "vertex", answer: s}}}
		o.providers[0].quotas = minutely(60, 100)
		o.queue = func(c *admit.Config) { c.MaxWait = 10 * time.Minute }
		onRoad(t, o, func(rd *road) {
			w := rd.do(rd.t.Context(), rd.batch(text, text, text))
			kind := llm.KindNone
			if w.err != nil {
				kind = w.err.Kind
			}
			if kind != want || s.count() != sent {
				t.Errorf("ended with %v after %d requests, want %v after %d: %v", kind, s.count(), want, sent, w.err)
			}
		})
	}
	f(strings.Repeat("word ", 60), llm.KindNone, 3)
	f(strings.Repeat("word ", 200), llm.KindDeadline, 0)
}
