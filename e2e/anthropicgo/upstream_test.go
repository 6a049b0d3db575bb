package anthropicgo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go/v2"
	"github.com/anthropics/anthropic-sdk-go/v2/option"

	"sluice/e2e/harness"
)

func testText(t *testing.T, u *upstream) {
	whole, folded, deltas := u.ask(t, ask(u.named("sim-fast"), hello))
	if text(whole) == "" || whole.StopReason != "end_turn" || whole.Usage.OutputTokens != 30 || whole.Usage.InputTokens == 0 {
		t.Errorf("answer %s", whole.RawJSON())
	}
	if folded.Usage.InputTokens != whole.Usage.InputTokens || deltas < 10 {
		t.Errorf("streamed input of %d tokens, want %d; %d deltas", folded.Usage.InputTokens, whole.Usage.InputTokens, deltas)
	}
	direct, err := u.Messages.New(t.Context(), ask("ant/sim-fast", hello))
	if err != nil || text(direct) != text(whole) {
		t.Errorf("the text is %q, of the same provider in this dialect %q, error %v", text(whole), text(direct), err)
	}
}

func tool(name, property, kind string) anthropic.ToolUnionParam {
	return anthropic.ToolUnionParamOfTool(anthropic.ToolInputSchemaParam{
		Properties: map[string]any{property: map[string]any{"type": kind}}, Required: []string{property},
	}, name)
}

// results answers the calls of a message.
func results(m *anthropic.Message) anthropic.MessageParam {
	var blocks []anthropic.ContentBlockParamUnion
	for _, one := range calls(m) {
		blocks = append(blocks, anthropic.NewToolResultBlock(one.ID, "the result of "+one.Name, false))
	}
	return anthropic.NewUserMessage(blocks...)
}

func testTools(t *testing.T, u *upstream) {
	p := ask(u.named("sim-fast"), "Use them. [[sim:tools=2]]")
	p.Tools = []anthropic.ToolUnionParam{tool("weather", "city", "string"), tool("add", "number", "integer")}
	whole, folded, fragments := u.ask(t, p)
	got, streamed := calls(whole), calls(folded)
	if whole.StopReason != "tool_use" || len(got) != 2 || len(streamed) != 2 {
		t.Fatalf("%s: calls %v, streamed %v", whole.StopReason, got, streamed)
	}
	if least := map[bool]int{true: 2, false: 7}[u.dialect == "gemini"]; fragments < least {
		t.Errorf("%d fragments", fragments)
	}
	for i := range got {
		if got[i].Name != streamed[i].Name || !reflect.DeepEqual(object(t, got[i].Input), object(t, streamed[i].Input)) {
			t.Errorf("streamed %+v, want %+v", streamed[i], got[i])
		}
	}
	for _, answer := range []*anthropic.Message{whole, folded} {
		next := p
		next.Messages = append(append([]anthropic.MessageParam{}, p.Messages...), answer.ToParam(), results(answer))
		if final, _, _ := u.ask(t, next); final.StopReason != "end_turn" || text(final) == "" {
			t.Errorf("after the results: %s", final.RawJSON())
		}
	}
	p = ask(u.named("sim-fast"), "Hello.")
	p.Tools = []anthropic.ToolUnionParam{tool("weather", "city", "string"), tool("add", "number", "integer")}
	p.ToolChoice = anthropic.ToolChoiceParamOfTool("add")
	if forced, _, _ := u.ask(t, p); len(calls(forced)) != 1 || calls(forced)[0].Name != "add" {
		t.Errorf("calls %v, want add", calls(forced))
	}
}

func testImage(t *testing.T, u *upstream) {
	p := ask(u.own("image"), "What is this?")
	p.Messages = []anthropic.MessageParam{
		anthropic.NewUserMessage(anthropic.NewTextBlock("What is this?"), anthropic.NewImageBlockBase64("image/png", harness.Pixel)),
	}
	u.ask(t, p)
	for _, r := range u.Sent(t, string(p.Model), 2) {
		if !strings.Contains(string(r.Body), harness.Pixel) {
			t.Errorf("no image in %s", r.Body)
		}
	}
}

func testStructured(t *testing.T, u *upstream) {
	p := ask(u.named("sim-fast"), "A person, please.")
	p.OutputConfig.Format.Schema = object(t, `{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},"required":["name","age"],"additionalProperties":false}`)
	whole, _, _ := u.ask(t, p)
	if got := object(t, text(whole)); got["name"] == nil || got["age"] == nil {
		t.Errorf("got %v", got)
	}
}

