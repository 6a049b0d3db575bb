package pace

import (
	"strings"
	"time"

	"sluice/internal/llm"
)

// Hear takes in what another replica tells of its breakers: a Change that its fleet has reported. It is hearsay, so it opens nothing by itself:
//
//  1. A breaker that has opened elsewhere makes this one suspicious: the next failure opens it, a success clears it. Free checks are
//     wanted, which can open it without a call.
//  2. A breaker that has closed elsewhere ends suspicion, and the cool-down of one that is open: the next call is its probe.
//  3. A day's limit is a fact that the provider has stated, and rests the target here too, for as long.
//
// Accounts that configuration does not name are not heard of.
func (f *Fleet) Hear(c Change) {
	a := (*f.accounts.Load())[c.Account]
	if a == nil {
		return
	}
	model, ok := strings.CutPrefix(c.Target, c.Account+"/")
	if c.Target != "" && !ok || c.Open && c.Cause == NoCause {
		return
	}
	a.mu.Lock()
	h, tg := &a.health, (*target)(nil)
	if c.Target != "" {
		tg = a.target(&llm.Target{Name: c.Target, Provider: c.Account, Model: model}, f)
		h = &tg.health
	}
	now, b, wanted := f.now(), f.rules.Load(), false
	switch t := (trouble{c.Cause, c.Scope, c.Error, c.Status, c.Code[:min(len(c.Code), maxCode)]}); {
	case c.Open && c.Cause == DayQuota && c.For > 0:
		h.rest(t, c.For, now)
	case c.Open:
		h.suspectAs(t)
		wanted = h.suspect() && a.want(now, b)
	default:
		h.exonerate(now)
	}
	a.mu.Unlock()
	if wanted && f.trouble != nil {
		f.trouble()
	}
	if !c.Open && f.freed != nil {
		f.freed(nil)
	}
}

// suspectAs makes the next failure open the breaker.
func (h *health) suspectAs(t trouble) {
	if h.out {
		return
	}
	b := h.rules.Load()
	h.row, h.same = max(h.row, b.Failures-1), max(b.threshold(t.cause)-1, 0)
	h.trouble = t
}

// exonerate ends suspicion and cool-down.
func (h *health) exonerate(now time.Duration) {
	if h.out {
		h.until = min(h.until, now)
		return
	}
	h.row, h.same, h.trouble = 0, 0, trouble{}
}

// ParseCause returns the cause of a name; NoCause if there is none of it.
func ParseCause(name string) Cause {
	for c := NoCause; c <= Unreachable; c++ {
		if c.String() == name {
			return c
		}
	}
	return NoCause
}

// Kind returns an error that has the cause, for who knows only that.
func (c Cause) Kind() llm.Kind {
	return [...]llm.Kind{
		llm.KindNone, llm.KindProviderAuth, llm.KindRateLimited, llm.KindRateLimited, llm.KindQuotaExhausted, llm.KindOverloaded,
		llm.KindServerError, llm.KindHeaderTimeout, llm.KindUnreachable,
	}[c]
}
