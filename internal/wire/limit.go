package wire

import (
	"bytes"
	"net/http"
	"time"

	"sluice/internal/llm"
)

// minDayWait is the shortest wait that is believed of a RetryInfo beside a day's quota. Google states seconds there, after which the
// quota is as empty as before (PROVIDERS.md 3.3, 2026-11).
const minDayWait = 10 * time.Minute

// DayWait returns the wait of a RetryInfo that comes with a day's quota, 0 for one that cannot be meant.
func DayWait(stated time.Duration) time.Duration {
	if stated < minDayWait {
		return 0
	}
	return stated
}

// MarkDay notes in e, which is about a limit, that it is one of a day. Where the provider states its end, it passes by itself; else
// nobody need wait for it. Limits of a day are those of a model, unless the error says more.
func MarkDay(e *llm.Error) {
	e.Window, e.Kind = llm.PerDay, llm.KindQuotaExhausted
	if e.RetryAfter > 0 {
		e.Kind = llm.KindRateLimited
	}
	if e.Scope == llm.ScopeUnknown {
		e.Scope = llm.ScopeModel
	}
}

// Daily reports whether the text of an error about a limit names one of a day: Groq and OpenAI write "on requests per day (RPD)",
// Bedrock "Too many tokens per day".
func Daily(text string) bool {
	return Mentions(text, "per day", "(rpd)", "(tpd)", "daily limit", "daily quota", "daily request", "daily token")
}

// Blocked reports whether a 403 comes from what stands before the provider's API (a firewall, a proxy), which knows nothing of
// credentials: it is an HTML page.
func Blocked(status int, body []byte) bool {
	body = bytes.TrimLeft(body, " \t\r\n")
	return status == http.StatusForbidden && len(body) > 0 && body[0] == '<'
}
