package obs

// HedgeResult is what came of a call that was slow to begin, where its model is hedged.
type HedgeResult uint8

// The results.
const (
	HedgeWon      HedgeResult = iota // the second attempt had the first token sooner
	HedgeLost                        // the first attempt had, or the caller left
	HedgeFailed                      // the second attempt failed
	HedgeNoBudget                    // there was none: the model's share is used up
	HedgeNoTarget                    // there was none: no target had a place
)

// String returns the result's name, which is a metric label.
func (r HedgeResult) String() string {
	return [...]string{"won", "lost", "failed", "no_budget", "no_target"}[r]
}

// Hedge counts what came of a hedge at the target, or, if there was none, of a call that waits for it.
func (t *Target) Hedge(r HedgeResult) { t.vec.hedges.WithLabelValues(t.name, r.String()).Inc() }
