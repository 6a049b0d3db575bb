package gemini_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/wire"
	"sluice/internal/wire/gemini"
)

// requests are the seeds of requests.
func requests(f *testing.F) {
	names, err := filepath.Glob("testdata/*.request.json")
	if err != nil || len(names) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range names {
		body, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	for _, s := range []string{
		``, `{}`, `{"contents":[]}`, `{"requests":[{"model":"models/x","content":{"parts":[{"text":"a"}]},"taskType":"RETRIEVAL_QUERY"}]}`,
		`{"content":{"parts":[{"text":"a"}]},"outputDimensionality":2}`, `{"generateContentRequest":{"model":"m","contents":[{"parts":[{"text":"a"}]}]}}`,
		`{"contents":[{"parts":[{"text":"\ud83d","thoughtSignature":"c2x1aWNlOg=="}]}],"generationConfig":{"responseSchema":{"type":7,"items":[],"anyOf":{},"properties":[]}}}`,
	} {
		f.Add([]byte(s))
	}
}

// FuzzParseRequest checks that what is taken is JSON, and forwarded as it is.
func FuzzParseRequest(f *testing.F) {
	requests(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, op := range []llm.Op{llm.OpChat, llm.OpEmbedding, llm.OpCountTokens} {
			r, err := gemini.ParseRequest(op, body)
			if err != nil {
				if err.Kind != llm.KindBadRequest || err.Message == "" {
					t.Fatalf("%v", err)
				}
				continue
			}
			if !json.Valid(body) {
				t.Fatalf("%q is taken", body)
			}
			if got := r.AppendUpstream(nil, body, &wire.Change{}); !bytes.Contains(body, []byte("c2x1aWNl")) && !bytes.Equal(got, body) {
				t.Fatalf("%q became %q", body, got)
			}
			if got := r.AppendUpstream(nil, body, &wire.Change{Model: "m", Drop: []string{"serviceTier"}}); !json.Valid(got) {
				t.Fatalf("%q became %q", body, got)
			}
		}
	})
}

// FuzzReadChat checks that what is read can be written, and then says the same.
func FuzzReadChat(f *testing.F) {
	requests(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, op := range []llm.Op{llm.OpChat, llm.OpCountTokens} {
			chat, err := gemini.ReadChat(op, body)
			if err != nil {
				continue
			}
			again := gemini.AppendChat(nil, chat)
			if !json.Valid(again) {
				t.Fatalf("%q is written as %q", body, again)
			}
			second, err := gemini.ReadChat(llm.OpChat, again)
			if err != nil {
				continue // all that it said was another provider's own
			}
			if twice := gemini.AppendChat(nil, second); !json.Valid(twice) {
				t.Fatalf("%q is written as %q", again, twice)
			}
		}
		if e, err := gemini.ReadEmbed(body); err == nil {
			if got := gemini.AppendEmbed(nil, e); !json.Valid(got) {
				t.Fatalf("%q is written as %q", body, got)
			}
		}
	})
}

