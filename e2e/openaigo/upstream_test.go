package openaigo

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/shared"

	"sluice/e2e/harness"
)

// upstream is an account whose provider speaks a dialect.
type upstream struct {
	*client
	account, dialect string
}

func (u *upstream) named(model string) string { return u.account + "/" + model }

// own returns a model of the account that no other test uses.
func (u *upstream) own(model string) string { return u.named("go-across-" + u.account + "-" + model) }

// TestUpstreams has what the client can express over each upstream dialect.
func TestUpstreams(t *testing.T) {
	c := &client{Stage: harness.StartStage(t)}
	c.Client = c.with(harness.Key)
	for account, dialect := range harness.Upstreams() {
		u := &upstream{c, account, dialect}
		for name, test := range map[string]func(*testing.T, *upstream){
			"text":              testAcrossText,
			"tools":             testAcrossTools,
			"image":             testAcrossImage,
			"structured output": testAcrossStructured,
			"reasoning":         testAcrossReasoning,
			"stop reasons":      testAcrossStops,
			"errors":            testAcrossErrors,
			"broken streams":    testAcrossBroken,
			"abort":             testAcrossAbort,
			"responses":         testResponses,
		} {
			t.Run(name+" over "+dialect, func(t *testing.T) {
				t.Parallel()
				test(t, u)
			})
		}
	}
}

// both returns the whole answer and the stream's, which must say the same. fragments counts the pieces of tool calls.
func (u *upstream) both(t *testing.T, p openai.ChatCompletionNewParams) (whole, folded openai.ChatCompletionChoice, fragments int) {
	t.Helper()
	answer, _ := u.ask(t, p)
	whole = answer.Choices[0]
	p.StreamOptions.IncludeUsage = openai.Bool(true)
	stream := u.Chat.Completions.NewStreaming(t.Context(), p)
	defer stream.Close()
	var all openai.ChatCompletionAccumulator
	for stream.Next() {
		for _, choice := range stream.Current().Choices {
			fragments += len(choice.Delta.ToolCalls)
		}
		if !all.AddChunk(stream.Current()) {
			t.Fatalf("chunk does not fit: %s", stream.Current().RawJSON())
		}
	}
	if err := stream.Err(); err != nil || len(all.Choices) == 0 {
		t.Fatalf("%s streamed: %d choices, error %v", p.Model, len(all.Choices), err)
	}
	folded = all.Choices[0]
	if folded.Message.Content != whole.Message.Content || folded.FinishReason != whole.FinishReason || all.Usage.TotalTokens != answer.Usage.TotalTokens {
		t.Errorf("streamed %q (%s, %d tokens), want %q (%s, %d tokens)", folded.Message.Content, folded.FinishReason, all.Usage.TotalTokens,
			whole.Message.Content, whole.FinishReason, answer.Usage.TotalTokens)
	}
	return whole, folded, fragments
}

func testAcrossText(t *testing.T, u *upstream) {
	whole, _, _ := u.both(t, chat(u.named("sim-fast"), hello))
	if want := u.text(t, "up/sim-fast", hello); whole.Message.Content != want || whole.FinishReason != "stop" {
		t.Errorf("%q (%s), of the same provider in this dialect %q", whole.Message.Content, whole.FinishReason, want)
	}
}

func testAcrossTools(t *testing.T, u *upstream) {
	p := chat(u.named("sim-fast"), "Use them. [[sim:tools=2]]")
	p.Tools = []openai.ChatCompletionToolUnionParam{function("weather", "city", "string"), function("add", "number", "integer")}
	whole, folded, fragments := u.both(t, p)
	if len(whole.Message.ToolCalls) != 2 || len(folded.Message.ToolCalls) != 2 || whole.FinishReason != "tool_calls" {
		t.Fatalf("whole %s, streamed %+v", whole.RawJSON(), folded.Message)
	}
	if least := map[bool]int{true: 2, false: 7}[u.dialect == "gemini"]; fragments < least {
		t.Errorf("%d fragments", fragments)
	}
	for i := range whole.Message.ToolCalls {
		got, want := folded.Message.ToolCalls[i].Function, whole.Message.ToolCalls[i].Function
		if got.Name != want.Name || !reflect.DeepEqual(object(t, got.Arguments), object(t, want.Arguments)) {
			t.Errorf("streamed %s(%s), want %s(%s)", got.Name, got.Arguments, want.Name, want.Arguments)
		}
	}
	for _, answer := range []openai.ChatCompletionChoice{whole, folded} {
		next := p
		next.Messages = append(append([]openai.ChatCompletionMessageParamUnion{}, p.Messages...), answer.Message.ToParam())
		for _, call := range answer.Message.ToolCalls {
			next.Messages = append(next.Messages, openai.ToolMessage("the result of "+call.Function.Name, call.ID))
		}
		if final, _, _ := u.both(t, next); final.FinishReason != "stop" || final.Message.Content == "" {
			t.Errorf("after the results: %s", final.RawJSON())
		}
	}
}

