package plan

import (
	"errors"
	"fmt"
	"strings"
)

// CapacityQuestion asks what limits carry and whether that is enough.
type CapacityQuestion struct {
	Limits Limits
	Shape  Shape
	Demand Demand
	Fleet  Fleet

	// For the tier that a demand needs: the model at a provider whose tiers are known. Empty to leave that out.
	Tiers    *Tiers
	Provider string
	Model    string

	Inputs []Input  // with their sources, for the record
	Notes  []string // what the reader should know of the inputs
}

// Capacity is the answer.
type Capacity struct {
	Inputs  []Input  `json:"inputs"`
	Bounds  []Bound  `json:"limits"`
	Binding []string `json:"binding"` // the limits that bind
	RPM     *Exact   `json:"rpm"`     // whole requests a minute under all limits; absent without limits
	TPS     *Exact   `json:"tps"`
	Usable  *Exact   `json:"usable_rpm"`        // with headroom left
	Calls   *Exact   `json:"calls_per_s"`       // mean calls a second that clients may send, after cache, retries, batches and peak
	Streams *Exact   `json:"streams,omitempty"` // under way at the binding limit, if the latency is known
	Seconds *Exact   `json:"latency_s,omitempty"`
	Wanted  *Wanted  `json:"wanted,omitempty"`
	Notes   []string `json:"notes,omitempty"`
}

// Wanted is what a wanted load takes.
type Wanted struct {
	Calls    Exact        `json:"calls_per_s"`
	Mean     Exact        `json:"upstream_per_s"`      // requests at the provider
	Peak     Exact        `json:"peak_upstream_per_s"` // in the busiest minute
	Streams  *Exact       `json:"peak_streams,omitempty"`
	Enough   *bool        `json:"enough,omitempty"` // absent without limits
	Accounts *Exact       `json:"accounts,omitempty"`
	Batch    *BatchQueue  `json:"batch,omitempty"`
	Tier     *TierAdvice  `json:"tier,omitempty"`
	Replicas *FleetAdvice `json:"replicas,omitempty"`
	Servers  *FleetAdvice `json:"servers,omitempty"`
	GPUs     *Exact       `json:"gpus,omitempty"`
}

// BatchQueue is what the share of calls in batches takes of the provider's queue.
type BatchQueue struct {
	Need    Exact  `json:"need_tokens"` // input tokens enqueued in a day
	Limit   int64  `json:"limit,omitempty"`
	Enough  *bool  `json:"enough,omitempty"`
	Formula string `json:"formula"`
}

// TierAdvice is the lowest tier that carries a load.
type TierAdvice struct {
	Provider string      `json:"provider"`
	Model    string      `json:"model"`
	Tier     string      `json:"tier,omitempty"` // "" if none does
	Fits     bool        `json:"fits"`
	Accounts Exact       `json:"accounts"` // of that tier; of the highest one if none fits
	Highest  string      `json:"highest,omitempty"`
	Limits   *TierLimits `json:"limits,omitempty"`
	Source   *Source     `json:"source,omitempty"`
	Skipped  []string    `json:"skipped,omitempty"` // tiers whose limits for the model are not known
}

// FleetAdvice is a number of machines.
type FleetAdvice struct {
	Count   Exact  `json:"count"`
	Formula string `json:"formula"`
	Source  string `json:"source"`
}

// Capacity answers the question. It fails on inputs that mean nothing, never on a load that is too large.
func (q *CapacityQuestion) Capacity() (*Capacity, error) {
	if err := errors.Join(q.Shape.check(), q.Demand.check(), q.Limits.Check()); err != nil {
		return nil, fmt.Errorf("plan capacity: %w", err)
	}
	c := &Capacity{Inputs: q.Inputs, Notes: q.Notes}
	if e2e := q.Shape.Seconds(); e2e.Sign() > 0 {
		c.Seconds = &e2e
	} else if q.Limits.Concurrency > 0 {
		return nil, errors.New("plan capacity: a limit on concurrency needs the latency of a request")
	}
	c.Bounds = q.Shape.bounds(&q.Limits)
	q.carry(c)
	if q.Demand.Rate.Sign() > 0 {
		c.Wanted = q.wanted(c.Bounds)
	}
	return c, nil
}

