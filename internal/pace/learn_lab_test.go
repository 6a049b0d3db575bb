package pace

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// The lab is a provider and its callers in simulated time. The provider is written apart from package limit on purpose: what is tested
// must not be the model that it is tested with.

// labMode is how the lab's provider enforces its limits.
type labMode int

const (
	labBucket labMode = iota
	labFixed
	labSlices
	labSliding
)

func (m labMode) String() string { return [...]string{"bucket", "fixed", "slices", "sliding"}[m] }

type labCharge int

const (
	chargeMax labCharge = iota
	chargeCorrected
	chargeActual
)

func (c labCharge) String() string { return [...]string{"max", "corrected", "actual"}[c] }

type labHeaders int

const (
	headersTrue labHeaders = iota
	headersNone
	headersFrozen
	headersRandom
	headersDouble // say twice of what there is
)

func (h labHeaders) String() string {
	return [...]string{"true", "none", "frozen", "random", "double"}[h]
}

// labWait is what a refused call is told.
type labWait int

const (
	waitNone  labWait = iota
	waitExact         // milliseconds
	waitCeil          // whole seconds, rounded up
)

// labProvider enforces a limit of requests and one of tokens.
type labProvider struct {
	mode     labMode
	charge   labCharge
	headers  labHeaders
	wait     labWait
	rpm, tpm float64
	capacity time.Duration // of a bucket
	phase    time.Duration // of fixed windows: when one begins
	rnd      *rand.Rand

	at      time.Duration
	level   [2]float64 // bucket
	used    [2]float64 // fixed, slices
	index   int64
	entries []labEntry // sliding
	shadow  [2]float64 // what headers of slices tell: a bucket of a minute
}

type labEntry struct {
	at   time.Duration
	cost [2]float64
}

func (p *labProvider) limit(d int) float64 { return [...]float64{p.rpm, p.tpm}[d] }

func (p *labProvider) start() {
	for d := range 2 {
		p.level[d] = p.limit(d) * p.capacity.Minutes()
		p.shadow[d] = p.limit(d)
	}
}

// turn lets time pass.
func (p *labProvider) turn(now time.Duration) {
	passed := (now - p.at).Minutes()
	p.at = now
	for d := range 2 {
		p.level[d] = min(p.level[d]+passed*p.limit(d), p.limit(d)*p.capacity.Minutes())
		p.shadow[d] = min(p.shadow[d]+passed*p.limit(d), p.limit(d))
	}
	width := time.Minute
	if p.mode == labSlices {
		width = time.Second
	}
	if i := int64(math.Floor(float64(now-p.phase) / float64(width))); i != p.index {
		p.index, p.used = i, [2]float64{}
	}
	i := 0
	for i < len(p.entries) && p.entries[i].at <= now-time.Minute {
		i++
	}
	p.entries = p.entries[i:]
}

func (p *labProvider) left(d int) float64 {
	switch p.mode {
	case labBucket:
		return p.level[d]
	case labSlices:
		return p.limit(d)/60 - p.used[d]
	case labFixed:
		return p.limit(d) - p.used[d]
	default:
		sum := p.limit(d)
		for _, e := range p.entries {
			sum -= e.cost[d]
		}
		return sum
	}
}

// add takes from all counters; amounts may be negative.
func (p *labProvider) add(cost [2]float64) {
	for d := range 2 {
		p.level[d] -= cost[d]
		p.used[d] = max(p.used[d]+cost[d], 0)
		p.shadow[d] = min(p.shadow[d]-cost[d], p.limit(d))
	}
	if p.mode == labSliding {
		p.entries = append(p.entries, labEntry{p.at, cost})
	}
}

func (p *labProvider) cost(c *labCall) [2]float64 {
	if p.charge == chargeActual {
		return [2]float64{1, float64(c.input)}
	}
	return [2]float64{1, float64(c.input + c.max)}
}

func (p *labProvider) fits(now time.Duration, c *labCall) bool {
	p.turn(now)
	cost := p.cost(c)
	return cost[0] <= p.left(0) && cost[1] <= p.left(1)
}

// arrive takes a call in, or says how long to wait.
func (p *labProvider) arrive(now time.Duration, c *labCall) (ok bool, wait time.Duration) {
	if p.fits(now, c) {
		p.add(p.cost(c))
		return true, 0
	}
	cost := p.cost(c)
	for d := range 2 {
		if short := cost[d] - p.left(d); short > 0 {
			wait = max(wait, p.waitFor(d, short))
		}
	}
	switch p.wait {
	case waitNone:
		wait = 0
	case waitCeil:
		wait = (wait + time.Second - 1).Truncate(time.Second)
	}
	return false, wait
}

func (p *labProvider) waitFor(d int, short float64) time.Duration {
	switch p.mode {
	case labBucket:
		return time.Duration(short / p.limit(d) * float64(time.Minute))
	case labFixed:
		return p.phase + time.Duration(p.index+1)*time.Minute - p.at
	case labSlices:
		return p.phase + time.Duration(p.index+1)*time.Second - p.at
	default:
		for _, e := range p.entries {
			if short -= e.cost[d]; short <= 0 {
				return e.at + time.Minute - p.at
			}
		}
		return time.Minute
	}
}

