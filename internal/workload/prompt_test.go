package workload

import (
	"crypto/sha256"
	"math"
	"strings"
	"testing"

	"sluice/internal/model"
)

// The two vocabularies, by a model of each.
const (
	o200k  = "gpt-4o"
	cl100k = "gpt-4"
)

// counts returns a text's tokens in both vocabularies, and as estimated from its size.
func counts(t *testing.T, c *model.Counter, text string) [3]int64 {
	t.Helper()
	a, b := c.Count(o200k, text), c.Count(cl100k, text)
	if !a.Exact || !b.Exact {
		t.Fatal("the vocabularies could not be had")
	}
	return [3]int64{a.Tokens, b.Tokens, model.EstimateTokens(len(text))}
}

func TestEachWordIsOneToken(t *testing.T) {
	t.Parallel()
	c := model.NewCounter()
	f := func(text string) {
		t.Helper()
		if n := counts(t, c, text); n[0] != 1 || n[1] != 1 {
			t.Errorf("%q has %v tokens, want 1", text, n[:2])
		}
	}
	for _, w := range strings.Fields(openers) {
		f(w)
		f(" " + w)
	}
	for _, w := range strings.Fields(followers) {
		f(" " + w)
	}
	f(".")
}

func TestEndingsHaveTheLengthThatTheySay(t *testing.T) {
	t.Parallel()
	c := model.NewCounter()
	for _, k := range []Kind{Chat, Tools, Structured} {
		e := ending(k)
		want := int64(e.tokens)
		if n := counts(t, c, e.text); n != [3]int64{want, want, want} || len(e.text) != 4*e.tokens {
			t.Errorf("%s: %v tokens, %d bytes, want %d and %d", e.text, n, len(e.text), want, 4*want)
		}
	}
}

func text(messages []Message) string {
	var b strings.Builder
	for _, m := range messages {
		b.WriteString(m.Role + ": " + m.Text + "\n")
	}
	return b.String()
}

// checkLength counts the tokens of a slot's messages.
func checkLength(t *testing.T, c *model.Counter, s Slot, messages []Message) {
	t.Helper()
	var sum [3]int64
	for _, m := range messages {
		for i, n := range counts(t, c, m.Text) {
			sum[i] += n
		}
	}
	if want := int64(s.Input); sum != [3]int64{want, want, want} {
		t.Errorf("%v of %d tokens, turn %d, %d shared: %v tokens by o200k_base, cl100k_base and size", s.Kind, s.Input, s.Turn, s.Shared, sum)
	}
}

func TestPromptsHaveExactlyTheirLength(t *testing.T) {
	t.Parallel()
	c := model.NewCounter()
	w := mustParse(t, short+"\n  concurrent_users: 1")
	for seed := range uint64(2) {
		p := NewPrompter(w, Key{Seed: seed})
		for _, kind := range []Kind{Chat, Embeddings, Tools, Structured} {
			for n := int32(1); n < 20_000; n += 1 + n/5 {
				s := Slot{Kind: kind, Input: n, Index: int64(n), Group: -1, Row: -1, Phase: Phase(seed)}
				checkLength(t, c, s, p.Messages(s))
			}
		}
	}
}

