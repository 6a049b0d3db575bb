package ingress

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/file"
	"sluice/internal/llm"
	"sluice/internal/replay"
)

var updateGolden = flag.Bool("update", false, "write golden files")

// The files of golden bodies.
const (
	pdf  = "%PDF-1.7 \x00\xff"
	png  = "\x89PNG\r\n\x1a\n"
	text = "say \"hi\"\n\tto Zoë \x01\xff"
)

// TestExpand sends requests of each dialect that refer to files, and holds what goes on to golden bodies. A line of input is a path and
// a body, in which PDF, PNG, TXT and ODD are ids of files, and GONE is one that is not there.
func TestExpand(t *testing.T) {
	t.Parallel()
	sh := newShelf(t, nil)
	names := []string{
		"PDF", sh.keep("a \"b\".pdf", pdf), "PNG", sh.keep("pic", png), "TXT", sh.keep("notes.md", text), "ODD", sh.keep("x.bin", "\x00\x01\x02"),
		"GONE", "file-01KAH000000000000000000000",
	}
	ids := strings.NewReplacer(names...)
	slices.Reverse(names)
	back := strings.NewReplacer(names...)
	in, err := os.ReadFile(filepath.Join("testdata", "expand.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(in)) {
		line = strings.TrimSuffix(line, "\n")
		path, body, ok := strings.Cut(line, " ")
		if !ok || path == "#" {
			fmt.Fprintln(&out, line)
			continue
		}
		sent := ids.Replace(body)
		sh.calls.got = nil
		if w := sh.ask(http.MethodPost, path, sent, "Anthropic-Version", "2023-06-01"); w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", line, w.Code, w.Body)
			continue
		}
		got := string(sh.calls.got[0].Body)
		if !json.Valid([]byte(got)) {
			t.Errorf("%s\nis no JSON: %s", line, got)
		}
		if got == sent {
			got = "unchanged"
		}
		fmt.Fprintf(&out, "%s %s\n", path, back.Replace(got))
	}
	golden := filepath.Join("testdata", "expand.golden")
	if *updateGolden {
		if err := os.WriteFile(golden, []byte(out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wanted, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(wanted), "\n"), strings.Split(out.String(), "\n")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestExpandedCallsAreRead: what goes on is what targets of other dialects are told too.
func TestExpandedCallsAreRead(t *testing.T) {
	t.Parallel()
	sh := newShelf(t, nil)
	id := sh.keep("a.pdf", pdf)
	f := func(path, body string) {
		t.Helper()
		sh.calls.got = nil
		want(t, path, sh.ask(http.MethodPost, path, strings.ReplaceAll(body, "PDF", id)), http.StatusOK, "")
		x := sh.calls.got[0]
		codec := (&entry{front: x.Call.Front}).codec()
		chat, e := codec.ReadChat(x.Call.Op, x.Body)
		if e != nil {
			t.Fatal(e)
		}
		var found []llm.Part
		for _, m := range chat.Messages {
			for _, p := range m.Parts {
				if p.Kind == llm.PartFile {
					found = append(found, p)
				}
			}
		}
		if len(found) != 1 || found[0].MIME != "application/pdf" || found[0].Data != base64.StdEncoding.EncodeToString([]byte(pdf)) || found[0].FileID != "" {
			t.Errorf("%s: %+v", path, found)
		}
		if x.Call.InputTokens < 100 {
			t.Errorf("%s: %d tokens were reserved for a document", path, x.Call.InputTokens)
		}
	}
	f("/v1/chat/completions", `{"model":"smart","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"PDF"}}]}]}`)
	f("/v1/responses", `{"model":"smart","store":false,"input":[{"role":"user","content":[{"type":"input_file","file_id":"PDF"}]}]}`)
	f("/anthropic/v1/messages", `{"model":"smart","max_tokens":9,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"PDF"}}]}]}`)
	f("/anthropic/v1/messages/count_tokens", `{"model":"smart","messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"PDF"}}]}]}`)
}

func TestExpandLimits(t *testing.T) {
	t.Parallel()
	const limit = 64 << 10
	sh := newShelf(t, func(c *Config) { c.MaxBody = limit })
	small, big := sh.keep("a.pdf", strings.Repeat("x", 40<<10)), sh.keep("b.pdf", strings.Repeat("x", limit*3/4))
	escapes := sh.keep("c.txt", strings.Repeat("\x01", 20<<10)) // six times as long in JSON
	part := func(id string) string { return `{"type":"file","file":{"file_id":"` + id + `"}}` }
	chat := func(parts ...string) string {
		return `{"model":"smart","messages":[{"role":"user","content":[` + strings.Join(parts, ",") + `]}]}`
	}
	want(t, "one", sh.ask(http.MethodPost, "/v1/chat/completions", chat(part(small))), http.StatusOK, "")
	f := func(path, body, param string) {
		t.Helper()
		w := sh.ask(http.MethodPost, path, body)
		want(t, param, w, http.StatusRequestEntityTooLarge, "request_too_large", "65536 bytes (max_body)", param)
		if e := readError(t, w); e.Error.Param == nil || *e.Error.Param != param {
			t.Errorf("%s: %s", param, w.Body)
		}
	}
	f("/v1/chat/completions", chat(part(big)), "messages[0].content[0].file")
	f("/v1/chat/completions", chat(part(small), part(small)), "messages[0].content[1].file")
	w := sh.ask(http.MethodPost, "/anthropic/v1/messages", `{"model":"smart","max_tokens":9,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"`+escapes+`"}}]}]}`)
	if w.Code != http.StatusRequestEntityTooLarge || !strings.Contains(w.Body.String(), "messages[0].content[0].source") {
		t.Errorf("text: %d %s", w.Code, w.Body)
	}
	// A body may be as large as it says, and not a byte larger.
	fill := func(n int) string {
		return chat(part(small), `{"type":"text","text":"`+strings.Repeat("y", n)+`"}`)
	}
	sh.calls.got = nil
	want(t, "base", sh.ask(http.MethodPost, "/v1/chat/completions", fill(0)), http.StatusOK, "")
	room := limit - len(sh.calls.got[0].Body)
	want(t, "exact", sh.ask(http.MethodPost, "/v1/chat/completions", fill(room)), http.StatusOK, "")
	if n := len(sh.calls.got[1].Body); n != limit {
		t.Errorf("it has %d bytes", n)
	}
	f("/v1/chat/completions", fill(room+1), "messages[0].content[0].file")

	var many []string
	for i := range maxFileRefs + 1 {
		many = append(many, part(fmt.Sprintf("file-01KAH%021d", i)))
	}
	want(t, "at most", sh.ask(http.MethodPost, "/v1/chat/completions", chat(append(many[1:], many[1])...)), http.StatusOK, "")
	want(t, "too many", sh.ask(http.MethodPost, "/v1/chat/completions", chat(many...)), http.StatusBadRequest, "invalid_request", "more than 100 files", "content[100]")
}

// oneFile keeps one file, and says so for every key but "other".
type oneFile struct {
	files
	file file.File
	data []byte
}

func (o *oneFile) File(_ context.Context, key, id string, _ time.Time) (file.File, error) {
	if id != o.file.ID || key == "other" {
		return file.File{}, file.ErrNotFound
	}
	return o.file, nil
}

func (o *oneFile) FileChunk(_ context.Context, _ string, n int) ([]byte, error) {
	return o.data[n*file.ChunkSize : min((n+1)*file.ChunkSize, len(o.data))], nil
}

// FuzzExpand: whatever a body is, it does not get worse: JSON stays JSON, nothing outside of the objects that refer to a file changes,
// no reference to it stays, and who does not own the file gets the body as it was.
func FuzzExpand(f *testing.F) {
	const id = "file-01KAH000000000000000000000"
	for _, body := range []string{
		`{"messages":[{"content":[{"type":"file","file":{"file_id":"ID"}},{"type":"file","file":{ "filename" : null, "file_id":"ID", "x":1}}]}]}`,
		`{"messages":[{"content":[{"type":"file","file":{"file_id":"ID","file_id":"ID"}},{"type":"file","file":"ID"}, {"type":"file"}]},{"content":"ID"},7]}`,
		`{"input":[{"content":[{"type":"input_file","file_id":"ID"},{"type":"input_image","file_id":"ID","image_url":null}]},{"output":{"type":"computer_screenshot","file_id":"ID"}}]}`,
		`{"messages":[{"content":[{"type":"document","source":{"type":"file","file_id":"ID"}},{"type":"tool_result","content":[{"type":"image","source":{"file_id":"ID","type":"file"}}]}]}]}`,
		`{"messages":[{"content":[{"type":"document","source":{"type":"content","content":[{"type":"image","source":{"file_id":"ID","type":"file"}}]}}]}]}`,
		`{"messages":[{"content":[{"type":"file","file":{"file_id":"ID"}}`, `[]`, `"ID"`, `{"messages":{"ID":[]}}`,
	} {
		f.Add([]byte(strings.ReplaceAll(body, "ID", id)), []byte(text), "a.md", false)
		f.Add([]byte(strings.ReplaceAll(body, "ID", id)), []byte(pdf), "", true)
	}
	f.Fuzz(func(t *testing.T, body, data []byte, name string, binary bool) {
		if len(data) == 0 || len(data) > 1<<20 {
			return
		}
		kind := "text/markdown"
		if binary {
			kind = "application/pdf"
		}
		s := &Server{replays: replay.New(replay.Config{}), files: &oneFile{file: file.File{ID: id, Name: name, MIME: kind, Bytes: int64(len(data))}, data: data}}
		s.Update(Config{MaxBody: 64 << 20})
		for _, front := range []llm.Dialect{llm.OpenAI, llm.Responses, llm.Anthropic} {
			codec := (&entry{front: front}).codec()
			if same, e := s.expand(t.Context(), body, llm.OpChat, codec, "other"); e != nil || !bytes.Equal(same, body) {
				t.Fatalf("%v: another key's body became %q, %v", front, same, e)
			}
			out, e := s.expand(t.Context(), body, llm.OpChat, codec, "")
			if e != nil {
				t.Fatalf("%v: %v", front, e)
			}
			refs := codec.FileRefs(body)
			if json.Valid(body) && !json.Valid(out) {
				t.Fatalf("%v: %q became %q", front, body, out)
			}
			rest, from := out, 0
			for _, ref := range refs {
				if ref.ID != id {
					continue
				}
				before := body[from:ref.At.Start]
				form := ref.Form(name, kind)
				if !bytes.HasPrefix(rest, before) || !bytes.HasPrefix(rest[len(before):], form.Before) {
					t.Fatalf("%v: %q became %q", front, body, out)
				}
				rest = rest[len(before)+len(form.Before):]
				end := bytes.IndexByte(rest, '"') // base64 has none; text has escaped ones
				for form.Text && end > 0 && escaped(rest[:end]) {
					end += 1 + bytes.IndexByte(rest[end+1:], '"')
				}
				if !form.Text && string(rest[:end]) != base64.StdEncoding.EncodeToString(data) {
					t.Fatalf("%v: the data are %q", front, rest[:end])
				}
				rest, from = rest[end+len(form.After):], ref.At.End
			}
			if !bytes.Equal(rest, body[from:]) {
				t.Fatalf("%v: %q became %q", front, body, out)
			}
			for _, ref := range codec.FileRefs(out) {
				if ref.ID == id {
					t.Fatalf("%v: %q still refers to it", front, out)
				}
			}
		}
	})
}

// escaped reports whether what follows p in a JSON string is escaped.
func escaped(p []byte) bool { return (len(p)-len(bytes.TrimRight(p, `\`)))%2 == 1 }
