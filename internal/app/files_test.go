package app

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestFilesEndToEnd uploads a file, lists it, reads it, asks targets of two dialects about it in three, and deletes it: over
// connections, with the database on disk.
func TestFilesEndToEnd(t *testing.T) {
	t.Parallel()
	const content = "%PDF-1.7 not much of one"
	encoded := base64.StdEncoding.EncodeToString([]byte(content))
	openai := serveBackend(t, says(`{"id":"c","object":"chat.completion","created":1,"model":"gpt-9","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`))
	anthropic := serveBackend(t, says(`{"id":"m","type":"message","role":"assistant","model":"claude-9","content":[{"type":"text","text":"ok"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}`))
	g := start(t, "providers:\n"+provide("o", "openai", openai.URL+"/v1")+provide("a", "anthropic", anthropic.URL))

	form := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\n\r\n" + content +
		"\r\n--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nuser_data\r\n--b--\r\n"
	upload := g.request(t.Context(), "/files", strings.NewReader(form))
	upload.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	rp := g.do(upload)
	var f struct {
		ID    string
		Bytes int
	}
	if err := json.Unmarshal([]byte(rp.body), &f); err != nil || rp.status != http.StatusOK || f.Bytes != len(content) {
		t.Fatalf("upload: %d %s", rp.status, rp.body)
	}
	if rp := g.get("/v1/files"); rp.status != http.StatusOK || !strings.Contains(rp.body, f.ID) {
		t.Errorf("list: %d %s", rp.status, rp.body)
	}
	if rp := g.get("/v1/files/" + f.ID + "/content"); rp.body != content {
		t.Errorf("content: %d %q", rp.status, rp.body)
	}

	ask := func(b *backend, path, body string) {
		t.Helper()
		rp := g.post(path, strings.ReplaceAll(body, "ID", f.ID), "Anthropic-Version", "2023-06-01")
		if rp.status != http.StatusOK {
			t.Errorf("%s: %d %s", body, rp.status, rp.body)
			return
		}
		if got := b.took()[0].body; !strings.Contains(got, encoded) || strings.Contains(got, f.ID) {
			t.Errorf("%s: the provider was asked %s", body, got)
		}
	}
	for model, b := range map[string]*backend{"o/gpt-9": openai, "a/claude-9": anthropic} {
		ask(b, "/chat/completions", `{"model":"`+model+`","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"ID"}}]}]}`)
		ask(b, "/responses", `{"model":"`+model+`","input":[{"role":"user","content":[{"type":"input_file","file_id":"ID"}]}]}`)
		ask(b, "/messages", `{"model":"`+model+`","max_tokens":9,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"ID"}}]}]}`)
	}

	rq, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, g.url+"/files/"+f.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	if rp := g.do(rq); rp.status != http.StatusOK || !strings.Contains(rp.body, `"deleted":true`) {
		t.Errorf("delete: %d %s", rp.status, rp.body)
	}
	rp = g.post("/chat/completions", `{"model":"o/gpt-9","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"`+f.ID+`"}}]}]}`)
	if got := openai.took()[0].body; rp.status != http.StatusOK || !strings.Contains(got, f.ID) {
		t.Errorf("after that: %d, the provider was asked %s", rp.status, got)
	}
}

// do sends a request and reads the answer whole.
func (g *gate) do(rq *http.Request) reply {
	g.t.Helper()
	resp, err := g.client.Do(rq)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(b), err}
}
