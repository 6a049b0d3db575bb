package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sluice/internal/model"
)

// Price is what calls of one model cost.
type Price struct {
	Name    string // provider/model, or what the user calls it
	Known   bool   // without a known price nothing is computed: unpriced is not free
	Nearest []string

	PerCall Exact // USD; replaces the prices of tokens where it is above 0
	Input   Exact // USD for one token
	Output  Exact
	Cached  Exact // for one token of input that the provider has cached

	BatchKeep    Exact // part of the price that a call in a batch costs
	BatchAssumed bool  // BatchKeep is the usual half, not a fact about this provider
	AsOf, Source string
}

// perToken makes USD a token from micro-USD a million tokens.
func perToken(rate int64) Exact { return Int(rate).Over(Int(1e12)) }

// UsualBatch is the part of the price that batches cost where nothing else is known: all providers of the price table that
// have a batch discount for chat take off half.
func UsualBatch() Exact { return Float(0.5) }

// Unpriced is the price of a model that the price table does not have. nearest are names that it may be a slip of.
func Unpriced(name string, nearest []string) Price { return Price{Name: name, Nearest: nearest} }

// PriceOf takes the price of a model from its row of the price table. The step of long prompts is that of a prompt of the
// given size.
func PriceOf(info *model.Info, prompt int64) Price {
	name, list := info.Provider+"/"+info.Model, info.ListAt(prompt)
	if list.Input < 0 || list.Output < 0 {
		return Unpriced(name, nil)
	}
	p := Price{
		Name: name, Known: true, Input: perToken(list.Input), Output: perToken(list.Output), Cached: perToken(list.Input),
		AsOf: info.AsOf, Source: info.Source,
	}
	if list.CachedInput > 0 { // as in the ledger: the zeros of the table mean "not stated"
		p.Cached = perToken(list.CachedInput)
	}
	p.BatchKeep, p.BatchAssumed = UsualBatch(), true
	if off, known := info.BatchDiscount(); known {
		p.BatchKeep, p.BatchAssumed = Int(1).Minus(Float(off)), false
	}
	return p
}

// CostQuestion asks what traffic costs.
type CostQuestion struct {
	Prices    []Price
	Input     Exact // tokens of a call, mean
	Output    Exact // visible ones
	Reasoning Exact // billed as output
	Cached    Exact // share of the input that the provider has cached

	Attempts Exact // paid requests for one call that is sent: 1 and its share of retries and fallbacks
	Hits     Exact // share of calls answered from the gateway's cache: not sent, not paid
	Month    Exact // calls a month; 0 if unknown
	Rate     Exact // calls a second when all goes at full rate; 0 if unknown
	Batch    Exact // share of calls that can wait for a batch, for the mixed pattern

	// For the break-even of batches.
	BatchFixed Exact // USD a month that running batches costs beside the calls
	Delay      Exact // USD that an hour of waiting costs for one call
	Wait       Exact // hours that a batch is waited for

	Inputs []Input
}

// Cost is the answer.
type Cost struct {
	Inputs []Input    `json:"inputs"`
	Models []CostLine `json:"models"`
	Notes  []string   `json:"notes"`
}

// CostLine is what the traffic costs with one model.
type CostLine struct {
	Model   string   `json:"model"`
	Priced  bool     `json:"priced"`
	Nearest []string `json:"nearest,omitempty"` // names of the price table, if the model is not in it
	AsOf    string   `json:"price_as_of,omitempty"`
	Source  string   `json:"price_source,omitempty"`

	PerCall *Money  `json:"per_transaction_usd,omitempty"` // one request, as the provider charges it
	Paid    *Money  `json:"per_call_usd,omitempty"`        // one call of a client, with retries and cache
	Formula string  `json:"formula,omitempty"`
	Hour    *Money  `json:"hour_usd,omitempty"` // at the full rate
	Direct  *Period `json:"direct,omitempty"`
	Stream  *Period `json:"stream,omitempty"` // as direct: providers charge streams by the same tokens
	Batched *Period `json:"batch,omitempty"`
	Mixed   *Period `json:"mixed,omitempty"` // the given share in batches
	Break   *Break  `json:"batch_break_even,omitempty"`
	Assumed bool    `json:"batch_discount_assumed,omitempty"`
	Off     *Exact  `json:"batch_discount,omitempty"` // what a batch costs less, as a share
}

// Period is what calls cost over time.
type Period struct {
	PerCall Money  `json:"per_call_usd"`
	Day     *Money `json:"day_usd,omitempty"`
	Month   *Money `json:"month_usd,omitempty"`
	Year    *Money `json:"year_usd,omitempty"`
}

// Break is when batches pay.
type Break struct {
	Saved      Money  `json:"saved_per_call_usd"`
	SavedMonth *Money `json:"saved_month_usd,omitempty"` // with all calls in batches, fixed costs not taken off
	PerPercent *Money `json:"saved_per_percent_usd,omitempty"`
	DelayWorth Money  `json:"delay_worth_usd_per_hour"`   // waiting pays while an hour of it costs a call less than this
	Pays       *bool  `json:"pays,omitempty"`             // at the given cost of waiting
	Volume     *Exact `json:"volume_per_month,omitempty"` // calls in batches a month that pay for the fixed cost
	Share      *Exact `json:"share,omitempty"`            // the same as a share of all calls; above 1 it never pays
}

// monthsPerYear and daysPerYear turn months into days: a month is a twelfth of a year of 365 days.
const (
	monthsPerYear = 12
	daysPerYear   = 365
)

