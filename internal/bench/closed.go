package bench

import (
	"sync"
	"time"

	"sluice/internal/workload"
)

// failurePause is the least time between the requests of a user whose request failed: a target that refuses at once, or is not
// there, would otherwise be hammered as fast as this machine can.
const failurePause = 100 * time.Millisecond

// closedLoop is users who each wait for their answer before they send again. User u takes the slots u, u+n, u+2n and so on of
// n users, so that who sends what does not depend on how fast the answers come. arrivals is closed when no user will
// send any more. It returns when all answers are there, or the work has been cut.
func (r *run) closedLoop(arrivals chan<- struct{}) {
	n := max(r.schedule.Arrival.Concurrency, 1)
	var wg sync.WaitGroup
	for u := range n {
		wg.Go(func() { r.user(int64(u), int64(n)) })
	}
	gone := make(chan struct{})
	go func() {
		wg.Wait()
		close(gone)
	}()
	end := time.NewTimer(r.window.to - r.now())
	defer end.Stop()
	select {
	case <-end.C: // a user who is waiting for an answer sends no other
	case <-r.intake.Done():
	case <-gone:
	}
	close(arrivals)
	<-gone
}

// user sends requests, one after the other, until the load is over.
func (r *run) user(u, n int64) {
	w := newWorker(r)
	free := r.schedule.UserStart(int(u))
	if !r.wait(r.intake, free) {
		return
	}
	for i := u; ; i += n {
		s := r.schedule.Slot(i)
		due := free + s.Think
		if due >= r.window.to {
			return
		}
		s.Phase = r.phase(due)
		if most := r.schedule.Requests; s.Phase == workload.Sustain && most > 0 && r.sustained.Add(1) > most {
			return
		}
		j := r.prepare(s)
		j.due = due
		if !r.wait(r.intake, due) {
			return
		}
		if !r.reserve(j) {
			r.stop(errSpend)
			return
		}
		ended, failed := w.do(j)
		if free = ended; failed {
			free = max(ended, due+failurePause)
		}
		if free >= r.window.to {
			return
		}
	}
}

// phase is the part of the run that an instant lies in.
func (r *run) phase(t time.Duration) workload.Phase {
	p := r.schedule.Phases
	switch {
	case t < p.Warmup:
		return workload.Warmup
	case t < p.Warmup+p.Ramp:
		return workload.Ramp
	case t < r.window.to:
		return workload.Sustain
	}
	return workload.Cooldown
}
