package llm_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/llm"
)

// TestUnfold holds Unfold to its definition: folding what it gives is the answer again.
func TestUnfold(t *testing.T) {
	t.Parallel()
	f := func(name string, a llm.Answer) {
		t.Helper()
		var fold llm.Folder
		events := llm.Unfold(&a)
		for i := range events {
			fold.Add(&events[i])
		}
		if d := cmp.Diff(&a, fold.Answer()); d != "" {
			t.Errorf("%s: fold of unfold differs (-want +got):\n%s", name, d)
		}
		if first, last := events[0].Kind, events[len(events)-1].Kind; first != llm.EventStart || last != llm.EventEnd {
			t.Errorf("%s: events begin with %d and end with %d", name, first, last)
		}
	}
	f("empty", llm.Answer{})
	f("all", llm.Answer{
		ID: "a", Model: "m", Created: time.Unix(5, 0), HasUsage: true, ServiceTier: "flex", Fingerprint: "fp",
		Usage: llm.Usage{Input: 3, Output: 4},
		Choices: []llm.Choice{
			{Index: 0, Finish: llm.FinishTools, Reason: "tool_use", Logprobs: []llm.Logprob{{Token: "h", Logprob: -1}}, Parts: []llm.Part{
				{Kind: llm.PartThinking, Text: "hm", Signature: "s", Origin: llm.Anthropic},
				{Kind: llm.PartRedacted, Signature: "r", Origin: llm.Anthropic},
				{Kind: llm.PartText, Text: "hello", Citations: []llm.Citation{{URL: "u", Start: 1, End: 2}}},
				{Kind: llm.PartImage, MIME: "image/png", Data: "AAAA", Signature: "i", Origin: llm.Gemini},
				{Kind: llm.PartOther, Raw: `{}`, Origin: llm.Responses},
				{Kind: llm.PartToolCall, ID: "t", Name: "f", Text: "{}", Signature: "g", Origin: llm.Gemini},
				{Kind: llm.PartToolCall, ID: "u", Name: "c", Text: "free", Custom: true},
			}},
			{Index: 1, Finish: llm.FinishSequence, Stop: "END", Parts: []llm.Part{{Kind: llm.PartRefusal, Text: "no"}}},
			{Index: 2, Finish: llm.FinishLength, Logprobs: []llm.Logprob{{Token: "x"}}},
		},
	})
}
