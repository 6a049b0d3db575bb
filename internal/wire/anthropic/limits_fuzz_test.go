package anthropic

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// FuzzLimits: whatever an answer's headers say of quotas, what is read is a quantity or nothing, and it comes through headers of our own unchanged.
func FuzzLimits(f *testing.F) {
	f.Add([]byte("Anthropic-Ratelimit-Requests-Limit: 60\nAnthropic-Ratelimit-Requests-Remaining: 59\nAnthropic-Ratelimit-Requests-Reset: 2026-11-22T03:01:00Z"))
	f.Add([]byte("Anthropic-Ratelimit-Input-Tokens-Limit: 9223372036854775807\nAnthropic-Priority-Input-Tokens-Limit: 9223372036854775807"))
	f.Add([]byte("Anthropic-Ratelimit-Tokens-Remaining: 5\nAnthropic-Ratelimit-Tokens-Reset: 9999-12-31T23:59:59Z\nAnthropic-Ratelimit-Requests-Reset: 0001-01-01T00:00:00Z"))
	f.Fuzz(func(t *testing.T, text []byte) {
		h := http.Header{"Date": {"Sun, 22 Nov 2026 03:00:00 GMT"}}
		for line := range bytes.Lines(text) {
			name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(": "))
			h.Add(string(name), string(value))
		}
		now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
		l := Limits(h)
		for _, n := range [...]int64{
			l.Requests, l.RequestsLeft, l.Tokens, l.TokensLeft, l.InputTokens, l.InputTokensLeft, l.OutputTokens, l.OutputTokensLeft,
		} {
			if n < -1 || n > 2e15 { // two quotas may be added
				t.Errorf("%q was read as %+v", text, l)
			}
		}
		for _, d := range [...]time.Duration{
			l.RequestsReset, l.TokensReset, l.InputTokensReset, l.OutputTokensReset, l.RequestsPer, l.TokensPer,
		} {
			if d < 0 || d > wire.MaxWait {
				t.Errorf("%q was read as %+v", text, l)
			}
		}
		out := http.Header{"Date": h["Date"]}
		SetLimits(out, l, now)
		again := Limits(out)
		near := func(a, b time.Duration) bool { return (a - b).Abs() <= time.Second }
		if quotas(l) != quotas(again) || !near(l.RequestsReset, again.RequestsReset) || !near(l.TokensReset, again.TokensReset) {
			t.Errorf("%+v came back as %+v", l, again)
		}
	})
}

func quotas(l llm.RateLimits) [4]int64 {
	return [...]int64{l.Requests, l.RequestsLeft, l.Tokens, l.TokensLeft}
}
