package limit

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/internal/llm"
)

// provider is a plain model of a provider that counts one dimension: a list of all that it was ever charged, gone through from the
// beginning for each question.
type provider struct {
	shape   Shape
	limit   int64 // a minute
	charges []charged
}

// charged is what was charged at a time, and what of it was given back when.
type charged struct {
	at, backAt time.Time
	n, back    int64
}

// over returns by how much more is used at a time than may be, in the way of the shape.
func (p *provider) over(at time.Time) float64 {
	switch p.shape.Mode {
	case Bucket:
		return p.bucket(at)
	case Fixed:
		return p.window(at, p.shape.Window, p.shape.Anchor)
	case Slices:
		if !p.shape.Anchor.IsZero() {
			return p.window(at, time.Second, p.shape.Anchor)
		}
		most := math.Inf(-1)
		for phase := time.Duration(0); phase < time.Second; phase += 37 * time.Millisecond {
			most = max(most, p.window(at, time.Second, zero().Add(phase)))
		}
		return most
	default:
		sum := int64(0)
		for _, c := range p.charges {
			if c.at.Add(p.shape.Window).After(at) {
				sum += c.n - c.back
			}
		}
		return float64(sum) - float64(p.limit)*p.shape.Window.Minutes()
	}
}

// window counts what was charged in the fixed window of a time.
func (p *provider) window(at time.Time, length time.Duration, anchor time.Time) float64 {
	begin := anchor.Add(at.Sub(anchor).Truncate(length))
	if begin.After(at) {
		begin = begin.Add(-length)
	}
	sum := int64(0)
	for _, c := range p.charges {
		if !c.at.Before(begin) {
			sum += c.n
			if !c.backAt.IsZero() && c.backAt.Before(begin.Add(length)) {
				sum -= c.back
			}
		}
	}
	return float64(sum) - math.Floor(float64(p.limit)*length.Minutes())
}

// bucket lets a full bucket be used and refilled since the beginning.
func (p *provider) bucket(at time.Time) float64 {
	type step struct {
		at time.Time
		n  float64
	}
	var steps []step
	for _, c := range p.charges {
		steps = append(steps, step{c.at, float64(c.n)})
		if !c.backAt.IsZero() {
			steps = append(steps, step{c.backAt, -float64(c.back)})
		}
	}
	for i := range steps { // by time; what is given back at a time goes first
		for j := i; j > 0 && (steps[j].at.Before(steps[j-1].at) || steps[j].at.Equal(steps[j-1].at) && steps[j].n < 0 && steps[j-1].n > 0); j-- {
			steps[j], steps[j-1] = steps[j-1], steps[j]
		}
	}
	used, last := 0.0, zero()
	for _, s := range steps {
		used = max(used-s.at.Sub(last).Minutes()*float64(p.limit), 0)
		used, last = max(used+s.n, 0), s.at
	}
	used = max(used-at.Sub(last).Minutes()*float64(p.limit), 0)
	return used - float64(p.limit)*p.shape.Burst.Minutes()
}

func (p *provider) charge(at time.Time, n int64) int {
	p.charges = append(p.charges, charged{at: at, n: n})
	return len(p.charges) - 1
}

// TestNeverMoreThanTheProviderAllows lets calls of random sizes start whenever the set lets them, end at random times with what they have used
// of what was reserved, and asks the model of the provider about each charge.
func TestNeverMoreThanTheProviderAllows(t *testing.T) {
	t.Parallel()
	f := func(name string, sh Shape, c Charge) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) { strain(t, sh, c) })
		})
	}
	shapes := map[string]Shape{
		"bucket":         {Mode: Bucket, Burst: 20 * time.Second},
		"fixed":          {Mode: Fixed, Window: time.Minute, Anchor: zero().Add(7 * time.Second)},
		"sliding":        {Mode: Sliding, Window: time.Minute},
		"slices":         {Mode: Slices},
		"aligned slices": {Mode: Slices, Anchor: zero().Add(-300 * time.Millisecond)},
	}
	for name, sh := range shapes {
		f(name+", max_tokens", sh, ChargeMax)
		f(name+", corrected", sh, ChargeCorrected)
		if sh.Mode != Slices { // there calls that end together are not foreseen
			f(name+", actual", sh, ChargeActual)
		}
	}
}

