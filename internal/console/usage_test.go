package console

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/ledger"
	"sluice/internal/llm"
)

func TestUsage(t *testing.T) {
	t.Parallel()
	o := options(t)
	var asked UsageQuery
	o.Usage = func(_ context.Context, q UsageQuery) ([]Usage, bool, error) {
		asked = q
		return []Usage{
			{Name: "dear", Calls: 3, Errors: 1, Unpriced: 1, CostNanoUSD: 1_500_000, Tokens: Tokens{Input: 10, CachedInput: 4, Output: 7}},
			{Name: "unknown", Calls: 2, Unpriced: 2, Tokens: Tokens{Input: 5}},
			{Name: "free", Calls: 1, Estimated: 1, Tokens: Tokens{Output: 5}},
		}, true, nil
	}
	w := send(t, New(o), http.MethodGet, "/admin/v1/usage?by=model&from=2026-11-01&to=2026-11-02T12:00:00%2B02:00", nil)
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	wantAsked := UsageQuery{
		By: "model", From: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC),
	}
	if asked.By != wantAsked.By || !asked.From.Equal(wantAsked.From) || !asked.To.Equal(wantAsked.To) {
		t.Errorf("asked for %+v, want %+v", asked, wantAsked)
	}
	var got, want any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	err := json.Unmarshal([]byte(`{"by": "model", "from": "2026-11-01T00:00:00Z", "to": "2026-11-02T10:00:00Z", "more": true, "usage": [
		{"name": "dear", "calls": 3, "errors": 1, "estimated_calls": 0, "unpriced_calls": 1, "cost_usd": "0.0015",
		 "tokens": {"input": 10, "cached_input": 4, "cache_write": 0, "output": 7, "reasoning": 0}},
		{"name": "unknown", "calls": 2, "errors": 0, "estimated_calls": 0, "unpriced_calls": 2, "cost_usd": null,
		 "tokens": {"input": 5, "cached_input": 0, "cache_write": 0, "output": 0, "reasoning": 0}},
		{"name": "free", "calls": 1, "errors": 0, "estimated_calls": 1, "unpriced_calls": 0, "cost_usd": "0",
		 "tokens": {"input": 0, "cached_input": 0, "cache_write": 0, "output": 5, "reasoning": 0}}]}`), &want)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("answer differs (-want +got):\n%s", d)
	}
}

func TestUsageDefaults(t *testing.T) {
	t.Parallel()
	o := options(t)
	var asked UsageQuery
	o.Usage = func(_ context.Context, q UsageQuery) ([]Usage, bool, error) { asked = q; return nil, false, nil }
	w := send(t, New(o), http.MethodGet, "/admin/v1/usage", nil)
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"usage": []`) {
		t.Errorf("without calls: %d %s", w.Code, w.Body)
	}
	if asked.By != "key" || asked.To.Sub(asked.From) != 24*time.Hour || time.Since(asked.To) > time.Minute {
		t.Errorf("asked for %+v, want the last day by key", asked)
	}
	send(t, New(o), http.MethodGet, "/admin/v1/usage?from=7d", nil)
	if d := asked.To.Sub(asked.From); d < 167*time.Hour || d > 169*time.Hour {
		t.Errorf("from=7d asks for %v", d)
	}
}

func TestBadParameters(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.Usage = func(context.Context, UsageQuery) ([]Usage, bool, error) {
		t.Error("usage asked")
		return nil, false, nil
	}
	o.Calls = func(context.Context, CallsQuery) ([]ledger.Row, Place, error) {
		t.Error("calls asked")
		return nil, Place{}, nil
	}
	c := New(o)
	f := func(path, want string) {
		t.Helper()
		w := send(t, c, http.MethodGet, "/admin/v1/"+path, nil)
		if w.Code != http.StatusBadRequest || code(t, w) != "bad_request" || !strings.Contains(w.Body.String(), want) {
			t.Errorf("GET %s = %d %s, want 400 with %q", path, w.Code, w.Body, want)
		}
	}
	f("usage?by=user", "by must be one of key, model, target, provider, tag, none")
	f("usage?by=", "by has no value")
	f("usage?from=yesterday", "from must be a time such as")
	f("usage?from=-24h", "from must be a time such as")
	f("usage?from=0001-01-01", "from is out of range")
	f("usage?from=2000000h", "from is out of range")
	f("usage?from=1h&to=2h", "from must be before to")
	f("usage?since=1h", `\"since\" is not a parameter; there are by, from, to`)
	f("usage?by=key&by=model", "by is given more than once")
	f("usage?by=x&from=y", "by must be one of key, model, target, provider, tag, none; from must be")
	f("calls?limit=0", "limit must be a number from 1 to 1000")
	f("calls?limit=1001", "limit must be")
	f("calls?limit=ten", "limit must be")
	f("calls?cursor=x", "cursor must be the next of an answer")
	f("calls?cursor=MTIz", "cursor must be")
	f("calls?code=nonsense", "code is not a code")
	f("calls?failed=yes", "failed must be true or false")
	f("calls?from=2026-11-02&to=2026-11-01", "from must be before to")
	f("calls?by=key", "is not a parameter")
}

