//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"sluice/bench/caller"
	"sluice/bench/rig"
	"sluice/internal/llm"
)

// call is one call and what came of it.
type call struct {
	ID     string // in the gateway's ledger
	Trace  string // what the simulators know it by
	Front  string
	Kind   string
	Stream bool
	Wall   time.Duration
	Why    string `json:",omitempty"` // it did not end with the complete right answer
	Class  string `json:",omitempty"` // of why
	// Attempts is what the headers said of a call that did not end well; a stream's are sent before its rescues.
	Attempts string `json:",omitempty"`
	Usage    llm.Usage
	begun    time.Time
}

// The classes of calls that did not end well.
const (
	truncated = "truncated as success"
	wrong     = "wrong answer"
	malformed = "protocol"
	brokenOff = "connection broken"
	hung      = "hung"
	toldError = "error"
)

// book collects calls. Its fields are guarded by mu.
type book struct {
	mu    sync.Mutex
	calls []call
	open  int
}

// load has the callers call until the time is over, and waits for the last calls.
func (l *lab) load(ctx context.Context, o options, rec *record) []call {
	b := &book{}
	var wg sync.WaitGroup
	end := time.Now().Add(o.time)
	for i := range o.callers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(o.seed, uint64(i)+1000))
			for time.Now().Before(end) && ctx.Err() == nil {
				b.begin(1)
				c := l.call(ctx, r)
				b.mu.Lock()
				b.calls = append(b.calls, c)
				b.mu.Unlock()
				b.begin(-1)
			}
		})
	}
	done := make(chan struct{}) // closed below
	go func() {
		defer close(done)
		wg.Wait()
	}()
	start := time.Now()
	sample := time.NewTicker(min(o.progress, time.Second))
	defer sample.Stop()
	said := start
	for {
		select {
		case <-done:
			return b.calls
		case now := <-sample.C:
			if kb, err := rig.ResidentKB(l.gateway.PID()); err == nil {
				rec.Memory = append(rec.Memory, kb)
			}
			if now.Sub(said) >= o.progress {
				said = now
				fmt.Fprintln(o.out, b.line(now.Sub(start), rec))
			}
		}
	}
}

func (b *book) begin(n int) {
	b.mu.Lock()
	b.open += n
	b.mu.Unlock()
}

// line is a line of progress.
func (b *book) line(at time.Duration, rec *record) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	classes := map[string]int{}
	for i := range b.calls {
		if b.calls[i].Class != "" {
			classes[b.calls[i].Class]++
		}
	}
	kb := int64(0)
	if n := len(rec.Memory); n > 0 {
		kb = rec.Memory[n-1]
	}
	return fmt.Sprintf("%4.0f s: %d calls, %d open, not well: %s; %d MB", at.Seconds(), len(b.calls), b.open, counts(classes), kb>>10)
}

// call makes one call, of a kind that is drawn.
func (l *lab) call(ctx context.Context, r *rand.Rand) call {
	a := &l.asks[r.IntN(len(l.asks))]
	fronts := caller.Fronts()
	front := fronts[r.IntN(len(fronts))]
	c := call{Front: front.Name, Kind: a.kind, Stream: r.IntN(2) == 0, Trace: fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64()|1), begun: time.Now()}
	chat := a.chat
	chat.Model, chat.Stream = "soak-"+front.Name, c.Stream
	// The caller waits longer than it says, to see that the gateway does not.
	ctx, cancel := context.WithTimeout(ctx, l.deadline+10*time.Second)
	defer cancel()
	rq, err := front.Request(ctx, l.gateway.URL(), &chat)
	if err != nil {
		c.Class, c.Why = malformed, err.Error()
		return c
	}
	rq.Header.Set("X-Sluice-Deadline", l.deadline.String())
	rq.Header.Set("Traceparent", fmt.Sprintf("00-%s-%016x-01", c.Trace, r.Uint64()|1))
	res := front.Call(l.client, rq, c.Stream)
	c.Wall = res.Wall
	c.ID = res.Header.Get("X-Sluice-Request-Id")
	if res.Answer != nil {
		c.Usage = res.Answer.Usage
	}
	if c.Class, c.Why = classify(a, res, l.deadline); c.Class != "" {
		c.Attempts = res.Header.Get("X-Sluice-Attempts")
	}
	return c
}

// classify says how a call did not end well; class is empty if it did.
func classify(a *ask, res *caller.Result, deadline time.Duration) (class, why string) {
	switch {
	case res.Wall > deadline+grace:
		return hung, fmt.Sprintf("took %v", res.Wall)
	case res.Broken != nil:
		return brokenOff, res.Broken.Error()
	case len(res.Bad) > 0:
		return malformed, strings.Join(res.Bad, "; ")
	case res.Told != nil:
		return toldError, fmt.Sprintf("%d %s: %.200s", res.Told.Status, res.Told.Code, res.Told.Message)
	case !res.Complete:
		return malformed, "ends without an end"
	}
	diff := caller.Same(a.want, res.Answer)
	if diff == "" {
		return "", ""
	}
	if text := caller.Text(res.Answer); text != "" && strings.HasPrefix(caller.Text(a.want), text) {
		return truncated, diff
	}
	return wrong, diff
}
