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

// extra is the share of requests beyond the calls that were made.
func (r *result) extra() float64 { return float64(r.Seen)/float64(r.Made) - 1 }

// load makes calls in a closed loop. Those after the warm-up are measured.
func load(ctx context.Context, o *options, addr, target string) (*result, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: o.users}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	r := &result{Target: target, Calls: o.calls, Made: o.warm + o.calls}
	var next atomic.Int64
	var mu sync.Mutex // guards times, failure and r
	times := make([]time.Duration, 0, o.calls)
	var failure error
	var group sync.WaitGroup
	for range o.users {
		group.Go(func() {
			for {
				n := int(next.Add(1))
				if n > r.Made || ctx.Err() != nil {
					return
				}
				d, err := call(ctx, client, addr, target)
				if n <= o.warm {
					continue
				}
				mu.Lock()
				times = append(times, d)
				if err != nil {
					r.Failed++
					failure = err
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if r.Failed > r.Calls/100 {
		return nil, fmt.Errorf("%d of %d calls failed, the last: %w", r.Failed, r.Calls, failure)
	}
	slices.Sort(times)
	r.P50, r.P95, r.P99 = quantile(times, .5), quantile(times, .95), quantile(times, .99)
	return r, nil
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
