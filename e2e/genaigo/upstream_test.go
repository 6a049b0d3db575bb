package genaigo

import (
	"context"
	"encoding/base64"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/genai"

	"sluice/e2e/harness"
)

func testText(t *testing.T, u *upstream) {
	whole, folded := u.ask(t, u.named("sim-fast"), genai.Text(hello), nil)
	if whole.text == "" || whole.finish != genai.FinishReasonStop || whole.usage.CandidatesTokenCount != 30 || whole.usage.PromptTokenCount == 0 {
		t.Errorf("answer %q (%s), usage %+v", whole.text, whole.finish, whole.usage)
	}
	if folded.chunks < 10 {
		t.Errorf("%d chunks", folded.chunks)
	}
	direct, err := u.Models.GenerateContent(t.Context(), "gem/sim-fast", genai.Text(hello), nil)
	if err != nil || direct.Text() != whole.text {
		t.Errorf("the text is %q, of the same provider in this dialect %q, error %v", whole.text, direct.Text(), err)
	}
}

func tools() []*genai.Tool {
	declare := func(name, property, kind string) *genai.FunctionDeclaration {
		return &genai.FunctionDeclaration{Name: name, ParametersJsonSchema: map[string]any{
			"type": "object", "required": []string{property}, "properties": map[string]any{property: map[string]any{"type": kind}},
		}}
	}
	return []*genai.Tool{{FunctionDeclarations: []*genai.FunctionDeclaration{declare("weather", "city", "string"), declare("add", "number", "integer")}}}
}

func testTools(t *testing.T, u *upstream) {
	config := &genai.GenerateContentConfig{Tools: tools(), SystemInstruction: genai.NewContentFromText("Be brief.", genai.RoleUser)}
	contents := genai.Text("Use them. [[sim:tools=2]]")
	whole, folded := u.ask(t, u.named("sim-fast"), contents, config)
	if len(whole.calls) != 2 || whole.finish != genai.FinishReasonStop || whole.calls[0].Name != "weather" || whole.calls[1].Name != "add" {
		t.Fatalf("calls %+v (%s)", whole.calls, whole.finish)
	}
	for i := range whole.calls {
		if folded.calls[i].Name != whole.calls[i].Name || !reflect.DeepEqual(folded.calls[i].Args, whole.calls[i].Args) {
			t.Errorf("streamed %+v, want %+v", folded.calls[i], whole.calls[i])
		}
	}
	for _, a := range []*answer{whole, folded} {
		if final, _ := u.ask(t, u.named("sim-fast"), a.turns(contents), config); final.text == "" || final.finish != genai.FinishReasonStop {
			t.Errorf("after the results: %q (%s)", final.text, final.finish)
		}
	}
	config.ToolConfig = &genai.ToolConfig{FunctionCallingConfig: &genai.FunctionCallingConfig{
		Mode: genai.FunctionCallingConfigModeAny, AllowedFunctionNames: []string{"add"},
	}}
	if forced, _ := u.ask(t, u.named("sim-fast"), genai.Text("Hello."), config); len(forced.calls) != 1 || forced.calls[0].Name != "add" {
		t.Errorf("calls %+v, want add", forced.calls)
	}
}

func testImage(t *testing.T, u *upstream) {
	data, err := base64.StdEncoding.DecodeString(harness.Pixel)
	if err != nil {
		t.Fatal(err)
	}
	parts := []*genai.Part{genai.NewPartFromText("What is this?"), genai.NewPartFromBytes(data, "image/png")}
	model := u.own("image")
	u.ask(t, model, []*genai.Content{genai.NewContentFromParts(parts, genai.RoleUser)}, nil)
	for _, r := range u.Sent(t, model, 2) {
		if !strings.Contains(string(r.Body), harness.Pixel) {
			t.Errorf("no image in %s", r.Body)
		}
	}
}

func testStructured(t *testing.T, u *upstream) {
	f := func(config *genai.GenerateContentConfig) {
		t.Helper()
		config.ResponseMIMEType = "application/json"
		whole, _ := u.ask(t, u.named("sim-fast"), genai.Text("A person, please."), config)
		if got := object(t, whole.text); got["name"] == nil || got["age"] == nil {
			t.Errorf("got %v", got)
		}
	}
	f(&genai.GenerateContentConfig{ResponseSchema: &genai.Schema{
		Type: genai.TypeObject, Required: []string{"name", "age"},
		Properties: map[string]*genai.Schema{"name": {Type: genai.TypeString}, "age": {Type: genai.TypeInteger}},
	}})
	f(&genai.GenerateContentConfig{ResponseJsonSchema: object(t, `{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},"required":["name","age"]}`)})
}

