package limit

import (
	"time"

	"sluice/internal/llm"
)

// Capacity is what the quotas of a target let start: so much a second, 0 where no limit is known, and before that what is left of them. It is
// for estimates of waits.
type Capacity struct {
	Tokens, Calls         float64 // a second
	TokensLeft, CallsLeft float64 // at once; of limits that are known
}

// Room returns what calls of a class could take of each dimension at once. It differs from Left in that it leaves out what is held back from the
// class, and that, as long as it is not known how the limits are enforced, it is no more than a limit within its own time.
func (s *Set) Room(now time.Time, c llm.Class) Amounts {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now)
	var room Amounts
	for d := range room {
		room[d] = Unlimited
	}
	h := holdingOf(c)
	for i := range s.budgets {
		b := &s.budgets[i]
		n := b.left(s)
		if b.wait() && s.terms.Shape.Mode == Unknown {
			n = min(n, int64(float64(b.Amount)*s.fraction)-b.past.since(s.now-int64(b.Per)))
		}
		held := int64(0)
		for j := range b.n {
			held = max(held, s.hold(&b.gauges[j], b, h, s.now))
		}
		room[b.Dim] = min(room[b.Dim], max(n-held, 0))
	}
	return room
}
