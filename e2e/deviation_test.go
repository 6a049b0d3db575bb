package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"sluice/e2e/harness"
)

// deviations are the kinds of accounts whose servers speak OpenAI's dialect each in its own way, as the simulator does with the fault
// deviate.
func deviations() map[string]string {
	kinds := map[string]string{"perplexity": "openai"} // has no kind of its own
	for _, kind := range []string{"groq", "together", "fireworks", "openrouter", "deepseek", "mistral", "xai", "cerebras", "ollama", "vllm", "llamacpp", "azure"} {
		kinds[kind] = kind
	}
	return kinds
}

// TestDeviations asks each kind of compatible server, with its deviations, through the front of each dialect: the answer is whole, its
// usage that of the server, its errors of their kind, and a broken stream never a success.
func TestDeviations(t *testing.T) {
	t.Parallel()
	sim := harness.StartSim(t, "any_model: true\nlatency: none\nmodels: [{name: sim-fast}]\n")
	config := "retry: {attempts: 1}\nproviders:\n"
	for name, api := range deviations() {
		base := sim.URL
		if api == "azure" {
			base = sim.Root() + "/openai/v1"
		}
		config += fmt.Sprintf("  %s: {api: %s, base_url: %q, api_key: k}\n", name, api, base)
	}
	g := harness.StartGateway(t, config)
	for name := range deviations() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, front := range fronts() {
				model := name + "/sim-fast:deviate=" + name
				whole := front.ask(t, g, model, false)
				streamed := front.ask(t, g, model, true)
				if whole.text == "" || streamed.text != whole.text || whole.tokens != 12 || streamed.tokens != 12 || !whole.done || !streamed.done {
					t.Errorf("%s: whole %+v, streamed %+v", front.name, whole, streamed)
				}
				for fault, code := range map[string]string{"+429": "provider_rate_limited", "+503": "provider_overloaded", "+402": "provider_quota_exhausted"} {
					for _, stream := range []bool{false, true} {
						if got := front.ask(t, g, model+fault, stream); got.status < 400 || !strings.Contains(got.body, code) {
							t.Errorf("%s: %s, streamed %v: status %d, %s", front.name, fault, stream, got.status, got.body)
						}
					}
				}
				for _, fault := range []string{"+cut;after=4;form=fin", "+stream-error;after=4"} {
					if got := front.ask(t, g, model+fault, true); got.done || !strings.Contains(got.body, "provider_stream_error") && !strings.Contains(got.body, "provider_truncated") &&
						!strings.Contains(got.body, "provider_overloaded") {
						t.Errorf("%s: %s: %+v", front.name, fault, got)
					}
				}
			}
		})
	}
}

// answered is what a client makes of an answer.
type answered struct {
	status int
	text   string
	tokens int  // of output
	done   bool // a reason for the end was told
	body   string
}

// front is one dialect as a client speaks it.
type front struct {
	name string
	path func(model string, stream bool) string
	body func(model string, stream bool) string
	read func(a *answered, event []byte)
}

const deviant = "Tell me. [[sim:tokens=12]]"

func fronts() []front {
	return []front{
		{
			name: "openai",
			path: func(string, bool) string { return "/v1/chat/completions" },
			body: func(model string, stream bool) string {
				more := ""
				if stream {
					more = `,"stream":true,"stream_options":{"include_usage":true}`
				}
				return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":%q}]%s}`, model, deviant, more)
			},
			read: readOpenAI,
		},
		{
			name: "anthropic",
			path: func(string, bool) string { return "/anthropic/v1/messages" },
			body: func(model string, stream bool) string {
				return fmt.Sprintf(`{"model":%q,"max_tokens":100,"stream":%t,"messages":[{"role":"user","content":%q}]}`, model, stream, deviant)
			},
			read: readAnthropic,
		},
		{
			name: "gemini",
			path: func(model string, stream bool) string {
				if stream {
					return "/gemini/v1beta/models/" + model + ":streamGenerateContent?alt=sse"
				}
				return "/gemini/v1beta/models/" + model + ":generateContent"
			},
			body: func(string, bool) string { return fmt.Sprintf(`{"contents":[{"parts":[{"text":%q}]}]}`, deviant) },
			read: readGemini,
		},
	}
}

func (f *front) ask(t *testing.T, g *harness.Gateway, model string, stream bool) answered {
	t.Helper()
	got := g.Post(t, f.path(model, stream), f.body(model, stream))
	a := answered{status: got.Status, body: got.Body}
	if got.Status != 200 {
		return a
	}
	if !stream {
		f.read(&a, []byte(got.Body))
		return a
	}
	for line := range strings.Lines(got.Body) {
		if data, ok := strings.CutPrefix(line, "data:"); ok {
			f.read(&a, []byte(data))
		}
	}
	return a
}

func readOpenAI(a *answered, event []byte) {
	type message struct {
		Content json.RawMessage // a string, null, or, forwarded from Mistral, an array
	}
	var e struct {
		Choices []struct {
			Message, Delta message
			FinishReason   string `json:"finish_reason"`
		}
		Usage struct {
			CompletionTokens int `json:"completion_tokens"`
		}
		XGroq struct {
			Usage struct {
				CompletionTokens int `json:"completion_tokens"`
			}
		} `json:"x_groq"`
	}
	if json.Unmarshal(event, &e) != nil {
		return // [DONE]
	}
	for _, c := range e.Choices {
		a.text += contentText(c.Message.Content) + contentText(c.Delta.Content)
		a.done = a.done || c.FinishReason != ""
	}
	a.tokens = max(a.tokens, e.Usage.CompletionTokens, e.XGroq.Usage.CompletionTokens)
}

func contentText(content json.RawMessage) (text string) {
	if json.Unmarshal(content, &text) == nil {
		return text
	}
	var parts []struct{ Text string }
	_ = json.Unmarshal(content, &parts) // what is neither has no text
	for _, p := range parts {
		text += p.Text
	}
	return text
}

func readAnthropic(a *answered, event []byte) {
	type usage struct {
		OutputTokens int `json:"output_tokens"`
	}
	var e struct {
		Type       string
		Content    []struct{ Text string }
		StopReason string `json:"stop_reason"`
		Delta      struct {
			Text       string
			StopReason string `json:"stop_reason"`
		}
		Usage usage
	}
	_ = json.Unmarshal(event, &e) // an event of another shape says nothing
	for _, c := range e.Content {
		a.text += c.Text
	}
	a.text += e.Delta.Text
	a.tokens = max(a.tokens, e.Usage.OutputTokens)
	a.done = a.done || e.Type == "message_stop" || e.StopReason != ""
}

func readGemini(a *answered, event []byte) {
	var e struct {
		Candidates []struct {
			Content      struct{ Parts []struct{ Text string } }
			FinishReason string
		}
		UsageMetadata struct{ CandidatesTokenCount, ThoughtsTokenCount int }
	}
	_ = json.Unmarshal(event, &e) // an event of another shape says nothing
	for _, c := range e.Candidates {
		for _, p := range c.Content.Parts {
			a.text += p.Text
		}
		a.done = a.done || c.FinishReason != ""
	}
	a.tokens = max(a.tokens, e.UsageMetadata.CandidatesTokenCount+e.UsageMetadata.ThoughtsTokenCount)
}