func TestPromptsOfEachWorkloadHaveTheirLength(t *testing.T) {
	t.Parallel()
	c := model.NewCounter()
	f := func(w *Workload) {
		t.Helper()
		key := Key{Seed: w.Seed, Suite: "s", Cell: 1, Repeat: 1}
		s := mustSchedule(t, w, ScheduleOptions{Key: key})
		p := NewPrompter(w, key)
		turns := 0
		for i := range int64(60) {
			slot := s.Slot(i)
			if slot.Input > 20_000 {
				continue // the tokenizer takes its time
			}
			messages := p.Messages(slot)
			checkLength(t, c, slot, messages)
			turns += int(slot.Turn)
			if last := messages[len(messages)-1]; last.Role != roleUser {
				t.Errorf("the last message is one of the %s", last.Role)
			}
		}
		if w.load.Turns.given() && turns == 0 {
			t.Error("there were no second turns")
		}
	}
	f(mustParse(t, short+"\n  concurrent_users: 3\n  turns: {fixed: 4}\n  prefix: {tokens: 300, share: 50%, groups: 2}"))
	f(mustParse(t, short+"\n  concurrent_users: 3\n  turns: {distribution: {p50: 2, p90: 6}, input_tokens: 30}\n  prefix: {block_tokens: 16, hit_rate: 0.5}"))
	f(mustParse(t, short+"\n  arrival: {rate: 20}\n  prefix: {block_tokens: 64, hit_rate: 0.5}\n  mix: [{kind: embeddings}, {kind: tools}]"))
	for _, name := range []string{"mooncake-conversation-trace", "azure-code-trace", "agent", "rag", "batch-extraction"} {
		w, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		f(w)
	}
}

