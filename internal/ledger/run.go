package ledger

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	flushTime  = 10 * time.Second      // for the last rows, after Run was told to stop
	writeTime  = 30 * time.Second      // for one try of one chunk
	minBackoff = 50 * time.Millisecond // between two tries
	maxBackoff = 5 * time.Second
)

// Causes of contexts that end.
var (
	errFlushTime = errors.New("time to flush the ledger is over")
	errWriteTime = errors.New("write of the ledger takes too long")
)

// Run writes rows until ctx ends, then writes what is left within ten seconds and returns. It writes at most once an
// interval, sooner when a group is full, and at once when a row comes after a quiet interval. A write that fails is tried
// again for as long as it takes, with growing pauses; the rows keep their places meanwhile. Calls must have ended before
// ctx does: rows that come later may stay unwritten. The error says how many rows could not be written in time; a Run
// that left none behind returns nil. Run may be called once.
func (l *Ledger) Run(ctx context.Context) error {
	// Writes run on a context of their own: a shutdown lets the one under way end, and bounds all that follow.
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	bound := time.AfterFunc(time.Hour, func() { cancel(errFlushTime) })
	bound.Stop()
	defer bound.Stop()
	defer context.AfterFunc(ctx, func() { bound.Reset(flushTime) })()

	quiet := time.NewTimer(0) // fires when the next group may be taken
	defer quiet.Stop()
	for l.await(ctx, quiet) {
		quiet.Reset(l.cfg.Interval)
		if err := l.drain(ctx, work); err != nil {
			return err
		}
	}
	return l.drain(ctx, work)
}

// await returns true when a group is to be written, false when ctx has ended.
func (l *Ledger) await(ctx context.Context, quiet *time.Timer) bool {
	select {
	case <-ctx.Done():
		return false
	case <-l.waiting:
	}
	select {
	case <-ctx.Done():
		return false
	case <-quiet.C:
		return true
	case <-l.full:
		return true
	}
}

// drain takes the rows there are and writes them, chunk by chunk. It fails only when work ends before they are written.
func (l *Ledger) drain(ctx, work context.Context) error {
	chunks := l.take()
	for i, c := range chunks {
		if err := l.write(ctx, work, c); err != nil {
			left := 0
			for _, c := range append(chunks[i:], l.take()...) {
				left += len(c)
			}
			return fmt.Errorf("flush ledger: %d rows not written: %w", left, err)
		}
	}
	return nil
}

// write stores one chunk, trying until it succeeds or work ends. The error is that of the last try.
func (l *Ledger) write(ctx, work context.Context, chunk []Row) error {
	pause := minBackoff
	for try := 1; ; try++ {
		err := l.writeOnce(work, chunk)
		if err == nil {
			if try > 1 {
				l.log.Info("ledger writes again", "tries", try, "rows", len(chunk))
			}
			l.settle(chunk)
			return nil
		}
		l.failed.Add(1)
		// The fallback: the rows stay, the backlog fills, and calls are refused before any row is lost.
		l.log.Error("ledger cannot write, will try again", "error", err, "try", try, "pause", pause,
			"backlog", l.places.Load(), "backlog_limit", l.cfg.Backlog)
		if !pauseFor(ctx, work, pause) {
			return err
		}
		pause = min(2*pause, maxBackoff)
		if ctx.Err() != nil {
			pause = minBackoff // there is little time left
		}
	}
}

// pauseFor waits for half to all of d. The end of ctx cuts the pause short once; false means that work has ended.
func pauseFor(ctx, work context.Context, d time.Duration) bool {
	stopping := ctx.Done()
	if ctx.Err() != nil {
		stopping = nil
	}
	t := time.NewTimer(d/2 + rand.N(d/2+1))
	defer t.Stop()
	select {
	case <-work.Done():
		return false
	case <-stopping:
	case <-t.C:
	}
	return work.Err() == nil
}

// writeOnce gives the sink one try, bounded in time.
func (l *Ledger) writeOnce(work context.Context, chunk []Row) error {
	ctx, cancel := context.WithTimeoutCause(work, writeTime, errWriteTime)
	defer cancel()
	return l.sink.WriteCalls(ctx, chunk)
}
