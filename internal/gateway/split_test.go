package gateway

import (
	"math/rand/v2"
	"testing"
)

// TestPack holds what parts must be, for any sizes and limits: all inputs, in order, once, within the limits; and no two neighbours
// could be one.
func TestPack(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		tokens := make([]int64, 1+rnd.IntN(60))
		for i := range tokens {
			tokens[i] = rnd.Int64N(50)
		}
		items, total := rnd.IntN(10), rnd.Int64N(120)
		parts := pack(tokens, items, total)
		next, before := 0, int64(0)
		for i, p := range parts {
			if p.first != next || p.end <= p.first {
				t.Fatalf("part %d is %v, after %d", i, p, next)
			}
			next = p.end
			var sum int64
			for _, n := range tokens[p.first:p.end] {
				sum += n
			}
			size := p.end - p.first
			if items > 0 && size > items || total > 0 && sum > total && size > 1 {
				t.Fatalf("part %v of %d tokens is over %d items or %d tokens", p, sum, items, total)
			}
			if i > 0 {
				last := parts[i-1]
				if (items == 0 || last.end-last.first < items) && (total == 0 || before+tokens[p.first] <= total) {
					t.Fatalf("parts %v and %v are apart for no reason", last, p)
				}
			}
			before = sum
		}
		if next != len(tokens) {
			t.Fatalf("%d of %d inputs are in parts", next, len(tokens))
		}
	}
}

func TestBelowBase(t *testing.T) {
	t.Parallel()
	f := func(path, base, want string) {
		t.Helper()
		if got := belowBase(path, base); got != want {
			t.Errorf("belowBase(%q, %q) = %q, want %q", path, base, got, want)
		}
	}
	f("/v1/files", "https://api.openai.com/v1", "/files")
	f("/files", "https://api.openai.com/v1", "/files")
	f("/v1beta/models", "https://x/v1", "/v1beta/models")
	f("/v1", "https://x/v1", "/v1")
	f("/x/files", "https://x/x", "/x/files")
	f("/v2/embed", "https://api.cohere.com", "/v2/embed")
}
