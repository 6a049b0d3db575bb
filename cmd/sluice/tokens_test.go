package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
	// 500 + 500 tokens at $0.15 and $0.60 a million.
	f("output", "", []string{"--model", "gpt-4o-mini", "--text", strings.Repeat(" a", 500), "--output", "500"},
		"tokens 500, exact", "input $0.000075", "output $0.0003 for 500 tokens", "total $0.000375")
	f("most output", "", []string{"--model", "gpt-4o-mini", "--text", "hi", "--output", "max"}, "output $0.0098304 for 16384 tokens")
	f("batch", "", []string{"--model", "gpt-4o-mini", "--text", strings.Repeat(" a", 500), "--output", "500", "--batch"},
		"input $0.0000375 at $0.15 a million tokens, less the batch discount", "total $0.0001875")
	f("cache", "", []string{"--model", "gpt-4o", "--text", strings.Repeat(" a", 1000), "--cached", "80%"},
		"input $0.0005 at", "cached input $0.001 for 800 tokens", "total $0.0015")
	f("estimate", "", []string{"--model", "claude-opus-5", "--text", "hello world"},
		"model anthropic/claude-opus-5", "tokens 3, estimate (four bytes a token)", "input $0.000015")
	f("unpublished vocabulary", "", []string{"--model", "gpt-6-sol", "--text", "hello world"}, "tokens 2, estimate (by o200k_base")
	f("unknown", "", []string{"--model", "gpt-4o-mimi", "--text", "hello world"},
		"tokens 2, exact", "unpriced: the model is not in the price table; nearest: ", "openai/gpt-4o-mini")
	f("slash in name", "", []string{"--model", "groq/openai/gpt-oss-120b", "--text", "hello world"}, "model groq/openai/gpt-oss-120b", "$0.0000003")
	f("does not fit", "", []string{"--model", "gpt-4", "--text", "hi", "--output", "9000"}, "of 8192: does not fit")
	// 3 for the answer; for each message 3, its role and its text; 1 more for a name; 4 tiles for the image.
	f("chat", `{"model":"gpt-4o","max_tokens":100,"messages":[{"role":"system","content":"hello world"},
		{"role":"user","name":"user","content":[{"type":"text","text":"hello"},{"type":"image_url","image_url":{"url":"x"}},{"type":"file"}]}]}`, nil,
		"model openai/gpt-4o", "tokens 781, estimate (text by o200k_base", "user 768 overhead 10 system 3",
		"1 image, estimated by size; 1 of unknown size taken for 1024 x 1024", "not counted 1 file", "output $0.001 for 100 tokens")
	f("json that is no chat", `{"a":1}`, []string{"--model", "gpt-4o"}, "tokens 5, exact")
	f("embedding", `{"model":"text-embedding-3-small","input":["hello world","hello"]}`, nil, "tokens 3, exact (cl100k_base)", "input $0.00000006")
	f("beside each other", "hello world", []string{"-m", "gpt-4o,claude-opus-5", "-m", "nonsense", "--output", "10"},
		"MODEL TOKENS COUNT INPUT $ CACHED $ OUTPUT OUTPUT $ TOTAL $ WINDOW",
		"openai/gpt-4o 2 exact 0.000005 0 10 0.0001 0.000105 0.01 %", "anthropic/claude-opus-5 3 estimate 0.000015",
		"nonsense 3 estimate - - 10 - - -", "nonsense: unpriced: the model is not in the price table")
	f("pattern", strings.Repeat(" a", 1000), []string{"-m", "openai/gpt-4o*", "--output", "100"}, "WINDOW openai/gpt-4o-mini 1000 exact")
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
	// The form is a contract: what is here must not change its name or type.
	want := `{
  "input": {"kind": "text", "bytes": 11, "requests": 1},
  "models": [{
    "model": "gpt-4o", "provider": "openai", "requests": 1, "tokens": 2, "exact": true, "how": "exact (o200k_base)", "roles": {"prompt": 2},
    "output_tokens": 10, "cached_tokens": 0, "batch": false, "priced": true, "input_usd": "0.000005", "cached_usd": "0", "output_usd": "0.0001",
    "total_usd": "0.000105", "price_as_of": "2026-08-21", "price_source": "genai-prices", "context_window": 128000, "context_share": 0.00009375
  }]
}`
	var got, wanted any
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTokensLines(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "batch.jsonl")
	const chat = `{"custom_id":"%s","method":"POST","url":"/v1/chat/completions","body":{"model":"%s","max_tokens":%d,"messages":[{"role":"user","content":"hello world"}]}}` + "\n"
	file := fmt.Sprintf(chat, "a", "gpt-4o-mini", 1000) + "\n" + fmt.Sprintf(chat, "b", "gpt-4o-mini", 3000) + "not json\n" +
		`{"model":"text-embedding-3-small","input":"hello"}` + "\n" + `{"text":"hello world"}` + "\n" + `{"a":1}` + "\n" + fmt.Sprintf(chat, "c", "o3", 10)
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(name, wantErr string, args []string, want ...string) {
		t.Helper()
		out, err := runTokens(t, "", append(args, path)...)
		if got := fmt.Sprint(err); got != wantErr {
			t.Errorf("%s: error %s, want %s", name, got, wantErr)
		}
		squeezed := strings.Join(strings.Fields(out), " ")
		for _, w := range want {
			if !strings.Contains(squeezed, w) {
				t.Errorf("%s: output lacks %q:\n%s", name, w, out)
			}
		}
	}
	// A message of 9 tokens: 3 for the answer, 3 for the message, its role, and two of text.
	f("models of the lines", "tokens: 3 of 7 lines cannot be read as requests", nil,
		"line 4: read JSON: ", "line 6: the request names no model: give --model", "line 7: no request: it has none of messages,",
		"openai/gpt-4o-mini 2 18 estimate 0.0000027 0 4000 0.0024 0.0024027 2.35 %", "openai/text-embedding-3-small 1 1 exact", "openai/o3 1 9 estimate")
	f("one model", "tokens: 2 of 7 lines cannot be read as requests", []string{"-m", "gpt-4o-mini", "--batch", "--output", "100"},
		"model openai/gpt-4o-mini requests 5 tokens 30, estimate", "output $0.00012 for 400 tokens")
	f("each", "tokens: 2 of 7 lines cannot be read as requests", []string{"-m", "gpt-4o-mini", "--each"},
		"line 1 openai/gpt-4o-mini 9 tokens, estimate 1000 output $0.00060135", "line 6 openai/gpt-4o-mini 2 tokens, exact 0 output", "requests 5")
}

