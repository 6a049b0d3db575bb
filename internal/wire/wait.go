package wire

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxWait bounds what an answer may ask to wait; what is longer is cut to it.
const MaxWait = 7 * 24 * time.Hour

// RetryAfter returns the wait that an answer asks for: retry-after-ms, which official clients prefer (PROVIDERS.md 1.1), or else
// Retry-After in seconds, which may have a fraction, as a date (RFC 9110 section 10.2.3), or as a Go duration. A time in the past is
// no wait at all. ok is false if there is neither, or they cannot be read.
func RetryAfter(h http.Header, now time.Time) (wait time.Duration, ok bool) {
	if wait, ok = ParseWait(h.Get("Retry-After-Ms"), time.Millisecond); ok {
		return wait, true
	}
	text := strings.TrimSpace(h.Get("Retry-After"))
	if wait, ok = ParseWait(text, time.Second); ok {
		return wait, true
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), MaxWait), true
	}
	if wait, err := time.ParseDuration(text); err == nil {
		return min(max(wait, 0), MaxWait), true
	}
	return 0, false
}

// ParseWait reads a number of units, which may have a fraction, as a wait of at most MaxWait. A negative one is 0.
func ParseWait(text string, unit time.Duration) (wait time.Duration, ok bool) {
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(v) {
		return 0, false
	}
	return time.Duration(min(max(v, 0), float64(MaxWait/unit)) * float64(unit)), true
}

// maxQuota is the largest quota that is believed: what is larger stands for none, as at servers that state the largest number there is.
const maxQuota = 1_000_000_000_000_000

// Quota returns the value of a header that states a quota or what is left of one; -1 if it has none that makes sense. The name is in canonical
// form.
func Quota(h http.Header, name string) int64 {
	if v := h[name]; len(v) > 0 {
		if n, err := strconv.ParseInt(v[0], 10, 64); err == nil && n >= 0 && n <= maxQuota {
			return n
		}
	}
	return -1
}
