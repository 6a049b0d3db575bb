package sim

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// engine is the serving engine of one model: a batch with a limited number of places, one prefill at a time, and decoding
// steps that take longer the more streams are in the batch.
type engine struct {
	speed Speed         // set once; the zero Speed takes no time
	slots chan struct{} // places in the batch; nil if unlimited. Senders wait in order of arrival

	active atomic.Int64 // streams in the batch

	mu          sync.Mutex
	prefillFree time.Time // when the last accepted prefill ends
}

func newEngine(s Speed) *engine {
	e := &engine{speed: s}
	if s.Batch > 0 {
		e.slots = make(chan struct{}, s.Batch)
	}
	return e
}

// enter waits for a place in the batch for a request with n choices. leave gives it back.
func (e *engine) enter(ctx context.Context, n int) error {
	if e.slots != nil {
		select {
		case e.slots <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	e.active.Add(int64(n))
	return nil
}

func (e *engine) leave(n int) {
	e.active.Add(-int64(n))
	if e.slots != nil {
		<-e.slots
	}
}

// prefilled returns when the prefill of a prompt that arrives now is done.
func (e *engine) prefilled(now time.Time, tokens int64, r *rng) time.Time {
	ready := now.Add(e.jitter(e.speed.Overhead, r))
	if e.speed.Prefill <= 0 || tokens == 0 {
		return ready
	}
	work := e.jitter(time.Duration(float64(tokens)/e.speed.Prefill*float64(time.Second)), r)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.prefillFree.After(ready) {
		ready = e.prefillFree
	}
	e.prefillFree = ready.Add(work)
	return e.prefillFree
}

// step returns the length of one decoding step in the batch as it is now.
func (e *engine) step(r *rng) time.Duration {
	d := e.speed.Step + time.Duration(e.active.Load())*e.speed.StepPerStream
	return e.jitter(d, r)
}

func (e *engine) jitter(d time.Duration, r *rng) time.Duration {
	if d <= 0 || e.speed.Jitter == 0 {
		return d
	}
	return time.Duration(float64(d) * math.Exp(e.speed.Jitter*r.normal()))
}

// rng is a splitmix64 generator: eight bytes of state, so that thousands of streams can each have one.
type rng uint64

func (r *rng) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	return mix(uint64(*r))
}

// below returns a number from 0 to n-1.
func (r *rng) below(n int) int { return int(r.next() % uint64(n)) }

// float returns a number from 0 up to but not including 1.
func (r *rng) float() float64 { return float64(r.next()>>11) / (1 << 53) }

// normal returns a number of the standard normal distribution.
func (r *rng) normal() float64 {
	return math.Sqrt(-2*math.Log(1-r.float())) * math.Cos(2*math.Pi*r.float())
}

// mix is the finalizer of splitmix64.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// hashString adds s to h (FNV-1a). Start with hashStart.
func hashString[T ~string | ~[]byte](h uint64, s T) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * hashPrime
	}
	return h
}

const (
	hashStart = 0xcbf29ce484222325
	hashPrime = 0x100000001b3
)
