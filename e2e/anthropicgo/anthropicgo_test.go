// Package anthropicgo holds tests of Anthropic's Go client, unchanged, against a running gateway. It uses only what versions 1 and
// 2 of the client have in common: the same files run with both (see TestOldAnthropicGo).
package anthropicgo

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go/v2"
	"github.com/anthropics/anthropic-sdk-go/v2/option"

	"sluice/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m, "../..") }

const hello = "Tell me about rivers. [[sim:tokens=30]]"

// client is the official client and what stands behind it.
type client struct {
	anthropic.Client
	*harness.Stage
}

// with returns the client with another credential.
func (c *client) with(credential option.RequestOption, more ...option.RequestOption) anthropic.Client {
	return anthropic.NewClient(append([]option.RequestOption{
		option.WithBaseURL(c.Gateway.URL + "/anthropic"), credential, option.WithMaxRetries(0),
		option.WithRequestTimeout(harness.Hang),
	}, more...)...)
}

func TestClient(t *testing.T) {
	c := &client{Stage: harness.StartStage(t)}
	c.Client = c.with(option.WithAPIKey(harness.Key))
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
		} {
			t.Run(name+" over "+dialect, func(t *testing.T) {
				t.Parallel()
				test(t, u)
			})
		}
	}
	for name, test := range map[string]func(*testing.T, *client){
		"keys and versions": testAuth, "models": testModels, "count tokens": testCount,
		"paced burst": testPacedBurst, "key's rate": testKeyRate, "key's budget": testKeyBudget,
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

// named returns a model of the account.
func (u *upstream) named(model string) anthropic.Model {
	return anthropic.Model(u.account + "/" + model)
}

// own returns a model of the account that no other test uses.
func (u *upstream) own(model string) anthropic.Model {
	return u.named("go-" + u.account + "-" + model)
}

func ask(model anthropic.Model, message string) anthropic.MessageNewParams {
	return anthropic.MessageNewParams{
		Model: model, MaxTokens: 2000,
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(message))},
	}
}

// ask returns the whole answer, and the stream's, which must be the same but for its id. fragments counts the deltas.
func (u *upstream) ask(t *testing.T, p anthropic.MessageNewParams) (whole, folded *anthropic.Message, fragments int) {
	t.Helper()
	whole, err := u.Messages.New(t.Context(), p)
	if err != nil {
		t.Fatalf("%s: %v", p.Model, err)
	}
	folded, fragments, err = u.stream(t.Context(), p)
	if err != nil {
		t.Fatalf("%s streamed: %v", p.Model, err)
	}
	if folded.StopReason != whole.StopReason || folded.Usage.OutputTokens != whole.Usage.OutputTokens || text(folded) != text(whole) {
		t.Errorf("streamed %q (%s, %d tokens), want %q (%s, %d tokens)", text(folded), folded.StopReason, folded.Usage.OutputTokens,
			text(whole), whole.StopReason, whole.Usage.OutputTokens)
	}
	return whole, folded, fragments
}

func (u *upstream) stream(ctx context.Context, p anthropic.MessageNewParams) (*anthropic.Message, int, error) {
	stream := u.Messages.NewStreaming(ctx, p)
	defer stream.Close()
	var m anthropic.Message
	deltas := 0
	for stream.Next() {
		if stream.Current().Type == "content_block_delta" {
			deltas++
		}
		if err := m.Accumulate(stream.Current()); err != nil {
			return nil, deltas, err
		}
	}
	return &m, deltas, stream.Err()
}

func text(m *anthropic.Message) string {
	var b strings.Builder
	for _, block := range m.Content {
		if block.Type == "text" {
			b.WriteString(block.Text)
		}
	}
	return b.String()
}

// call is a call of a tool.
type call struct{ ID, Name, Input string }

func calls(m *anthropic.Message) (all []call) {
	for _, block := range m.Content {
		if block.Type == "tool_use" {
			all = append(all, call{block.ID, block.Name, string(block.Input)})
		}
	}
	return all
}

// apiError returns the error that the API answered.
func apiError(t *testing.T, err error) *anthropic.Error {
	t.Helper()
	var e *anthropic.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %T %v, not one of the API", err, err)
	}
	return e
}

func testAuth(t *testing.T, c *client) {
	for _, base := range []string{c.Gateway.URL + "/anthropic", c.Gateway.URL} {
		for _, version := range []string{"", "2023-06-01", "2026-10-21"} {
			more := []option.RequestOption{option.WithBaseURL(base)}
			if version != "" {
				more = append(more, option.WithHeader("anthropic-version", version))
			}
			for _, credential := range []option.RequestOption{option.WithAPIKey(harness.Key), option.WithAuthToken(harness.Key)} {
				one := c.with(credential, more...)
				var resp *http.Response
				m, err := one.Messages.New(t.Context(), ask("smart", hello), option.WithResponseInto(&resp))
				if err != nil || m.StopReason != "end_turn" {
					t.Errorf("%s, version %q: %v", base, version, err)
					continue
				}
				sent := resp.Request.Header
				if version == "" && sent.Get("Anthropic-Version") != apiVersion || sent.Get("Authorization") == "" && sent.Get("X-Api-Key") == "" {
					t.Errorf("the client sent version %q, %v: not what these tests are for", sent.Get("Anthropic-Version"), sent)
				}
			}
			one := c.with(option.WithAPIKey(harness.KeyWrong), more...)
			_, err := one.Messages.New(t.Context(), ask("smart", hello))
			if e := apiError(t, err); e.StatusCode != 401 || e.Type() != anthropic.ErrorTypeAuthenticationError || len(e.RequestID) != 26 {
				t.Errorf("wrong key: status %d, type %q, id %q", e.StatusCode, e.Type(), e.RequestID)
			}
		}
	}
	var resp *http.Response
	if _, err := c.Messages.New(t.Context(), ask("smart", hello), option.WithResponseInto(&resp)); err != nil || resp.Request.Header.Get(keyHeader) == "" {
		t.Errorf("the client does not send its key as %s (bearer %t), error %v", keyHeader, sendsBearer, err)
	}
}

func testModels(t *testing.T, c *client) {
	var ids []string
	pages := c.Models.ListAutoPaging(t.Context(), anthropic.ModelListParams{Limit: anthropic.Int(2)})
	for pages.Next() {
		ids = append(ids, pages.Current().ID)
	}
	if got := strings.Join(ids, " "); pages.Err() != nil || !strings.Contains(got, "smart") || !strings.Contains(got, "other/elsewhere") {
		t.Errorf("models %s, error %v", got, pages.Err())
	}
	if m, err := c.Models.Get(t.Context(), "smart", anthropic.ModelGetParams{}); err != nil || m.ID != "smart" {
		t.Errorf("model %+v, error %v", m, err)
	}
	_, err := c.Models.Get(t.Context(), "smrat", anthropic.ModelGetParams{})
	if e := apiError(t, err); e.StatusCode != 404 || e.Type() != anthropic.ErrorTypeNotFoundError {
		t.Errorf("unknown model: status %d, type %q", e.StatusCode, e.Type())
	}
}

func testCount(t *testing.T, c *client) {
	for account := range harness.Upstreams() {
		model := anthropic.Model(account + "/sim-fast")
		got, err := c.Messages.CountTokens(t.Context(), anthropic.MessageCountTokensParams{Model: model, Messages: ask(model, hello).Messages})
		if err != nil || got.InputTokens < 5 {
			t.Errorf("%s counts %+v, error %v", account, got, err)
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
