package ingress

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/auth"
	"sluice/internal/file"
	"sluice/internal/llm"
	"sluice/internal/store"
)

// shelf is a server that keeps files.
type shelf struct {
	*Server
	t     *testing.T
	calls *calls
	store *store.Store
}

func newShelf(t *testing.T, change func(*Config)) *shelf {
	t.Helper()
	s, err := store.Open(t.Context(), "", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	c := &calls{}
	sh := &shelf{t: t, calls: c, store: s, Server: server(t, c, change, team(), auth.KeyConfig{Name: "team-b", Key: llm.NewSecret(keyB)})}
	sh.files = s
	return sh
}

// ask sends a request as team-a.
func (sh *shelf) ask(method, path, body string, header ...string) *httptest.ResponseRecorder {
	sh.t.Helper()
	return ask(sh.t, sh, method, path, body, append([]string{"Authorization", "Bearer " + keyA}, header...)...)
}

// formOf returns a form of fields, given as names and values in turn, and its content type. file is a part with a name and a type, as
// SDKs send it.
func formOf(t testing.TB, fields ...string) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	mw := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		h := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="` + fields[i] + `"`}}
		if name, ok := strings.CutPrefix(fields[i], "file:"); ok {
			h.Set("Content-Disposition", `form-data; name="file"; filename="`+strings.ReplaceAll(name, `"`, `\"`)+`"`)
			h.Set("Content-Type", "application/octet-stream")
		}
		w, err := mw.CreatePart(h)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(w, fields[i+1]) // to memory
	}
	if err := mw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), mw.FormDataContentType()
}

// upload sends a form as team-a.
func (sh *shelf) upload(fields ...string) *httptest.ResponseRecorder {
	sh.t.Helper()
	body, kind := formOf(sh.t, fields...)
	return sh.ask(http.MethodPost, "/v1/files", body, "Content-Type", kind)
}

// keep uploads a file and returns its id.
func (sh *shelf) keep(name, data string) string {
	sh.t.Helper()
	w := sh.upload("purpose", "user_data", "file:"+name, data)
	var f fileJSON
	if err := json.Unmarshal(w.Body.Bytes(), &f); err != nil || w.Code != http.StatusOK || !file.IsID(f.ID) {
		sh.t.Fatalf("upload: %d %s", w.Code, w.Body)
	}
	return f.ID
}

// empty checks that nothing is kept for anybody.
func (sh *shelf) empty(what string) {
	sh.t.Helper()
	for _, key := range []string{"team-a", "team-b", ""} {
		if all, _, err := sh.store.Files(sh.t.Context(), key, file.Page{Limit: 1}, time.Now()); err != nil || len(all) > 0 {
			sh.t.Errorf("%s: files of %q are left: %v, %v", what, key, all, err)
		}
	}
	if n, err := sh.store.CleanFiles(sh.t.Context(), time.Now().Add(24*time.Hour)); err != nil || n > 0 {
		sh.t.Errorf("%s: %d uploads are left, %v", what, n, err)
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	sh := newShelf(t, nil)
	data := "%PDF-1.7 \x00\xff\r\n--no boundary\r\n" + strings.Repeat("x", 300<<10)
	began := time.Now().Unix()
	w := sh.upload("file:a report.pdf", data, "purpose", "user_data", "expires_after[anchor]", "created_at", "expires_after[seconds]", "3600", "other", "ignored")
	want(t, "upload", w, http.StatusOK, "")
	var f fileJSON
	if err := json.Unmarshal(w.Body.Bytes(), &f); err != nil {
		t.Fatal(err)
	}
	if f.CreatedAt < began || f.ExpiresAt != f.CreatedAt+3600 || !file.IsID(f.ID) {
		t.Errorf("got %s", w.Body)
	}
	wanted := fileJSON{ID: f.ID, Object: "file", Bytes: int64(len(data)), CreatedAt: f.CreatedAt, ExpiresAt: f.ExpiresAt, Filename: "a report.pdf", Purpose: "user_data", Status: "processed"}
	if d := cmp.Diff(wanted, f); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got := sh.ask(http.MethodGet, "/v1/files/"+f.ID, ""); got.Body.String() != w.Body.String() {
		t.Errorf("read %s, uploaded %s", got.Body, w.Body)
	}
	content := sh.ask(http.MethodGet, "/files/"+f.ID+"/content", "") // the version may be missing
	if content.Body.String() != data || content.Code != http.StatusOK {
		t.Errorf("content: %d, %d bytes of %d", content.Code, content.Body.Len(), len(data))
	}
	for name, value := range map[string]string{
		"Content-Type": "application/pdf", "Content-Length": fmt.Sprint(len(data)), "Content-Disposition": `attachment; filename="a report.pdf"`,
		"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox",
	} {
		if got := content.Header().Get(name); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	if got, deleted := sh.ask(http.MethodDelete, "/v1/files/"+f.ID, ""), `{"id":"`+f.ID+`","object":"file","deleted":true}`; got.Body.String() != deleted {
		t.Errorf("deleted: %s", got.Body)
	}
	for _, path := range []string{"/v1/files/" + f.ID, "/v1/files/" + f.ID + "/content"} {
		want(t, path, sh.ask(http.MethodGet, path, ""), http.StatusNotFound, "file_not_found", f.ID, "/p/{provider}/v1/files")
	}
	want(t, "again", sh.ask(http.MethodDelete, "/v1/files/"+f.ID, ""), http.StatusNotFound, "file_not_found")
	sh.empty("deleted")
}

func TestFileList(t *testing.T) {
	t.Parallel()
	sh := newShelf(t, nil)
	var ids []string
	for i := range 3 {
		w := sh.upload("purpose", []string{"batch", "vision"}[i%2], "file:"+fmt.Sprint(i), "x")
		var f fileJSON
		if err := json.Unmarshal(w.Body.Bytes(), &f); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, f.ID)
	}
	sorted := slices.Clone(ids)
	f := func(query string, more bool, picked ...int) {
		t.Helper()
		w := sh.ask(http.MethodGet, "/v1/files"+query, "")
		var list fileListJSON
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", query, w.Code, w.Body)
		}
		got, wanted := []string{}, []string{}
		for i := range list.Data {
			got = append(got, list.Data[i].ID)
		}
		for _, i := range picked {
			wanted = append(wanted, sorted[i])
		}
		if d := cmp.Diff(wanted, got); d != "" || list.HasMore != more || list.Object != "list" {
			t.Errorf("%s: %s (-want +got):\n%s", query, w.Body, d)
		}
		if len(got) > 0 && (*list.FirstID != got[0] || *list.LastID != got[len(got)-1]) {
			t.Errorf("%s: first and last of %s", query, w.Body)
		}
	}
	slices.Sort(sorted) // those of one millisecond are in no order
	f("", false, 2, 1, 0)
	f("?limit=2", true, 2, 1)
	f("?limit=2&after="+sorted[1], false, 0)
	f("?order=asc&limit=1", true, 0)
	f("?order=asc&after="+sorted[0], false, 1, 2)
	f("?purpose=evals", false)
	if w := sh.ask(http.MethodGet, "/v1/files?purpose=vision", ""); !strings.Contains(w.Body.String(), ids[1]) || strings.Contains(w.Body.String(), ids[0]) {
		t.Errorf("by purpose: %s", w.Body)
	}
	if w := sh.ask(http.MethodGet, "/v1/files?purpose=evals", ""); w.Body.String() != `{"object":"list","data":[],"first_id":null,"last_id":null,"has_more":false}` {
		t.Errorf("no files: %s", w.Body)
	}
	for query, param := range map[string]string{"limit=0": "limit", "limit=10001": "limit", "limit=x": "limit", "order=up": "order", "after=file-abc": "after"} {
		w := sh.ask(http.MethodGet, "/v1/files?"+query, "")
		want(t, query, w, http.StatusBadRequest, "invalid_request", param)
		if e := readError(t, w); e.Error.Param == nil || *e.Error.Param != param {
			t.Errorf("%s: %s", query, w.Body)
		}
	}
}

// TestFilesOfOthers: one key neither sees nor touches another's files, and what is no file of ours is told where it may be.
func TestFilesOfOthers(t *testing.T) {
	t.Parallel()
	sh := newShelf(t, nil)
	mine := sh.keep("a.txt", "secret")
	other := []string{"Authorization", "Bearer " + keyB}
	for _, id := range []string{mine, "file-abc123", "file_011CNha8iCJcU1wXNR6q4V8w", "file-01KAH000000000000000000000"} {
		for _, rq := range [][2]string{{http.MethodGet, ""}, {http.MethodGet, "/content"}, {http.MethodDelete, ""}} {
			w := ask(t, sh, rq[0], "/v1/files/"+id+rq[1], "", other...)
			want(t, rq[0]+id+rq[1], w, http.StatusNotFound, "file_not_found", id, "/p/{provider}/v1/files")
		}
	}
	if w := ask(t, sh, http.MethodGet, "/v1/files", "", other...); strings.Contains(w.Body.String(), mine) || w.Code != http.StatusOK {
		t.Errorf("listed for another: %s", w.Body)
	}
	w := ask(t, sh, http.MethodPost, "/v1/chat/completions", `{"model":"smart","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"`+mine+`"}}]}]}`, other...)
	if got := sh.calls.got[0]; w.Code != http.StatusOK || !bytes.Contains(got.Body, []byte(mine)) || bytes.Contains(got.Body, []byte("c2VjcmV0")) {
		t.Errorf("another's call has it: %s", got.Body)
	}
	for _, rq := range [][2]string{{http.MethodGet, "/v1/files"}, {http.MethodPost, "/v1/files"}, {http.MethodGet, "/v1/files/" + mine}, {http.MethodDelete, "/v1/files/" + mine}, {http.MethodGet, "/v1/files/" + mine + "/content"}} {
		want(t, "without a key", ask(t, sh, rq[0], rq[1], ""), http.StatusUnauthorized, "invalid_api_key")
	}
	want(t, "method", sh.ask(http.MethodPut, "/v1/files", ""), http.StatusMethodNotAllowed, "method_not_allowed", "GET, POST")
	want(t, "method", sh.ask(http.MethodPost, "/v1/files/"+mine, ""), http.StatusMethodNotAllowed, "method_not_allowed", "GET, DELETE")
	want(t, "method", sh.ask(http.MethodDelete, "/v1/files/"+mine+"/content", ""), http.StatusMethodNotAllowed, "method_not_allowed", "GET")
	want(t, "path", sh.ask(http.MethodGet, "/v1/files/"+mine+"/rows", ""), http.StatusNotFound, "unknown_path", "/v1/files")
	want(t, "path", sh.ask(http.MethodGet, "/v1/filesystem", ""), http.StatusNotFound, "unknown_path")
}

func TestRefusedUploads(t *testing.T) {
	t.Parallel()
	sh := newShelf(t, func(c *Config) { c.Files.MaxFile, c.Files.MaxBytes = 2<<20, 3<<20 })
	f := func(status int, code, param, says string, fields ...string) {
		t.Helper()
		w := sh.upload(fields...)
		want(t, says, w, status, code, says)
		if e := readError(t, w); param != "" && (e.Error.Param == nil || *e.Error.Param != param) {
			t.Errorf("%s: %s does not name %s", says, w.Body, param)
		}
		sh.empty(says)
	}
	bad := func(param, says string, fields ...string) {
		t.Helper()
		f(http.StatusBadRequest, "invalid_request", param, says, fields...)
	}
	bad("purpose", "purpose is missing", "file:a", "x")
	bad("purpose", "assistants, batch, fine-tune, vision, user_data, evals", "file:a", "x", "purpose", "fun")
	bad("purpose", "there twice", "purpose", "batch", "purpose", "batch", "file:a", "x")
	bad("purpose", "over 1024 bytes", "purpose", strings.Repeat("x", 1025), "file:a", "x")
	bad("file", "file is missing", "purpose", "batch")
	bad("file", "no filename", "purpose", "batch", "file", "x")
	bad("file", "there twice", "file:a", "x", "file:b", "x", "purpose", "batch")
	bad("file", "is empty", "file:a", "", "purpose", "batch")
	bad("file", "over 255 bytes", "file:"+strings.Repeat("n", 256), "x", "purpose", "batch")
	bad("expires_after", "both anchor and seconds", "file:a", "x", "purpose", "batch", "expires_after[seconds]", "3600")
	bad("expires_after[anchor]", "created_at", "file:a", "x", "purpose", "batch", "expires_after[seconds]", "3600", "expires_after[anchor]", "now")
	for _, n := range []string{"3599", "2592001", "x", ""} {
		bad("expires_after[seconds]", "from 3600 to 2592000", "file:a", "x", "purpose", "batch", "expires_after[seconds]", n, "expires_after[anchor]", "created_at")
	}
	var many []string
	for i := range maxFormParts {
		many = append(many, fmt.Sprint("x", i), "y")
	}
	bad("", "more than 32 parts", append(many, "file:a", "x")...)
	f(http.StatusRequestEntityTooLarge, "request_too_large", "file", "2097152 bytes (files.max_file)", "purpose", "batch", "file:a", strings.Repeat("x", 2<<20+1))
	f(http.StatusRequestEntityTooLarge, "request_too_large", "file", "files.max_file", "purpose", "batch", "file:a", "x", "junk", strings.Repeat("x", 3<<20))

	body, kind := formOf(t, "purpose", "batch", "file:a", strings.Repeat("x", 100<<10))
	raw := func(what string, status int, code, says, body string, header ...string) {
		t.Helper()
		want(t, what, sh.ask(http.MethodPost, "/v1/files", body, header...), status, code, says)
		sh.empty(what)
	}
	raw("JSON", http.StatusBadRequest, "invalid_request", "multipart/form-data", `{}`, "Content-Type", "application/json")
	raw("no boundary", http.StatusBadRequest, "invalid_request", "multipart/form-data", body, "Content-Type", "multipart/form-data")
	raw("cut off", http.StatusBadRequest, "invalid_request", "cannot be read", body[:50<<10], "Content-Type", kind)
	raw("no part", http.StatusBadRequest, "invalid_request", "cannot be read", "", "Content-Type", kind)
	sh.Drain()
	raw("draining", http.StatusServiceUnavailable, "draining", "shutting down", body, "Content-Type", kind)
}

// TestNoRoomForFiles: all keys' files together have a limit, and what is there stays.
func TestNoRoomForFiles(t *testing.T) {
	t.Parallel()
	sh := newShelf(t, func(c *Config) { c.Files.MaxBytes = 1 << 20 })
	first := sh.keep("a", strings.Repeat("x", 600<<10))
	body, kind := formOf(t, "purpose", "batch", "file:b", strings.Repeat("x", 600<<10))
	want(t, "full", ask(t, sh, http.MethodPost, "/v1/files", body, "Content-Type", kind, "Authorization", "Bearer "+keyB), http.StatusRequestEntityTooLarge, "request_too_large", "1048576 bytes (files.max_bytes)")
	want(t, "the first", sh.ask(http.MethodGet, "/v1/files/"+first, ""), http.StatusOK, "")
	want(t, "delete", sh.ask(http.MethodDelete, "/v1/files/"+first, ""), http.StatusOK, "")
	sh.keep("b", strings.Repeat("x", 600<<10))

	off := newShelf(t, func(c *Config) { c.Files.Retention = 0 })
	want(t, "off", off.upload("purpose", "batch", "file:b", "x"), http.StatusBadRequest, "invalid_request", "files.retention")
	none := server(t, &calls{}, nil)
	want(t, "no store", ask(t, none, http.MethodPost, "/v1/files", body, "Content-Type", kind), http.StatusBadRequest, "invalid_request", "keeps no files")
	want(t, "no store", ask(t, none, http.MethodGet, "/v1/files", ""), http.StatusOK, "")
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		want(t, "no store", ask(t, none, method, "/v1/files/"+first, ""), http.StatusNotFound, "file_not_found")
	}
}