// testThinking has a thinking model that uses a tool. The simulator refuses a turn that comes back without its signature.
func testThinking(t *testing.T, u *upstream) {
	budget := int32(1024)
	config := &genai.GenerateContentConfig{Tools: tools(), ThinkingConfig: &genai.ThinkingConfig{IncludeThoughts: true, ThinkingBudget: &budget}}
	contents := genai.Text("Use it. [[sim:tools=1]]")
	whole, folded := u.ask(t, u.named("sim-reasoning"), contents, config)
	if whole.thought == "" || whole.usage.ThoughtsTokenCount == 0 || len(whole.calls) != 1 {
		t.Errorf("thought %q, usage %+v, calls %v", whole.thought, whole.usage, whole.calls)
	}
	for _, a := range []*answer{whole, folded} {
		if final, _ := u.ask(t, u.named("sim-reasoning"), a.turns(contents), config); final.finish != genai.FinishReasonStop || final.text == "" {
			t.Errorf("after the result: %q (%s)", final.text, final.finish)
		}
	}
}

func testStops(t *testing.T, u *upstream) {
	f := func(message string, config *genai.GenerateContentConfig, want genai.FinishReason, text string) {
		t.Helper()
		if a, _ := u.ask(t, u.named("sim-fast"), genai.Text(message), config); a.finish != want || text != "" && a.text != text {
			t.Errorf("finished with %s after %q, want %s after %q", a.finish, a.text, want, text)
		}
	}
	f(hello, &genai.GenerateContentConfig{MaxOutputTokens: 5}, genai.FinishReasonMaxTokens, "")
	f("[[sim:say=one two three four]]", &genai.GenerateContentConfig{StopSequences: []string{"three"}}, genai.FinishReasonStop, "one two ")
	f("[[sim:refuse]]", nil, genai.FinishReasonSafety, "")
}

func testErrors(t *testing.T, u *upstream) {
	f := func(model string, status int, word, code string) {
		t.Helper()
		_, err := u.Models.GenerateContent(t.Context(), model, genai.Text(hello), nil)
		_, streamed := stream(t.Context(), u.Client, model, genai.Text(hello), nil)
		for _, err := range []error{err, streamed} {
			e := apiError(t, err)
			if e.Code != status || e.Status != word || code != "" && reason(e) != code {
				t.Errorf("%s: %+v, want %d %s %s", model, e, status, word, code)
			}
			if strings.Contains(fmt.Sprintf("%+v", e), harness.ProviderKey) {
				t.Errorf("%s: the error has the provider's key: %+v", model, e)
			}
		}
	}
	f("smrat", 404, "NOT_FOUND", "model_not_found")
	f(u.own("refused:400"), 400, "INVALID_ARGUMENT", "")
	f(u.own("limited:429;retry=false"), 429, "RESOURCE_EXHAUSTED", "provider_rate_limited")
	f(u.own("away:503"), 503, "UNAVAILABLE", "provider_overloaded")
	f(u.own("broken:500"), 502, "UNAVAILABLE", "provider_error")
	f(u.own("locked:401"), 502, "UNAVAILABLE", "provider_auth_failed")
}

func testBroken(t *testing.T, u *upstream) {
	for i, fault := range []string{"drip;delay=50ms+cut;after=5;form=fin", "drip;delay=50ms+cut;after=5;form=eof", "drip;delay=50ms+stream-error;after=5"} {
		a, err := stream(t.Context(), u.Client, u.own(fmt.Sprintf("broke%d:%s", i, fault)), genai.Text(hello), nil)
		if err == nil || a.chunks < 5 {
			t.Errorf("%s: %d chunks, %q, error %v; want some and an error", fault, a.chunks, a.text, err)
		}
	}
}

func testAbort(t *testing.T, u *upstream) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	model := u.own("left:stall;after=5")
	chunks := 0
	for _, err := range u.Models.GenerateContentStream(ctx, model, genai.Text(hello), nil) {
		if err != nil {
			break
		}
		if chunks++; chunks == 3 {
			cancel()
		}
	}
	if chunks < 3 {
		t.Errorf("%d chunks", chunks)
	}
	u.Left(t, model)
}

func testCount(t *testing.T, u *upstream) {
	got, err := u.Models.CountTokens(t.Context(), u.named("sim-fast"), genai.Text(hello), nil)
	if err != nil || got.TotalTokens < 5 {
		t.Errorf("counted %+v, error %v", got, err)
	}
}
