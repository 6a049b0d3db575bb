package gateway_test

import (
	"math"
	"strings"
	"testing"

	"sluice/internal/gateway"
)

func TestHedgeSettings(t *testing.T) {
	t.Parallel()
	f := func(after string, budget float64, want ...string) {
		t.Helper()
		var got []string
		h := gateway.Hedge{After: after, Budget: budget}
		h.Validate(func(key, message string) {
			got = append(got, key)
			if !strings.Contains(message, "must be") {
				t.Errorf("%q, %v: %s: %q does not say what is allowed", after, budget, key, message)
			}
		})
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%q, %v: wrong are %v, want %v", after, budget, got, want)
		}
	}
	for _, ok := range []string{"", "off", "p50", "p95", "p99.9", "800ms", "1ms", "10m"} {
		f(ok, 0.02)
	}
	for _, bad := range []string{"on", "p", "p49.9", "p99.95", "p100", "pNaN", "95", "0s", "-1s", "999us", "10m1s", "1"} {
		f(bad, 0.02, "after")
	}
	f("off", 0)
	f("off", 1)
	f("p95", -0.01, "budget")
	f("p95", 1.01, "budget")
	f("p95", math.NaN(), "budget")
	f("x", 2, "after", "budget")
}