func TestCallsPages(t *testing.T) {
	t.Parallel()
	o := options(t)
	at := time.UnixMicro(1_790_000_000_123_456)
	var asked CallsQuery
	o.Calls = func(_ context.Context, q CallsQuery) ([]ledger.Row, Place, error) {
		asked = q
		if q.After != (Place{}) {
			return nil, Place{}, nil
		}
		return []ledger.Row{
			{
				ID: "req.2", Time: at, Key: "team", Op: "chat", Model: "smart", Target: "a/b", Status: 200, Priced: true, CostNanoUSD: 42,
				Usage: llm.Usage{Input: 3, Output: 4}, Total: 1500 * time.Millisecond, Tags: []string{"x"},
			},
			{ID: "req.1", Time: at, Op: "chat", Model: "smart", Status: 429, Code: "rate_limited", Cause: "provider"},
		}, Place{Time: at, ID: "req.1"}, nil
	}
	c := New(o)
	w := send(t, c, http.MethodGet, "/admin/v1/calls?limit=2&key=team&model=smart&tag=x&failed=true&from=2026-01-01&code="+llm.KindRateLimited.Code(), nil)
	var got struct {
		Calls []map[string]any
		Next  string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	want := CallsQuery{
		Key: "team", Model: "smart", Tag: "x", Failed: true, Code: llm.KindRateLimited.Code(), Limit: 2,
		From: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	if d := cmp.Diff(want, asked); d != "" {
		t.Errorf("asked (-want +got):\n%s", d)
	}
	if len(got.Calls) != 2 || got.Calls[0]["cost_usd"] != "0.000000042" || got.Calls[0]["total_seconds"] != 1.5 ||
		got.Calls[0]["id"] != "req.2" || got.Calls[0]["tokens"].(map[string]any)["output"] != 4.0 {
		t.Errorf("calls are %v", got.Calls)
	}
	if cost, there := got.Calls[1]["cost_usd"]; !there || cost != nil || got.Calls[1]["code"] != "rate_limited" {
		t.Errorf("an unpriced call is %v", got.Calls[1])
	}
	w = send(t, c, http.MethodGet, "/admin/v1/calls?cursor="+url.QueryEscape(got.Next), nil)
	if asked.After.ID != "req.1" || !asked.After.Time.Equal(at) || asked.Limit != 100 {
		t.Errorf("the second page asks for %+v", asked)
	}
	if body := w.Body.String(); !strings.Contains(body, `"calls": []`) || strings.Contains(body, "next") {
		t.Errorf("the last page is %s", body)
	}
}

func TestLedgerAway(t *testing.T) {
	t.Parallel()
	o := options(t)
	var log strings.Builder
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	o.Usage = func(context.Context, UsageQuery) ([]Usage, bool, error) {
		return nil, false, errors.New("host db-7 away")
	}
	o.Calls = func(context.Context, CallsQuery) ([]ledger.Row, Place, error) {
		return nil, Place{}, errors.New("host db-7 away")
	}
	for _, path := range []string{"/admin/v1/usage", "/admin/v1/calls"} {
		w := send(t, New(o), http.MethodGet, path, nil)
		if w.Code != http.StatusServiceUnavailable || code(t, w) != "store_unavailable" || strings.Contains(w.Body.String(), "db-7") {
			t.Errorf("%s = %d %s", path, w.Code, w.Body)
		}
	}
	if strings.Count(log.String(), "host db-7 away") != 2 {
		t.Errorf("log: %s", log.String())
	}
}

// FuzzParams checks that no query makes a panic, and that what is let through is what the store can take.
func FuzzParams(f *testing.F) {
	f.Add("by=key&from=24h&to=1h&limit=3&cursor=MTIzLng&code=rate_limited")
	f.Add("from=2026-11-01&cursor=")
	f.Add("from=99999d&from=1h")
	f.Fuzz(func(t *testing.T, query string) {
		v, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		p := newParams(v, "from", "to", "cursor", "limit")
		from, to := p.span(time.Now())
		at, n := p.cursor(), p.limit()
		if len(p.bad) > 0 {
			return
		}
		if !from.Before(to) || n < 1 || n > maxPage || (at != Place{}) != (v.Get("cursor") != "") {
			t.Errorf("%q: from %v, to %v, limit %d, cursor %v", query, from, to, n, at)
		}
		if back, ok := parseCursor(at.cursor()); at != (Place{}) && (!ok || back.ID != at.ID || !back.Time.Equal(at.Time)) {
			t.Errorf("cursor %v comes back as %v", at, back)
		}
	})
}
