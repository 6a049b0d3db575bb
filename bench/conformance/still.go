//go:build linux

package main

import (
	"context"
	"sync"
	"time"
)

// stillLimit is how late a timer may come before the figures of that time say little.
const stillLimit = 150 * time.Millisecond

// stillness notes when this machine stood still: when a timer that does nothing else came late.
type stillness struct {
	mu    sync.Mutex
	spans []still // guarded by mu, in order
}

// still is one such time.
type still struct {
	from, to time.Time
}

// watch looks until ctx ends.
func (s *stillness) watch(ctx context.Context) {
	const every = 10 * time.Millisecond
	tick := time.NewTimer(every)
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		if now.Sub(last) > every+stillLimit {
			s.mu.Lock()
			s.spans = append(s.spans, still{last, now})
			s.mu.Unlock()
		}
		last = now
		tick.Reset(every)
	}
}

// within returns the longest time of standing still that falls, in part at least, between two instants; 0 if there was none.
func (s *stillness) within(from, to time.Time) (longest time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.spans {
		if one.from.Before(to) && one.to.After(from) {
			longest = max(longest, one.to.Sub(one.from))
		}
	}
	return longest
}