// carry fills in what the limits carry.
func (q *CapacityQuestion) carry(c *Capacity) {
	free := Int(1).Minus(q.Demand.Headroom)
	perCall := q.Demand.upstream(Int(1)) // upstream requests for one call a second
	for _, b := range c.Bounds {
		if b.Binds {
			c.Binding = append(c.Binding, b.Limit)
			rpm, tps, usable := b.RPM.Floor(), b.TPS, b.RPM.Times(free).Floor()
			c.RPM, c.TPS, c.Usable = &rpm, &tps, &usable
			if c.Seconds != nil {
				streams := b.TPS.Times(*c.Seconds)
				c.Streams = &streams
			}
		}
		uses := perCall.peak
		if b.Daily {
			uses = perCall.mean
		}
		if uses.Sign() == 0 {
			continue
		}
		if calls := b.TPS.Times(free).Over(uses); c.Calls == nil || calls.Cmp(*c.Calls) < 0 {
			c.Calls = &calls
		}
	}
	if q.Limits.RPS > 0 {
		c.Notes = append(c.Notes, "rps is enforced within each second: arrivals that are not paced are refused below it")
	}
}

// wanted says what the wanted load takes.
func (q *CapacityQuestion) wanted(bounds []Bound) *Wanted {
	up := q.Demand.upstream(q.Demand.Rate)
	w := &Wanted{Calls: q.Demand.Rate, Mean: up.mean, Peak: up.peak}
	if len(bounds) > 0 {
		enough, accounts := q.Demand.weigh(bounds, up)
		w.Enough, w.Accounts = &enough, &accounts
	}
	if e2e := q.Shape.Seconds(); e2e.Sign() > 0 {
		streams := up.peak.Times(e2e)
		w.Streams = &streams
	}
	if up.batch.Sign() > 0 {
		w.Batch = q.batchQueue(up)
		w.add(w.Batch)
	}
	if q.Tiers != nil && q.Provider != "" {
		w.Tier = q.tier(up)
	}
	q.fleet(w)
	return w
}

// add makes the verdict that of the batch queue too, if its limit is known.
func (a *Wanted) add(b *BatchQueue) {
	if b.Enough == nil {
		return
	}
	enough, accounts := *b.Enough, b.Need.Over(Int(b.Limit)).Ceil().Max(Int(1))
	if a.Enough != nil {
		enough, accounts = enough && *a.Enough, accounts.Max(*a.Accounts)
	}
	a.Enough, a.Accounts = &enough, &accounts
}

// batchQueue compares a day of batched input with the queue's limit: a batch may take a day, so a day's worth may wait.
func (q *CapacityQuestion) batchQueue(up load) *BatchQueue {
	b := &BatchQueue{
		Need: up.batch.Times(Int(day)).Times(q.Shape.Input), Limit: q.Limits.BatchTokens,
		Formula: fmt.Sprintf("%s requests/s × 86,400 s × %s input tokens", up.batch.Grouped(4), q.Shape.Input.Grouped(2)),
	}
	if b.Limit > 0 {
		enough := b.Need.Cmp(Int(b.Limit)) <= 0
		b.Enough = &enough
	}
	return b
}

// tier finds the lowest tier that carries the load.
func (q *CapacityQuestion) tier(up load) *TierAdvice {
	a := &TierAdvice{Provider: q.Provider, Model: q.Model}
	for _, t := range q.Tiers.Of(q.Provider) {
		l, ok := t.For(q.Model)
		if !ok || !l.Limits.Online() {
			a.Skipped = append(a.Skipped, t.Name)
			continue
		}
		enough, accounts := q.Demand.weigh(q.Shape.bounds(&l.Limits), up)
		if up.batch.Sign() > 0 && l.BatchTokens > 0 {
			n := q.batchQueue(up).Need.Over(Int(l.BatchTokens)).Ceil().Max(Int(1))
			enough = enough && n.Cmp(Int(1)) <= 0
			accounts = accounts.Max(n)
		}
		source := q.Tiers.Source(l)
		a.Highest, a.Accounts, a.Limits, a.Source = t.Name, accounts, &l, &source
		if enough {
			a.Tier, a.Fits = t.Name, true
			return a
		}
	}
	return a
}

