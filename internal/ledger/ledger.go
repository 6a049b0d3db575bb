// Package ledger keeps one row per call and hands the rows to a Sink in groups, off the path of the call. It owns the
// bounded backlog between the two: a call takes a place before it starts and settles it exactly once, by Append or by
// Release, so that a row never has to be dropped and never waits for the disk. It knows nothing of databases (see
// store) and runs no goroutine of its own: the caller runs Run.
package ledger

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Sink stores rows for good.
type Sink interface {
	// WriteCalls stores all rows or none, and returns only when they are durable. Rows whose ID is there already are
	// left as they are, so that a group may be written again after a failure of unknown outcome. The rows belong to
	// the ledger and may not be kept after the return. It must return soon after ctx ends.
	WriteCalls(ctx context.Context, rows []Row) error
}

// Ledger takes rows from calls and writes them in groups. Its methods may be called from any goroutine.
//
// The way of a row:
//
//  1. Reserve takes a place; no place, no call.
//  2. Append copies the row into the open chunk, under mu, and wakes Run.
//  3. Run takes all chunks at most once an interval, sooner when one is full, and writes them one by one.
//  4. The place is free again when the row is durable.
//
// So places taken = calls under way + rows waiting + rows being written, and never exceeds the backlog.
type Ledger struct {
	// Set once.
	sink    Sink
	cfg     Config
	log     *slog.Logger
	waiting chan struct{} // sent by Append after the first row of a chunk; received by Run; never closed
	full    chan struct{} // sent by Append after the last row of a chunk; received by Run; never closed

	// Atomic.
	places  atomic.Int64 // taken
	written atomic.Int64
	failed  atomic.Int64

	// Guarded by mu.
	mu     sync.Mutex
	open   []Row   // the chunk being filled; capacity cfg.Group
	closed [][]Row // full chunks, oldest first
	spare  [][]Row // empty chunks kept for reuse, at most maxSpare
}

// maxSpare bounds the memory that is kept after a backlog: chunks in steady use are one being filled, one being written.
const maxSpare = 4

// Stats is a reading of the ledger's counters.
type Stats struct {
	Backlog int64 // places taken: calls under way, rows waiting, rows being written
	Written int64 // rows made durable since the start
	Failed  int64 // writes of a group that failed since the start; each was tried again
}

// New makes a ledger that writes to sink. Fields of c that are zero or less get their defaults: 50 ms, 512 rows, 100,000
// places. Rows are written once Run is running.
func New(sink Sink, c Config, log *slog.Logger) *Ledger {
	if c.Interval <= 0 {
		c.Interval = 50 * time.Millisecond
	}
	if c.Group <= 0 {
		c.Group = 512
	}
	if c.Backlog <= 0 {
		c.Backlog = 100_000
	}
	return &Ledger{
		sink:    sink,
		cfg:     c,
		log:     log,
		waiting: make(chan struct{}, 1),
		full:    make(chan struct{}, 1),
		open:    make([]Row, 0, c.Group),
	}
}

// Reserve takes a place for the row of a call that starts. False means that the backlog is full: the caller refuses the
// call (llm.KindLedgerFull). A place taken must be settled exactly once, by Append or by Release.
func (l *Ledger) Reserve() bool {
	if l.places.Add(1) <= int64(l.cfg.Backlog) {
		return true
	}
	l.places.Add(-1)
	return false
}

// Full reports whether no place is left at the moment.
func (l *Ledger) Full() bool { return l.places.Load() >= int64(l.cfg.Backlog) }

// Release gives back a place that no row will fill.
func (l *Ledger) Release() { l.free(1) }

// Append copies r into a place taken by Reserve. It never waits for the sink and never drops the row. The row's strings
// and tags are kept until it is written: they must not share memory with a request's body.
func (l *Ledger) Append(r *Row) {
	l.mu.Lock()
	if len(l.open) == cap(l.open) {
		l.closed = append(l.closed, l.open)
		l.open = l.emptyChunk()
	}
	l.open = append(l.open, *r)
	first, last := len(l.open) == 1, len(l.open) == cap(l.open)
	l.mu.Unlock()
	if first {
		signal(l.waiting)
	}
	if last {
		signal(l.full)
	}
}

// Stats reads the counters.
func (l *Ledger) Stats() Stats {
	return Stats{Backlog: l.places.Load(), Written: l.written.Load(), Failed: l.failed.Load()}
}

// emptyChunk returns an empty chunk; the caller holds mu.
func (l *Ledger) emptyChunk() []Row {
	if n := len(l.spare); n > 0 {
		c := l.spare[n-1]
		l.spare = l.spare[:n-1]
		return c
	}
	return make([]Row, 0, l.cfg.Group)
}

// take removes and returns all chunks with rows, oldest first.
func (l *Ledger) take() [][]Row {
	l.mu.Lock()
	defer l.mu.Unlock()
	chunks := l.closed
	l.closed = nil
	if len(l.open) > 0 {
		chunks = append(chunks, l.open)
		l.open = l.emptyChunk()
	}
	return chunks
}

// settle frees the places of a chunk that is durable, and keeps its memory if there is need for it.
func (l *Ledger) settle(chunk []Row) {
	n := int64(len(chunk))
	clear(chunk) // lets go of the rows' strings
	l.mu.Lock()
	if len(l.spare) < maxSpare {
		l.spare = append(l.spare, chunk[:0])
	}
	l.mu.Unlock()
	l.written.Add(n)
	l.free(n)
}

// free gives back n places.
func (l *Ledger) free(n int64) {
	if l.places.Add(-n) < 0 {
		panic("BUG: a place of the ledger was settled twice")
	}
}

// signal leaves a token in c unless one is there.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
