//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// result is what was measured at one target.
type result struct {
	Target        string
	Calls         int // measured
	Made          int // with those of the warm-up
	P50, P95, P99 time.Duration
	Failed        int            // of the measured
	Seen          int64          // requests at the provider, of all calls
	Hedges        map[string]int // of all calls, by what came of them
}

// hedged is how many second requests the gateway says that it has sent.
func (r *result) hedged() int { return r.Hedges["won"] + r.Hedges["lost"] + r.Hedges["failed"] }

// failovers is how many requests the provider has seen beyond the calls and their hedges: what followed on a limit that was over.
func (r *result) failovers() int { return int(r.Seen) - r.Made - r.hedged() }

// share is a number of requests as a share of the calls that were made.
func (r *result) share(n int) float64 { return float64(n) / float64(r.Made) }

// tally collects what the clients find.
type tally struct {
	mu      sync.Mutex
	times   map[string][]time.Duration
	failed  map[string]int
	failure error // the last
}

func (t *tally) add(target string, d time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.times[target] = append(t.times[target], d)
	if err != nil {
		t.failed[target]++
		t.failure = fmt.Errorf("%s: %w", target, err)
	}
}

// load makes calls in a closed loop, to the targets in turn, so that what else the machine does hits all of them alike. Those after the
// warm-up are measured.
func load(ctx context.Context, o *options, addr string, targets []string) ([]*result, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: o.users}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	t := &tally{times: map[string][]time.Duration{}, failed: map[string]int{}}
	var next atomic.Int64
	var group sync.WaitGroup
	for range o.users {
		group.Go(func() {
			for ctx.Err() == nil {
				n := int(next.Add(1)) - 1
				if n >= (o.warm+o.calls)*len(targets) {
					return
				}
				target := targets[n%len(targets)]
				d, err := call(ctx, client, addr, target)
				if n >= o.warm*len(targets) {
					t.add(target, d, err)
				}
			}
		})
	}
	group.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return t.results(o, targets)
}

// results sums up. Single calls fail where both of a target's models stall; more than that is no measurement.
func (t *tally) results(o *options, targets []string) ([]*result, error) {
	var all []*result
	for _, target := range targets {
		times := t.times[target]
		if n := t.failed[target]; n > o.calls/100 {
			return nil, fmt.Errorf("%d of %d calls failed, the last: %w", n, o.calls, t.failure)
		}
		slices.Sort(times)
		all = append(all, &result{
			Target: target, Calls: o.calls, Made: o.warm + o.calls, Failed: t.failed[target],
			P50: quantile(times, .5), P95: quantile(times, .95), P99: quantile(times, .99),
		})
	}
	return all, nil
}

// quantile returns the smallest value that a share q of the sorted values does not exceed.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[max(int(math.Ceil(q*float64(len(sorted))))-1, 0)]
}

// call makes one call and returns the time to its first content token; to its end, if there was none.
func call(ctx context.Context, client *http.Client, addr, target string) (time.Duration, error) {
	body := fmt.Sprintf(`{"model":%q,"stream":true,"messages":[{"role":"user","content":"Say something."}]}`, target)
	start := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+benchKey)
	resp, err := client.Do(req)
	if err != nil {
		return time.Since(start), err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return time.Since(start), fmt.Errorf("status %d", resp.StatusCode)
	}
	var first time.Duration
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		line := lines.Bytes()
		if _, text, ok := bytes.Cut(line, []byte(`"content":"`)); first == 0 && ok && !bytes.HasPrefix(text, []byte(`"`)) {
			first = time.Since(start)
		}
		if bytes.Equal(line, []byte("data: [DONE]")) && first > 0 {
			return first, drain(lines)
		}
	}
	return time.Since(start), errors.Join(errors.New("the stream has no content or no end"), lines.Err())
}

// drain reads what is left, so that the connection can be used again.
func drain(lines *bufio.Scanner) error {
	for lines.Scan() {
	}
	return lines.Err()
}
