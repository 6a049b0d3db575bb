package pace

import (
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// learner finds out how a provider enforces a quota, from what it answers. It is guarded by its account's mu. What it learns it tells the
// set.
type learner struct{}

// ticket is what a learner remembers of one call.
type ticket struct{}

// newLearner returns a learner for a quota. declared says that the limits are those of the configuration.
func newLearner(set *limit.Set, t limit.Terms, declared bool) *learner { return nil }

// update takes in new terms of the configuration.
func (l *learner) update(now time.Time, t limit.Terms) {}

// ask says whether a call may go, as far as what is not yet known is concerned, and if not, when to ask again. The set is asked after that.
func (l *learner) ask(now time.Time, t *limit.Try) (ok bool, until time.Time) {
	return true, time.Time{}
}

// sent takes note of a call that starts.
func (l *learner) sent(now time.Time, n *llm.Need, tk *ticket) {}

// answered takes in what the headers of an answer say. The call is under way.
func (l *learner) answered(now time.Time, r *limit.Reservation, tk *ticket, h *llm.RateLimits) {}

// refused takes in a 429 of a minute's quota, before the reservation is refunded. The set is blocked already if the answer says for how
// long.
func (l *learner) refused(now time.Time, r *limit.Reservation, tk *ticket, o *Outcome) {}

// done takes in the end of a call that was not refused, before its reservation is settled.
func (l *learner) done(now time.Time, r *limit.Reservation, tk *ticket, o *Outcome) {}
