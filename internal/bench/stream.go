package bench

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"sluice/internal/llm"
	"sluice/internal/report"
	"sluice/internal/wire"
	"sluice/internal/workload"
)

// readStream reads a streamed answer. All events of one read have the time of the read. Nothing is allocated for an event.
func (w *worker) readStream(ctx context.Context, cancel context.CancelFunc, body io.Reader, op llm.Op, o *outcome) (llm.Usage, *llm.Error) {
	s := w.streamReader(op)
	w.events.Reset(maxEvent)
	ended := false
	for {
		_, err := w.events.Fill(body)
		now := w.r.now()
		seen, limit := w.take(s, o, now)
		if err == io.EOF && limit == nil {
			if ev, ok := w.events.Last(); ok && !ev.Comment {
				before := o.rec.Events
				seen |= w.event(s, &ev, &o.rec, now)
				w.count(o, o.rec.Events-before, now)
			}
		}
		if seen&(llm.SawEnd|llm.SawError) != 0 && !ended {
			ended = true
			o.rec.Done = now
			if err == nil {
				// What follows is the end of the body, after which the connection can be used again. It does not count.
				t := time.AfterFunc(lingerAfter, cancel)
				defer t.Stop()
			}
		}
		switch {
		case err == nil && limit == nil:
			continue
		case limit != nil:
			return llm.Usage{}, &llm.Error{Kind: llm.KindBadAnswer, Message: limit.Error(), Err: limit}
		}
		u, bad := s.End()
		if err != io.EOF && !ended {
			bad = readError(ctx, err)
		}
		return u, bad
	}
}

// readError is the error for a stream that broke off.
func readError(ctx context.Context, err error) *llm.Error {
	var limit *wire.LimitError
	if errors.As(err, &limit) {
		return &llm.Error{Kind: llm.KindBadAnswer, Message: err.Error(), Err: err}
	}
	return broken(ctx, "stream", err)
}

// streamReader returns a reader that is ready for another answer.
func (w *worker) streamReader(op llm.Op) llm.StreamReader {
	i := 0
	if op == llm.OpEmbedding {
		i = 1
	}
	if w.streams[i] == nil {
		w.streams[i] = w.r.target.Dialect.Stream(op)
	}
	w.streams[i].Reset()
	return w.streams[i]
}

// take looks at the events that one read has completed.
func (w *worker) take(s llm.StreamReader, o *outcome, now time.Duration) (all llm.Seen, err error) {
	rec, before := &o.rec, o.rec.Events
	for {
		ev, ok, err := w.events.Next()
		if err != nil {
			return all, err
		}
		if !ok {
			break
		}
		if !ev.Comment {
			all |= w.event(s, &ev, rec, now)
		}
	}
	w.count(o, rec.Events-before, now)
	return all, nil
}

// count takes note of n events with content that came by one read.
func (w *worker) count(o *outcome, n int, now time.Duration) {
	if n > 0 {
		o.rec.Reads++
		o.emitted.add(now, n)
		w.r.events.Add(int64(n))
	}
}

// event looks at one event.
func (w *worker) event(s llm.StreamReader, ev *wire.Event, rec *report.Record, now time.Duration) llm.Seen {
	if rec.FirstEvent == report.None {
		rec.FirstEvent = now
	}
	seen := s.Observe(ev.Name, ev.Data)
	if seen&(llm.SawText|llm.SawReasoning) == 0 {
		return seen
	}
	rec.Events++
	switch {
	case rec.FirstToken == report.None:
		rec.FirstToken = now
	case rec.Phase == workload.Sustain:
		w.gaps.add(&w.r.gaps, now-rec.LastToken)
	}
	if seen&llm.SawText != 0 && rec.FirstText == report.None {
		rec.FirstText = now
	}
	rec.LastToken = now
	return seen
}

// gapRecorder is the histogram of gaps between content events, in microseconds.
type gapRecorder struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram
}

func (g *gapRecorder) init() { g.h = hdrhistogram.New(1, int64(time.Hour/time.Microsecond), 3) }

// gapBatch collects a worker's gaps, so that the lock of the histogram is taken once for many.
type gapBatch struct {
	n    int
	gaps [48]uint32 // microseconds: an hour fits
}

func (b *gapBatch) add(g *gapRecorder, d time.Duration) {
	if b.n == len(b.gaps) {
		b.flush(g)
	}
	b.gaps[b.n] = uint32(min(max(d, 0), time.Hour) / time.Microsecond)
	b.n++
}

func (b *gapBatch) flush(g *gapRecorder) {
	if b.n == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, us := range b.gaps[:b.n] {
		_ = g.h.RecordValue(int64(us)) // within the range
	}
	b.n = 0
}
