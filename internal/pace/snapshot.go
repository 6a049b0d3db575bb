package pace

import (
	"cmp"
	"slices"
	"time"
)

// Health is a breaker's state.
type Health uint8

// The states.
const (
	Healthy  Health = iota // in use
	Broken                 // out of use until the cool-down is over
	HalfOpen               // the next call, or the one under way, is the probe
	Paused                 // in use again when the pause is over that the provider asked for
)

// String returns the state's name, which is a metric label.
func (h Health) String() string { return [...]string{"closed", "open", "half_open", "paused"}[h] }

// TargetState is the state of one target at one time.
type TargetState struct {
	Target   string // provider/model
	Provider string
	InUse    int // calls under way
	Limit    int // of calls under way; 0 if none
	Health   Health
	Cause    Cause     // of the last trouble; NoCause if there is none
	Until    time.Time // end of the cool-down or pause; zero if none
}

// QuotaState is the state of one concurrency limit.
type QuotaState struct {
	Provider string
	Quota    string // the patterns of its models; empty for the whole account
	InUse    int
	Limit    int // 0 if none
}

// State is the state of a fleet.
type State struct {
	Targets []TargetState // by name
	Quotas  []QuotaState  // by provider, the account itself first
}

// Snapshot returns the present state, for metrics and the status page.
func (f *Fleet) Snapshot() State {
	var s State
	now := f.now()
	for _, a := range *f.accounts.Load() {
		a.mu.Lock()
		s.Quotas = append(s.Quotas, QuotaState{a.name, "", a.use.used, a.use.limit})
		for _, q := range a.quotas {
			s.Quotas = append(s.Quotas, QuotaState{a.name, q.limits.name(), q.used, q.limit})
		}
		for _, tg := range a.targets {
			st := TargetState{
				Target: tg.name, Provider: a.name, InUse: tg.use.used, Limit: tg.use.limit, Cause: tg.health.cause,
			}
			var at time.Duration
			if st.Health, at = tg.health.state(now); at > 0 {
				st.Until = f.epoch.Add(at)
			}
			if st.Health == Paused {
				st.Cause = RateLimit
			}
			s.Targets = append(s.Targets, st)
		}
		a.mu.Unlock()
	}
	slices.SortFunc(s.Targets, func(a, b TargetState) int { return cmp.Compare(a.Target, b.Target) })
	slices.SortFunc(s.Quotas, func(a, b QuotaState) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Quota, b.Quota))
	})
	return s
}

// state returns the breaker's state and when it may change by itself.
func (h *health) state(now time.Duration) (Health, time.Duration) {
	switch {
	case h.paused > now:
		return Paused, h.paused
	case !h.out:
		return Healthy, 0
	case now >= h.until:
		return HalfOpen, 0
	default:
		return Broken, h.until
	}
}
