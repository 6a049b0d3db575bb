package sim

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"sluice/internal/llm"
)

// limits are the limits of one model: buckets that hold a minute's amount and refill all the time.
type limits struct {
	mu               sync.Mutex
	requests, tokens bucket
}

// bucket is guarded by limits.mu.
type bucket struct {
	limit int64 // a minute; 0 means none
	level float64
	at    time.Time     // when level was right
	spent time.Duration // until there is something left, whatever the level (for a fault)
}

func newLimits(rpm, tpm int64) *limits {
	return &limits{requests: bucket{limit: rpm, level: float64(rpm)}, tokens: bucket{limit: tpm, level: float64(tpm)}}
}

func (b *bucket) refill(now time.Time) {
	if !b.at.IsZero() && now.After(b.at) {
		b.level = min(b.level+now.Sub(b.at).Minutes()*float64(b.limit), float64(b.limit))
	}
	b.at = now
}

// wait returns how long it takes until the bucket holds n.
func (b *bucket) wait(n float64) time.Duration {
	if b.spent > 0 {
		return b.spent
	}
	if b.limit == 0 || b.level >= n {
		return 0
	}
	return time.Duration((n - b.level) / float64(b.limit) * float64(time.Minute))
}

// take charges one request and its estimated tokens. If a limit does not allow it, nothing is charged and the refusal
// says how long to wait. A request that needs more than a whole minute's tokens is refused with the same error, as OpenAI
// does.
func (l *limits) take(now time.Time, tokens int64, model string) *refusal {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests.refill(now)
	l.tokens.refill(now)
	name, b, n := "requests", &l.requests, 1.0
	if b.wait(n) == 0 {
		name, b, n = "tokens", &l.tokens, float64(tokens)
	}
	wait := b.wait(n)
	if wait == 0 {
		l.requests.level--
		l.tokens.level -= float64(tokens)
		return nil
	}
	short := map[string]string{"requests": "RPM", "tokens": "TPM"}[name]
	r := refuseStatus(http.StatusTooManyRequests, -1, "")
	r.wait, r.form, r.kind = wait, "both", name
	r.text = fmt.Sprintf("Rate limit reached for %s in organization org-sim on %s per min (%s): Limit %d, Used %d, "+
		"Requested %d. Please try again in %s.", model, name, short, b.limit, b.limit-int64(b.level), int64(n), wait.Round(time.Millisecond))
	return r
}

// settle corrects the estimate of take by what was really used.
func (l *limits) settle(now time.Time, estimated, used int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tokens.refill(now)
	l.tokens.level = min(l.tokens.level+float64(estimated-used), float64(l.tokens.limit))
}

// describe sets the headers of the limits that there are, in the words of the dialect. Google and Amazon have none.
func (l *limits) describe(h http.Header, now time.Time, a *ask) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests.refill(now)
	l.tokens.refill(now)
	switch {
	case a.host == onBedrock || a.host == onVertex || a.dialect == llm.Gemini:
	case a.dialect == llm.Anthropic:
		l.requests.describeAnthropic(h, now, "Requests", 1)
		for _, name := range []string{"Tokens", "Input-Tokens", "Output-Tokens"} {
			l.tokens.describeAnthropic(h, now, name, 1000)
		}
	default:
		l.requests.describe(h, "requests")
		l.tokens.describe(h, "tokens")
	}
}

func (b *bucket) describe(h http.Header, name string) {
	if b.limit == 0 {
		return
	}
	h.Set("X-Ratelimit-Limit-"+name, strconv.FormatInt(b.limit, 10))
	h.Set("X-Ratelimit-Remaining-"+name, strconv.FormatInt(max(int64(b.level), 0), 10))
	h.Set("X-Ratelimit-Reset-"+name, b.wait(float64(b.limit)).Round(time.Millisecond).String())
}

// describeAnthropic states a limit with the time of its reset; what is left is rounded to whole steps.
func (b *bucket) describeAnthropic(h http.Header, now time.Time, name string, step float64) {
	if b.limit == 0 {
		return
	}
	prefix := "Anthropic-Ratelimit-" + name + "-"
	h.Set(prefix+"Limit", strconv.FormatInt(b.limit, 10))
	h.Set(prefix+"Remaining", strconv.FormatInt(int64(math.Round(max(b.level, 0)/step)*step), 10))
	h.Set(prefix+"Reset", now.Add(b.wait(float64(b.limit))).UTC().Format(time.RFC3339))
}

// promptCache remembers prefixes of prompts by their hashes.
type promptCache struct {
	mu   sync.Mutex
	seen map[uint64]struct{}
}

// Prefixes count from cacheFirst tokens on, in steps of cacheStep, as OpenAI counts them.
const (
	cacheFirst = 1024
	cacheStep  = 128
	cacheLimit = 1 << 16 // prefixes remembered; then all are forgotten
)

// lookup returns how many tokens of the text were seen before as a prefix, and how long its longest prefix is that is
// remembered; it remembers the text's own prefixes.
func (c *promptCache) lookup(text []byte) (cached, prefix int64) {
	var hashes []uint64
	h := uint64(hashStart)
	var tokens int64
	for len(text) > 0 {
		n, counted := cutToken(text)
		h = hashString(h, text[:n])
		text = text[n:]
		if counted {
			tokens++
			if tokens >= cacheFirst && tokens%cacheStep == 0 {
				hashes = append(hashes, h)
			}
		}
	}
	if len(hashes) == 0 {
		return 0, 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil || len(c.seen)+len(hashes) > cacheLimit {
		c.seen = make(map[uint64]struct{})
	}
	for i, h := range hashes {
		if _, ok := c.seen[h]; ok {
			cached = cacheFirst + int64(i)*cacheStep
		}
		c.seen[h] = struct{}{}
	}
	return cached, cacheFirst + int64(len(hashes)-1)*cacheStep
}
