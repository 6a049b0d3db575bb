package pace

import (
	"cmp"
	"slices"
	"time"

	"sluice/internal/limit"
	"sluice/internal/llm"
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

// BreakerState is the state of one breaker at one time.
type BreakerState struct {
	Health   Health
	Cause    Cause     // of the last trouble; NoCause if there is none
	Scope    llm.Scope // of it
	Until    time.Time // end of the cool-down or pause; zero if none
	Error    llm.Kind  // class of the last error; KindNone if there is no trouble
	Status   int       // the provider's HTTP status with it; 0 if none
	Code     string    // the provider's own code for it
	Failures int       // in a row
	Openings int64     // since the state was made
	Probes   int64     // live calls that have tried the target after a cool-down, likewise
}

// TargetState is the state of one target at one time.
type TargetState struct {
	BreakerState // the account's where that keeps calls away, else the target's own

	Target   string // provider/model
	Provider string
	InUse    int // calls under way
	Limit    int // of calls under way; 0 if none
	Adaptive int // the limit that has been found out; 0 if none is to be

	Estimate Estimate // of its chats
}

// AccountState is the state of the breaker of a whole account.
type AccountState struct {
	BreakerState

	Provider    string
	Checks      bool // free checks are made
	CheckFailed bool // the last of them failed
}

// QuotaState is the state of one quota.
type QuotaState struct {
	Provider string
	Quota    string // the patterns of its models; empty for the whole account
	InUse    int    // calls under way
	Limit    int    // of calls under way; 0 if none

	Learned      bool // not declared: found out
	ShapeLearned bool // how it is enforced is not configured: what Set says of that was found out
	Set          limit.State
}

// State is the state of a fleet.
type State struct {
	Accounts []AccountState // by provider
	Targets  []TargetState  // by name
	Quotas   []QuotaState   // by provider, the account itself first
}

// Snapshot returns the present state, for metrics and the status page.
func (f *Fleet) Snapshot() State {
	var s State
	now := f.now()
	for _, a := range *f.accounts.Load() {
		a.mu.Lock()
		s.Quotas = append(s.Quotas, QuotaState{Provider: a.name, InUse: a.use.used, Limit: a.use.limit})
		a.eachQuota(func(q *quota) {
			st := q.set.State(f.time(now))
			s.Quotas = append(s.Quotas, QuotaState{a.name, q.limits.name(), st.InUse, st.Most, q.own, q.limits.Terms.Shape.Mode == limit.Unknown, st})
		})
		whole := a.health.look(now, f.epoch)
		s.Accounts = append(s.Accounts, AccountState{whole, a.name, a.check.active, a.check.failed})
		for _, tg := range a.targets {
			st := TargetState{tg.health.look(now, f.epoch), tg.name, a.name, tg.use.used, tg.use.limit, 0, f.estimates.look(tg.name)}
			if tg.adaptive != nil {
				st.Adaptive = tg.adaptive.limit
			}
			if whole.Health != Healthy && (st.Health == Healthy || st.Until.Before(whole.Until)) {
				st.BreakerState = whole
			}
			s.Targets = append(s.Targets, st)
		}
		a.mu.Unlock()
	}
	slices.SortFunc(s.Accounts, func(a, b AccountState) int { return cmp.Compare(a.Provider, b.Provider) })
	slices.SortFunc(s.Targets, func(a, b TargetState) int { return cmp.Compare(a.Target, b.Target) })
	slices.SortFunc(s.Quotas, func(a, b QuotaState) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Quota, b.Quota))
	})
	return s
}

// look returns the breaker's state for people.
func (h *health) look(now time.Duration, epoch time.Time) BreakerState {
	state, at := h.state(now)
	t := h.trouble
	if state == Paused {
		t = h.pause
	}
	s := BreakerState{
		Health: state, Cause: t.cause, Scope: t.scope, Error: t.kind, Status: t.status, Code: t.code,
		Failures: h.row, Openings: h.openings, Probes: h.probes,
	}
	if at > 0 {
		s.Until = epoch.Add(at)
	}
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
