package plan

import (
	"errors"
	"fmt"
)

// Shape is what one request is on average. Tokens are means: limits count sums.
type Shape struct {
	Input  Exact `json:"input_tokens"`
	Output Exact `json:"output_tokens"`
	Cached Exact `json:"cached_share"` // of the input that the provider has cached
	// CachedCounts says whether cached input counts against limits on tokens.
	CachedCounts bool `json:"cached_counts"`
	// Reserved are the tokens charged on arrival in place of the output (max_tokens); 0 if the output itself counts.
	Reserved Exact `json:"reserved_tokens"`
	// Latency of a request in seconds; 0 if unknown. With TTFT and TPOT known and E2E not, E2E follows from them.
	TTFT Exact `json:"ttft_s"`
	TPOT Exact `json:"tpot_s"`
	E2E  Exact `json:"e2e_s"`
}

// Demand is the load that is wanted, as clients send it. The zero value asks for nothing: then only what limits carry is
// computed.
type Demand struct {
	Rate     Exact `json:"rate_per_s"` // mean calls a second; 0 if none is stated
	Peak     Exact `json:"peak"`       // busiest minute to mean minute, at least 1
	Headroom Exact `json:"headroom"`   // share of each limit that stays free
	Attempts Exact `json:"attempts"`   // upstream requests for one call that is sent: 1 and its share of retries
	Hits     Exact `json:"hits"`       // share of calls answered from the gateway's cache
	Batch    Exact `json:"batch"`      // share of calls that go into the provider's batches, outside the limits of the rest
}

// DefaultDemand is a demand of nothing with the usual headroom of 20 %.
func DefaultDemand() Demand { return Demand{Peak: Int(1), Headroom: Float(0.2), Attempts: Int(1)} }

// Fleet is what measured servers and gateways carry, each figure with the place it was measured at. Zero figures are
// unknown.
type Fleet struct {
	ReplicaStreams Exact  `json:"replica_streams"` // that one gateway replica carries at once
	ReplicaRate    Exact  `json:"replica_rate"`    // calls a second that one gateway replica carries
	ReplicaSource  string `json:"replica_source"`
	Prefill        Exact  `json:"prefill_tokens_s"` // input tokens a second that one server reads
	Decode         Exact  `json:"decode_tokens_s"`  // output tokens a second that one server makes
	ServerRate     Exact  `json:"server_rate"`      // requests of this shape a second that one server carries
	GPUs           Exact  `json:"gpus_per_server"`
	Split          bool   `json:"split"` // prefill and decode run on servers of their own
	Spare          Exact  `json:"spare"` // servers and replicas beside those that carry the load
	ServerSource   string `json:"server_source"`
}

const (
	minute = 60
	day    = 86400
)

// load is what reaches the provider of a demand.
type load struct {
	mean  Exact // requests a second, not in batches
	peak  Exact // the same in the busiest minute
	batch Exact // requests a second in batches
}

// upstream returns what reaches the provider of so many calls a second.
func (d *Demand) upstream(rate Exact) load {
	one := Int(1)
	all := rate.Times(one.Minus(d.Hits)).Times(d.Attempts)
	online := all.Times(one.Minus(d.Batch))
	return load{mean: online, peak: online.Times(d.Peak), batch: all.Times(d.Batch)}
}

// check reports what makes a demand meaningless.
func (d *Demand) check() error {
	one := Int(1)
	switch {
	case d.Rate.Sign() < 0:
		return errors.New("the wanted rate is negative")
	case d.Peak.Cmp(one) < 0:
		return errors.New("the peak factor is below 1: the busiest minute has no less than the mean")
	case d.Attempts.Cmp(one) < 0:
		return errors.New("a call that is sent is at least one attempt")
	case d.Headroom.Sign() < 0 || d.Headroom.Cmp(one) >= 0:
		return errors.New("headroom must leave something: want 0 up to, but not, 100 %")
	case d.Hits.Sign() < 0 || d.Hits.Cmp(one) >= 0:
		return errors.New("the cache's hit rate must leave calls to send: want 0 up to, but not, 100 %")
	case d.Batch.Sign() < 0 || d.Batch.Cmp(one) > 0:
		return errors.New("the share in batches must be from 0 to 100 %")
	}
	return nil
}

// check reports what makes a shape meaningless.
func (s *Shape) check() error {
	if s.Input.Sign() < 0 || s.Output.Sign() < 0 || s.Input.Plus(s.Output).Sign() == 0 {
		return errors.New("a request has tokens: input and output must not both be 0")
	}
	if s.Cached.Sign() < 0 || s.Cached.Cmp(Int(1)) > 0 {
		return errors.New("the cached share of the input must be from 0 to 100 %")
	}
	return nil
}

// chargedInput returns the input tokens that count against limits.
func (s *Shape) chargedInput() Exact {
	if s.CachedCounts {
		return s.Input
	}
	return s.Input.Times(Int(1).Minus(s.Cached))
}

