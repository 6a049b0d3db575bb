package pace

import (
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// budgetDims are the dimensions that a provider's limits have; money is none of them.
const budgetDims = int(limit.Money)

// take is a quantity of each dimension.
type take [budgetDims]float64

func (t *take) add(o take) {
	for d := range t {
		t[d] += o[d]
	}
}

func (t *take) sub(o take) {
	for d := range t {
		t[d] -= o[d]
	}
}

// largest returns the most that any limited dimension has of its rate: seconds at the plain rate.
func (t *take) largest(rate *take) float64 {
	most := 0.0
	for d := range t {
		if rate[d] > 0 {
			most = max(most, t[d]/rate[d])
		}
	}
	return most
}

// The history reaches back for somewhat more than a minute.
const (
	traceSlot  = 250 * time.Millisecond
	traceSlots = 256
)

// trace is what has been taken of a quota, by one counting rule: all of it at the beginnings of short slots of time, and what a bucket that
// fills at the plain rate would lack. How much is lacking does not depend on how large the bucket is, so that one number serves for
// buckets of all sizes.
type trace struct {
	all     take // since the beginning
	lack    take
	at      time.Duration
	slot    int64 // that all belongs to
	started bool
	begun   [traceSlots]take // all, at the beginning of the slot
}

// turn lets time pass.
func (tr *trace) turn(now time.Duration, rate *take) {
	if passed := (now - tr.at).Seconds(); passed > 0 {
		for d := range tr.lack {
			tr.lack[d] = max(tr.lack[d]-passed*rate[d], 0)
		}
		tr.at = now
	}
	slot := int64(now / traceSlot)
	if !tr.started {
		tr.started, tr.slot = true, slot
		for i := range tr.begun {
			tr.begun[i] = tr.all
		}
		return
	}
	for n := min(slot-tr.slot, traceSlots); n > 0; n-- {
		tr.begun[(slot-n+1)%traceSlots] = tr.all
	}
	tr.slot = max(tr.slot, slot)
}

// add takes from the quota at the present time, or gives back.
func (tr *trace) add(t take) {
	tr.all.add(t)
	for d := range t {
		tr.lack[d] = max(tr.lack[d]+t[d], 0)
	}
}

// void takes back what was taken for accepted at a time and was not.
func (tr *trace) void(t take, at time.Duration) {
	tr.add(take{}.less(t))
	for s := max(int64(at/traceSlot)+1, tr.slot-traceSlots+1); s <= tr.slot; s++ {
		tr.begun[s%traceSlots].sub(t)
	}
}

// less returns t without o.
func (t take) less(o take) take {
	t.sub(o)
	return t
}

// since returns what was taken from a time on, up to a quarter of a second more.
func (tr *trace) since(at time.Duration) take {
	slot := max(int64(at/traceSlot), tr.slot-traceSlots+1, 0)
	if at < 0 {
		slot = max(tr.slot-traceSlots+1, 0)
	}
	if slot > tr.slot {
		return take{}
	}
	return tr.all.less(tr.begun[slot%traceSlots])
}

// rule is a counting rule of a provider, without ChargeAuto.
type rule uint8

const (
	ruleMax rule = iota
	ruleCorrected
	ruleActual
	rules
)

// onArrival is what a call takes when it arrives.
func (r rule) onArrival(n *llm.Need) take {
	out := float64(max(n.MaxOutput, n.Output))
	if r == ruleActual {
		out = 0
	}
	in := float64(n.Input)
	return take{limit.Requests: 1, limit.Tokens: in + out, limit.Input: in, limit.Output: out}
}

// atEnd is what it takes or gives back when it ends, with what was estimated corrected: by ruleMax that is the input, and the output where the call
// sets no most.
func (r rule) atEnd(n *llm.Need, input, output float64) take {
	reserved := r.onArrival(n)
	if r == ruleMax && n.MaxOutput > 0 {
		output = reserved[limit.Output]
	}
	return take{limit.Tokens: input + output - reserved[limit.Tokens], limit.Input: input - reserved[limit.Input], limit.Output: output - reserved[limit.Output]}
}