// end settles what was taken on arrival.
func (p *labProvider) end(now time.Duration, c *labCall) {
	p.turn(now)
	switch p.charge {
	case chargeActual:
		p.add([2]float64{0, float64(c.output)})
	case chargeCorrected:
		p.add([2]float64{0, float64(c.output - c.max)})
	}
}

// tell writes the headers of an answer.
func (p *labProvider) tell(l *llm.RateLimits) {
	*l = llm.NoRateLimits()
	if p.headers == headersNone {
		return
	}
	tell := func(d int, limit, left *int64, reset *time.Duration) {
		*limit = int64(p.limit(d))
		rest := max(p.left(d), 0)
		switch p.mode {
		case labSlices:
			rest = max(p.shadow[d], 0)
			*reset = time.Duration((p.limit(d) - rest) / p.limit(d) * float64(time.Minute))
		case labBucket:
			*reset = time.Duration((p.limit(d)*p.capacity.Minutes() - rest) / p.limit(d) * float64(time.Minute))
		case labFixed:
			*reset = p.waitFor(d, 0)
		case labSliding:
			*reset = time.Minute
		}
		*left = int64(rest)
		switch p.headers {
		case headersFrozen:
			*left, *reset = *limit-*limit/100, time.Second
		case headersRandom:
			*left, *reset = p.rnd.Int64N(*limit), time.Duration(p.rnd.Int64N(int64(time.Minute)))
		case headersDouble:
			*limit, *left = 2**limit, 2**left
		}
	}
	tell(0, &l.Requests, &l.RequestsLeft, &l.RequestsReset)
	tell(1, &l.Tokens, &l.TokensLeft, &l.TokensReset)
}

// labCall is one call of the backlog.
type labCall struct {
	input, max, output int64
	need               llm.Need
}

// labCalls makes calls of log-normal sizes. The work for a counting rule is seconds at the plain rate.
func labCalls(n int, seed uint64, p *labProvider, work time.Duration) []*labCall {
	r := rand.New(rand.NewPCG(seed, 7))
	calls := make([]*labCall, n)
	total := 0.0
	for i := range calls {
		c := &labCall{input: int64(1800 * math.Exp(0.8*r.NormFloat64())), max: 256 << r.IntN(5)}
		c.output = int64(float64(c.max) * (0.3 + 0.7*r.Float64()))
		calls[i] = c
		total += p.cost(c)[1]
		switch p.charge {
		case chargeActual:
			total += float64(c.output)
		case chargeCorrected:
			total += float64(c.output - c.max)
		}
	}
	scale := work.Minutes() * p.tpm / total
	for _, c := range calls {
		c.input, c.max, c.output = int64(float64(c.input)*scale)+1, int64(float64(c.max)*scale)+1, int64(float64(c.output)*scale)+1
		if m := int64(p.tpm / 60 / 2); c.input+c.max > m { // fits a slice
			c.input = max(m-c.max, 1)
		}
		c.need = llm.Need{Input: c.input, Output: int64(float64(c.max) * 0.65), MaxOutput: c.max}
	}
	return calls
}

// labGate is what decides when a call goes: a learner, or one who knows all.
type labGate interface {
	try(now time.Duration, c *labCall, claims *limit.Claims) (ticket any, ok bool, until time.Duration)
	answered(now time.Duration, of any, l *llm.RateLimits)
	refused(now time.Duration, of any, wait time.Duration, l *llm.RateLimits)
	done(now time.Duration, of any, c *labCall)
}

// labRun is one closed loop.
type labRun struct {
	p        *labProvider
	gate     labGate
	callers  int
	delay    [2]time.Duration // of a refusal, least and most
	way      time.Duration    // to the provider, on average, beside a millisecond
	rnd      *rand.Rand
	change   func(now time.Duration) // called once a simulated second
	deadline time.Duration
	epoch    time.Time // of the fleet whose time is to be that of the lab

	events labEvents
	queue  []*labCall
	seq    int

	// results
	sent, refusals int
	end            time.Duration
}

type labEvent struct {
	at  time.Duration
	seq int
	do  func(now time.Duration)
}

type labEvents []labEvent

func (e labEvents) Len() int { return len(e) }
func (e labEvents) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}
func (e labEvents) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *labEvents) Push(x any)   { *e = append(*e, x.(labEvent)) }
func (e *labEvents) Pop() any     { o := *e; x := o[len(o)-1]; *e = o[:len(o)-1]; return x }

func (r *labRun) at(t time.Duration, do func(now time.Duration)) {
	r.seq++
	heap.Push(&r.events, labEvent{t, r.seq, do})
}

