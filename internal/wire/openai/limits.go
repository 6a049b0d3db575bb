package openai

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// quotaNames are the headers of one quota, after x-ratelimit-limit-, -remaining- and -reset-. The first that an answer has
// counts. Names are in canonical form.
type quotaNames []string

var (
	requestNames = quotaNames{"Requests", "Req-Minute", "Requests-Day"}    // OpenAI; Mistral; Cerebras
	tokenNames   = quotaNames{"Tokens", "Tokens-Minute", "Project-Tokens"} // OpenAI; Mistral and Cerebras; OpenAI
	inputNames   = quotaNames{"Tokens-Prompt"}                             // Fireworks
	outputNames  = quotaNames{"Tokens-Generated"}                          // Fireworks
)

// Limits reads the quota headers of an answer: those of OpenAI, which most servers follow, and those of Mistral, Cerebras and
// Fireworks (PROVIDERS.md 4.1, 2026-11). Groq's and Cerebras' requests are those of a day. Times until a quota is whole again come as Go
// durations or as seconds; as a point in time they count from the answer's Date.
func Limits(h http.Header) llm.RateLimits {
	l := llm.NoRateLimits()
	l.RequestsPer, l.TokensPer = requestNames.window(h), tokenNames.window(h)
	requestNames.read(h, &l.Requests, &l.RequestsLeft, &l.RequestsReset)
	tokenNames.read(h, &l.Tokens, &l.TokensLeft, &l.TokensReset)
	inputNames.read(h, &l.InputTokens, &l.InputTokensLeft, &l.InputTokensReset)
	outputNames.read(h, &l.OutputTokens, &l.OutputTokensLeft, &l.OutputTokensReset)
	return l
}

func (q quotaNames) read(h http.Header, limit, left *int64, reset *time.Duration) {
	for _, name := range q {
		if *limit = wire.Quota(h, "X-Ratelimit-Limit-"+name); *limit >= 0 {
			break
		}
	}
	for _, name := range q {
		if *left = wire.Quota(h, "X-Ratelimit-Remaining-"+name); *left >= 0 {
			break
		}
	}
	for _, name := range q {
		if v := h["X-Ratelimit-Reset-"+name]; len(v) > 0 {
			if *reset = resetIn(v[0], h); *reset > 0 {
				break
			}
		}
	}
}

// window returns what the first name that an answer has says of the time that the limit is for; 0 if it says nothing.
func (q quotaNames) window(h http.Header) time.Duration {
	for _, name := range q {
		if wire.Quota(h, "X-Ratelimit-Limit-"+name) < 0 && wire.Quota(h, "X-Ratelimit-Remaining-"+name) < 0 {
			continue
		}
		switch {
		case strings.HasSuffix(name, "-Day"):
			return 24 * time.Hour
		case strings.HasSuffix(name, "-Minute"):
			return time.Minute
		}
		break
	}
	return 0
}

// resetIn reads the time until a quota is whole again; 0 if it cannot be read.
func resetIn(text string, h http.Header) time.Duration {
	text = strings.TrimSpace(text)
	if d, err := time.ParseDuration(text); err == nil {
		return min(max(d, 0), wire.MaxWait)
	}
	if d, ok := wire.ParseWait(text, time.Second); ok {
		return d
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), wire.MaxWait)
}

// SetLimits sets OpenAI's rate-limit headers. What is not known is left out; for tokens of input or output alone OpenAI has no header.
func SetLimits(h http.Header, l llm.RateLimits, _ time.Time) {
	setQuota(h, "Requests", l.Requests, l.RequestsLeft, l.RequestsReset)
	setQuota(h, "Tokens", l.Tokens, l.TokensLeft, l.TokensReset)
}

func setQuota(h http.Header, name string, limit, left int64, reset time.Duration) {
	if limit >= 0 {
		h["X-Ratelimit-Limit-"+name] = []string{strconv.FormatInt(limit, 10)}
	}
	if left >= 0 {
		h["X-Ratelimit-Remaining-"+name] = []string{strconv.FormatInt(left, 10)}
	}
	if reset > 0 {
		h["X-Ratelimit-Reset-"+name] = []string{max(reset.Round(time.Millisecond), time.Millisecond).String()}
	}
}
