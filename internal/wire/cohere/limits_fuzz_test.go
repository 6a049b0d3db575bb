package cohere

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
	f.Add([]byte("X-Ratelimit-Limit-Requests: 60\nX-Ratelimit-Remaining-Requests: 59\nX-Ratelimit-Limit-Tokens: 9223372036854775807"))
	f.Fuzz(func(t *testing.T, text []byte) {
		h := http.Header{"Date": {"Sun, 22 Nov 2026 03:00:00 GMT"}}
		for line := range bytes.Lines(text) {
			name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(": "))
			h.Add(string(name), string(value))
		}
		now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
		l := Jina.Limits(h)
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
		Jina.SetLimits(out, l, now)
		again := Jina.Limits(out)
		if quotas(l) != quotas(again) {
			t.Errorf("%+v came back as %+v", l, again)
		}
	})
}

func quotas(l llm.RateLimits) [4]int64 {
	return [...]int64{l.Requests, l.RequestsLeft, l.Tokens, l.TokensLeft}
}
