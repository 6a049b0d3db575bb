package cluster

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
	"sluice/internal/testenv"
)

// TestAbsurdSets checks that a set with absurd numbers does not end the sharing of all others.
func TestAbsurdSets(t *testing.T) {
	t.Parallel()
	url := testenv.Redis(t)
	absurd := func(concurrency int, amount int64, sh limit.Shape) *member {
		return &member{name: "absurd", terms: limit.Terms{Concurrency: concurrency, Shape: sh, Limits: []limit.Limit{{Dim: limit.Requests, Amount: amount, Per: time.Minute}}}}
	}
	for i, m := range []*member{
		absurd(3_000_000_000, 100, limit.Shape{}),
		absurd(0, 1<<62, limit.Shape{Mode: limit.Bucket, Burst: 3 * time.Minute}),
		absurd(0, 1<<62, limit.Shape{Mode: limit.Sliding}),
	} {
		c, err := New(Options{URL: llm.NewSecret(url), Log: slog.New(slog.DiscardHandler), Prefix: fmt.Sprintf("absurd%d", i), Quotas: func() []limit.Member { return []limit.Member{m} }})
		if err != nil {
			t.Fatal(err)
		}
		c.begun = time.Now()
		for range 20 {
			c.refresh(t.Context())
		}
		if s := c.Status(); !s.Connected || s.Sets != 1 || s.Lost != 0 {
			t.Errorf("%+v: %+v", m.terms, s)
		}
		if err := c.leave(); err != nil {
			t.Error(err)
		}
	}
}
