package tally

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/model"
)

// Terms are what a price depends on besides the prompt.
type Terms struct {
	Output    int64  // tokens of output; -1 takes what the request allows
	OutputMax bool   // as many as the model can give, in place of Output
	Cached    Cached // part of the input that the provider has in its cache
	Batch     bool   // at the price of a batch
}

// Cached is a number of tokens or a share of a prompt. The zero Cached is nothing.
type Cached struct {
	Tokens int64
	Share  float64
}

// ParseCached reads "1500", "80%" or "0.8".
func ParseCached(s string) (Cached, error) {
	bad := func() (Cached, error) {
		return Cached{}, fmt.Errorf("%q is neither a number of tokens (1500) nor a share (80%% or 0.8)", s)
	}
	if digits, ok := strings.CutSuffix(s, "%"); ok {
		v, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
		if err != nil || !(v >= 0 && v <= 100) {
			return bad()
		}
		return Cached{Share: v / 100}, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
		return Cached{Tokens: n}, nil
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v >= 0 && v <= 1) {
		return bad()
	}
	return Cached{Share: v}, nil
}

func (c Cached) of(tokens int64) int64 {
	return min(c.Tokens+int64(math.Round(c.Share*float64(tokens))), tokens)
}

// Quote is what a prompt costs with a model. Amounts are nano-USD.
type Quote struct {
	Priced bool
	Why    string // not priced: the reason

	InputTokens, CachedTokens, OutputTokens int64
	Input, Cached, Output, Total            int64 // Input is without what is cached
	Requests                                int64 // that the quote is for
}

// NewQuote prices one request. A nil info is of a model that is not in the price table.
func NewQuote(info *model.Info, c *Count, p *Prompt, t Terms) Quote {
	q := Quote{InputTokens: c.Tokens, CachedTokens: t.Cached.of(c.Tokens), OutputTokens: t.output(info, p), Requests: 1}
	tier := ""
	if t.Batch {
		tier = "batch"
	}
	if info == nil {
		q.Why = "the model is not in the price table"
		return q
	}
	input, ok1 := info.Cost(llm.Usage{Input: q.InputTokens}, tier)
	withCache, ok2 := info.Cost(llm.Usage{Input: q.InputTokens, CachedInput: q.CachedTokens}, tier)
	total, ok3 := info.Cost(llm.Usage{Input: q.InputTokens, CachedInput: q.CachedTokens, Output: q.OutputTokens}, tier)
	if !ok1 || !ok2 || !ok3 {
		q.Why = "the price table has no price for all of it"
		if t.Batch {
			q.Why = "the price table has no batch price for the model"
		}
		return q
	}
	// The part of the price that is for what is not cached, in proportion: rates may depend on the prompt's whole length.
	if q.InputTokens > 0 {
		fresh := float64(q.InputTokens-q.CachedTokens) / float64(q.InputTokens)
		q.Input = int64(math.Round(float64(input) * fresh))
	}
	q.Priced, q.Cached, q.Output, q.Total = true, withCache-q.Input, total-withCache, total
	return q
}

// output is the number of output tokens that are priced.
func (t Terms) output(info *model.Info, p *Prompt) int64 {
	switch {
	case p.Kind == Embedding:
		return 0
	case t.OutputMax && info != nil && info.MaxOutput > 0:
		return info.MaxOutput
	case t.Output < 0 || t.OutputMax:
		return p.Output
	}
	return t.Output
}

// Add adds the quote of another request. A sum is priced if all of it is.
func (q *Quote) Add(o Quote) {
	if q.Requests == 0 {
		q.Priced = true
	}
	if !o.Priced {
		q.Priced, q.Why = false, o.Why
	}
	q.Requests += o.Requests
	q.InputTokens += o.InputTokens
	q.CachedTokens += o.CachedTokens
	q.OutputTokens += o.OutputTokens
	q.Input, q.Cached, q.Output, q.Total = q.Input+o.Input, q.Cached+o.Cached, q.Output+o.Output, q.Total+o.Total
}

// ErrOutputUnknown is for terms that ask for a model's most output where it is not known.
var ErrOutputUnknown = errors.New("the price table does not say how much output the model can give")

// Check returns an error if the terms cannot be applied to a model.
func (t Terms) Check(info *model.Info) error {
	if t.OutputMax && (info == nil || info.MaxOutput == 0) && (info == nil || info.Kind != "embedding") {
		return ErrOutputUnknown
	}
	return nil
}
