package auth

import "time"

// slots is how many seconds a minute counts in: one more than it has, so that no window of 60 s, wherever it begins, can hold more than
// the limit.
const slots = 61

// minute counts what was taken in the last minute, by the second. Seconds count from the start of the process by a clock that does not
// jump. The zero minute is empty.
type minute struct {
	last     int64 // newest second that is counted
	sum      count
	bySecond [slots]count
}

type count struct{ requests, tokens int64 }

// advance forgets what is older than a minute at a second. Earlier seconds than the newest count as that.
func (m *minute) advance(second int64) {
	if second <= m.last {
		return
	}
	if second-m.last >= slots {
		*m = minute{last: second}
		return
	}
	for s := m.last + 1; s <= second; s++ {
		c := &m.bySecond[s%slots]
		m.sum.requests -= c.requests
		m.sum.tokens -= c.tokens
		*c = count{}
	}
	m.last = second
}

// add counts at the newest second, which it returns.
func (m *minute) add(requests, tokens int64) int64 {
	c := &m.bySecond[m.last%slots]
	c.requests += requests
	c.tokens += tokens
	m.sum.requests += requests
	m.sum.tokens += tokens
	return m.last
}

// correct changes what was counted at a second. Where that is forgotten, what was used beyond it counts as used now.
func (m *minute) correct(second, tokens int64) {
	if m.last-second >= slots {
		if tokens <= 0 {
			return
		}
		second = m.last
	}
	m.bySecond[second%slots].tokens += tokens
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
	for s := max(m.last-slots+1, 0); s <= m.last; s++ {
		n := of(&m.bySecond[s%slots])
		if n == 0 {
			continue
		}
		end = s
		if excess -= n; excess <= 0 {
			break
		}
	}
	return max(time.Duration(end+slots)*time.Second-elapsed, 0)
}
