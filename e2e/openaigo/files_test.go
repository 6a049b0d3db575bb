package openaigo

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"sluice/e2e/harness"
)

// TestFiles has the client upload files, find them again, refer to one in a call, and delete them.
func TestFiles(t *testing.T) {
	c := &client{Stage: harness.StartStage(t)}
	c.Client = c.with(harness.Key)
	data := bytes.Repeat([]byte("%PDF-1.7 "), 50000)
	ids := map[string]bool{}
	var last *openai.FileObject
	for range 3 {
		f, err := c.Files.New(t.Context(), openai.FileNewParams{File: openai.File(bytes.NewReader(data), "report.pdf", "application/pdf"), Purpose: openai.FilePurposeUserData})
		if err != nil {
			t.Fatal(err)
		}
		if f.Bytes != int64(len(data)) || f.Filename != "report.pdf" || f.Purpose != "user_data" || f.Status != "processed" || f.ExpiresAt <= f.CreatedAt {
			t.Errorf("uploaded %s", f.RawJSON())
		}
		ids[f.ID], last = true, f
	}
	got, err := c.Files.Get(t.Context(), last.ID)
	if err != nil || got.RawJSON() != last.RawJSON() {
		t.Errorf("got %v, %v", got, err)
	}
	resp, err := c.Files.Content(t.Context(), last.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(b, data) {
		t.Errorf("%d bytes of %d, %v", len(b), len(data), err)
	}
	if _, h := c.ask(t, openai.ChatCompletionNewParams{Model: "smart", Messages: []openai.ChatCompletionMessageParamUnion{
		openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{
			openai.FileContentPart(openai.ChatCompletionContentPartFileFileParam{FileID: openai.String(last.ID)}), openai.TextContentPart(hello),
		}),
	}}); h.Get("X-Sluice-Target") == "" {
		t.Error("a call with a file has no target")
	}
	// Page by page, deleting what was seen.
	pages := c.Files.ListAutoPaging(t.Context(), openai.FileListParams{Limit: openai.Int(1), Order: openai.FileListParamsOrderAsc})
	for pages.Next() {
		id := pages.Current().ID
		if !ids[id] {
			t.Errorf("listed %s", id)
		}
		delete(ids, id)
		if d, err := c.Files.Delete(t.Context(), id); err != nil || !d.Deleted || d.ID != id {
			t.Errorf("deleted %v, %v", d, err)
		}
	}
	if err := pages.Err(); err != nil || len(ids) > 0 {
		t.Errorf("not listed: %v, %v", ids, err)
	}
	_, err = c.Files.Get(t.Context(), last.ID, option.WithMaxRetries(0))
	if e := apiError(t, err); e.StatusCode != http.StatusNotFound || e.Code != "file_not_found" {
		t.Errorf("after its deletion: %v", e)
	}
}
