package doctor

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sluice/internal/upstream"
)

func TestReadLimits(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	f := func(name string, headers string, want ...Limit) {
		t.Helper()
		h := http.Header{}
		for line := range strings.Lines(headers) {
			if k, v, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
				h.Set(k, v)
			}
		}
		if diff := cmp.Diff(want, ReadLimits(h, now), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	const day = 24 * time.Hour
	f("none", "content-type: text/plain\nx-ratelimit-remaining-requests: 5\nx-ratelimit-limit-requests: many\nx-ratelimit-limit-tokens: -1")
	f("openai", `x-ratelimit-limit-requests: 10000
		x-ratelimit-remaining-requests: 9999
		x-ratelimit-reset-requests: 6ms
		x-ratelimit-limit-tokens: 2000000
		x-ratelimit-remaining-tokens: 1999985
		x-ratelimit-reset-tokens: 0s`,
		Limit{"requests", 10000, 9999, 6 * time.Millisecond, time.Minute, false, "x-ratelimit-limit-requests"},
		Limit{"tokens", 2_000_000, 1_999_985, 0, time.Minute, true, "x-ratelimit-limit-tokens"})
	f("openai by day", "x-ratelimit-limit-requests: 200\nx-ratelimit-remaining-requests: 199\nx-ratelimit-reset-requests: 7m12s",
		Limit{"requests", 200, 199, 432 * time.Second, day, false, "x-ratelimit-limit-requests"})
	f("groq", `x-ratelimit-limit-requests: 14400
		x-ratelimit-remaining-requests: 14370
		x-ratelimit-reset-requests: 2m59.56s
		x-ratelimit-limit-tokens: 18000
		x-ratelimit-remaining-tokens: 17997
		x-ratelimit-reset-tokens: 7.66ms`,
		Limit{"requests", 14400, 14370, 179560 * time.Millisecond, day, false, "x-ratelimit-limit-requests"},
		Limit{"tokens", 18000, 17997, 7660 * time.Microsecond, time.Minute, false, "x-ratelimit-limit-tokens"})
	f("azure, ten seconds", "x-ratelimit-limit-requests: 10\nx-ratelimit-remaining-requests: 9\nx-ratelimit-reset-requests: 1",
		Limit{"requests", 10, 9, time.Second, 10 * time.Second, false, "x-ratelimit-limit-requests"})
	f("mistral", "x-ratelimit-limit-req-minute: 0\nx-ratelimit-limit-tokens-minute: 500000\nx-ratelimit-remaining-tokens-minute: 499000",
		Limit{"requests", 0, -1, 0, time.Minute, false, "x-ratelimit-limit-req-minute"},
		Limit{"tokens", 500_000, 499_000, 0, time.Minute, false, "x-ratelimit-limit-tokens-minute"})
	f("cerebras", "x-ratelimit-limit-requests-day: 14400\nx-ratelimit-reset-requests-day: 33011.382867\nx-ratelimit-limit-tokens-minute: 60000",
		Limit{"requests", 14400, -1, 33011382867000, day, false, "x-ratelimit-limit-requests-day"},
		Limit{"tokens", 60_000, -1, 0, time.Minute, false, "x-ratelimit-limit-tokens-minute"})
	f("fireworks", "x-ratelimit-limit-tokens-prompt: 60000\nx-ratelimit-limit-tokens-generated: 6000",
		Limit{"output_tokens", 6000, -1, 0, time.Minute, true, "x-ratelimit-limit-tokens-generated"},
		Limit{"input_tokens", 60_000, -1, 0, time.Minute, true, "x-ratelimit-limit-tokens-prompt"})
	f("openrouter", "x-ratelimit-limit: 20\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 1795176060000",
		Limit{"requests", 20, 0, time.Minute, time.Minute, false, "x-ratelimit-limit"})
	f("anthropic", "anthropic-ratelimit-input-tokens-limit: 30000\nanthropic-ratelimit-input-tokens-remaining: 15000\nanthropic-ratelimit-input-tokens-reset: 2026-11-20T12:00:30Z",
		Limit{"input_tokens", 30_000, 15_000, 30 * time.Second, time.Minute, false, "anthropic-ratelimit-input-tokens-limit"})
	f("one end of a window for both", `x-ratelimit-limit-requests: 60
		x-ratelimit-remaining-requests: 59
		x-ratelimit-reset-requests: 41.76s
		x-ratelimit-limit-tokens: 60000
		x-ratelimit-remaining-tokens: 59971
		x-ratelimit-reset-tokens: 41.76s`,
		Limit{"requests", 60, 59, 41760 * time.Millisecond, time.Minute, true, "x-ratelimit-limit-requests"},
		Limit{"tokens", 60_000, 59_971, 41760 * time.Millisecond, time.Minute, true, "x-ratelimit-limit-tokens"})
	f("far from a day", "x-ratelimit-limit-tokens: 60000\nx-ratelimit-remaining-tokens: 59971\nx-ratelimit-reset-tokens: 46s",
		Limit{"tokens", 60_000, 59_971, 46 * time.Second, time.Minute, true, "x-ratelimit-limit-tokens"})
	f("nonsense", "x-ratelimit-limit-requests: 5\nx-ratelimit-reset-requests: soon\nx-ratelimit-limit-tokens: 99999999999999999999\nx-ratelimit-limitless: 3",
		Limit{"requests", 5, -1, 0, time.Minute, true, "x-ratelimit-limit-requests"})
}

// FuzzReadLimits holds that no header, which anybody may send, does worse than being left out.
func FuzzReadLimits(f *testing.F) {
	f.Add("x-ratelimit-limit-requests", "10", "9", "6m0s")
	f.Add("x-ratelimit-limit-tokens-minute", "10", "11", "1e300")
	f.Add("anthropic-ratelimit-requests-limit", "10", "-1", "2026-11-20T12:00:30Z")
	f.Add("x-ratelimit-limit", "9223372036854775807", "0", "9999999999999")
	f.Fuzz(func(t *testing.T, name, amount, left, reset string) {
		h := http.Header{}
		h.Set(name, amount)
		if _, sibling := limitName(name); sibling != nil {
			h.Set(sibling("remaining"), left)
			h.Set(sibling("reset"), reset)
		}
		for _, l := range ReadLimits(h, time.Unix(1_790_000_000, 0)) {
			if l.Amount < 0 || l.Left < -1 || l.Reset < 0 || l.Window <= 0 || l.Unit == "" {
				t.Errorf("%+v", l)
			}
			if d, ok := l.declare(); ok && (d.amount < l.Amount || d.key == "") {
				t.Errorf("%+v is declared as %+v", l, d)
			}
		}
	})
}

func TestProposeQuotas(t *testing.T) {
	t.Parallel()
	if got := ProposeQuotas([]AccountReport{{Account: "a", Targets: []TargetReport{{Model: "m"}, {Model: "off", Limits: []Limit{{Unit: "requests", Header: "h"}}}}}}); got != "" {
		t.Errorf("without limits: %q", got)
	}
	minute := func(unit string, n int64) Limit {
		return Limit{unit, n, n, 0, time.Minute, false, "x-ratelimit-limit-" + unit}
	}
	day := Limit{"requests", 14400, 1, 0, 24 * time.Hour, false, "x-ratelimit-limit-requests"}
	guess := minute("tokens", 600_000)
	guess.Guessed = true
	got := ProposeQuotas([]AccountReport{
		{Account: "openai", Targets: []TargetReport{
			{Model: "gpt-4o", Limits: []Limit{minute("requests", 600), guess}},
			{Model: "gpt-4o-mini", Limits: []Limit{minute("requests", 6000)}},
			{Model: `odd "name": #1`, Limits: []Limit{minute("requests", 600), guess}},
			{Model: "silent"},
		}},
		{Account: "9: x", Targets: []TargetReport{{Model: "m", Limits: []Limit{day}}}},
	})
	_, body, _ := strings.Cut(got, "providers:\n")
	want := `  openai:
    quotas:
      - models: ["gpt-4o", "odd \"name\": #1"]
        rpm: 600  # x-ratelimit-limit-requests
        tpm: 600000  # x-ratelimit-limit-tokens; it does not say for how long, a minute is the custom
      - models: ["gpt-4o-mini"]
        rpm: 6000  # x-ratelimit-limit-requests
  "9: x":
    quotas:
      - models: ["m"]
        rpd: 14400  # x-ratelimit-limit-requests
`
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDeclare(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	f := func(l Limit, key string, amount int64) {
		t.Helper()
		d, ok := l.declare()
		if ok != (key != "") || ok && (d.key != key || d.amount != amount) {
			t.Errorf("%v is declared as %+v (%v), want %s: %d", l, d, ok, key, amount)
		}
	}
	f(Limit{Unit: "requests", Amount: 5, Window: time.Minute}, "rpm", 5)
	f(Limit{Unit: "tokens", Amount: 5, Window: time.Minute}, "tpm", 5)
	f(Limit{Unit: "input_tokens", Amount: 5, Window: time.Minute}, "input_tpm", 5)
	f(Limit{Unit: "output_tokens", Amount: 5, Window: time.Minute}, "output_tpm", 5)
	f(Limit{Unit: "requests", Amount: 5, Window: day}, "rpd", 5)
	f(Limit{Unit: "tokens", Amount: 5, Window: day}, "tpd", 5)
	f(Limit{Unit: "requests", Amount: 5, Window: time.Second}, "rpm", 300)
	f(Limit{Unit: "requests", Amount: 5, Window: 10 * time.Second}, "rpm", 30)
	f(Limit{Unit: "requests", Amount: 5, Window: time.Hour}, "", 0)
	f(Limit{Unit: "input_tokens", Amount: 5, Window: day}, "", 0)
	f(Limit{Unit: "images", Amount: 5, Window: time.Minute}, "", 0)
	f(Limit{Unit: "requests", Amount: 1 << 60, Window: time.Minute}, "", 0)
}

func TestExcess(t *testing.T) {
	t.Parallel()
	stated := []Limit{
		{Unit: "requests", Amount: 600, Window: time.Minute, Header: "x-ratelimit-limit-requests"},
		{Unit: "tokens", Amount: 30_000, Window: time.Minute, Guessed: true, Header: "x-ratelimit-limit-tokens"},
	}
	f := func(name string, q upstream.Quota, want string) {
		t.Helper()
		p := &upstream.Provider{Name: "p", Quotas: []upstream.Quota{{Models: []string{"other"}, RPM: 1}, q}}
		if got := excess(p, "gpt-4o", stated); (got != "") != (want != "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	f("more than is stated", upstream.Quota{Models: []string{"gpt-*"}, RPM: 9000}, "rpm of providers.p.quotas[1] is 9,000, and the provider states 600")
	f("what is stated", upstream.Quota{Models: []string{"gpt-*"}, RPM: 600}, "")
	f("of another model", upstream.Quota{Models: []string{"o1"}, RPM: 9000}, "")
	f("a window that is guessed", upstream.Quota{Models: []string{"gpt-*"}, TPM: 9_000_000}, "")
	f("none", upstream.Quota{Models: []string{"gpt-*"}}, "")
}
