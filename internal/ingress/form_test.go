package ingress

import (
	"bytes"
	"io"
	"mime/multipart"
	"strings"
	"testing"
	"testing/iotest"

	"sluice/internal/llm"
)

// readForm reads a whole body through a form, and returns what a provider would get with another model.
func readForm(body io.Reader, boundary string) (f *form, got string, e *llm.Error) {
	f = newForm(boundary)
	if e := f.look(body); e != nil {
		return f, "", e
	}
	rest, err := io.ReadAll(f.rest(body))
	if err != nil {
		return f, "", readFault(err)
	}
	return f, string(f.head[:f.model.Start]) + "OTHER" + string(f.head[f.model.End:]) + string(rest), nil
}

// TestForm finds the model wherever it stands and however the body arrives, and changes nothing else.
func TestForm(t *testing.T) {
	t.Parallel()
	f := func(before, after string) {
		t.Helper()
		const field = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n"
		body := before + field + after + "--b--\r\n"
		want := before + strings.Replace(field, "whisper-1", "OTHER", 1) + after + "--b--\r\n"
		for _, r := range []io.Reader{strings.NewReader(body), iotest.OneByteReader(strings.NewReader(body)), iotest.DataErrReader(strings.NewReader(body))} {
			form, got, e := readForm(r, "b")
			if e != nil || form.name() != "whisper-1" || got != want {
				t.Fatalf("%q: model %q, %v\n got %q\nwant %q", body, form.name(), e, got, want)
			}
		}
	}
	const file = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"model\"\r\nContent-Type: audio/wav\r\n\r\n\r\n-\r\n--\r\n--c\r\nname=\"model\"\r\n"
	f("", "")
	f(file, "")
	f("", file)
	f("preamble\r\n", file+file)
	f("", "--b\r\nContent-Disposition: form-data; name=empty\r\n\r\n\r\n")

	refused := func(body, param, says string) {
		t.Helper()
		_, _, e := readForm(iotest.HalfReader(strings.NewReader(body)), "b")
		if e == nil || e.Kind != llm.KindBadRequest || e.Param != param || !strings.Contains(e.Message, says) {
			t.Errorf("%.80q: %v, want one about %q with %q", body, e, param, says)
		}
	}
	const model = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n"
	refused("", "model", "missing")
	refused(file+"--b--\r\n", "model", "missing")
	refused(model+"\r\n--b--\r\n", "model", "it must be a name")
	refused(model+"--b--\r\n", "model", "it must be a name")
	refused(model+strings.Repeat("x", 300)+"\r\n--b--", "model", "it must be a name")
	refused(model+"a\r\n"+model+"b\r\n--b--", "model", "twice")
	refused(model+"a\r\n--bad", "", "followed by")
	refused("--b\r\nContent-Type: a/b\r\n\r\nx\r\n"+model+"a\r\n--b--", "", "Content-Disposition")
	refused("--b\r\nContent-Disposition: form-data; name=a; name=model\r\n\r\nx\r\n"+model+"a\r\n--b--", "", "Content-Disposition")
	refused("--b\r\n"+strings.Repeat("x", 10<<10), "", "headers")
	refused(file+strings.Repeat("x", maxLookAhead), "model", "first 1 MiB")
}

// FuzzForm holds the form to what Go's own reader makes of a body: the same model, if that has one, and no second.
func FuzzForm(f *testing.F) {
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b--\r\n"))
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx\r\n--b\r\nContent-Disposition: form-data; name=model\r\n\r\nm\r\n--b--"))
	f.Add([]byte("x\r\n--b\r\n\r\n\r\n--b--"))
	f.Fuzz(func(t *testing.T, body []byte) {
		form, _, e := readForm(bytes.NewReader(body), "b")
		if e != nil {
			return
		}
		mr := multipart.NewReader(bytes.NewReader(body), "b")
		var models []string
		for {
			part, err := mr.NextRawPart()
			if err != nil {
				break
			}
			if part.FormName() == "model" {
				value, _ := io.ReadAll(part)
				models = append(models, string(value))
			}
		}
		if len(models) > 1 || len(models) == 1 && models[0] != form.name() {
			t.Errorf("%q: the form's model is %q, Go's reader has %q", body, form.name(), models)
		}
	})
}

func TestRawPath(t *testing.T) {
	t.Parallel()
	f := func(escaped, provider, path string) {
		t.Helper()
		p, rest, e := rawPath(escaped)
		if e != nil || p != provider || rest != path {
			t.Errorf("%s: %q %q %v", escaped, p, rest, e)
		}
	}
	f("/p/openai/files/a%20b", "openai", "/files/a%20b")
	f("/p/openai", "openai", "/")
	f("/p/a%62/x", "ab", "/x")
	for _, bad := range []string{"/p/", "/p//x", "/p/a/..", "/p/a/.%2e/b", "/p/a/x%2Fy", "/p/a/x%5cy", "/p/a/%2500", "/p/a/%00", "/p/a/b%0d%0a"} {
		if p, rest, e := rawPath(bad); e == nil {
			t.Errorf("%s is relayed as %q %q", bad, p, rest)
		}
	}
	model := func(path, want string) {
		t.Helper()
		if got := modelInPath(path); got != want {
			t.Errorf("%s names the model %q, want %q", path, got, want)
		}
	}
	model("/models/gemini-2.5-pro:generateContent", "gemini-2.5-pro")
	model("/openai/deployments/d/chat/completions", "d")
	model("/model/anthropic.claude%3A0/converse", "anthropic.claude:0")
	model("/models/gpt-4o", "")
	model("/files", "")
}

func TestWithModel(t *testing.T) {
	t.Parallel()
	f := func(body, want string) {
		t.Helper()
		if got := string(withModel([]byte(body))); got != want {
			t.Errorf("%s becomes %s, want %s", body, got, want)
		}
	}
	f(`{"input":"a"}`, `{"model":"omni-moderation-latest","input":"a"}`)
	f(` { } `, ` {"model":"omni-moderation-latest" } `)
	f(`{"model":"x","input":"a"}`, `{"model":"x","input":"a"}`)
	f(`{"MODEL":"x"}`, `{"MODEL":"x"}`)
	f(`[1]`, `[1]`)
	f(`{"input":`, `{"input":`)
}
