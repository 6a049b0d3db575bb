package auth

import "time"

// A minute is counted in ticks of half a second, of which it holds as many as a minute has: 59.5 to 60 s. So nobody is told to wait for more than
// 60 s, which some SDKs would not do (PROVIDERS.md 6.1, 2026-11).
const (
	tick  = 500 * time.Millisecond
	ticks = int64(time.Minute / tick)
)

// minute counts what was taken in the last minute, by ticks, which are numbered from the start of the process by a clock that does not jump. The
// zero minute is empty.
type minute struct {
	last   int64 // newest tick that is counted
	sum    count
	byTick [ticks]count
}

type count struct{ requests, tokens int64 }

// advance forgets what is older than a minute at a tick. Earlier ticks than the newest count as that.
func (m *minute) advance(at int64) {
	if at <= m.last {
		return
	}
	if at-m.last >= ticks {
		*m = minute{last: at}
		return
	}
	for s := m.last + 1; s <= at; s++ {
		c := &m.byTick[s%ticks]
		m.sum.requests -= c.requests
		m.sum.tokens -= c.tokens
		*c = count{}
	}
	m.last = at
}

// add counts at the newest tick, which it returns.
func (m *minute) add(requests, tokens int64) int64 {
	c := &m.byTick[m.last%ticks]
	c.requests += requests
	c.tokens += tokens
	m.sum.requests += requests
	m.sum.tokens += tokens
	return m.last
}

// correct changes what was counted at a tick. Where that is forgotten, what was used beyond it counts as used now.
func (m *minute) correct(at, tokens int64) {
	if m.last-at >= ticks {
		if tokens <= 0 {
			return
		}
		at = m.last
	}
	m.byTick[at%ticks].tokens += tokens
	m.sum.tokens += tokens
}

// requestsFit and tokensFit return how long it takes until so much more fits under a limit, if nothing else is taken; elapsed is the time since
// the start of the process. What is over the limit by itself never fits: they return the time at which all is free.
func (m *minute) requestsFit(more, limit int64, elapsed time.Duration) time.Duration {
	return m.fit(func(c *count) int64 { return c.requests }, m.sum.requests+more-limit, elapsed)
}

func (m *minute) tokensFit(more, limit int64, elapsed time.Duration) time.Duration {
	return m.fit(func(c *count) int64 { return c.tokens }, m.sum.tokens+more-limit, elapsed)
}

// fit returns the time until at least excess of what is counted is forgotten.
func (m *minute) fit(of func(*count) int64, excess int64, elapsed time.Duration) time.Duration {
	if excess <= 0 {
		return 0
	}
	end := m.last
	for s := max(m.last-ticks+1, 0); s <= m.last; s++ {
		n := of(&m.byTick[s%ticks])
		if n == 0 {
			continue
		}
		end = s
		if excess -= n; excess <= 0 {
			break
		}
	}
	return max(time.Duration(end+ticks)*tick-elapsed, 0)
}
