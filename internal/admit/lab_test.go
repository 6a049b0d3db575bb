package admit

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// lab is a queue before targets that share real quotas. It is used in a bubble.
type lab struct {
	*testing.T
	q    *Queue[*holding]
	sets map[string]*limit.Set // by target
	none atomic.Int64          // places in use
	last atomic.Int64          // call that has started
}

// holding is a place of one call.
type holding struct {
	lab *lab
	t   *llm.Target
	set *limit.Set
	res limit.Reservation
	at  int64 // number of its start
}

func newLab(t *testing.T, c Config, quotas map[string]limit.Terms) *lab {
	l := &lab{T: t, sets: map[string]*limit.Set{}}
	for name, terms := range quotas {
		l.sets[name] = limit.NewSet(time.Now(), name, terms)
	}
	l.q = New(c, l.start)
	for name, s := range l.sets {
		freed := func() { l.q.Freed(target(name)) }
		s.OnFreed(freed, freed)
	}
	return l
}

func (l *lab) start(t *llm.Target, try limit.Try) (*holding, Verdict, time.Time) {
	h := &holding{lab: l, t: t, set: l.sets[t.Name]}
	switch a, until := h.set.Reserve(time.Now(), &try, &h.res); a {
	case limit.Granted:
		l.none.Add(1)
		h.at = l.last.Add(1)
		return h, Started, time.Time{}
	case limit.Short:
		return nil, Short, until
	default:
		return nil, Full, time.Time{}
	}
}

// done ends a call that has used so much.
func (h *holding) done(n llm.Need) {
	h.set.Settle(time.Now(), &h.res, llm.Usage{Input: n.Input, Output: n.Output}, true)
	h.lab.none.Add(-1)
	h.lab.q.Freed(h.t)
}

// check holds that nothing is left of the calls.
func (l *lab) check() {
	l.Helper()
	synctest.Wait()
	if n := l.none.Load(); n != 0 {
		l.Errorf("%d places left in use", n)
	}
	l.q.checkEmpty(l.T)
}

// checkEmpty holds that nothing waits and nothing is left of those that did.
func (q *Queue[L]) checkEmpty(t *testing.T) {
	t.Helper()
	q.mu.Lock()
	defer q.mu.Unlock()
	if n := q.waiting.Load(); n != 0 || q.paused.Load() != 0 || q.bytes != 0 || q.pausedBytes.Load() != 0 {
		t.Errorf("%d waiting, %d paused, %d bytes", n, q.paused.Load(), q.bytes)
	}
	for c := range classes {
		if q.byClass[c].Load() != 0 || q.hogs[c].len() != 0 || q.ages[c].oldest != nil || q.ages[c].youngest != nil {
			t.Errorf("class %d: %d by class, %d keys", c, q.byClass[c].Load(), q.hogs[c].len())
		}
	}
	shares := 0
	for name, a := range q.accounts {
		if len(a.lanes) != 0 || a.dirty || !a.wake.IsZero() {
			t.Errorf("account %s has %d lanes with waiters, dirty %v, wake %v", name, len(a.lanes), a.dirty, a.wake)
		}
		for c := range a.fields {
			f := &a.fields[c]
			shares += f.idle.len()
			if f.waiting.len() != 0 {
				t.Errorf("account %s, class %d: %d keys wait", name, c, f.waiting.len())
			}
		}
		for k, l := range a.index {
			for c := range l.rungs {
				r := &l.rungs[c]
				if r.calls != 0 || r.tokens != 0 || r.ahead != 0 || r.weight != 0 || len(r.by) != 0 || r.front.len() != 0 || r.flows.len() != 0 {
					t.Errorf("lane %v is not empty: %+v", k, r)
				}
			}
		}
	}
	kept := 0
	for id, n := range q.tenants {
		kept += len(n.shares)
		if n.calls != 0 || n.bytes != 0 || n.space != 0 || n.first != nil || n.last != nil || len(n.shares) == 0 {
			t.Errorf("key %v is not at rest: %+v", id, n)
		}
	}
	if kept != shares {
		t.Errorf("keys have %d counters, accounts %d", kept, shares)
	}
}

// perMinute makes terms of a quota. The shape is the zero Shape with a mode where nothing else is said.
func perMinute(requests, tokens int64, mode limit.Mode) limit.Terms {
	t := limit.Terms{Charge: limit.ChargeActual, Shape: limit.Shape{Mode: mode, Window: time.Minute, Burst: time.Minute}}
	if requests > 0 {
		t.Limits = append(t.Limits, limit.Limit{Dim: limit.Requests, Amount: requests, Per: time.Minute})
	}
	if tokens > 0 {
		t.Charge = limit.ChargeCorrected
		t.Limits = append(t.Limits, limit.Limit{Dim: limit.Tokens, Amount: tokens, Per: time.Minute})
	}
	return t
}

// backlog is a key that always has calls waiting.
type backlog struct {
	key    string
	weight int
	class  llm.Class
	size   func(*rand.Rand) llm.Need // estimate
	err    float64                   // what is used is between the estimate divided by 1+err and multiplied by it

	used  atomic.Int64 // tokens, as charged at the start and corrected at the end
	calls atomic.Int64
}

// run keeps so many calls of the key in the queue or under way until ctx ends.
func (b *backlog) run(ctx context.Context, l *lab, callers int, seed uint64) {
	ask := Ask{Targets: targets("p/m"), Last: true, Weight: b.weight}
	for i := range callers {
		go func() {
			rnd := rand.New(rand.NewPCG(seed, uint64(i)))
			for ctx.Err() == nil {
				a := ask
				a.Need = b.size(rnd)
				g, err := l.q.Acquire(ctx, &llm.Call{Key: b.key, Class: b.class, Start: time.Now()}, a)
				if err != nil {
					if err.Kind != llm.KindCanceled {
						l.Errorf("call of %s refused: %v", b.key, err)
					}
					return
				}
				f := 1.0
				if b.err > 0 {
					f = 1 / (1 + b.err) * (1 + rnd.Float64()*((1+b.err)*(1+b.err)-1))
				}
				actual := llm.Need{Input: a.Need.Input, Output: int64(float64(a.Need.Output) * f)}
				b.used.Add(a.Need.Tokens())
				b.calls.Add(1)
				time.Sleep(time.Duration(500+rnd.IntN(1000)) * time.Millisecond)
				g.Lease.done(actual)
				l.q.Used(g.Receipt, actual.Input, actual.Output)
				b.used.Add(actual.Tokens() - a.Need.Tokens())
			}
		}()
	}
}
