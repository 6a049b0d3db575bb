package anthropic

import (
	"net/http"
	"strconv"
	"time"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// The headers of quotas, in canonical form. A reset is a time of RFC 3339 (PROVIDERS.md 2.1).
const (
	headerRequests = "Anthropic-Ratelimit-Requests-"
	headerTokens   = "Anthropic-Ratelimit-Tokens-"
	headerInput    = "Anthropic-Ratelimit-Input-Tokens-"
	headerOutput   = "Anthropic-Ratelimit-Output-Tokens-"
	// The Priority Tier has quotas of its own.
	headerPriorityInput  = "Anthropic-Priority-Input-Tokens-"
	headerPriorityOutput = "Anthropic-Priority-Output-Tokens-"
)

// SetLimits sets the protocol's rate-limit headers. Those that are not known (-1) are left out, and so are resets of quotas
// that are whole.
func SetLimits(h http.Header, l llm.RateLimits, now time.Time) {
	set := func(prefix string, limit, left int64, reset time.Duration) {
		if limit >= 0 {
			h[prefix+"Limit"] = []string{strconv.FormatInt(limit, 10)}
		}
		if left >= 0 {
			h[prefix+"Remaining"] = []string{strconv.FormatInt(left, 10)}
		}
		if reset > 0 {
			// Rounded up to the second that the header has: no one comes too early.
			h[prefix+"Reset"] = []string{now.Add(reset + time.Second - 1).UTC().Truncate(time.Second).Format(time.RFC3339)}
		}
	}
	set(headerRequests, l.Requests, l.RequestsLeft, l.RequestsReset)
	set(headerTokens, l.Tokens, l.TokensLeft, l.TokensReset)
	set(headerInput, l.InputTokens, l.InputTokensLeft, l.InputTokensReset)
	set(headerOutput, l.OutputTokens, l.OutputTokensLeft, l.OutputTokensReset)
}

// Limits reads the quota headers of a target's answer. Where the Priority Tier states a quota, calls draw on that one until it
// is used up, and on the common one after, so what is left is the sum. Resets count from the answer's Date, so that two
// clocks that differ do no harm; without one they are not known.
func Limits(h http.Header) llm.RateLimits {
	l := llm.NoRateLimits()
	sent, err := http.ParseTime(h.Get("Date"))
	dated := err == nil
	get := func(prefix string, limit, left *int64, reset *time.Duration) {
		*limit, *left = wire.Quota(h, prefix+"Limit"), wire.Quota(h, prefix+"Remaining")
		if at, err := time.Parse(time.RFC3339, h.Get(prefix+"Reset")); err == nil && dated {
			*reset = min(max(at.Sub(sent), 0), wire.MaxWait)
		}
	}
	get(headerRequests, &l.Requests, &l.RequestsLeft, &l.RequestsReset)
	get(headerTokens, &l.Tokens, &l.TokensLeft, &l.TokensReset)
	get(headerInput, &l.InputTokens, &l.InputTokensLeft, &l.InputTokensReset)
	get(headerOutput, &l.OutputTokens, &l.OutputTokensLeft, &l.OutputTokensReset)
	addQuota(h, headerPriorityInput, &l.InputTokens, &l.InputTokensLeft)
	addQuota(h, headerPriorityOutput, &l.OutputTokens, &l.OutputTokensLeft)
	return l
}

// addQuota adds a quota of the Priority Tier to the common one.
func addQuota(h http.Header, prefix string, limit, left *int64) {
	for _, v := range [...]struct {
		to   *int64
		name string
	}{{limit, "Limit"}, {left, "Remaining"}} {
		if n := wire.Quota(h, prefix+v.name); n >= 0 {
			*v.to = max(*v.to, 0) + n
		}
	}
}
