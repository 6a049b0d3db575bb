package dialect_test

import (
	"strings"
	"testing"

	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// TestBareError checks that an error which stands between the events of a stream, as Google sends it, is the stream's error for a
// client of another dialect, and that other comments are not.
func TestBareError(t *testing.T) {
	t.Parallel()
	f := func(text string, kind llm.Kind) {
		t.Helper()
		head := llm.Head{ID: "id"}
		tr := dialect.Translate(dialect.Of(llm.Gemini).NewReader(), dialect.Of(llm.Anthropic).NewWriter(&head), &dialect.TranslateOptions{Choices: 1})
		var r wire.Reader
		if _, err := r.Fill(strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		for {
			ev, ok, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				if ev, ok = r.Last(); !ok {
					break
				}
			}
			tr.Observe(&ev)
			if ev.Comment && kind != llm.KindNone {
				break
			}
		}
		if tr.Err == nil && kind != llm.KindNone || tr.Err != nil && tr.Err.Kind != kind {
			t.Errorf("%q: %v", text, tr.Err)
		}
	}
	chunk := `data: {"candidates":[{"content":{"parts":[{"text":"a"}]}}]}` + "\n\n"
	f(chunk+`{"error":{"code":503,"message":"x","status":"UNAVAILABLE"}}`+"\n\n", llm.KindOverloaded)
	f(chunk+": ping\n\n", llm.KindNone)
	f(chunk+"event: x\n\n", llm.KindNone)
}
