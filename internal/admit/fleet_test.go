package admit

import (
	"strings"
	"sync"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// fleet is the simplest thing that can stand on the other side of a StartFunc: places by provider and by target.
type fleet struct {
	q *Queue[*lease]

	mu    sync.Mutex
	limit map[string]int // by provider, or by provider/model; 0 means none
	used  map[string]int
	out   map[string]time.Time // targets out of use and when they reopen; zero if unknown
	pause map[string]time.Time // targets that must not be used before a time
	most  map[string]int
}

type lease struct {
	f *fleet
	t *llm.Target
}

func newFleet(c Config, limits map[string]int) *fleet {
	f := &fleet{
		limit: limits, used: map[string]int{}, out: map[string]time.Time{}, pause: map[string]time.Time{},
		most: map[string]int{},
	}
	f.q = New(c, f.start)
	return f
}

func (f *fleet) start(t *llm.Target, try limit.Try) (*lease, Verdict, time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if at := f.pause[t.Name]; time.Now().Before(at) {
		return nil, Limited, at
	}
	if at, out := f.out[t.Name]; out && !try.Last && (at.IsZero() || time.Now().Before(at)) {
		return nil, Open, at
	}
	if n := f.limit[t.Provider]; n > 0 && f.used[t.Provider] >= n {
		return nil, FullAccount, time.Time{}
	}
	if n := f.limit[t.Name]; n > 0 && f.used[t.Name] >= n {
		return nil, Full, time.Time{}
	}
	for _, k := range []string{t.Provider, t.Name} {
		f.used[k]++
		f.most[k] = max(f.most[k], f.used[k])
	}
	return &lease{f, t}, Started, time.Time{}
}

func (l *lease) done() {
	l.f.mu.Lock()
	l.f.used[l.t.Provider]--
	l.f.used[l.t.Name]--
	l.f.mu.Unlock()
	l.f.q.Freed(l.t)
}

// eject takes a target out of use until a time, as the end of a call there would.
func (f *fleet) eject(t *llm.Target, until time.Time) {
	f.mu.Lock()
	f.out[t.Name] = until
	f.mu.Unlock()
	f.q.Freed(t)
}

// rest keeps a target from being used for a time, as a rate limit would.
func (f *fleet) rest(t *llm.Target, d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pause[t.Name] = time.Now().Add(d)
}

// relimit replaces the limits, as a reload of the configuration would.
func (f *fleet) relimit(limits map[string]int) {
	f.mu.Lock()
	f.limit = limits
	f.mu.Unlock()
	f.q.Freed(nil)
}

// restore puts a target back in use.
func (f *fleet) restore(t *llm.Target) {
	f.mu.Lock()
	delete(f.out, t.Name)
	f.mu.Unlock()
	f.q.Freed(t)
}

func (f *fleet) inUse() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, u := range f.used {
		n += u
	}
	return n
}

// target makes a target of a name such as p/m.
func target(name string) *llm.Target {
	provider, model, _ := strings.Cut(name, "/")
	return &llm.Target{Name: name, Provider: provider, Model: model, API: llm.OpenAI}
}

func targets(names ...string) []*llm.Target {
	var all []*llm.Target
	for _, n := range names {
		all = append(all, target(n))
	}
	return all
}