// strain is one random course of calls.
func strain(t *rapid.T, sh Shape, c Charge) {
	const limit = 6000
	p := &provider{shape: sh, limit: limit}
	s := NewSet(zero(), "q", Terms{Limits: []Limit{minute(Tokens, limit)}, Charge: c, Shape: sh})
	type call struct {
		r    Reservation
		need llm.Need
		at   int // in p.charges
	}
	var running []*call
	now, ask := zero(), time.Time{}
	verify := func() {
		if over := p.over(now); over > 1e-6 {
			t.Fatalf("the provider counts %v more than it allows, %v after the beginning", over, now.Sub(zero()))
		}
	}
	for range rapid.IntRange(20, 120).Draw(t, "steps") {
		switch rapid.IntRange(0, 3).Draw(t, "step") {
		case 0:
			d := time.Duration(rapid.Int64Range(0, int64(20*time.Second)).Draw(t, "time"))
			if rapid.Bool().Draw(t, "short") {
				d /= 1000
			}
			if ask.After(now) && rapid.Bool().Draw(t, "until") {
				d = ask.Sub(now)
			}
			now = now.Add(d)
		case 1, 2:
			k := &call{need: llm.Need{Input: rapid.Int64Range(1, 40).Draw(t, "input"), Output: 1, MaxOutput: rapid.Int64Range(1, 60).Draw(t, "output")}}
			if c == ChargeActual {
				k.need.Output = k.need.MaxOutput
			}
			a, until := s.Reserve(now, &Try{Need: k.need, Class: llm.Class(rapid.IntRange(0, 2).Draw(t, "class"))}, &k.r)
			if a != Granted {
				ask = until
				continue
			}
			if c != ChargeActual {
				k.at = p.charge(now, k.need.Input+k.need.MaxOutput)
				verify()
			}
			running = append(running, k)
		default:
			if len(running) == 0 {
				continue
			}
			i := rapid.IntRange(0, len(running)-1).Draw(t, "which")
			k := running[i]
			running = append(running[:i], running[i+1:]...)
			u := llm.Usage{Input: k.need.Input, Output: rapid.Int64Range(0, k.need.MaxOutput).Draw(t, "used")}
			s.Settle(now, &k.r, u, true)
			switch c {
			case ChargeActual:
				p.charge(now, u.Total())
				verify()
			case ChargeCorrected:
				p.charges[k.at].back, p.charges[k.at].backAt = k.need.MaxOutput-u.Output, now
			}
		}
	}
	for _, k := range running {
		s.Refund(now, &k.r, false)
	}
	if st := s.State(now); st.InUse != 0 || s.out != (Amounts{}) {
		t.Fatalf("after the end of all calls %d are in use, %v are reserved", st.InUse, s.out)
	}
}

// TestUntilIsExact asks at the time that the set has named, and just before it.
func TestUntilIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sh := rapid.SampledFrom([]Shape{
			{},
			{Burst: 3 * time.Second},
			{Mode: Slices},
			{Mode: Slices, Anchor: zero()},
			{Mode: Bucket},
			{Mode: Bucket, Burst: 7 * time.Second},
			{Mode: Fixed, Anchor: zero()},
			{Mode: Fixed, Anchor: zero(), Slack: 20 * time.Millisecond},
			{Mode: Sliding},
			{Mode: Sliding, Slack: 5 * time.Millisecond},
		}).Draw(t, "shape")
		s := NewSet(zero(), "q", Terms{Limits: []Limit{minute(Tokens, 7919), minute(Requests, 311)}, Charge: ChargeMax, Shape: sh})
		now, last := zero(), time.Time{}
		need := rapid.Int64Range(1, 200).Draw(t, "need")
		for range rapid.IntRange(1, 400).Draw(t, "tries") {
			a, until := s.Reserve(now, tokens(need), &Reservation{})
			if a == Granted {
				last = time.Time{}
				now = now.Add(time.Duration(rapid.Int64Range(0, int64(200*time.Millisecond)).Draw(t, "pause")))
				need = rapid.Int64Range(1, 200).Draw(t, "need")
				continue
			}
			if !until.After(now) || !last.IsZero() && until.After(last) {
				t.Fatalf("asked at %v, told %v; before that told %v", now.Sub(zero()), until.Sub(zero()), last.Sub(zero()))
			}
			last = until
			if sh.Slack == 0 {
				if b, _ := s.Reserve(until.Add(-1), tokens(need), &Reservation{}); b == Granted {
					t.Fatalf("the call fits a nanosecond before it was told to")
				}
			}
			if b, _ := s.Reserve(until, tokens(need), &Reservation{}); b != Granted {
				t.Fatalf("the call does not fit at the time that it was told")
			}
			now, last = until, time.Time{}
			need = rapid.Int64Range(1, 200).Draw(t, "need")
		}
	})
}

// TestRefundLeavesNoTrace compares what is left, and when it comes back, with a set that was never asked.
func TestRefundLeavesNoTrace(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sh := rapid.SampledFrom([]Shape{{}, {Mode: Slices}, {Mode: Bucket}, {Mode: Fixed, Anchor: zero()}, {Mode: Sliding}}).Draw(t, "shape")
		c := rapid.SampledFrom([]Charge{ChargeAuto, ChargeMax, ChargeCorrected, ChargeActual}).Draw(t, "charge")
		terms := Terms{Limits: []Limit{minute(Tokens, 6000), minute(Requests, 600), {Tokens, 50_000, 24 * time.Hour}}, Charge: c, Shape: sh}
		a, b := NewSet(zero(), "a", terms), NewSet(zero(), "b", terms)
		narrow := NewSet(zero(), "narrow", Terms{Limits: []Limit{minute(Requests, 1)}, Shape: Shape{Mode: Bucket}})
		narrow.Reserve(zero(), tokens(1), &Reservation{})
		now := zero()
		for range rapid.IntRange(1, 60).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(100*time.Millisecond)).Draw(t, "pause")))
			x := Try{Need: llm.Need{Input: rapid.Int64Range(1, 90).Draw(t, "input"), Output: 5, MaxOutput: 9}, Class: llm.Background}
			var rs [2]Reservation
			if got, _ := ReserveAll(now, []*Set{a, narrow}, &x, rs[:]); got != Short {
				t.Fatalf("a call of two sets of which one is used up: %v", got)
			}
			var r Reservation
			if got, _ := a.Reserve(now, &x, &r); got == Granted {
				a.Refund(now, &r, false)
			}
			got, until := a.Reserve(now, &x, &Reservation{})
			want, wantUntil := b.Reserve(now, &x, &Reservation{})
			if got != want || !until.Equal(wantUntil) || a.Left(now) != b.Left(now) {
				t.Fatalf("after refunds %v %v, left %v; without %v %v, left %v", got, until, a.Left(now), want, wantUntil, b.Left(now))
			}
		}
	})
}
