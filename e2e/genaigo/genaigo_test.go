// Package genaigo holds tests of Google's Go client, unchanged, against a running gateway.
package genaigo

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"google.golang.org/genai"

	"sluice/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m, "../..") }

const hello = "Tell me about rivers. [[sim:tokens=30]]"

// client is the official client and what stands behind it.
type client struct {
	*genai.Client
	*harness.Stage
}

// with returns the client for a key, at a path of the gateway.
func (c *client) with(t *testing.T, key, path string, backend genai.Backend) *genai.Client {
	t.Helper()
	timeout := harness.Hang
	one, err := genai.NewClient(t.Context(), &genai.ClientConfig{
		APIKey: key, Backend: backend, HTTPOptions: genai.HTTPOptions{BaseURL: c.Gateway.URL + path, Timeout: &timeout},
	})
	if err != nil {
		t.Fatal(err)
	}
	return one
}

func TestClient(t *testing.T) {
	c := &client{Stage: harness.StartStage(t)}
	c.Client = c.with(t, harness.Key, "/gemini", genai.BackendGeminiAPI)
	for account, dialect := range harness.Upstreams() {
		u := &upstream{c, account, dialect}
		for name, test := range map[string]func(*testing.T, *upstream){
			"text":              testText,
			"tools":             testTools,
			"image":             testImage,
			"structured output": testStructured,
			"thinking":          testThinking,
			"stop reasons":      testStops,
			"errors":            testErrors,
			"broken streams":    testBroken,
			"abort":             testAbort,
			"keep-alives":       testKeepAlives,
			"count tokens":      testCount,
		} {
			t.Run(name+" over "+dialect, func(t *testing.T) {
				t.Parallel()
				test(t, u)
			})
		}
	}
	for name, test := range map[string]func(*testing.T, *client){
		"paths and keys": testPaths, "models": testModels, "embeddings": testEmbeddings, "limits": testLimits,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, c)
		})
	}
}

// upstream is an account whose provider speaks a dialect.
type upstream struct {
	*client
	account, dialect string
}

func (u *upstream) named(model string) string { return u.account + "/" + model }

// own returns a model of the account that no other test uses.
func (u *upstream) own(model string) string { return u.named("gg-" + u.account + "-" + model) }

// answer is what a client has of an answer, or of the chunks of one.
type answer struct {
	parts   []*genai.Part
	text    string
	thought string
	calls   []*genai.FunctionCall
	finish  genai.FinishReason
	usage   *genai.GenerateContentResponseUsageMetadata
	chunks  int
}

func (a *answer) add(r *genai.GenerateContentResponse) {
	a.chunks++
	if r.UsageMetadata != nil {
		a.usage = r.UsageMetadata
	}
	for _, c := range r.Candidates {
		if c.FinishReason != "" {
			a.finish = c.FinishReason
		}
		if c.Content == nil {
			continue
		}
		for _, p := range c.Content.Parts {
			a.parts = append(a.parts, p)
			switch {
			case p.FunctionCall != nil:
				a.calls = append(a.calls, p.FunctionCall)
			case p.Thought:
				a.thought += p.Text
			default:
				a.text += p.Text
			}
		}
	}
}

// turns returns the conversation after an answer, with the results of its calls.
func (a *answer) turns(before []*genai.Content) []*genai.Content {
	var results []*genai.Part
	for _, call := range a.calls {
		results = append(results, &genai.Part{FunctionResponse: &genai.FunctionResponse{
			ID: call.ID, Name: call.Name, Response: map[string]any{"output": "the result of " + call.Name},
		}})
	}
	return append(append([]*genai.Content{}, before...), genai.NewContentFromParts(a.parts, genai.RoleModel),
		genai.NewContentFromParts(results, genai.RoleUser))
}