// chargedOutput returns the output tokens that count against limits.
func (s *Shape) chargedOutput() Exact {
	if s.Reserved.Sign() > 0 {
		return s.Reserved
	}
	return s.Output
}

// Seconds returns how long a request takes, 0 if that is unknown: E2E, or TTFT + (output - 1) × TPOT.
func (s *Shape) Seconds() Exact {
	if s.E2E.Sign() > 0 || s.TPOT.Sign() == 0 {
		return s.E2E
	}
	return s.TTFT.Plus(s.TPOT.Times(s.Output.Minus(Int(1)).Max(Exact{})))
}

// Bound is what one limit carries.
type Bound struct {
	Limit   string `json:"limit"`
	Value   int64  `json:"value"`
	Unit    string `json:"unit"`
	Uses    Exact  `json:"uses"` // of the limit, by one request
	RPM     Exact  `json:"rpm"`  // requests a minute under this limit alone
	TPS     Exact  `json:"tps"`  // the same for a second
	Formula string `json:"formula"`
	Binds   bool   `json:"binds"` // no other limit carries less
	Daily   bool   `json:"daily"` // a mean over the day: peaks do not count against it

	// For a wanted load: how much of the limit it takes with headroom, whether that is there, and how many accounts have it.
	Need     *Exact `json:"need,omitempty"`
	Enough   *bool  `json:"enough,omitempty"`
	Accounts *Exact `json:"accounts,omitempty"`
}

// bounds computes what each limit carries.
func (s *Shape) bounds(l *Limits) []Bound {
	var all []Bound
	in, out := s.chargedInput(), s.chargedOutput()
	add := func(name string, n int64, unit string, uses Exact, perDay bool) {
		if n == 0 || uses.Sign() == 0 {
			return
		}
		rpm := Int(n).Over(uses)
		formula := fmt.Sprintf("%s %s ÷ %s a request", Int(n).Grouped(0), unit, uses.Grouped(4))
		if perDay {
			rpm = rpm.Over(Int(day / minute))
			formula += " ÷ 1,440 min"
		}
		all = append(all, Bound{
			Limit: name, Value: n, Unit: unit, Uses: uses, RPM: rpm, TPS: rpm.Over(Int(minute)), Formula: formula, Daily: perDay,
		})
	}
	one := Int(1)
	add("rpm", l.RPM, "requests/min", one, false)
	add("tpm", l.TPM, "tokens/min", in.Plus(out), false)
	add("itpm", l.ITPM, "input tokens/min", in, false)
	add("otpm", l.OTPM, "output tokens/min", out, false)
	add("rpd", l.RPD, "requests/day", one, true)
	add("tpd", l.TPD, "tokens/day", in.Plus(out), true)
	if l.RPS > 0 {
		rpm := Int(l.RPS).Times(Int(minute))
		all = append(all, Bound{
			Limit: "rps", Value: l.RPS, Unit: "requests/s", Uses: one, RPM: rpm, TPS: Int(l.RPS),
			Formula: fmt.Sprintf("%s requests/s × 60 s", Int(l.RPS).Grouped(0)),
		})
	}
	if e2e := s.Seconds(); l.Concurrency > 0 && e2e.Sign() > 0 {
		tps := Int(l.Concurrency).Over(e2e)
		all = append(all, Bound{
			Limit: "concurrency", Value: l.Concurrency, Unit: "requests at once", Uses: e2e, RPM: tps.Times(Int(minute)), TPS: tps,
			Formula: fmt.Sprintf("%s requests at once ÷ %s s a request × 60 s (Little's law)", Int(l.Concurrency).Grouped(0), e2e.Round(4)),
		})
	}
	least := -1
	for i := range all {
		if least < 0 || all[i].RPM.Cmp(all[least].RPM) < 0 {
			least = i
		}
	}
	for i := range all {
		all[i].Binds = all[i].RPM.Cmp(all[least].RPM) == 0
	}
	return all
}

// weigh adds to each bound what a load takes of it.
func (d *Demand) weigh(all []Bound, w load) (enough bool, accounts Exact) {
	enough, accounts = true, Int(1)
	free := Int(1).Minus(d.Headroom)
	for i := range all {
		b := &all[i]
		rpm := w.peak.Times(Int(minute))
		if b.Daily {
			rpm = w.mean.Times(Int(minute))
		}
		// What a limit carries is proportional to it, so the need is too.
		need := Exact{}
		if rpm.Sign() > 0 {
			need = Int(b.Value).Times(rpm).Over(b.RPM).Over(free)
		}
		fits := need.Cmp(Int(b.Value)) <= 0
		n := need.Over(Int(b.Value)).Ceil().Max(Int(1))
		b.Need, b.Enough, b.Accounts = &need, &fits, &n
		enough = enough && fits
		accounts = accounts.Max(n)
	}
	return enough, accounts
}
