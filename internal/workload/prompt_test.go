package workload

import (
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

