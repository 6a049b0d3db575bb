//go:build linux

package main

import (
	"container/heap"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// stream is one answer that the pacer writes chunk by chunk.
type stream struct {
	raw      syscall.RawConn
	due      int64 // of the next chunk; guarded by pacer.mu while queued, else owned by run
	interval int64
	left     int
	done     chan error // the pacer sends once: nil after the last chunk
}

// pacer writes the chunks of all streams from one goroutine, each stream on an absolute schedule that does not drift:
//
//  1. The heap orders streams by the time of their next chunk; the alarm is set to the first.
//  2. A chunk carries the time just before its write, so lateness of the pacer is not taken for delay of the gateway.
//  3. Writes never block. A stream whose socket buffer is full, thousands of chunks behind, has failed.
type pacer struct {
	clock clock
	alarm *alarm
	chunk *stamped // owned by run

	mu    sync.Mutex
	queue streamHeap
	lag   *hdrhistogram.Histogram // write time minus due time, ns
}

var errNotReading = errors.New("peer does not read")

func newPacer(c clock, chunk *stamped) (*pacer, error) {
	a, err := newAlarm()
	if err != nil {
		return nil, err
	}
	return &pacer{clock: c, alarm: a, chunk: chunk, lag: newHistogram()}, nil
}

// add queues n chunks for a connection, the first one interval from now, and returns when the last has been written.
func (p *pacer) add(c *net.TCPConn, n int, interval time.Duration) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return fmt.Errorf("open stream: %w", err)
	}
	s := &stream{raw: raw, due: p.clock.now() + int64(interval), interval: int64(interval), left: n, done: make(chan error, 1)}
	if err := p.push(s); err != nil {
		return err
	}
	return <-s.done
}

// push queues a stream. The alarm is only set under the lock, so that the last setting is the earliest due time.
func (p *pacer) push(s *stream) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	heap.Push(&p.queue, s)
	if p.queue[0] != s {
		return nil
	}
	return p.alarm.set(s.due)
}

// run writes chunks until the alarm is closed.
func (p *pacer) run() error {
	for {
		s, err := p.take()
		if err != nil {
			return err
		}
		if s == nil {
			if err := p.alarm.wait(); err != nil {
				return fmt.Errorf("wait for next chunk: %w", err)
			}
			continue
		}
		now := p.clock.now()
		err = writeNow(s.raw, p.chunk.at(now))
		s.left--
		p.mu.Lock()
		record(p.lag, now-s.due)
		if again := err == nil && s.left > 0; again {
			s.due += s.interval
			heap.Push(&p.queue, s)
			p.mu.Unlock()
			continue
		}
		p.mu.Unlock()
		s.done <- err
	}
}

// take removes the first stream if it is due; otherwise it sets the alarm to when it will be and returns nil.
func (p *pacer) take() (*stream, error) {
	now := p.clock.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		return nil, nil
	}
	if first := p.queue[0]; first.due > now {
		return nil, p.alarm.set(first.due)
	}
	return heap.Pop(&p.queue).(*stream), nil
}

// takeLag returns the lateness of chunks since the last call and starts over.
func (p *pacer) takeLag() quantiles {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := summarize(p.lag)
	p.lag.Reset()
	return q
}

// writeNow writes b without waiting for room in the socket buffer.
func writeNow(raw syscall.RawConn, b []byte) error {
	var n int
	var werr error
	err := raw.Write(func(fd uintptr) bool {
		n, werr = syscall.Write(int(fd), b)
		return true
	})
	switch {
	case err != nil:
		return err
	case errors.Is(werr, syscall.EAGAIN) || werr == nil && n < len(b):
		return errNotReading
	default:
		return werr
	}
}

// streamHeap implements heap.Interface, earliest due time first.
type streamHeap []*stream

func (h streamHeap) Len() int           { return len(h) }
func (h streamHeap) Less(i, j int) bool { return h[i].due < h[j].due }
func (h streamHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *streamHeap) Push(x any)        { *h = append(*h, x.(*stream)) }
func (h *streamHeap) Pop() any {
	old := *h
	s := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return s
}
