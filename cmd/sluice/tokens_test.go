package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runTokens runs the command and returns what it prints.
func runTokens(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	cmd := newTokensCommand()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetArgs(args)
	err := cmd.Execute()
	return out.String(), err
}

func TestTokens(t *testing.T) {
	t.Parallel()
	f := func(name, stdin string, args []string, want ...string) {
		t.Helper()
		out, err := runTokens(t, stdin, args...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		squeezed := strings.Join(strings.Fields(out), " ")
		for _, w := range want {
			if !strings.Contains(squeezed, w) {
				t.Errorf("%s: output lacks %q:\n%s", name, w, out)
			}
		}
	}
	f("text", "", []string{"--model", "gpt-4o", "--text", "hello world"},
		"model openai/gpt-4o", "tokens 2, exact (o200k_base)", "input $0.000005 at $2.5 a million tokens (2026-08-21, genai-prices)",
		"context window 0.00 % of 128000")
	f("standard input", "hello world", []string{"--model", "openai/gpt-4o", "-"}, "model openai/gpt-4o", "tokens 2, exact")
	f("output", "", []string{"--model", "gpt-4o-mini", "--text", strings.Repeat(" a", 500), "--output", "500"},
		"tokens 500, exact", "input $0.000075", "output $0.0003 for 500 tokens", "total $0.000375")
	f("estimate", "", []string{"--model", "claude-opus-5", "--text", "hello world"},
		"model anthropic/claude-opus-5", "tokens 3, estimate (four bytes a token)", "input $0.000015")
	f("unpublished vocabulary", "", []string{"--model", "gpt-6-sol", "--text", "hello world"}, "tokens 2, estimate (by o200k_base")
	f("unknown", "", []string{"--model", "gpt-4o-mimi", "--text", "hello world"},
		"tokens 2, exact", "unpriced: the model is not in the table; nearest: ", "openai/gpt-4o-mini")
	f("slash in name", "", []string{"--model", "groq/openai/gpt-oss-120b", "--text", "hello world"}, "model groq/openai/gpt-oss-120b", "$0.0000003")
	f("does not fit", "", []string{"--model", "gpt-4", "--text", "hi", "--output", "9000"}, "of 8192: does not fit")
	// 3 for the answer; for each message 3, its role and its text; 1 more for a name.
	f("chat", `{"model":"gpt-4o","messages":[{"role":"system","content":"hello world"},
		{"role":"user","name":"user","content":[{"type":"text","text":"hello"},{"type":"image_url","image_url":{"url":"x"}}]}]}`, nil,
		"model openai/gpt-4o", "tokens 16, estimate (text by o200k_base", "not counted 1 image_url")
	f("json that is no chat", `{"a":1}`, []string{"--model", "gpt-4o"}, "tokens 5, exact")
}

func TestTokensJSON(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "prompt")
	if err := os.WriteFile(path, []byte("hello world"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := runTokens(t, "", "--model", "gpt-4o", "--json", "--output", "10", path)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"tokens": 2.0, "exact": true, "priced": true, "input_usd": "0.000005", "output_usd": "0.0001", "total_usd": "0.000105",
		"context_window": 128000.0, "provider": "openai", "price_as_of": "2026-08-21",
	} {
		if got[key] != want {
			t.Errorf("%s = %v, want %v", key, got[key], want)
		}
	}
}

func TestTokensErrors(t *testing.T) {
	t.Parallel()
	f := func(want string, args ...string) {
		t.Helper()
		if _, err := runTokens(t, "text", args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("tokens %v: %v, want %q", args, err, want)
		}
	}
	f("--model is missing")
	f("not both", "--model", "x", "--text", "y", "file")
	f("--output is -1", "--model", "x", "--output", "-1")
	f("read prompt", "--model", "x", filepath.Join(t.TempDir(), "none"))
	f("read prices", "--model", "x", "--prices", filepath.Join(t.TempDir(), "none"))
}