// FuzzAnswer checks the decoders of answers against each other: a chunk is an answer, and what is read can be written and read
// again.
func FuzzAnswer(f *testing.F) {
	for chunk := range strings.SplitSeq(answerText, "\n\n") {
		f.Add([]byte(strings.TrimPrefix(chunk, "data: ")))
	}
	f.Add([]byte(quota))
	f.Add([]byte(`{"promptFeedback":{"blockReason":"SAFETY"}}`))
	f.Add([]byte(`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","willContinue":true,"partialArgs":[{"jsonPath":"$.a[0].b","stringValue":"x"}]}}]},` +
		`"finishReason":"STOP","groundingMetadata":{"groundingChunks":[{"web":{"uri":"u"}}]},"logprobsResult":{"chosenCandidates":[{"token":"a"}]}}]}`))
	f.Add([]byte(`{"embedding":{"values":[1,2]}}`))
	f.Add([]byte(`{"totalTokens":5}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, op := range []llm.Op{llm.OpChat, llm.OpEmbedding, llm.OpCountTokens} {
			a, err := gemini.Scan(op, body)
			if err == nil && !json.Valid(a.AppendAnswer(nil, body, "m")) {
				t.Fatalf("%q is renamed to no JSON", body)
			}
		}
		if _, err := gemini.ReadCount(body); err != nil && err.Message == "" {
			t.Fatal("an error without words")
		}
		if a, err := gemini.ReadEmbedded(body); err == nil && !json.Valid(gemini.AppendEmbedded(nil, a, &llm.Embed{Single: true})) {
			t.Fatalf("%q is written as no JSON", body)
		}
		a, err := gemini.ReadAnswer(body)
		if err != nil {
			return
		}
		again := gemini.AppendAnswer(nil, a, &llm.Head{})
		if !json.Valid(again) {
			t.Fatalf("%q is written as %q", body, again)
		}
		if _, err := gemini.ReadAnswer(again); err != nil {
			t.Fatalf("%q: %v", again, err)
		}
	})
}

// FuzzStream checks follower, reader and array form on any stream, however it is split: what goes to a client are data lines of
// JSON only.
func FuzzStream(f *testing.F) {
	f.Add([]byte(answerText), uint16(77))
	f.Add([]byte(strings.ReplaceAll(answerText, "\n", "\r\n")), uint16(5))
	f.Add([]byte("data: {\"candidates\":\r\ndata: []}\n\n: x\n\nevent: y\n\ndata: [DONE]\n\n"), uint16(9))
	f.Add([]byte("data: {\"modelVersion\":\"x\"}\n\n"+quota), uint16(30))
	f.Fuzz(func(t *testing.T, text []byte, cut uint16) {
		i := int(cut) % (len(text) + 1)
		for _, o := range []wire.FollowOptions{{}, {Model: "m"}, {Pieces: true}} {
			plain := gemini.NewFollower()
			out := follow(t, plain, &pieces{text[:i], text[i:]}, o)
			for _, one := range strings.Split(strings.TrimSuffix(out, "\n\n"), "\n\n") {
				data, ok := strings.CutPrefix(one, "data: ")
				if out != "" && (!ok || strings.ContainsAny(data, "\r\n") || !json.Valid([]byte(data))) {
					t.Fatalf("%q goes to a client", one)
				}
			}
			array := gemini.NewArrayFollower()
			got := follow(t, array, bytes.NewReader(text), o)
			if array.Finished() != plain.Finished() || (array.Finished() || array.State().Err != nil) && !json.Valid([]byte(got)) {
				t.Fatalf("array is %q", got)
			}
		}
		one, err1 := read(t, &pieces{text[:i], text[i:]})
		two, err2 := read(t, bytes.NewReader(text))
		if diff := cmp.Diff(one, two); diff != "" || (err1 == nil) != (err2 == nil) {
			t.Fatalf("splits differ: %s %v %v", diff, err1, err2)
		}
	})
}

func FuzzClassifyError(f *testing.F) {
	f.Add(429, []byte(quota))
	f.Add(400, []byte("["+quota+"]"))
	f.Add(502, []byte("<html><title>x</title>"))
	f.Add(400, []byte(`{"error":"projects/x project 7"}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		e := gemini.ClassifyError(status, http.Header{}, body, time.Time{})
		if e == nil || e.Kind == llm.KindNone || e.Message == "" || e.RetryAfter < 0 {
			t.Fatalf("%v", e)
		}
		if e.Body != nil && !json.Valid(e.Body) {
			t.Fatalf("body %q", e.Body)
		}
		if got, _ := gemini.AppendError(nil, e, "id"); !json.Valid(got) {
			t.Fatalf("%q", got)
		}
	})
}

func FuzzSplitPath(f *testing.F) {
	f.Add("/v1beta/models/a/b:generateContent")
	f.Add("/v1/projects/p/locations/l/publishers/x/models/m:countTokens")
	f.Fuzz(func(t *testing.T, path string) {
		version, model, method, ok := gemini.SplitPath(path)
		if ok != (version != "" && model != "" && method != "") {
			t.Fatalf("%q is %q %q %q %t", path, version, model, method, ok)
		}
	})
}