// leading returns how many bytes two texts have in common at their beginning.
func leading(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func TestRequestsShareNothingButTheirPrefix(t *testing.T) {
	t.Parallel()
	w := mustParse(t, short+"\n  concurrent_users: 4\n  prefix: {tokens: 64, share: 50%, groups: 2}")
	key := Key{Seed: 1, Suite: "one"}
	s := mustSchedule(t, w, ScheduleOptions{Key: key})
	p := NewPrompter(w, key)
	const n = 200
	texts := make([]string, n)
	slots := make([]Slot, n)
	for i := range slots {
		slots[i] = s.Slot(int64(i))
		slots[i].Phase = Sustain
		messages := p.Messages(slots[i])
		texts[i] = text(messages)
		if hasSystem := messages[0].Role == roleSystem; hasSystem != (slots[i].Group >= 0) {
			t.Fatalf("request %d of group %d has the roles of %v", i, slots[i].Group, messages[0].Role)
		}
		for j := range i {
			same, most := leading(texts[i], texts[j]), 40 // "system: " and a few words that happen to be the same
			if g := slots[i].Group; g >= 0 && g == slots[j].Group {
				shared := 4*int(min(slots[i].Shared, slots[j].Shared)) - 8
				if same < shared {
					t.Fatalf("requests %d and %d of group %d have %d bytes in common, want %d", i, j, g, same, shared)
				}
				most += shared + 48
			}
			if same > most {
				t.Fatalf("requests %d and %d have %d bytes in common, want at most %d", i, j, same, most)
			}
		}
	}
	// Another run has other words throughout, in the prefix too; and so has the warm-up.
	f := func(name string, other *Prompter, phase Phase) {
		t.Helper()
		for i, slot := range slots {
			slot.Phase = phase
			if same := leading(texts[i], text(other.Messages(slot))); same > 40 {
				t.Fatalf("%s: request %d begins with the same %d bytes", name, i, same)
			}
		}
	}
	f("another suite", NewPrompter(w, Key{Seed: 1, Suite: "two"}), Sustain)
	f("another cell", NewPrompter(w, Key{Seed: 1, Suite: "one", Cell: 1}), Sustain)
	f("another repeat", NewPrompter(w, Key{Seed: 1, Suite: "one", Repeat: 1}), Sustain)
	f("another step", NewPrompter(w, Key{Seed: 1, Suite: "one", Step: 1}), Sustain)
	f("the warm-up", p, Warmup)
	for i, slot := range slots {
		if got := text(NewPrompter(w, key).Messages(slot)); got != texts[i] {
			t.Fatalf("request %d is another one the second time", i)
		}
	}
}

func TestTurnsContainTheTurnsBefore(t *testing.T) {
	t.Parallel()
	w := mustParse(t, short+"\n  concurrent_users: 2\n  turns: {fixed: 5}\n  prefix: {tokens: 100}")
	s := mustSchedule(t, w, ScheduleOptions{})
	p := NewPrompter(w, Key{})
	var before string
	for step := range int64(20) {
		slot := s.Slot(2 * step)
		slot.Phase = Sustain
		got := text(p.Messages(slot))
		if slot.Turn > 0 && !strings.HasPrefix(got, before) {
			t.Fatalf("turn %d of conversation %d does not begin with the turn before", slot.Turn, slot.Group)
		}
		if want := 2*int(slot.Turn) + 2; strings.Count(got, "\n") != want {
			t.Fatalf("turn %d has %d messages, want %d", slot.Turn, strings.Count(got, "\n"), want)
		}
		begins := map[string]bool{}
		for line := range strings.Lines(got) {
			_, words, _ := strings.Cut(line, ": ")
			begins[words[:min(len(words), 30)]] = true
		}
		if len(begins) != strings.Count(got, "\n") {
			t.Fatalf("turn %d has messages that begin alike:\n%s", slot.Turn, got)
		}
		before = got
	}
}

// TestHitRate fills a cache of prefixes that never forgets, as servers hold them: by blocks whose text is equal from the
// beginning on.
func TestHitRate(t *testing.T) {
	t.Parallel()
	f := func(name string, w *Workload, block, n int, want, tolerance float64) {
		t.Helper()
		s := mustSchedule(t, w, ScheduleOptions{})
		p := NewPrompter(w, Key{})
		cache := map[[32]byte]bool{}
		var hits, tokens, planned float64
		for i, sent := 0, 0; sent < n; i++ {
			slot := s.Slot(int64(i))
			if slot.Phase != Sustain && slot.Phase != Warmup || s.Arrival.Process == Trace && slot.Phase == Warmup {
				continue
			}
			sent++
			words := strings.SplitAfter(strings.ReplaceAll(p.Messages(slot)[0].Text, ".", " ."), " ")
			hash, cold := [32]byte{}, false
			for len(words) >= block {
				hash = sha256.Sum256([]byte(string(hash[:]) + strings.Join(words[:block], "")))
				words = words[block:]
				if cold = cold || !cache[hash]; !cold {
					hits += float64(block)
				}
				cache[hash] = true
			}
			tokens += float64(slot.Input)
			planned += float64(int(slot.Shared) / block * block)
		}
		if math.Abs(hits/tokens-want) > tolerance || math.Abs(planned/tokens-want) > tolerance {
			t.Errorf("%s: %.3f of the tokens are found, %.3f are planned to be, want %.3f", name, hits/tokens, planned/tokens, want)
		}
	}
	f("drawn, few blocks", mustParse(t, short+"\n  concurrent_users: 1\n  prefix: {block_tokens: 64, hit_rate: 0.6, groups: 2}"), 64, 3000, 0.6, 0.02)
	f("drawn", mustParse(t, short+"\n  concurrent_users: 1\n  prefix: {block_tokens: 16, hit_rate: 40%, groups: 4}"), 16, 3000, 0.4, 0.02)
	w, err := Load("mooncake-conversation-trace")
	if err != nil {
		t.Fatal(err)
	}
	// The share in the first 500 rows, from the ids themselves.
	tr, seen := w.load.Trace, map[int32]bool{}
	var hits, tokens float64
	for row := range int32(500) {
		cold := false
		tokens += float64(tr.rows[row].in)
		for i, id := range tr.blocks(row) {
			if (i+1)*mooncakeBlock > int(tr.rows[row].in) {
				break
			}
			if cold = cold || !seen[id]; !cold {
				hits += mooncakeBlock
			}
			seen[id] = true
		}
	}
	f("replayed", w, mooncakeBlock, 500, hits/tokens, 0.01)
}

func BenchmarkMessages(b *testing.B) {
	w := mustParse(b, short+"\n  concurrent_users: 1")
	p := NewPrompter(w, Key{})
	s := Slot{Input: 2000, Group: -1, Row: -1}
	b.ReportAllocs()
	for b.Loop() {
		s.Index++
		p.Messages(s)
	}
}
