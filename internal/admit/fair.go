package admit

import "sluice/internal/llm"

// Receipt says what a grant was charged with in the fairness between keys. The zero Receipt is that of a call which did not have to wait: it
// was charged nothing, since nobody was kept waiting by it.
type Receipt struct {
	provider string
	key      string
	class    llm.Class
	cost     int64
}

// Used corrects what a call was charged with to the tokens that it has really used, once it has ended; none of either means that it
// was not served. Call it at most once for a grant.
func (q *Queue[L]) Used(r Receipt, input, output int64) {}

// CapacityFunc says how much a target can start at most in a second, by the quotas that are known: tokens and calls, 0 where it is not
// known. It is called with the queue's lock held, must be quick, and must not call the queue.
type CapacityFunc func(t *llm.Target) (tokens, calls float64)

// SetCapacity tells the queue whom to ask for the capacity of targets, which makes its estimates better than what it can see for itself. Call it
// before the first Acquire.
func (q *Queue[L]) SetCapacity(f CapacityFunc) { q.capacity = f }