// fleet counts machines from measured figures.
func (q *CapacityQuestion) fleet(w *Wanted) {
	f, free := &q.Fleet, Int(1).Minus(q.Demand.Headroom)
	var replicas []machines
	if f.ReplicaStreams.Sign() > 0 && w.Streams != nil {
		replicas = append(replicas, machines{*w.Streams, f.ReplicaStreams, "streams at once"})
	}
	if f.ReplicaRate.Sign() > 0 {
		// Calls that the cache answers pass through a gateway too.
		replicas = append(replicas, machines{w.Calls.Times(q.Demand.Peak), f.ReplicaRate, "calls/s"})
	}
	w.Replicas = most(replicas, free, f.Spare, f.ReplicaSource)

	in := w.Peak.Times(q.Shape.Input.Times(Int(1).Minus(q.Shape.Cached)))
	out := w.Peak.Times(q.Shape.Output)
	switch {
	case f.ServerRate.Sign() > 0:
		w.Servers = most([]machines{{w.Peak, f.ServerRate, "requests/s"}}, free, f.Spare, f.ServerSource)
	case f.Prefill.Sign() > 0 && f.Decode.Sign() > 0 && f.Split:
		p := most([]machines{{in, f.Prefill, "input tokens/s"}}, free, f.Spare, "")
		d := most([]machines{{out, f.Decode, "output tokens/s"}}, free, f.Spare, "")
		w.Servers = &FleetAdvice{
			Count: p.Count.Plus(d.Count), Source: f.ServerSource, Formula: "prefill: " + p.Formula + "; decode: " + d.Formula,
		}
	case f.Prefill.Sign() > 0 && f.Decode.Sign() > 0:
		w.Servers = shared(in, out, free, f)
	case f.Decode.Sign() > 0:
		w.Servers = most([]machines{{out, f.Decode, "output tokens/s"}}, free, f.Spare, f.ServerSource)
	}
	if w.Servers != nil && f.GPUs.Sign() > 0 {
		gpus := w.Servers.Count.Times(f.GPUs)
		w.GPUs = &gpus
	}
}

// machines is a load and what one machine carries of it.
type machines struct {
	load, each Exact
	unit       string
}

// most counts the machines for the heaviest of some loads. It is nil without any.
func most(all []machines, free, spare Exact, source string) *FleetAdvice {
	if len(all) == 0 {
		return nil
	}
	a := &FleetAdvice{Source: source}
	var formulas []string
	for _, m := range all {
		a.Count = a.Count.Max(m.load.Over(m.each).Over(free).Ceil().Max(Int(1)))
		formulas = append(formulas, fmt.Sprintf("⌈%s %s ÷ %s each ÷ %s⌉", m.load.Grouped(2), m.unit, m.each.Grouped(2), percent(free)))
	}
	a.Formula = strings.Join(formulas, ", ")
	if len(all) > 1 {
		a.Formula = "the larger of " + a.Formula
	}
	if spare.Sign() > 0 {
		a.Count = a.Count.Plus(spare)
		a.Formula += " + " + spare.Round(0) + " spare"
	}
	return a
}

// shared counts servers that do both parts of the work: a server's time is divided between them, so their shares add up.
func shared(in, out, free Exact, f *Fleet) *FleetAdvice {
	busy := in.Over(f.Prefill).Plus(out.Over(f.Decode))
	a := &FleetAdvice{
		Count: busy.Over(free).Ceil().Max(Int(1)), Source: f.ServerSource,
		Formula: fmt.Sprintf("⌈(%s input tokens/s ÷ %s + %s output tokens/s ÷ %s) ÷ %s⌉", in.Grouped(2), f.Prefill.Grouped(2),
			out.Grouped(2), f.Decode.Grouped(2), percent(free)),
	}
	if f.Spare.Sign() > 0 {
		a.Count = a.Count.Plus(f.Spare)
		a.Formula += " + " + f.Spare.Round(0) + " spare"
	}
	return a
}
