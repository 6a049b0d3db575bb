package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

// formOf writes a multipart form; names that begin with @ are files.
func formOf(t *testing.T, pairs ...string) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i+1 < len(pairs); i += 2 {
		name, file := strings.CutPrefix(pairs[i], "@")
		if !file {
			if err := w.WriteField(name, pairs[i+1]); err != nil {
				t.Fatal(err)
			}
			continue
		}
		p, err := w.CreateFormFile(name, "file.bin")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Write([]byte(pairs[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), w.FormDataContentType()
}

func TestEmbeddingsInEveryDialect(t *testing.T) {
	t.Parallel()
	s, c := start(t, quick())
	root := c.root()
	plain := root.do("POST", "/v1/embeddings", `{"model":"sim-embed","input":["red gate","blue gate"],"dimensions":8}`)
	want := gjson.Get(plain.body, "data.#.embedding").Array()
	if plain.status != 200 || len(want) != 2 || len(want[0].Array()) != 8 {
		t.Fatalf("OpenAI: %d %s", plain.status, plain.body)
	}
	f := func(name, path, body, first, second string) {
		t.Helper()
		a := root.do("POST", path, body)
		for i, p := range []string{first, second} {
			if p == "" {
				continue
			}
			got := gjson.Get(a.body, p).Array()
			if a.status != 200 || len(got) != 8 {
				t.Errorf("%s: %d %s", name, a.status, a.body)
				continue
			}
			for k := range got {
				if d := got[k].Num - want[i].Array()[k].Num; d > 1e-6 || d < -1e-6 {
					t.Errorf("%s: vector %d is %s, want %s", name, i, gjson.Get(a.body, p).Raw, want[i].Raw)
					break
				}
			}
		}
	}
	f("gemini", "/v1beta/models/sim-embed:embedContent", `{"content":{"parts":[{"text":"red gate"}]},"outputDimensionality":8}`, "embedding.values", "")
	f("gemini batch", "/v1beta/models/sim-embed:batchEmbedContents", `{"requests":[{"model":"models/sim-embed","content":{"parts":[{"text":"red gate"}]},"outputDimensionality":8},`+
		`{"model":"models/sim-embed","content":{"parts":[{"text":"blue gate"}]},"outputDimensionality":8}]}`, "embeddings.0.values", "embeddings.1.values")
	f("vertex", "/v1/projects/p/locations/l/publishers/google/models/sim-embed:predict", `{"instances":[{"content":"red gate"},{"content":"blue gate"}],"parameters":{"outputDimensionality":8}}`,
		"predictions.0.embeddings.values", "predictions.1.embeddings.values")
	f("cohere", "/v2/embed", `{"model":"sim-embed","texts":["red gate","blue gate"],"input_type":"search_query","embedding_types":["float"],"output_dimension":8}`,
		"embeddings.float.0", "embeddings.float.1")
	if got := settled(s).Usage; got.Input != CountTokens("red gate")*5+CountTokens("blue gate")*4 || got.Output != 0 {
		t.Errorf("billed %+v", got)
	}
	for _, bad := range []string{`{}`, `{"requests":[]}`} {
		if a := root.do("POST", "/v1beta/models/sim-embed:batchEmbedContents", bad); a.status != 400 {
			t.Errorf("%s: %d %s", bad, a.status, a.body)
		}
	}
	if a := root.do("POST", "/v1beta/models/sim-fast:embedContent", `{"content":{"parts":[{"text":"x"}]}}`); a.status != 404 {
		t.Errorf("a chat model: %d %s", a.status, a.body)
	}
}

func TestRerank(t *testing.T) {
	t.Parallel()
	_, c := start(t, quick())
	root := c.root()
	const docs = `"query":"the red gate","documents":["a green valley","the red gate of the mill","blue wheels"]`
	f := func(name, path, members, results, index, score string) {
		t.Helper()
		a := root.do("POST", path, `{`+members+`,`+docs+`}`)
		if list := gjson.Get(a.body, results).Array(); a.status != 200 || len(list) != 2 || list[0].Get(index).Int() != 1 || list[0].Get(score).Num <= list[1].Get(score).Num {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	f("cohere", "/v2/rerank", `"model":"rerank-v3.5","top_n":2`, "results", "index", "relevance_score")
	f("jina", "/v1/rerank", `"model":"jina-reranker-v2","top_n":2`, "results", "index", "relevance_score")
	f("voyage", "/v1/rerank", `"model":"rerank-2.5","top_k":2`, "data", "index", "relevance_score")
}

func TestModerations(t *testing.T) {
	t.Parallel()
	s, c := start(t, quick())
	f := func(input string, want ...bool) {
		t.Helper()
		a := c.do("POST", "/moderations", `{"input":`+input+`}`)
		results := gjson.Get(a.body, "results").Array()
		if a.status != 200 || len(results) != len(want) || !json.Valid([]byte(a.body)) {
			t.Errorf("%s: %d %s", input, a.status, a.body)
			return
		}
		for i, r := range results {
			if r.Get("flagged").Bool() != want[i] || len(r.Get("categories").Map()) != 13 || len(r.Get("category_scores").Map()) != 13 {
				t.Errorf("%s: result %d is %s", input, i, r.Raw)
			}
		}
	}
	f(`"a quiet river"`, false)
	f(`["a quiet river","I will kill you"]`, false, true)
	f(`[{"type":"text","text":"a bomb"},{"type":"image_url","image_url":{"url":"x"}}]`, true)
	if a := c.do("POST", "/moderations", `{"input":4}`); a.status != 400 {
		t.Errorf("a number: %d", a.status)
	}
	if got := settled(s).Usage; got != (Usage{}) {
		t.Errorf("billed %+v", got)
	}
}

func TestImagesAndSound(t *testing.T) {
	t.Parallel()
	s, c := start(t, quick())
	a := c.do("POST", "/images/generations", `{"model":"gpt-image-1","prompt":"a red gate","n":2}`)
	if gjson.Get(a.body, "data.#").Int() != 2 || gjson.Get(a.body, "data.1.b64_json").Str != pixel || gjson.Get(a.body, "usage.output_tokens").Int() != 2*tokensPerMedia {
		t.Errorf("images: %d %s", a.status, a.body)
	}
	a = c.do("POST", "/images/generations", `{"prompt":"a red gate","stream":true,"partial_images":2}`)
	if ev := events(a.body); len(ev) != 3 || !strings.Contains(a.body, "event: image_generation.completed\n") || gjson.Get(ev[1], "partial_image_index").Int() != 1 {
		t.Errorf("image stream: %q", a.body)
	}
	body, kind := formOf(t, "model", "gpt-image-1", "prompt", "red", "@image", "PNG", "stream", "true")
	if a = c.do("POST", "/images/edits", body, "Content-Type", kind); !strings.Contains(a.body, `"type":"image_edit.completed"`) {
		t.Errorf("edit: %d %s", a.status, a.body)
	}
	const speech = `{"model":"tts","input":"the red gate","voice":"alloy"`
	plain := c.do("POST", "/audio/speech", speech+`,"response_format":"wav"}`)
	if plain.header.Get("Content-Type") != "audio/wav" || len(plain.body) != 3+64*3 {
		t.Errorf("speech: %d %v, %d bytes", plain.status, plain.header, len(plain.body))
	}
	a = c.do("POST", "/audio/speech", speech+`,"stream_format":"sse"}`)
	if ev := events(a.body); gjson.Get(ev[len(ev)-1], "type").Str != "speech.audio.done" || gjson.Get(ev[len(ev)-1], "usage.output_tokens").Int() != 60 {
		t.Errorf("speech stream: %q", a.body)
	}
	transcribe := func(extra ...string) answer {
		body, kind := formOf(t, append([]string{"model", "whisper", "@file", "sound of a river"}, extra...)...)
		return c.do("POST", "/audio/transcriptions", body, "Content-Type", kind)
	}
	whole := transcribe()
	text := gjson.Get(whole.body, "text").Str
	if whole.status != 200 || CountTokens(text) != 24 || gjson.Get(whole.body, "usage.type").Str != "tokens" {
		t.Errorf("transcription: %d %s", whole.status, whole.body)
	}
	ev := events(transcribe("stream", "true").body)
	var joined string
	for _, e := range ev[:len(ev)-1] {
		joined += gjson.Get(e, "delta").Str
	}
	if joined != text || gjson.Get(ev[len(ev)-1], "text").Str != text || gjson.Get(ev[len(ev)-1], "type").Str != "transcript.text.done" {
		t.Errorf("transcription stream %q, want %q: %s", joined, text, ev[len(ev)-1])
	}
	if a := transcribe("response_format", "text"); a.body != text+"\n" {
		t.Errorf("as text: %q", a.body)
	}
	if a := transcribe("response_format", "vtt"); !strings.HasPrefix(a.body, "WEBVTT") {
		t.Errorf("as VTT: %q", a.body)
	}
	refused(t, c.do("POST", "/audio/transcriptions", "{}", "Content-Type", "application/json"), 400, "invalid_request_error", "", "")
	refused(t, c.do("POST", "/images/generations", `{}`), 400, "invalid_request_error", "prompt", "")
	refused(t, c.do("POST", "/audio/speech", `{"model":"x:429","input":"a","voice":"b"}`), 429, "rate_limit_error", "", "rate_limit_exceeded")
	cut := c.do("POST", "/audio/speech", strings.Replace(speech, "tts", "tts:cut;after=1;form=eof", 1)+`,"stream_format":"sse"}`)
	if ev := events(cut.body); len(ev) != 1 {
		t.Errorf("cut: %q", cut.body)
	}
	if got := settled(s); got.Requests != 13 || got.Refused != 3 {
		t.Errorf("counts %+v", got)
	}
}

func FuzzForm(f *testing.F) {
	f.Add("--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b--\r\n", "multipart/form-data; boundary=b")
	f.Add("", "multipart/form-data")
	f.Fuzz(func(t *testing.T, body, kind string) {
		x := &exchange{ask: &ask{}}
		x.r = newRequest(t, kind)
		if form, ref := readForm(x.r, []byte(body)); (form == nil) == (ref == nil) {
			t.Errorf("form %v, refusal %v", form, ref)
		}
	})
}

// TestResponsesAreKept asks for answers again, goes on from them, and deletes them.
func TestResponsesAreKept(t *testing.T) {
	t.Parallel()
	s, c := start(t, quick())
	root := c.root()
	first := root.do("POST", "/v1/responses", `{"model":"sim-fast","instructions":"be brief","input":"my name is Io"}`)
	id := gjson.Get(first.body, "id").Str
	if first.status != 200 || !strings.HasPrefix(id, "resp_") {
		t.Fatalf("%d %s", first.status, first.body)
	}
	if a := root.do("GET", "/v1/responses/"+id, ""); a.body != first.body {
		t.Errorf("again: %d %s", a.status, a.body)
	}
	if a := root.do("GET", "/v1/responses/"+id+"/input_items", ""); gjson.Get(a.body, "data.0.content.0.text").Str != "my name is Io" {
		t.Errorf("input items: %s", a.body)
	}
	ask := func(extra string) int64 {
		a := root.do("POST", "/v1/responses", `{"model":"sim-fast","input":"what is it?"`+extra+`}`)
		if a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		return gjson.Get(a.body, "usage.input_tokens").Int()
	}
	said := CountTokens(gjson.Get(first.body, "output.#.content.0.text|0").Str)
	alone, on := ask(""), ask(`,"previous_response_id":"`+id+`"`)
	if want := alone + 2*tokensPerMessage + CountTokens("my name is Io") + said; on != want {
		t.Errorf("going on costs %d tokens, alone %d, want %d", on, alone, want)
	}
	stream := root.do("POST", "/v1/responses", `{"model":"sim-fast","stream":true,"input":"hi"}`)
	ev := events(stream.body)
	last := gjson.Get(ev[len(ev)-1], "response")
	if a := root.do("GET", "/v1/responses/"+last.Get("id").Str, ""); a.status != 200 || gjson.Get(a.body, "output").Raw != last.Get("output").Raw {
		t.Errorf("streamed, then asked for: %d\n%s\nwant\n%s", a.status, gjson.Get(a.body, "output").Raw, last.Get("output").Raw)
	}
	hidden := gjson.Get(root.do("POST", "/v1/responses", `{"model":"sim-fast","store":false,"input":"hi"}`).body, "id").Str
	for _, path := range []string{hidden, "resp_none"} {
		if a := root.do("GET", "/v1/responses/"+path, ""); a.status != 404 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	if a := root.do("DELETE", "/v1/responses/"+id, ""); !gjson.Get(a.body, "deleted").Bool() {
		t.Errorf("delete: %d %s", a.status, a.body)
	}
	if a := root.do("GET", "/v1/responses/"+id, ""); a.status != 404 {
		t.Errorf("after the end: %d", a.status)
	}
	for i := range maxKept + 5 {
		s.shelf.put(fmt.Sprint("resp_", i), userChatOf("x"), emptyAnswer(), []byte("{}"))
	}
	if s.shelf.get("resp_0") != nil || s.shelf.get(fmt.Sprint("resp_", maxKept+4)) == nil || len(s.shelf.order) > maxKept {
		t.Errorf("%d answers are kept", len(s.shelf.order))
	}
}

func TestCountTokensOfEveryDialect(t *testing.T) {
	t.Parallel()
	s, c := start(t, quick())
	root := c.root()
	want := CountTokens("hi") + tokensPerMessage + tokensPerPrompt
	f := func(path, body, field string, header ...string) {
		t.Helper()
		if a := root.do("POST", path, body, header...); a.status != 200 || gjson.Get(a.body, field).Int() != want {
			t.Errorf("%s: %d %s, want %d", path, a.status, a.body, want)
		}
	}
	f("/v1/messages/count_tokens", `{"model":"sim-fast","messages":[{"role":"user","content":"hi"}]}`, "input_tokens", "Anthropic-Version", newVersion)
	f("/v1beta/models/sim-fast:countTokens", geminiBody, "totalTokens")
	f("/v1beta/models/sim-fast:countTokens", `{"generateContentRequest":`+geminiBody+`}`, "totalTokens")
	f("/model/sim-fast/count-tokens", `{"input":{"converse":`+converseBody+`}}`, "inputTokens")
	f("/v1/projects/p/locations/l/publishers/anthropic/models/count-tokens:rawPredict",
		`{"anthropic_version":"vertex-2023-10-16","model":"sim-fast","messages":[{"role":"user","content":"hi"}]}`, "input_tokens")
	if got := settled(s).Usage; got != (Usage{}) {
		t.Errorf("billed %+v", got)
	}
}

func TestModelListsOfEveryDialect(t *testing.T) {
	t.Parallel()
	_, c := start(t, quick())
	root := c.root()
	f := func(path, field, want string, header ...string) {
		t.Helper()
		if a := root.do("GET", path, "", header...); a.status != 200 || gjson.Get(a.body, field).String() != want {
			t.Errorf("%s: %d %s, want %s to be %s", path, a.status, a.body, field, want)
		}
	}
	f("/v1/models", "data.0.id", "sim-fast")
	f("/v1/models", "last_id", "sim-embed", "Anthropic-Version", newVersion)
	f("/v1/models/sim-slow", "display_name", "sim-slow", "Anthropic-Version", newVersion)
	f("/v1beta/models", "models.3.supportedGenerationMethods.0", "embedContent")
	f("/v1beta/models/sim-fast", "name", "models/sim-fast")
	if a := root.do("GET", "/v1beta/models/none", ""); a.status != 404 || gjson.Get(a.body, "error.status").Str != "NOT_FOUND" {
		t.Errorf("unknown: %d %s", a.status, a.body)
	}
}

// TestRecordsSayWhatCameIn holds that everything that reached the simulator is recorded with its headers.
func TestRecordsSayWhatCameIn(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.Record = 10
	s, c := start(t, cfg)
	root := c.root()
	root.do("POST", "/v1beta/models/sim-fast:generateContent?key=secret", geminiBody, "X-Sluice-Probe", "leak")
	root.do("GET", "/v1/files/x?a=b", "")
	root.do("GET", "/v1/models", "", "Authorization", "Bearer client")
	echo := root.do("PUT", "/v1/sim/echo/me?q=1", "body", "X-Probe", "here")
	settled(s)
	all := s.Requests()
	if len(all) != 4 {
		t.Fatalf("%d records", len(all))
	}
	if r := all[0]; r.Dialect != "gemini" || r.Op != "chat" || r.Query != "key=secret" || r.Header.Get("X-Sluice-Probe") != "leak" || string(r.Body) != geminiBody {
		t.Errorf("first %+v", r)
	}
	if r := all[1]; r.Status != 404 || r.Path != "/v1/files/x" {
		t.Errorf("second %+v", r)
	}
	if r := all[2]; r.Header.Get("Authorization") != "Bearer client" {
		t.Errorf("third %+v", r)
	}
	if gjson.Get(echo.body, "header.X-Probe.0").Str != "here" || gjson.Get(echo.body, "query").Str != "q=1" {
		t.Errorf("echo %d %s", echo.status, echo.body)
	}
	if a := root.do("GET", "/sim/requests?bodies=false", ""); strings.Contains(a.body, `"body"`) || !strings.Contains(a.body, "X-Sluice-Probe") {
		t.Errorf("without bodies: %s", a.body)
	}
	if a := root.do("GET", "/sim/requests", ""); !strings.Contains(a.body, `"body"`) {
		t.Errorf("with bodies: %s", a.body)
	}
}
