//go:build linux

package rig

import (
	"container/heap"
	"fmt"
	"sync"
	"time"
)

// Act does what is due of one answer and returns when the next part is, 0 after the last. It must not block.
type Act func(now int64) (next int64, err error)

// Pacer writes the answers of all connections from one goroutine, each on an absolute schedule that does not drift:
//
//  1. The heap orders answers by the time of their next part; the alarm is set to the first.
//  2. An act is told the time just before it, so that what it stamps or logs holds the pacer's own lateness.
//  3. An act never waits, so that no answer holds up another.
//  4. With a slack the pacer rests that long after all that was due is done. Under load it then acts for many answers in one
//     go, as a server with batches does, and does not wake for each.
type Pacer struct {
	Slack time.Duration // set once, before Run of the server

	clock Clock
	alarm *Alarm

	mu    sync.Mutex
	queue answerHeap
	lag   Histogram // time of an act minus its due time, ns
}

// answer is one answer on its way.
type answer struct {
	due  int64 // of the next part; guarded by Pacer.mu while queued, else owned by run
	act  Act
	done chan error // run sends once: nil after the last part
}

// NewPacer makes a pacer for a server, which runs it.
func NewPacer(c Clock) (*Pacer, error) {
	a, err := NewAlarm()
	if err != nil {
		return nil, err
	}
	return &Pacer{clock: c, alarm: a, lag: NewHistogram()}, nil
}

// Do has act called at due and whenever it asks for, and returns when it is over.
func (p *Pacer) Do(due int64, act Act) error {
	a := &answer{due: due, act: act, done: make(chan error, 1)}
	if err := p.push(a); err != nil {
		return err
	}
	return <-a.done
}

// push queues an answer. The alarm is only set under the lock, so that the last setting is the earliest due time.
func (p *Pacer) push(a *answer) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	heap.Push(&p.queue, a)
	if p.queue[0] != a {
		return nil
	}
	return p.alarm.Set(a.due) // without slack: a later setting would hold up what was first before
}

// run acts until the alarm is closed.
func (p *Pacer) run() error {
	for {
		a, err := p.take()
		if err != nil {
			return err
		}
		if a == nil {
			if err := p.alarm.Wait(); err != nil {
				return fmt.Errorf("wait for next answer: %w", err)
			}
			continue
		}
		now, due := p.clock.Now(), a.due
		next, err := a.act(now)
		p.mu.Lock()
		p.lag.Record(now - due)
		if again := err == nil && next != 0; again {
			a.due = next
			heap.Push(&p.queue, a)
			p.mu.Unlock()
			continue
		}
		p.mu.Unlock()
		a.done <- err
	}
}

// take removes the first answer if it is due; otherwise it sets the alarm to when it will be and returns nil.
func (p *Pacer) take() (*answer, error) {
	now := p.clock.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		return nil, nil
	}
	if first := p.queue[0]; first.due > now {
		return nil, p.alarm.Set(max(first.due, now+int64(p.Slack)))
	}
	return heap.Pop(&p.queue).(*answer), nil
}

// TakeLag returns how late acts were since the last call, and starts over.
func (p *Pacer) TakeLag() Quantiles {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := p.lag.Quantiles()
	p.lag.h.Reset()
	return q
}

// answerHeap implements heap.Interface, earliest due time first.
type answerHeap []*answer

func (h answerHeap) Len() int           { return len(h) }
func (h answerHeap) Less(i, j int) bool { return h[i].due < h[j].due }
func (h answerHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *answerHeap) Push(x any)        { *h = append(*h, x.(*answer)) }
func (h *answerHeap) Pop() any {
	old := *h
	a := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return a
}
