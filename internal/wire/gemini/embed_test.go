package gemini_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
	"sluice/internal/wire/gemini"
)

func TestEmbedRequests(t *testing.T) {
	t.Parallel()
	f := func(body string, want llm.Embed, again string) {
		t.Helper()
		got, err := gemini.ReadEmbed([]byte(body))
		if err != nil {
			t.Errorf("%s: %v", body, err)
			return
		}
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
		got.Model = "m"
		if out := string(gemini.AppendEmbed(nil, got)); out != again {
			t.Errorf("%s is written as\n%s, want\n%s", body, out, again)
		}
	}
	in := func(texts ...string) (all []llm.EmbedInput) {
		for _, s := range texts {
			all = append(all, llm.EmbedInput{Text: s})
		}
		return all
	}
	f(`{"model":"models/x","content":{"parts":[{"text":"a"},{"text":"b"}],"role":"user"},"taskType":"RETRIEVAL_DOCUMENT","title":"t","output_dimensionality":8}`,
		llm.Embed{Single: true, Inputs: in("ab"), Dimensions: 8, Task: llm.TaskDocument, Title: "t"},
		`{"content":{"parts":[{"text":"ab"}]},"taskType":"RETRIEVAL_DOCUMENT","title":"t","outputDimensionality":8}`)
	f(`{"content":{"parts":[{"text":"a"}]},"embedContentConfig":{"taskType":"CLUSTERING","autoTruncate":false,"documentOcr":true}}`,
		llm.Embed{Single: true, Inputs: in("a"), Task: llm.TaskClustering, Truncate: "none", Extra: []llm.Member{{Name: "embedContentConfig.documentOcr", Value: "true"}}},
		`{"content":{"parts":[{"text":"a"}]},"taskType":"CLUSTERING"}`)
	f(`{"requests":[{"model":"models/x","content":{"parts":[{"text":"a"}]},"title":"t"},{"content":{"parts":[{"text":"b"}]},"title":"u"}]}`,
		llm.Embed{Inputs: in("a", "b"), Title: "t", Extra: []llm.Member{{Name: "requests[1].title", Value: `"u"`}}},
		`{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]},"title":"t"},{"model":"models/m","content":{"parts":[{"text":"b"}]},"title":"t"}]}`)

	bad := func(body, param string) {
		t.Helper()
		if _, err := gemini.ReadEmbed([]byte(body)); err == nil || err.Kind != llm.KindBadRequest || err.Param != param {
			t.Errorf("%s: %v", body, err)
		}
	}
	bad(`{"requests":[{}]}`, "requests[0].content")
	bad(`{"content":{"parts":[{"inlineData":{"data":"AAAA"}}]}}`, "content.parts[0]")
	bad(`{"content":{"parts":[{"text":"a"}]},"taskType":"DANCE"}`, "taskType")
	bad(`{"content":{"parts":[{"text":"a"}]},"outputDimensionality":0}`, "outputDimensionality")
	bad(`{"requests":[{"content":{"parts":[{"text":"a"}]}},{"content":{"parts":[{"text":"a"}]},"outputDimensionality":5}]}`, "requests[1]")
}

