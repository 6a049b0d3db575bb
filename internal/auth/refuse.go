package auth

import (
	"fmt"
	"strconv"
	"time"

	"sluice/internal/llm"
)

// refuse words a refusal. Where a retry helps only after the end of a day or month, or never, the client's SDK is told so.
func (p *Principal) refuse(r *refusal, at *moment, user string) *llm.Error {
	who := fmt.Sprintf("key %q", p.name)
	if r.user {
		who = fmt.Sprintf("user %q of %s", clipped(user), who)
	}
	e := &llm.Error{Kind: llm.KindKeyRate, RetryAfter: r.wait, Message: who + " " + r.text(at)}
	switch r.kind {
	case concurrency:
		e.Kind = llm.KindKeyConcurrency
	case perMinute, tokensPerMinute:
		e.Window = llm.PerMinute
	case requestsPerDay, tokensPerDay:
		e.Window = llm.PerDay
	case moneyPerDay:
		e.Kind, e.Window = llm.KindKeyBudget, llm.PerDay
	case moneyPerMonth:
		e.Kind = llm.KindKeyBudget
	}
	if r.spent || r.never {
		e.Advice = llm.DoNotRetry
	}
	if r.never {
		e.RetryAfter = 0
	}
	return e
}

// text says what a limit is, how much of it is used, what the call needs, and when it fits.
func (r *refusal) text(at *moment) string {
	b := r.bound
	if r.shared {
		return fmt.Sprintf("has used what this replica may of %s (%s); the replicas divide it anew every moment: come back in %v",
			r.amount(b.amount), b.setting, roundUp(r.wait))
	}
	switch r.kind {
	case concurrency:
		return fmt.Sprintf("has %d calls under way and may have %d (%s); wait for one to end, or raise the limit", r.used, b.amount, b.setting)
	case perMinute:
		return fmt.Sprintf("has made %d requests in the last minute and may make %d (%s); the next one fits in %v", r.used, b.amount, b.setting,
			roundUp(r.wait))
	case requestsPerDay:
		return fmt.Sprintf("has made %d requests and may make %d per day (%s); the next one fits at %s", r.used, b.amount, b.setting, ends(r, at))
	}
	if r.never {
		return fmt.Sprintf("may use %s (%s), and this call may need %s: it never fits; ask for a shorter answer (max_tokens) or send a shorter prompt",
			r.amount(b.amount), b.setting, r.quantity(r.need))
	}
	switch {
	case r.kind == tokensPerMinute:
		return fmt.Sprintf("has used %s in the last minute and may use %s (%s); this call, which may need %s, fits in %v",
			r.quantity(r.used), r.amount(b.amount), b.setting, r.quantity(r.need), roundUp(r.wait))
	case r.busy:
		return fmt.Sprintf("has used %s of %s (%s), and calls under way may need all that is left: %s; this call may need %s: come back when they have ended, in %v",
			r.quantity(r.used), r.amount(b.amount), b.setting, r.quantity(r.held), r.quantity(r.need), r.wait)
	}
	return fmt.Sprintf("has used %s of %s (%s), and this call may need %s; it begins anew at %s",
		r.quantity(r.used), r.amount(b.amount), b.setting, r.quantity(r.need), ends(r, at))
}

// ends returns the end of a day or month as text.
func ends(r *refusal, at *moment) string {
	return at.now.Add(r.wait).UTC().Round(time.Second).Format("2006-01-02 15:04 MST")
}

// amount returns a limit with its unit and time.
func (r *refusal) amount(n int64) string {
	switch r.kind {
	case concurrency:
		return fmt.Sprintf("%d calls at a time", n)
	case perMinute:
		return fmt.Sprintf("%d requests per minute", n)
	case tokensPerMinute:
		return fmt.Sprintf("%d tokens per minute", n)
	case requestsPerDay:
		return fmt.Sprintf("%d requests per day", n)
	case tokensPerDay:
		return fmt.Sprintf("%d tokens per day", n)
	case moneyPerDay:
		return dollars(n) + " per day"
	default:
		return dollars(n) + " per month"
	}
}

// quantity returns an amount with its unit.
func (r *refusal) quantity(n int64) string {
	if r.kind == moneyPerDay || r.kind == moneyPerMonth {
		return dollars(n)
	}
	return fmt.Sprintf("%d tokens", n)
}

// dollars writes billionths of a US dollar.
func dollars(nano int64) string { return "$" + strconv.FormatFloat(float64(nano)/1e9, 'f', -1, 64) }

// roundUp returns a wait in whole seconds, as Retry-After has it.
func roundUp(d time.Duration) time.Duration { return (d + time.Second - 1).Truncate(time.Second) }

// clipped keeps a user's name fit for a message.
func clipped(user string) string {
	const most = 64
	if len(user) > most {
		return user[:most] + "..."
	}
	return user
}

// unpriced refuses a call of unknown price where money is limited, unless the budget allows it.
func (p *Principal) unpriced(o *Order) *llm.Error {
	if !o.Unpriced {
		return nil
	}
	b := p.key
	if !b.money() || !b.refuseUnpriced {
		b = p.user
		if o.User == "" || !b.money() || !b.refuseUnpriced {
			return nil
		}
	}
	l := &b.of[moneyPerMonth]
	if l.amount == 0 {
		l = &b.of[moneyPerDay]
	}
	e := llm.Errorf(llm.KindModelForbidden, "key %q has a budget (%s), and the price of this model is not known; state it in prices, or set the budget's unpriced: allow",
		p.name, l.setting)
	e.Param = "model"
	return e
}

// tooManyUsers says that no more end users can be kept count of.
func (p *Principal) tooManyUsers() *llm.Error {
	e := llm.Errorf(llm.KindKeyConcurrency, "key %q has calls of %d end users under way, and no more than that are kept count of (`users.tracked`)", p.name, p.tracked)
	e.RetryAfter = busyWait
	return e
}
