package llm_test

import (
	"testing"

	"sluice/internal/llm"
)

func TestParseClass(t *testing.T) {
	t.Parallel()
	for _, c := range []llm.Class{llm.Interactive, llm.Background, llm.Bulk} {
		if got, ok := llm.ParseClass(c.String()); !ok || got != c {
			t.Errorf("%s is read as %v, %v", c, got, ok)
		}
	}
	if got, ok := llm.ParseClass("BULK"); !ok || got != llm.Bulk {
		t.Errorf("BULK is read as %v, %v", got, ok)
	}
	for _, s := range []string{"", "unknown", "bulk ", "batch"} {
		if c, ok := llm.ParseClass(s); ok {
			t.Errorf("%q is read as %v", s, c)
		}
	}
}

// TestNames checks names that metrics, the ledger and configuration are made of.
func TestNames(t *testing.T) {
	t.Parallel()
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(llm.OpChat.String(), "chat")
	f(llm.OpCompletion.String(), "text_completion")
	f(llm.OpEmbedding.String(), "embeddings")
	f(llm.Op(0).String(), "unknown")
	f(llm.OpenAI.String(), "openai")
	f(llm.Class(9).String(), "unknown")
	f(llm.ByGateway.String(), "gateway")
	if n := (llm.Usage{Input: 3, CachedInput: 2, Output: 4, Reasoning: 1}).Total(); n != 7 {
		t.Errorf("total of 3 and 4 tokens is %d", n)
	}
}