func testAcrossImage(t *testing.T, u *upstream) {
	p := chat(u.own("image"), "")
	p.Messages = []openai.ChatCompletionMessageParamUnion{openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{
		openai.TextContentPart("What is this?"),
		openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: "data:image/png;base64," + harness.Pixel}),
	})}
	u.both(t, p)
	for _, r := range u.Sent(t, p.Model, 2) {
		if !strings.Contains(string(r.Body), harness.Pixel) {
			t.Errorf("no image in %s", r.Body)
		}
	}
}

func testAcrossStructured(t *testing.T, u *upstream) {
	p := chat(u.named("sim-fast"), "A person, please.")
	p.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{
		Name: "person", Strict: openai.Bool(true),
		Schema: object(t, `{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},"required":["name","age"],"additionalProperties":false}`),
	}}
	whole, _, _ := u.both(t, p)
	if got := object(t, whole.Message.Content); got["name"] == nil || got["age"] == nil {
		t.Errorf("got %v", got)
	}
}

// testAcrossReasoning has a thinking model that uses a tool. The client has no words for reasoning, but keeps unknown members; the
// simulator refuses a turn that comes back without its signature.
func testAcrossReasoning(t *testing.T, u *upstream) {
	p := chat(u.named("sim-reasoning"), "Use it. [[sim:tools=1]]")
	p.ReasoningEffort = "medium"
	p.Tools = []openai.ChatCompletionToolUnionParam{function("weather", "city", "string")}
	answer, _ := u.ask(t, p)
	m := answer.Choices[0].Message
	if f := m.JSON.ExtraFields["reasoning_content"]; len(f.Raw()) < 5 || answer.Usage.CompletionTokensDetails.ReasoningTokens == 0 {
		t.Errorf("reasoning %s, usage %s", f.Raw(), answer.Usage.RawJSON())
	}
	if len(m.ToolCalls) != 1 {
		t.Fatalf("calls %s", m.RawJSON())
	}
	back := m.ToParam()
	extra := map[string]any{}
	for name, f := range m.JSON.ExtraFields {
		extra[name] = json.RawMessage(f.Raw())
	}
	back.OfAssistant.SetExtraFields(extra)
	p.Messages = append(p.Messages, back, openai.ToolMessage("rain", m.ToolCalls[0].ID))
	if final, _ := u.ask(t, p); final.Choices[0].FinishReason != "stop" {
		t.Errorf("after the result: %s", final.RawJSON())
	}
}

func testAcrossStops(t *testing.T, u *upstream) {
	f := func(p openai.ChatCompletionNewParams, finish, text string) {
		t.Helper()
		if got, _, _ := u.both(t, p); got.FinishReason != finish || text != "" && got.Message.Content != text {
			t.Errorf("%q (%s), want %q (%s)", got.Message.Content, got.FinishReason, text, finish)
		}
	}
	p := chat(u.named("sim-fast"), hello)
	p.MaxCompletionTokens = openai.Int(5)
	f(p, "length", "")
	p = chat(u.named("sim-fast"), "[[sim:say=one two three four]]")
	p.Stop.OfStringArray = []string{"three"}
	f(p, "stop", "one two ")
	f(chat(u.named("sim-fast"), "[[sim:refuse]]"), "content_filter", "")
}

func testAcrossErrors(t *testing.T, u *upstream) {
	f := func(model string, status int, code string) {
		t.Helper()
		_, err := u.Chat.Completions.New(t.Context(), chat(model, hello))
		for _, err := range []error{err, u.stream(t.Context(), chat(model, hello)).err} {
			e := apiError(t, err)
			if e.StatusCode != status || code != "" && e.Code != code || strings.Contains(e.RawJSON(), harness.ProviderKey) {
				t.Errorf("%s: %d %s, want %d %s", model, e.StatusCode, e.RawJSON(), status, code)
			}
			requestID(t, e.Response.Header)
		}
	}
	f(u.own("refused:400"), 400, "")
	f(u.own("limited:429;retry=false"), 429, "provider_rate_limited")
	f(u.own("poor:quota"), 429, "provider_quota_exhausted")
	f(u.own("away:503"), 503, "provider_overloaded")
	f(u.own("broken:500"), 502, "provider_error")
	f(u.own("locked:401"), 502, "provider_auth_failed")
}

func testAcrossBroken(t *testing.T, u *upstream) {
	for i, fault := range []string{"drip;delay=50ms+cut;after=5;form=fin", "drip;delay=50ms+cut;after=5;form=eof", "drip;delay=50ms+stream-error;after=5"} {
		got := u.stream(t.Context(), chat(u.own(fmt.Sprintf("broke%d:%s", i, fault)), hello))
		if got.err == nil || !strings.Contains(got.err.Error(), "provider_") || got.text[0] == "" {
			t.Errorf("%s: %q, error %v; want some text and the provider's error", fault, got.text[0], got.err)
		}
	}
}

func testAcrossAbort(t *testing.T, u *upstream) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	model := u.own("left:stall;after=5")
	stream := u.Chat.Completions.NewStreaming(ctx, chat(model, hello))
	defer stream.Close()
	for range 3 {
		if !stream.Next() {
			t.Fatal(stream.Err())
		}
	}
	cancel()
	u.Left(t, model)
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