// Cost answers the question.
func (q *CostQuestion) Cost() (*Cost, error) {
	if err := q.check(); err != nil {
		return nil, fmt.Errorf("plan cost: %w", err)
	}
	c := &Cost{Inputs: q.Inputs}
	for _, p := range q.Prices {
		c.Models = append(c.Models, q.line(p))
	}
	if slices.ContainsFunc(c.Models, func(l CostLine) bool { return !l.Priced }) {
		c.Notes = append(c.Notes, "unpriced: no price is known, which does not mean free")
	}
	if slices.ContainsFunc(c.Models, func(l CostLine) bool { return l.Assumed }) {
		c.Notes = append(c.Notes, "batch discount assumed (50 %): the price table has none for this provider, which may have no batches")
	}
	if q.Month.Sign() > 0 {
		c.Notes = append(c.Notes, "a month is a twelfth of a year of 365 days")
	}
	return c, nil
}

func (q *CostQuestion) check() error {
	one := Int(1)
	switch {
	case len(q.Prices) == 0:
		return errors.New("no model and no price is given")
	case q.Input.Sign() < 0 || q.Output.Sign() < 0 || q.Reasoning.Sign() < 0:
		return errors.New("tokens must not be negative")
	case q.Cached.Sign() < 0 || q.Cached.Cmp(one) > 0:
		return errors.New("the cached share of the input must be from 0 to 100 %")
	case q.Hits.Sign() < 0 || q.Hits.Cmp(one) > 0:
		return errors.New("the cache's hit rate must be from 0 to 100 %")
	case q.Batch.Sign() < 0 || q.Batch.Cmp(one) > 0:
		return errors.New("the share in batches must be from 0 to 100 %")
	case q.Attempts.Cmp(one) < 0:
		return errors.New("a call that is sent is at least one attempt")
	case q.Wait.Sign() <= 0:
		return errors.New("the wait for a batch must be above 0")
	}
	return nil
}

// line computes one model.
func (q *CostQuestion) line(p Price) CostLine {
	l := CostLine{Model: p.Name, Priced: p.Known, Nearest: p.Nearest, AsOf: p.AsOf, Source: p.Source}
	if !p.Known {
		return l
	}
	var one Exact
	one, l.Formula = q.one(p)
	paid := one.Times(q.Attempts).Times(Int(1).Minus(q.Hits))
	perCall, perPaid, off := USD(one), USD(paid), Int(1).Minus(p.BatchKeep)
	l.Off = &off
	l.PerCall, l.Paid, l.Assumed = &perCall, &perPaid, p.BatchAssumed
	if q.Rate.Sign() > 0 {
		hour := USD(paid.Times(q.Rate).Times(Int(3600)))
		l.Hour = &hour
	}
	batched := paid.Times(p.BatchKeep)
	l.Direct, l.Stream, l.Batched = q.period(paid), q.period(paid), q.period(batched)
	if q.Batch.Sign() > 0 {
		mixed := batched.Times(q.Batch).Plus(paid.Times(Int(1).Minus(q.Batch)))
		l.Mixed = q.period(mixed)
	}
	l.Break = q.breakEven(paid, batched)
	return l
}

// one returns what the provider charges for one request, and how that comes about.
func (q *CostQuestion) one(p Price) (Exact, string) {
	if p.PerCall.Sign() > 0 {
		return p.PerCall, "as given"
	}
	million := Int(1e6)
	cached := q.Input.Times(q.Cached)
	fresh, out := q.Input.Minus(cached), q.Output.Plus(q.Reasoning)
	var parts []string
	add := func(tokens, price Exact, what string) Exact {
		if tokens.Sign() > 0 {
			parts = append(parts, fmt.Sprintf("%s %s × $%s/M", tokens.Grouped(2), what, price.Times(million).Round(6)))
		}
		return tokens.Times(price)
	}
	sum := add(fresh, p.Input, "in").Plus(add(cached, p.Cached, "cached in")).Plus(add(out, p.Output, "out"))
	return sum, strings.Join(parts, " + ")
}

// period spreads the cost of one call over the volume.
func (q *CostQuestion) period(perCall Exact) *Period {
	p := &Period{PerCall: USD(perCall)}
	if q.Month.Sign() == 0 {
		return p
	}
	m := perCall.Times(q.Month)
	year := m.Times(Int(monthsPerYear))
	dayUSD, month, yearUSD := USD(year.Over(Int(daysPerYear))), USD(m), USD(year)
	p.Day, p.Month, p.Year = &dayUSD, &month, &yearUSD
	return p
}

// breakEven says when batches pay.
func (q *CostQuestion) breakEven(direct, batched Exact) *Break {
	saved := direct.Minus(batched)
	b := &Break{Saved: USD(saved), DelayWorth: USD(saved.Over(q.Wait))}
	if q.Delay.Sign() > 0 {
		pays := q.Delay.Times(q.Wait).Cmp(saved) < 0
		b.Pays = &pays
	}
	if q.Month.Sign() > 0 {
		all := USD(saved.Times(q.Month))
		percent := USD(all.Over(Int(100)))
		b.SavedMonth, b.PerPercent = &all, &percent
	}
	if q.BatchFixed.Sign() > 0 && saved.Sign() > 0 {
		volume := q.BatchFixed.Over(saved).Ceil()
		b.Volume = &volume
		if q.Month.Sign() > 0 {
			share := q.BatchFixed.Over(saved).Over(q.Month)
			b.Share = &share
		}
	}
	return b
}