// testThinking has a thinking model that uses a tool. The simulator refuses a turn that comes back without its signature.
func testThinking(t *testing.T, u *upstream) {
	p := ask(u.named("sim-reasoning"), "Use it. [[sim:tools=1]]")
	p.Thinking = anthropic.ThinkingConfigParamOfEnabled(1024)
	p.Tools = []anthropic.ToolUnionParam{tool("weather", "city", "string")}
	whole, folded, _ := u.ask(t, p)
	for _, answer := range []*anthropic.Message{whole, folded} {
		if answer.Content[0].Type != "thinking" || answer.Content[0].Thinking == "" || answer.Content[0].Thinking != whole.Content[0].Thinking {
			t.Errorf("answer begins with %+v", answer.Content[0])
		}
		if answer.Usage.OutputTokensDetails.ThinkingTokens == 0 {
			t.Errorf("no thinking tokens in %s", answer.Usage.RawJSON())
		}
		next := p
		next.Messages = append(append([]anthropic.MessageParam{}, p.Messages...), answer.ToParam(), results(answer))
		if final, _, _ := u.ask(t, next); final.StopReason != "end_turn" {
			t.Errorf("after the result: %s", final.RawJSON())
		}
	}
}

func testStops(t *testing.T, u *upstream) {
	f := func(p anthropic.MessageNewParams, want anthropic.StopReason, wantText string) {
		t.Helper()
		if m, _, _ := u.ask(t, p); m.StopReason != want || wantText != "" && text(m) != wantText {
			t.Errorf("stopped with %s after %q, want %s after %q", m.StopReason, text(m), want, wantText)
		}
	}
	p := ask(u.named("sim-fast"), hello)
	p.MaxTokens = 5
	f(p, "max_tokens", "")
	p = ask(u.named("sim-fast"), "[[sim:say=one two three four]]")
	p.StopSequences = []string{"three"}
	f(p, map[bool]anthropic.StopReason{true: "stop_sequence", false: "end_turn"}[u.dialect == "anthropic"], "one two ")
	f(ask(u.named("sim-fast"), "[[sim:refuse]]"), "refusal", "")
}

func testErrors(t *testing.T, u *upstream) {
	f := func(p anthropic.MessageNewParams, status int, kind anthropic.ErrorType, code string) {
		t.Helper()
		_, err := u.Messages.New(t.Context(), p)
		_, _, streamed := u.stream(t.Context(), p)
		for _, err := range []error{err, streamed} {
			e := apiError(t, err)
			if e.StatusCode != status || e.Type() != kind || len(e.RequestID) != 26 {
				t.Errorf("%s: status %d, type %q, id %q; want %d, %q", p.Model, e.StatusCode, e.Type(), e.RequestID, status, kind)
			}
			if raw := e.RawJSON(); !strings.Contains(raw, code) || strings.Contains(raw, harness.ProviderKey) {
				t.Errorf("%s: %s, want code %q", p.Model, raw, code)
			}
		}
	}
	f(ask("smrat", hello), http.StatusNotFound, anthropic.ErrorTypeNotFoundError, "smart")
	f(ask(u.own("refused:400"), hello), http.StatusBadRequest, anthropic.ErrorTypeInvalidRequestError, "")
	f(ask(u.own("limited:429;retry=false"), hello), http.StatusTooManyRequests, anthropic.ErrorTypeRateLimitError, "provider_rate_limited")
	f(ask(u.own("away:503"), hello), 529, anthropic.ErrorTypeOverloadedError, "provider_overloaded")
	f(ask(u.own("broken:500"), hello), http.StatusBadGateway, anthropic.ErrorTypeAPIError, "provider_error")
	f(ask(u.own("locked:401"), hello), http.StatusBadGateway, anthropic.ErrorTypeAPIError, "provider_auth_failed")

	_, err := u.Messages.New(t.Context(), ask(u.named("sim-fast"), hello), option.WithJSONSet("max_tokens", "many"))
	if e := apiError(t, err); e.StatusCode != http.StatusBadRequest || !strings.Contains(e.RawJSON(), "max_tokens") {
		t.Errorf("a wrong type: %d %s", e.StatusCode, e.RawJSON())
	}
}

func testBroken(t *testing.T, u *upstream) {
	for i, fault := range []string{"drip;delay=50ms+cut;after=5;form=fin", "drip;delay=50ms+cut;after=5;form=eof", "drip;delay=50ms+stream-error;after=5"} {
		m, deltas, err := u.stream(t.Context(), ask(u.own(fmt.Sprintf("broke%d:%s", i, fault)), hello))
		if err == nil || deltas < 5 {
			t.Errorf("%s: %d deltas, %+v, error %v; want some and an error", fault, deltas, m, err)
		}
	}
}

func testAbort(t *testing.T, u *upstream) {
	ctx, cancel := context.WithCancel(t.Context())
	model := u.own("left:stall;after=5")
	stream := u.Messages.NewStreaming(ctx, ask(model, hello))
	defer stream.Close()
	for range 3 {
		if !stream.Next() {
			t.Fatal(stream.Err())
		}
	}
	cancel()
	for stream.Next() {
	}
	if !errors.Is(stream.Err(), context.Canceled) {
		t.Errorf("error %v", stream.Err())
	}
	u.Left(t, string(model))
}
