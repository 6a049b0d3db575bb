package main

import (
	"container/heap"
	"math"
	"time"
)

// terms are a provider's limits of a minute, with the way it enforces them. The arithmetic here is the bench's own: neither the
// simulator's nor the gateway's.
type terms struct {
	mode     string // bucket, fixed, slices, sliding
	rpm, tpm float64
	into     time.Duration // of fixed: how long the window has been running when sending begins
}

// rate is what the limit lets through in a second.
func (t *terms) rate() float64 { return t.tpm / 60 }

// steady is how long a sender takes that sends tokens at the plain rate, whatever the mode would allow, until its last answer.
func (t *terms) steady(tokens []float64, service time.Duration) time.Duration {
	var sum float64
	for _, n := range tokens {
		sum += n
	}
	return time.Duration(sum/t.rate()*float64(time.Second)) + service
}

// even is when a steady sender sends each call: when the plain rate has brought its tokens and those of all before it.
func (t *terms) even(tokens []float64) []time.Duration {
	plan := make([]time.Duration, len(tokens))
	var sum float64
	for i, n := range tokens {
		sum += n
		plan[i] = time.Duration(sum / t.rate() * float64(time.Second))
	}
	return plan
}

// clairvoyant is how long a sender takes that knows the mode and how much is left, and sends whatever fits as soon as it does, first come
// first; it has so many callers, of which each waits for its answer, which takes so long. Nothing is used when it begins.
func (t *terms) clairvoyant(tokens []float64, callers int, service time.Duration) time.Duration {
	plan := t.plan(tokens, callers, service)
	var last time.Duration
	for _, at := range plan {
		last = max(last, at)
	}
	return last + service
}

// plan returns when the clairvoyant sender sends each call, from the beginning on.
//
//  1. Of the calls that are not sent yet, the first callers' many are known.
//  2. At each instant, each of them that fits what is left of both limits is sent.
//  3. The next instant is when the first of them fits, or a caller is back with the next call.
func (t *terms) plan(tokens []float64, callers int, service time.Duration) []time.Duration {
	plan := make([]time.Duration, len(tokens))
	allow := []allowance{t.allowance(t.tpm), t.allowance(t.rpm)}
	var waiting []int // calls that callers have
	next := 0
	var back times // when callers are back
	for range min(callers, len(tokens)) {
		waiting, next = append(waiting, next), next+1
	}
	for now := time.Duration(0); ; {
		soonest := time.Duration(math.MaxInt64)
		var left []int
		for _, i := range waiting {
			wait := max(allow[0].wait(now, tokens[i]), allow[1].wait(now, 1))
			if wait > 0 {
				soonest = min(soonest, now+wait)
				left = append(left, i)
				continue
			}
			allow[0].take(now, tokens[i])
			allow[1].take(now, 1)
			plan[i] = now
			heap.Push(&back, now+service)
		}
		waiting = left
		if len(back) > 0 && (len(waiting) == 0 || back[0] <= soonest) {
			soonest = heap.Pop(&back).(time.Duration)
			if next < len(tokens) {
				waiting, next = append(waiting, next), next+1
			}
		}
		if soonest == math.MaxInt64 {
			return plan
		}
		now = max(now, soonest)
	}
}

// times is a heap.
type times []time.Duration

func (h times) Len() int           { return len(h) }
func (h times) Less(i, j int) bool { return h[i] < h[j] }
func (h times) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *times) Push(x any)        { *h = append(*h, x.(time.Duration)) }
func (h *times) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// allowance is one limit, in time since the beginning.
type allowance interface {
	wait(now time.Duration, n float64) time.Duration // until n fits; 0 if it does
	take(now time.Duration, n float64)
}

func (t *terms) allowance(minute float64) allowance {
	switch t.mode {
	case "bucket":
		return &bucketOf{rate: minute / float64(time.Minute), size: minute, level: minute}
	case "fixed":
		return &windowsOf{length: time.Minute, into: t.into, size: minute}
	case "slices":
		return &windowsOf{length: time.Second, into: t.into % time.Second, size: minute / 60}
	default:
		return &slidingOf{size: minute}
	}
}

const grain = 1e-6 // of a token: what sums of fractions may be off by

type bucketOf struct {
	rate, size, level float64
	at                time.Duration
}

func (b *bucketOf) wait(now time.Duration, n float64) time.Duration {
	b.level, b.at = min(b.level+float64(now-b.at)*b.rate, b.size), now
	if b.level >= n-grain {
		return 0
	}
	return time.Duration(math.Ceil((n - b.level) / b.rate))
}

func (b *bucketOf) take(_ time.Duration, n float64) { b.level -= n }

type windowsOf struct {
	length, into time.Duration
	size, used   float64
	window       int64
}

func (w *windowsOf) wait(now time.Duration, n float64) time.Duration {
	if window := int64((now + w.into) / w.length); window != w.window {
		w.window, w.used = window, 0
	}
	if w.used+n <= w.size+grain {
		return 0
	}
	return time.Duration(w.window+1)*w.length - w.into - now
}

func (w *windowsOf) take(_ time.Duration, n float64) { w.used += n }

type slidingOf struct {
	size, used float64
	sent       []struct {
		at time.Duration
		n  float64
	}
}

func (s *slidingOf) wait(now time.Duration, n float64) time.Duration {
	for len(s.sent) > 0 && now-s.sent[0].at >= time.Minute {
		s.used -= s.sent[0].n
		s.sent = s.sent[1:]
	}
	over := s.used + n - s.size
	for i := 0; over > grain; i++ {
		if i == len(s.sent) {
			return time.Minute // it never fits
		}
		if over -= s.sent[i].n; over <= grain {
			return s.sent[i].at + time.Minute - now
		}
	}
	return 0
}

func (s *slidingOf) take(now time.Duration, n float64) {
	s.used += n
	s.sent = append(s.sent, struct {
		at time.Duration
		n  float64
	}{now, n})
}