// run sends all calls, beginning at start, and returns when the last has ended.
func (r *labRun) run(start time.Duration, calls []*labCall) {
	next := 0
	refill := func() {
		if next < len(calls) {
			r.queue = append(r.queue, calls[next])
			next++
		}
	}
	for range r.callers {
		refill()
	}
	wake := time.Duration(-1)
	left := len(calls)
	var claims limit.Claims
	var dispatch func(now time.Duration)
	arrive := func(now time.Duration, c *labCall, ticket any) {
		ok, wait := r.p.arrive(now, c)
		l := new(llm.RateLimits)
		r.p.tell(l)
		if !ok {
			d := r.delay[0] + time.Duration(r.rnd.Int64N(int64(r.delay[1]-r.delay[0]+1)))
			r.at(now+d, func(now time.Duration) {
				r.refusals++
				r.gate.refused(now, ticket, wait, l)
				r.queue = append([]*labCall{c}, r.queue...)
				dispatch(now)
			})
			return
		}
		first := 300*time.Millisecond + time.Duration(r.rnd.ExpFloat64()*float64(300*time.Millisecond))
		first = min(first, 2*time.Second)
		r.at(now+first, func(now time.Duration) {
			r.gate.answered(now, ticket, l)
			dispatch(now)
		})
		whole := first + time.Duration(r.rnd.Float64()*float64(time.Second))
		r.at(now+whole, func(now time.Duration) {
			r.p.end(now, c)
			r.gate.done(now, ticket, c)
			left--
			r.end = now - start
			refill()
			dispatch(now)
		})
	}
	send := func(now time.Duration, c *labCall, ticket any) {
		r.sent++
		if r.way == 0 {
			arrive(now, c, ticket)
			return
		}
		// Some are much later than others.
		d := time.Millisecond + time.Duration(r.rnd.ExpFloat64()*float64(r.way))
		r.at(now+min(d, 10*r.way), func(now time.Duration) { arrive(now, c, ticket) })
	}
	dispatch = func(now time.Duration) {
		soonest := time.Duration(-1)
		misses := 0
		claims.Reset()
		for i := 0; i < len(r.queue) && misses < 16; {
			c := r.queue[i]
			ticket, ok, until := r.gate.try(now, c, &claims)
			if ok {
				r.queue = append(r.queue[:i:i], r.queue[i+1:]...)
				send(now, c, ticket)
				continue
			}
			if soonest < 0 || until < soonest {
				soonest = until
			}
			misses++
			i++
		}
		if soonest >= 0 && (wake <= now || soonest < wake) {
			wake = max(soonest, now+5*time.Millisecond)
			r.at(wake, func(now time.Duration) {
				if now >= wake {
					dispatch(now)
				}
			})
		}
	}
	r.at(start, func(now time.Duration) { dispatch(now) })
	if r.change != nil {
		var tick func(now time.Duration)
		tick = func(now time.Duration) {
			r.change(now)
			if left > 0 {
				r.at(now+time.Second, tick)
			}
		}
		r.at(start, tick)
	}
	for left > 0 && r.events.Len() > 0 {
		e := heap.Pop(&r.events).(labEvent)
		if e.at > start+r.deadline {
			r.end = r.deadline
			return
		}
		if !r.epoch.IsZero() {
			sleepUntil(r.epoch.Add(e.at))
		}
		e.do(e.at)
	}
}

// seer is the clairvoyant sender: it asks the provider itself.
type seer struct{ p *labProvider }

func (s seer) try(now time.Duration, c *labCall, _ *limit.Claims) (any, bool, time.Duration) {
	if s.p.fits(now, c) {
		return nil, true, 0
	}
	cost := s.p.cost(c)
	wait := time.Millisecond
	for d := range 2 {
		if short := cost[d] - s.p.left(d); short > 0 {
			wait = max(wait, s.p.waitFor(d, short))
		}
	}
	return nil, false, now + wait
}
func (seer) answered(time.Duration, any, *llm.RateLimits)               {}
func (seer) refused(time.Duration, any, time.Duration, *llm.RateLimits) {}
func (seer) done(time.Duration, any, *labCall)                          {}

// labCase is one line of the table.
type labCase struct {
	mode     labMode
	charge   labCharge
	headers  labHeaders
	wait     labWait
	declared bool
	phase    time.Duration
	capacity time.Duration
	delay    [2]time.Duration
}

func (c labCase) String() string {
	how := "undeclared"
	if c.declared {
		how = "declared"
	}
	wait := [...]string{"none", "exact", "ceil"}[c.wait]
	return fmt.Sprintf("%-10s %-7s %-9s %-6s ra=%-5s phase=%-3.0f cap=%-3.0f", how, c.mode, c.charge, c.headers, wait, c.phase.Seconds(), c.capacity.Seconds())
}

func (c labCase) provider() *labProvider {
	p := &labProvider{
		mode: c.mode, charge: c.charge, headers: c.headers, wait: c.wait, rpm: 9000, tpm: 4.2e6, capacity: c.capacity,
		phase: c.phase, rnd: rand.New(rand.NewPCG(3, 4)),
	}
	p.start()
	return p
}

func (c labCase) runner(p *labProvider, g labGate) *labRun {
	return &labRun{p: p, gate: g, callers: 500, delay: c.delay, rnd: rand.New(rand.NewPCG(5, 6)), deadline: time.Hour}
}
