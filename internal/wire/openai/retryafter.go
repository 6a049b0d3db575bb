package openai

import (
	"net/http"
	"strings"
	"time"

	"sluice/internal/wire"
)

// RetryAfter returns the wait that a provider asks for: retry-after-ms, or else retry-after in seconds (which may have
// a fraction), as a date, or as a Go duration. A time in the past is no wait at all. ok is false if neither header can
// be read.
func RetryAfter(h http.Header, now time.Time) (wait time.Duration, ok bool) {
	if wait, ok = wire.ParseWait(h.Get("Retry-After-Ms"), time.Millisecond); ok {
		return wait, true
	}
	if wait, ok = wire.RetryAfter(h, now); ok {
		return wait, true
	}
	if wait, err := time.ParseDuration(strings.TrimSpace(h.Get("Retry-After"))); err == nil {
		return min(max(wait, 0), wire.MaxWait), true
	}
	return 0, false
}
