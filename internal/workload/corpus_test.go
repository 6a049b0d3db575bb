package workload

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const corpusSample = `{"prompt": "What is the capital of France?", "max_tokens": 20}
{"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}], "id": 7}

{"input": "a text to embed"}
`

func TestReadCorpus(t *testing.T) {
	t.Parallel()
	c, err := readCorpus(strings.NewReader(corpusSample))
	if err != nil {
		t.Fatal(err)
	}
	want := []corpusLine{
		{messages: []Message{{"user", "What is the capital of France?"}}, tokens: 8, output: 20},
		{messages: []Message{{"system", "Be brief."}, {"user", "Hi"}}, tokens: 4},
		{messages: []Message{{"user", "a text to embed"}}, embed: true, tokens: 4},
	}
	if diff := cmp.Diff(want, c.lines, cmp.AllowUnexported(corpusLine{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReadCorpusErrors(t *testing.T) {
	t.Parallel()
	f := func(src, want string) {
		t.Helper()
		if _, err := readCorpus(strings.NewReader(src)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want an error with %q", src, err, want)
		}
	}
	f("", "there are no prompts")
	f("\n{", "line 2: is no JSON object of a prompt")
	f(`{"promt": "x"}`, `line 1: needs one of "prompt", "messages" and "input"`)
	f(`{"prompt": "x", "input": "y"}`, `needs one of`)
	f(`{"prompt": ""}`, "has no text")
	f(`{"messages": []}`, "has no text")
	f(`{"messages": [{"role": "tool", "content": "x"}]}`, `role "tool" of message 1 is none of system, user and assistant`)
	f(`{"messages": [{"role": "user"}]}`, "message 1 has no content")
	f(`{"prompt": "x", "max_tokens": 0}`, "max_tokens is 0; it is 1 to 10000000")
	f(strings.Repeat(" ", maxCorpusLine+1), "line 1: is longer than 8 MiB")
}

func TestPromptsOfAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "p.jsonl"), []byte(corpusSample), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func(keys string) (*Schedule, *Prompter) {
		t.Helper()
		w, err := Parse(filepath.Join(dir, "w.yaml"), []byte("benchmark_workload:\n  name: x\n  concurrent_users: 2\n"+keys))
		if err != nil {
			t.Fatal(err)
		}
		return mustSchedule(t, w, ScheduleOptions{}), NewPrompter(w, Key{})
	}
	s, p := load("  prompts: {file: p.jsonl, unique: false}\n  request_distribution: {output_tokens: 77}\n  mix: [{kind: tools}]")
	seen := map[int32]int{}
	for i := range int64(30) {
		slot := s.Slot(i)
		seen[slot.Row]++
		line := p.design.Corpus.lines[slot.Row]
		want := Slot{Index: i, Kind: Tools, Input: line.tokens, Output: 77, Group: -1, Row: slot.Row}
		switch slot.Row {
		case 0:
			want.Output = 20
		case 2:
			want.Kind, want.Output = Embeddings, 0
		}
		if slot != want {
			t.Fatalf("slot %+v, want %+v", slot, want)
		}
		if diff := cmp.Diff(line.messages, p.Messages(slot)); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	}
	if diff := cmp.Diff(map[int32]int{0: 10, 1: 10, 2: 10}, seen); diff != "" {
		t.Errorf("how often each line is sent (-want +got):\n%s", diff)
	}

	s, p = load("  prompts: {file: p.jsonl}")
	begin := map[string]bool{}
	for i := range int64(30) {
		slot := s.Slot(i)
		m, line := p.Messages(slot)[0], p.design.Corpus.lines[slot.Row]
		words, rest, ok := strings.Cut(m.Text, "\n\n")
		if !ok || rest != line.messages[0].Text || begin[words] || slot.Input != line.tokens+uniqueTokens {
			t.Fatalf("slot %+v begins with %q", slot, m.Text)
		}
		begin[words] = true
	}
	if got := p.design.Corpus.lines[0].messages[0].Text; got != "What is the capital of France?" {
		t.Errorf("the corpus itself is %q afterwards", got)
	}
}

func FuzzReadCorpus(f *testing.F) {
	f.Add([]byte(corpusSample))
	f.Add([]byte(`{"messages": [{"role": "assistant", "content": "é"}], "max_tokens": 1}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := readCorpus(bytes.NewReader(src))
		if err != nil {
			return
		}
		for i, l := range c.lines {
			if l.tokens < 1 || l.output < 0 || len(l.messages) == 0 {
				t.Fatalf("line %d: %+v", i, l)
			}
		}
		seen := map[int32]bool{}
		for i := range int64(len(c.lines)) {
			seen[c.row(source(len(src)), i)] = true
		}
		if len(seen) != len(c.lines) {
			t.Fatalf("%d of %d lines are sent before one is sent again", len(seen), len(c.lines))
		}
	})
}

// fuzzFiles has one trace and one file of prompts.
func fuzzFiles(name string) (io.ReadCloser, error) {
	switch name {
	case "t":
		return io.NopCloser(strings.NewReader(mooncakeSample)), nil
	case "p":
		return io.NopCloser(strings.NewReader(corpusSample)), nil
	}
	return nil, os.ErrNotExist
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(guide))
	for _, p := range Profiles() {
		if !strings.Contains(p.Source, "trace:") { // reading one takes tens of milliseconds
			f.Add([]byte(p.Source))
		}
	}
	f.Add([]byte("benchmark_workload: {name: x, mix: [{kind: tools, weight: 0.5}], turns: {mean: 3}, arrival: {rate: 1, shape: .5}}"))
	f.Add([]byte("benchmark_workload: {name: x, trace: {file: t}, prompts: {file: p}, slo: {ttft: 1s}, prefix: {tokens: 5}}"))
	f.Fuzz(func(t *testing.T, src []byte) {
		w, err := parse("w.yaml", src, fuzzFiles)
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error without text")
			}
			return
		}
		if _, err := parse("w.yaml", []byte(w.Source), fuzzFiles); err != nil {
			t.Fatalf("its own source is refused: %v", err)
		}
		s, err := w.Schedule(ScheduleOptions{Phases: &Phases{Sustain: 1}})
		if err != nil {
			return
		}
		p := NewPrompter(w, Key{})
		for i := range int64(3) {
			if s.Arrival.Process != Closed && i >= int64(len(s.Slots)) {
				break
			}
			slot := s.Slot(i)
			if slot.Input < 1 || slot.Output < 0 || slot.Shared > slot.Input {
				t.Fatalf("slot %+v", slot)
			}
			if slot.Input < 10_000 && len(p.Messages(slot)) == 0 {
				t.Fatal("no messages")
			}
		}
	})
}