func TestTokensLinesJSON(t *testing.T) {
	t.Parallel()
	in := `{"text":"hello world"}` + "\n" + `[]` + "\n" + `{"text":"hello"}`
	cmd := newTokensCommand()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&bytes.Buffer{})
	cmd.SetIn(strings.NewReader(in))
	cmd.SetArgs([]string{"--jsonl", "-m", "gpt-4o", "--json", "--each"})
	if err := cmd.Execute(); err == nil || err.Error() != "tokens: 1 of 3 lines cannot be read as requests" {
		t.Errorf("error %v", err)
	}
	type line struct {
		Line   int64
		Error  string
		Models []tokensModel
		Input  tokensInput
	}
	var all []line
	for d := json.NewDecoder(&out); d.More(); {
		var l line
		if err := d.Decode(&l); err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	if len(all) != 4 || all[0].Line != 1 || all[0].Models[0].Tokens != 2 || all[1].Line != 2 || all[1].Error == "" || all[2].Models[0].Tokens != 1 {
		t.Fatalf("%+v", all)
	}
	if diff := cmp.Diff(tokensInput{Kind: "lines", Bytes: int64(len(in)), Requests: 2, Lines: 3, Failed: 1}, all[3].Input); diff != "" || all[3].Models[0].Tokens != 3 {
		t.Errorf("sum (-want +got):\n%s\n%+v", diff, all[3].Models)
	}
}

// TestTokensInterrupted is for someone who runs the command without a file and thinks better of it.
func TestTokensInterrupted(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-m", "gpt-4o"}, {"-m", "gpt-4o", "--jsonl"}} {
		silent, w := io.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		cmd := newTokensCommand()
		cmd.SetIn(silent)
		cmd.SetArgs(args)
		ended := make(chan error, 1)
		go func() { ended <- cmd.ExecuteContext(ctx) }()
		cancel()
		if err := <-ended; err == nil || err.Error() != "tokens: interrupted" {
			t.Errorf("%v: %v", args, err)
		}
		w.Close()
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
	f("--output is lots", "--model", "x", "--output", "lots")
	f("--output max: x: the price table does not say", "--model", "x", "--output", "max")
	f("neither a number of tokens (1500) nor a share", "--model", "x", "--cached", "120%")
	f("matches no model", "--model", "nobody/*")
	f("--each is for files", "--model", "x", "--each")
	f("--text or --jsonl", "--model", "x", "--text", "y", "--jsonl")
	f("read prompt", "--model", "x", filepath.Join(t.TempDir(), "none"))
	f("read prices", "--model", "x", "--prices", filepath.Join(t.TempDir(), "none"))
}
