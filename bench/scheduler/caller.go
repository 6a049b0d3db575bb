package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// result is what came of one call.
type result struct {
	begun    time.Duration // since the beginning of the load
	took     time.Duration // with retries
	attempts int
	limited  int // attempts that were refused with 429
	status   int // of the last; 0 if there was none
	err      error
	queued   time.Duration // that the gateway says it has waited
	wait     time.Duration // that the last refusal asked for; -1 if it did not say
}

// client makes calls at one address.
type client struct {
	http  *http.Client
	url   string
	key   string
	class string // X-Sluice-Class; "" for none
	retry int    // times, as the official SDKs do it; 0 for callers that leave it to the gateway
}

// newClient makes a client for so many calls at once.
func newClient(addr, key string, calls int) *client {
	return &client{
		url: "http://" + addr + "/v1/chat/completions", key: key,
		http: &http.Client{Timeout: 10 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: calls, MaxConnsPerHost: 0, DisableCompression: true}},
	}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// call makes one call, with its retries.
func (c *client) call(ctx context.Context, a *ask) *result {
	r := &result{}
	begun := time.Now()
	for {
		r.attempts++
		c.attempt(ctx, a, r)
		if r.status == http.StatusTooManyRequests {
			r.limited++
		}
		if r.err == nil || r.attempts > c.retry || ctx.Err() != nil {
			break
		}
		wait, again := backoff(r)
		if !again || pause(ctx, wait) != nil {
			break
		}
	}
	r.took = time.Since(begun)
	return r
}

// attempt sends a call once.
func (c *client) attempt(ctx context.Context, a *ask, r *result) {
	r.status, r.err, r.wait = 0, nil, -1
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(a.body))
	if err != nil {
		r.err = err
		return
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+c.key)
	if c.class != "" {
		req.Header.Set("X-Sluice-Class", c.class)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		r.err = err
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	r.status = resp.StatusCode
	if ms, perr := strconv.ParseFloat(resp.Header.Get("X-Sluice-Queue-Ms"), 64); perr == nil {
		r.queued = time.Duration(ms * float64(time.Millisecond))
	}
	if wait, ok := retryAfter(resp.Header); ok {
		r.wait = wait
	}
	switch {
	case err != nil:
		r.err = fmt.Errorf("read answer: %w", err)
	case resp.StatusCode != http.StatusOK:
		r.err = fmt.Errorf("status %d: %s", resp.StatusCode, message(body))
	default:
		r.err = whole(body, a.stream)
	}
}

// answer is what callers look at of an answer, a chunk of one, or an error.
type answer struct {
	Choices []struct {
		Finish string `json:"finish_reason"`
	}
	Error *struct{ Message string }
}

// finished reports whether something says why a choice ended.
func (a *answer) finished() bool { return len(a.Choices) > 0 && a.Choices[0].Finish != "" }

// message returns the message of an error.
func message(body []byte) string {
	var a answer
	if json.Unmarshal(body, &a) != nil || a.Error == nil {
		return string(body[:min(len(body), 200)])
	}
	return a.Error.Message
}

// whole reports what is wrong with an answer.
func whole(body []byte, stream bool) error {
	if !stream {
		var a answer
		if json.Unmarshal(body, &a) != nil || !a.finished() {
			return fmt.Errorf("the answer is not whole: %.200q", body)
		}
		return nil
	}
	finished := false
	for line := range bytes.Lines(body) {
		data, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("data: "))
		if !ok {
			continue
		}
		if string(data) == "[DONE]" {
			break
		}
		var a answer
		if err := json.Unmarshal(data, &a); err != nil {
			return fmt.Errorf("an event that is no JSON: %.200q", data)
		}
		if a.Error != nil {
			return fmt.Errorf("an error in the stream: %s", a.Error.Message)
		}
		finished = finished || a.finished()
	}
	if !finished {
		return errors.New("the stream has no end")
	}
	return nil
}

// retryAfter reads the wait that a refusal states, as the SDKs do: milliseconds before seconds.
func retryAfter(h http.Header) (time.Duration, bool) {
	for _, f := range []struct {
		name string
		unit time.Duration
	}{{"Retry-After-Ms", time.Millisecond}, {"Retry-After", time.Second}} {
		if n, err := strconv.ParseFloat(h.Get(f.name), 64); err == nil && n >= 0 {
			return time.Duration(n * float64(f.unit)), true
		}
	}
	return 0, false
}

// The retries of OpenAI's SDKs for Python and Go (PROVIDERS.md section 6.1, 2026-11-20): what a server asks for up to two minutes, more
// is not waited for; without it half a second, doubled each time up to eight, less up to a quarter at random.
const (
	firstBackoff  = 500 * time.Millisecond
	longestOwn    = 8 * time.Second
	longestStated = 2 * time.Minute
)

// backoff returns how long an SDK waits after an attempt that failed, and whether it tries again at all.
func backoff(r *result) (time.Duration, bool) {
	switch {
	case r.status != 0 && r.status != 408 && r.status != 409 && r.status != 429 && r.status < 500:
		return 0, false
	case r.wait > longestStated:
		return 0, false
	case r.wait > 0:
		return r.wait, true
	}
	own := min(float64(firstBackoff)*math.Pow(2, float64(r.attempts-1)), float64(longestOwn))
	return time.Duration(own * (1 - rand.Float64()/4)), true
}

// backlog has callers take calls one after the other until none is left, and returns what came of each.
func (c *client) backlog(ctx context.Context, asks []ask, callers int) []*result {
	results := make([]*result, len(asks))
	var next atomic.Int64
	var group sync.WaitGroup
	begun := time.Now()
	for range callers {
		group.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(asks) {
					return
				}
				at := time.Since(begun)
				results[i] = c.call(ctx, &asks[i])
				results[i].begun = at
			}
		})
	}
	group.Wait()
	return results
}

// planned sends each call at its time, and returns what came of each.
func (c *client) planned(ctx context.Context, asks []ask, plan []time.Duration) []*result {
	results := make([]*result, len(asks))
	var group sync.WaitGroup
	begun := time.Now()
	for i := range asks {
		group.Go(func() {
			if pause(ctx, plan[i]-time.Since(begun)) != nil {
				results[i] = &result{err: context.Cause(ctx)}
				return
			}
			results[i] = c.call(ctx, &asks[i])
			results[i].begun = plan[i]
		})
	}
	group.Wait()
	return results
}

// poisson begins calls at random times, so many a second on average, until a time, and returns what came of each once all have ended.
func (c *client) poisson(ctx context.Context, asks []ask, until time.Time, rate float64, random *rand.Rand) []*result {
	var mu sync.Mutex
	var results []*result
	var group sync.WaitGroup
	begun := time.Now()
	at := begun
	for i := 0; ; i++ {
		at = at.Add(time.Duration(random.ExpFloat64() / rate * float64(time.Second)))
		if at.After(until) || pause(ctx, time.Until(at)) != nil {
			break
		}
		began := at.Sub(begun)
		group.Go(func() {
			r := c.call(ctx, &asks[i%len(asks)])
			r.begun = began
			mu.Lock()
			results = append(results, r)
			mu.Unlock()
		})
	}
	group.Wait()
	return results
}

// failures counts calls that ended with an error, and returns one of them.
func failures(results []*result) (n int, one error) {
	for _, r := range results {
		if r == nil {
			n++
			continue
		}
		if r.err != nil {
			n, one = n+1, r.err
		}
	}
	return n, one
}

// pause waits, unless the run is ended before.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
