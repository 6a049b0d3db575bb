package gateway

import (
	"slices"

	"sluice/internal/llm"
)

// mayFailOver reports whether a call may be tried again after an error, and takes those targets out of the call that would answer it
// the same way. What ends a call is the caller's own doing, unless the settings say otherwise (failover_on):
//
//   - overload, errors of the server, timeouts, broken connections and rate limits go on, here or elsewhere;
//   - nobody waits for a quota of the day: the target is not asked again, others are;
//   - an account without credit or whose credentials are refused (opt-in) is not asked again, others are;
//   - what the provider refuses in the request, and what its filter stops (both opt-in), is not asked of the same target again;
//   - a prompt that is too long goes to targets with a larger window only;
//   - an answer in the wrong form is asked for once more, in stricter words;
//   - one that a guard has stopped is not asked for again if the guard is to cancel.
//
// A stream that has broken is gone on with by whoever can: that one target refuses the account, or to be asked in this way, is not the
// client's doing, and no reason to leave its answer as it is.
func (r *run) mayFailOver(e *llm.Error, tiers [][]*llm.Target) bool {
	switch e.Kind {
	case llm.KindQuotaExhausted:
		return r.leave(tiers, r.sameAccount)
	case llm.KindRateLimited:
		return e.Window != llm.PerDay || r.leave(tiers, r.sameTarget)
	case llm.KindProviderAuth:
		return (r.resc != nil || r.optsIn("auth")) && r.leave(tiers, r.sameAccount)
	case llm.KindContentFilter:
		return r.optsIn("content_filter") && r.leave(tiers, r.sameTarget)
	case llm.KindRejected:
		return e.Advice == llm.DoRetry || (r.resc != nil || r.optsIn("rejected")) && r.leave(tiers, r.sameTarget)
	case llm.KindContextLength:
		return r.leave(tiers, r.noLargerWindow)
	case llm.KindInvalidOutput, llm.KindDegenerate, llm.KindTooSlow: // whose guard may say that the call ends
		return e.Advice != llm.DoNotRetry
	}
	return e.Retryable()
}

func (r *run) optsIn(name string) bool { return slices.Contains(r.settings.Rescue.FailoverOn, name) }

func (r *run) sameAccount(t *llm.Target) bool { return t.Provider == r.target.Provider }

func (r *run) sameTarget(t *llm.Target) bool { return t == r.target }

// noLargerWindow reports whether a target is not known to take a longer prompt than the one that has refused it.
func (r *run) noLargerWindow(t *llm.Target) bool {
	theirs := r.window(t)
	return t == r.target || theirs == 0 || theirs <= r.window(r.target)
}

// window returns the context window of a target's model in tokens; 0 if it is not known.
func (r *run) window(t *llm.Target) int64 {
	if info := r.snap.info(r.g.metrics, t, r.configured); info.price != nil {
		return int64(info.price.ContextWindow)
	}
	return 0
}

// leave takes targets out of the call, and reports whether any are left.
func (r *run) leave(tiers [][]*llm.Target, out func(*llm.Target) bool) bool {
	left := false
	for _, tier := range tiers {
		for _, t := range tier {
			switch {
			case slices.Contains(r.silent, t):
			case out(t):
				r.silent = append(r.silent, t)
			default:
				left = true
			}
		}
	}
	return left
}

// keptSilent reports whether the attempt's target took the request and kept silent: asking it again would wait twice. One that has stalled in the
// middle of an answer was not silent.
func (r *run) keptSilent(e *llm.Error) bool {
	switch e.Kind {
	case llm.KindHeaderTimeout, llm.KindFirstToken:
		return true
	case llm.KindStalled:
		return r.first.IsZero()
	}
	return false
}
