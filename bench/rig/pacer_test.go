//go:build linux

package rig

import (
	"sync"
	"testing"
	"time"
)

// TestPacerRestsForItsSlack has three answers due one after the other: none is early, and after the first the pacer rests.
func TestPacerRestsForItsSlack(t *testing.T) {
	t.Parallel()
	const ms = int64(time.Millisecond)
	f := func(slack time.Duration) (late [3]int64) {
		t.Helper()
		clock, err := NewClock()
		if err != nil {
			t.Fatal(err)
		}
		p, err := NewPacer(clock)
		if err != nil {
			t.Fatal(err)
		}
		p.Slack = slack
		done := make(chan struct{})
		go func() {
			defer close(done)
			p.run()
		}()
		start := clock.Now() + 20*ms // all of them are queued by then
		var wg sync.WaitGroup
		for i := range late {
			due := start + int64(i)*5*ms
			wg.Go(func() {
				if err := p.Do(due, func(now int64) (int64, error) {
					late[i] = now - due
					return 0, nil
				}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if q := p.TakeLag(); q.N != 3 {
			t.Errorf("slack %v: lateness of %d acts, want 3", slack, q.N)
		}
		p.alarm.Close()
		<-done
		for i, l := range late {
			if l < 0 {
				t.Errorf("slack %v: act %d is %v early", slack, i, time.Duration(-l))
			}
		}
		return late
	}
	f(0)
	// 60 ms after the first act the second is 55 ms late and the third, done in the same go, 50 ms. An act that was due already when
	// the one before it came, on a busy machine, is done in the same go as that one.
	const slack = 60 * ms
	late := f(time.Duration(slack))
	for i := 1; i < len(late); i++ {
		if gap := 5*ms + late[i] - late[i-1]; late[i-1] < 5*ms && gap < slack {
			t.Errorf("act %d came %v after the one before, want at least the slack of %v: late by %v", i, time.Duration(gap), time.Duration(slack), late)
		}
	}
}
