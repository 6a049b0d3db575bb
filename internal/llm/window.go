package llm

import (
	"math"
	"time"
)

// InferWindow finds the time that a limit is for from how long a bucket takes to fill that fills all the time: it is full again after reset,
// so that what is missing takes reset, and the whole takes the window. A result near no usual window is not believed. Groq counts
// requests by the day and tokens by the minute under names that do not tell (PROVIDERS.md 4.1, 2026-11).
func InferWindow(amount, left int64, reset time.Duration) (window time.Duration, ok bool) {
	missing := amount - left
	if left < 0 || missing <= 0 || reset <= 0 {
		return 0, false
	}
	whole := float64(reset) / float64(missing) * float64(amount)
	for _, w := range [...]time.Duration{time.Second, 10 * time.Second, time.Minute, time.Hour, 24 * time.Hour} {
		near := 0.25
		if w > time.Minute {
			near = 0.02 // what is left of a fixed minute, taken for such a time, is near an hour or a day often enough
		}
		if math.Abs(whole/float64(w)-1) < near {
			return w, true
		}
	}
	return 0, false
}