func TestEmbedded(t *testing.T) {
	t.Parallel()
	want := &llm.Embedded{Vectors: [][]float32{{1, -0.25, 1e-7}, {0.1}}, Usage: llm.Usage{Input: 5}, HasUsage: true}
	for _, single := range []bool{false, true} {
		a := *want
		if single {
			a.Vectors = a.Vectors[:1]
		}
		body := gemini.AppendEmbedded(nil, &a, &llm.Embed{Single: single})
		got, err := gemini.ReadEmbedded(body)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&a, got); diff != "" || single != strings.HasPrefix(string(body), `{"embedding":{`) {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
	f := func(body string, kind llm.Kind) {
		t.Helper()
		if _, err := gemini.ReadEmbedded([]byte(body)); err == nil || err.Kind != kind {
			t.Errorf("%s: %v", body, err)
		}
	}
	f(`{}`, llm.KindBadAnswer)
	f(`{"embeddings":[{"values":["x"]}]}`, llm.KindBadAnswer)
	f(`nonsense`, llm.KindBadAnswer)
	f(quota, llm.KindRateLimited)
}

// TestSplitAndJoin checks that the parts of a split request, answered, give the answer in one piece.
func TestSplitAndJoin(t *testing.T) {
	t.Parallel()
	body := []byte(`{"x":1,"requests": [{"content":{"parts":[{"text":"a"}]}} , {"content":{"parts":[{"text":"b"}]}}] }`)
	list, inputs, ok := gemini.SplitEmbed(body)
	if !ok || len(inputs) != 2 || !strings.HasPrefix(string(list.Of(body)), "[{") || string(inputs[1].Of(body)) != `{"content":{"parts":[{"text":"b"}]}}` {
		t.Errorf("split to %v, %v, %t", list, inputs, ok)
	}
	if _, _, ok := gemini.SplitEmbed([]byte(`{"content":{}}`)); ok {
		t.Error("an embedContent request can be split")
	}
	got, err := gemini.JoinEmbedded(nil, [][]byte{
		[]byte(`{"embeddings":[{"values":[1.50]},{"values":[2]}],"usageMetadata":{"promptTokenCount":3}}`),
		[]byte(`{"embeddings":[{"values":[3e0]}],"usageMetadata":{"promptTokenCount":4}}`),
	})
	if want := `{"embeddings":[{"values":[1.50]},{"values":[2]},{"values":[3e0]}],"usageMetadata":{"promptTokenCount":7,"totalTokenCount":7}}`; err != nil || string(got) != want {
		t.Errorf("joined to %s, %v", got, err)
	}
	if got, err := gemini.JoinEmbedded(nil, [][]byte{[]byte(`{"embeddings":[{"values":[1]}]}`)}); err != nil || string(got) != `{"embeddings":[{"values":[1]}]}` {
		t.Errorf("joined to %s, %v", got, err)
	}
	if _, err := gemini.JoinEmbedded(nil, [][]byte{[]byte(`{}`)}); err == nil || err.Kind != llm.KindBadAnswer {
		t.Errorf("joined without vectors: %v", err)
	}
}

func TestCounts(t *testing.T) {
	t.Parallel()
	if n, err := gemini.ReadCount(gemini.AppendCount(nil, 42)); n != 42 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	f := func(body string, kind llm.Kind) {
		t.Helper()
		if _, err := gemini.ReadCount([]byte(body)); err == nil || err.Kind != kind {
			t.Errorf("%s: %v", body, err)
		}
	}
	f(`{}`, llm.KindBadAnswer)
	f(`{"totalTokens":-1}`, llm.KindBadAnswer)
	f(quota, llm.KindRateLimited)
	chat := &llm.Chat{Model: "m", Messages: []llm.Turn{{Role: llm.RoleUser, Parts: []llm.Part{{Kind: llm.PartText, Text: "hi"}}}}}
	want := `{"generateContentRequest":{"model":"models/m","contents":[{"role":"user","parts":[{"text":"hi"}]}]}}`
	body := gemini.AppendCountRequest(nil, chat)
	if string(body) != want {
		t.Errorf("got %s", body)
	}
	got, err := gemini.ReadChat(llm.OpCountTokens, body)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(chat.Messages, got.Messages); diff != "" {
		t.Errorf("read again (-want +got):\n%s", diff)
	}
}

func TestModels(t *testing.T) {
	t.Parallel()
	got := string(gemini.AppendModels(nil, []gemini.Model{
		{Name: "a/b", Description: "d", InputTokens: 5, OutputTokens: 6, Ops: []llm.Op{llm.OpChat, llm.OpCountTokens}}, {Name: "e", Ops: []llm.Op{llm.OpEmbedding}},
	}, "next"))
	want := `{"models":[{"name":"models/a/b","baseModelId":"a/b","version":"001","displayName":"a/b","description":"d","inputTokenLimit":5,"outputTokenLimit":6,` +
		`"supportedGenerationMethods":["generateContent","streamGenerateContent","countTokens"]},` +
		`{"name":"models/e","baseModelId":"e","version":"001","displayName":"e","supportedGenerationMethods":["embedContent","batchEmbedContents"]}],"nextPageToken":"next"}`
	if got != want || !json.Valid([]byte(got)) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := string(gemini.AppendModels(nil, nil, "")); got != `{"models":[]}` {
		t.Errorf("no models are %s", got)
	}
}

func TestClient(t *testing.T) {
	t.Parallel()
	var c gemini.Client
	f := func(p llm.Prompt, path, body string) {
		t.Helper()
		if got := c.Path(&p); got != path {
			t.Errorf("path %s, want %s", got, path)
		}
		if got := string(c.AppendRequest(nil, &p)); got != body || !json.Valid([]byte(got)) {
			t.Errorf("body %s, want %s", got, body)
		}
	}
	hi := []llm.Message{{Role: "system", Text: "s"}, {Role: "user", Text: "hi"}, {Role: "assistant", Text: "a"}}
	said := `{"systemInstruction":{"parts":[{"text":"s"}]},"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"text":"a"}]}]`
	f(llm.Prompt{Op: llm.OpChat, Model: "a/b", Messages: hi, Output: 5, Stream: true}, "/models/a%2Fb:streamGenerateContent?alt=sse", said+`,"generationConfig":{"maxOutputTokens":5}}`)
	f(llm.Prompt{Op: llm.OpChat, Model: "m", Messages: hi, Schema: "{}", Tools: []llm.Tool{{Name: "f", Parameters: "{}"}}}, "/models/m:generateContent",
		said+`,"tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":{}}]}],"generationConfig":{"responseMimeType":"application/json","responseJsonSchema":{}}}`)
	f(llm.Prompt{Op: llm.OpEmbedding, Model: "m", Messages: hi[1:2]}, "/models/m:batchEmbedContents", `{"requests":[{"model":"models/m","content":{"parts":[{"text":"hi"}]}}]}`)
	f(llm.Prompt{Op: llm.OpCountTokens, Model: "m", Messages: hi[1:2]}, "/models/m:countTokens",
		`{"generateContentRequest":{"model":"models/m","contents":[{"role":"user","parts":[{"text":"hi"}]}]}}`)

	h := http.Header{}
	c.Authorize(h, llm.NewSecret("k"))
	if h.Get("X-Goog-Api-Key") != "k" || h.Get("Authorization") != "" || c.Name() != "gemini" {
		t.Errorf("headers %v", h)
	}
	if e := c.Error(429, nil, []byte(quota), time.Time{}); e.Kind != llm.KindRateLimited {
		t.Errorf("error %v", e)
	}
}

func TestClientStream(t *testing.T) {
	t.Parallel()
	f := func(text string, want []llm.Seen, usage llm.Usage, kind llm.Kind) {
		t.Helper()
		r := gemini.Client{}.Stream(llm.OpChat)
		r.Reset()
		var seen []llm.Seen
		for one := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
			seen = append(seen, r.Observe(nil, []byte(strings.TrimPrefix(one, "data: "))))
		}
		u, err := r.End()
		if diff := cmp.Diff(want, seen); diff != "" || u != usage || (err == nil) != (kind == llm.KindNone) || err != nil && err.Kind != kind {
			t.Errorf("seen %v, usage %+v, %v", seen, u, err)
		}
	}
	all := []llm.Seen{llm.SawReasoning, llm.SawText, llm.SawText, llm.SawText, 0}
	f(answerText, all, llm.Usage{Input: 7, CachedInput: 2, Output: 8, Reasoning: 3}, llm.KindNone)
	f(answerText[strings.Index(answerText, `data: {"candidates": [{"content": {"parts": [{"text": "W`):strings.LastIndex(answerText, "data: ")], all[2:4],
		llm.Usage{Output: 13, Estimated: true}, llm.KindTruncated)
	f(`data: nonsense`, []llm.Seen{0}, llm.Usage{Estimated: true}, llm.KindTruncated)
	f(`data: `+quota, []llm.Seen{llm.SawError}, llm.Usage{Estimated: true}, llm.KindRateLimited)

	u, err := gemini.Client{}.Answer(llm.OpChat, gemini.AppendAnswer(nil, wholeAnswer(), &llm.Head{}))
	if err != nil || u != wholeAnswer().Usage {
		t.Errorf("answer: %+v, %v", u, err)
	}
	if _, err := (gemini.Client{}).Answer(llm.OpChat, []byte(`{"candidates":[]}`)); err == nil || err.Kind != llm.KindTruncated {
		t.Errorf("answer without candidates: %v", err)
	}
}
