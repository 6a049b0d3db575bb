package bench

import (
	"context"
	"time"
)

// alarm wakes one goroutine at given instants.
type alarm interface {
	// until returns true when t has come, and false if close was called before.
	until(t time.Time) bool
	// close ends the waiting, now and later. It may be called by another goroutine, and more than once.
	close()
}

// newAlarm returns the most precise alarm there is, or one of Go's timers if virtual time is wanted. The end of ctx closes it;
// release must be called when it is not needed any more.
func newAlarm(ctx context.Context, virtual bool) (a alarm, release func(), err error) {
	if virtual {
		a = newTimerAlarm()
	} else if a, err = newPreciseAlarm(); err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, a.close)
	return a, func() { stop(); a.close() }, nil
}

// timerAlarm waits with Go's timers. They follow the virtual time of tests, and are late by up to a millisecond otherwise.
type timerAlarm struct {
	ctx  context.Context
	end  context.CancelFunc
	tick *time.Timer // used by until only
}

func newTimerAlarm() *timerAlarm {
	a := &timerAlarm{tick: time.NewTimer(time.Hour)}
	a.ctx, a.end = context.WithCancel(context.Background())
	return a
}

func (a *timerAlarm) until(t time.Time) bool {
	d := time.Until(t)
	if d <= 0 {
		return a.ctx.Err() == nil
	}
	a.tick.Reset(d)
	select {
	case <-a.tick.C:
		return true
	case <-a.ctx.Done():
		a.tick.Stop()
		return false
	}
}

func (a *timerAlarm) close() { a.end() }
