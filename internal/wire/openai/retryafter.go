package openai

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter bounds what a header may ask for; what is longer is cut to it.
const maxRetryAfter = 7 * 24 * time.Hour

// RetryAfter returns the wait that a provider asks for: retry-after-ms, or else retry-after in seconds (which may have
// a fraction), as a date, or as a Go duration. A time in the past is no wait at all. ok is false if neither header can
// be read.
func RetryAfter(h http.Header, now time.Time) (wait time.Duration, ok bool) {
	if wait, ok = parseWait(h.Get("Retry-After-Ms"), time.Millisecond); ok {
		return wait, true
	}
	text := strings.TrimSpace(h.Get("Retry-After"))
	if wait, ok = parseWait(text, time.Second); ok || text == "" {
		return wait, ok
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter), true
	}
	if wait, err := time.ParseDuration(text); err == nil {
		return min(max(wait, 0), maxRetryAfter), true
	}
	return 0, false
}

func parseWait(text string, unit time.Duration) (time.Duration, bool) {
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(v) {
		return 0, false
	}
	return time.Duration(min(max(v, 0), float64(maxRetryAfter/unit)) * float64(unit)), true
}