// ask returns the whole answer and the stream's, which must say the same.
func (c *client) ask(t *testing.T, model string, contents []*genai.Content, config *genai.GenerateContentConfig) (whole, folded *answer) {
	t.Helper()
	got, err := c.Models.GenerateContent(t.Context(), model, contents, config)
	if err != nil {
		t.Fatalf("%s: %v", model, err)
	}
	whole = &answer{}
	whole.add(got)
	folded, err = stream(t.Context(), c.Client, model, contents, config)
	if err != nil {
		t.Fatalf("%s streamed: %v", model, err)
	}
	if folded.text != whole.text || folded.thought != whole.thought || folded.finish != whole.finish || len(folded.calls) != len(whole.calls) {
		t.Errorf("streamed %q (%s, %d calls), want %q (%s, %d calls)", folded.text, folded.finish, len(folded.calls), whole.text, whole.finish, len(whole.calls))
	}
	if whole.usage == nil || folded.usage == nil || folded.usage.TotalTokenCount != whole.usage.TotalTokenCount || whole.usage.TotalTokenCount == 0 {
		t.Errorf("streamed usage %+v, want %+v", folded.usage, whole.usage)
	}
	return whole, folded
}

func stream(ctx context.Context, c *genai.Client, model string, contents []*genai.Content, config *genai.GenerateContentConfig) (*answer, error) {
	a := &answer{}
	for chunk, err := range c.Models.GenerateContentStream(ctx, model, contents, config) {
		if err != nil {
			return a, err
		}
		a.add(chunk)
	}
	return a, nil
}

// apiError returns the error that the API answered.
func apiError(t *testing.T, err error) genai.APIError {
	t.Helper()
	var e genai.APIError
	if !errors.As(err, &e) {
		t.Fatalf("error is %T %v, not one of the API", err, err)
	}
	return e
}

// reason returns Sluice's code for an error.
func reason(e genai.APIError) string {
	for _, d := range e.Details {
		if s, ok := d["reason"].(string); ok {
			return s
		}
	}
	return ""
}

func testPaths(t *testing.T, c *client) {
	for _, path := range []string{"/gemini", ""} {
		for _, backend := range []genai.Backend{genai.BackendGeminiAPI, genai.BackendVertexAI} {
			one := c.with(t, harness.Key, path, backend)
			for _, model := range []string{"smart", "gem/sim-fast", "ant/sim-fast"} {
				got, err := one.Models.GenerateContent(t.Context(), model, genai.Text(hello), nil)
				if err != nil || got.Text() == "" {
					t.Errorf("%s at %q, %s: %v", model, path, backend, err)
				}
				if a, err := stream(t.Context(), one, model, genai.Text(hello), nil); err != nil || a.text != got.Text() {
					t.Errorf("%s at %q, %s, streamed: %q, %v", model, path, backend, a.text, err)
				}
			}
			_, err := c.with(t, harness.KeyWrong, path, backend).Models.GenerateContent(t.Context(), "smart", genai.Text(hello), nil)
			if e := apiError(t, err); e.Code != 401 || e.Status != "UNAUTHENTICATED" || reason(e) != "invalid_api_key" {
				t.Errorf("wrong key at %q, %s: %+v", path, backend, e)
			}
		}
	}
}

func testModels(t *testing.T, c *client) {
	var names []string
	for m, err := range c.Models.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, m.Name)
	}
	if got := strings.Join(names, " "); !strings.Contains(got, "models/smart") || !strings.Contains(got, "models/other/elsewhere") {
		t.Errorf("models %s", got)
	}
	if m, err := c.Models.Get(t.Context(), "smart", nil); err != nil || m.Name != "models/smart" {
		t.Errorf("model %+v, error %v", m, err)
	}
	_, err := c.Models.Get(t.Context(), "smrat", nil)
	if e := apiError(t, err); e.Code != 404 || e.Status != "NOT_FOUND" {
		t.Errorf("unknown model: %+v", e)
	}
}

func testEmbeddings(t *testing.T, c *client) {
	for _, account := range []string{"up", "gem", "coh", "voy", "jin"} {
		contents := []*genai.Content{genai.NewContentFromText("a river", genai.RoleUser), genai.NewContentFromText("a stone", genai.RoleUser)}
		got, err := c.Models.EmbedContent(t.Context(), account+"/sim-embed", contents, nil)
		if err != nil || len(got.Embeddings) != 2 || len(got.Embeddings[0].Values) != 64 {
			t.Errorf("%s: %+v, error %v", account, got, err)
		}
	}
}

// object returns a JSON object as Go has it.
func object(t *testing.T, s string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return v
}
