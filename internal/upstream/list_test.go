package upstream_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/upstream"
)

func TestReadList(t *testing.T) {
	t.Parallel()
	f := func(body string, want ...string) {
		t.Helper()
		got, err := upstream.ReadList([]byte(body))
		if err != nil || cmp.Diff(want, got) != "" {
			t.Errorf("%s: %v, %v, want %v", body, got, err, want)
		}
	}
	f(`{"object":"list","data":[{"id":"a","created":1},{"id":""},{"id":"b"}]}`, "a", "b")
	f(`{"models":[{"name":"models/gemini-x","displayName":"X"},{"name":"command-a"}],"next_page_token":"t"}`, "gemini-x", "command-a")
	f(" \n"+`[{"id":"meta/llama","type":"chat"}]`, "meta/llama")
	f(`{}`)
	for _, bad := range []string{"", "<html>", `{"data":7}`, "[1]"} {
		if got, err := upstream.ReadList([]byte(bad)); err == nil {
			t.Errorf("%q: %v", bad, got)
		}
	}
}

// TestListRequest holds where lists are: below the base, with Azure's version, and none where what is listed cannot be called.
func TestListRequest(t *testing.T) {
	t.Parallel()
	f := func(kind, want string) {
		t.Helper()
		rq, ok := open(t, keyed(upstream.Provider{API: kind, BaseURL: "http://h", Region: "r"})).ListRequest()
		got := ""
		if ok {
			got = rq.Method + " " + rq.Path + "?" + rq.Query
		}
		if got != want {
			t.Errorf("%s: %q, want %q", kind, got, want)
		}
	}
	f("openai", "GET /models?")
	f("anthropic", "GET /models?limit=1000")
	f("gemini", "GET /models?pageSize=1000")
	f("cohere", "GET /v1/models?page_size=1000")
	for _, kind := range []string{"azure", "vertex", "bedrock", "voyage", "jina"} {
		f(kind, "")
	}
}
