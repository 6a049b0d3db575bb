package bench

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"sluice/internal/llm"
	"sluice/internal/report"
	"sluice/internal/workload"
)

const (
	defaultTimeout = 10 * time.Minute // of a request, where the workload says nothing
	leadTime       = 50 * time.Millisecond
)

// Why a run ends before its schedule does, as Run.Stopped has it.
var (
	errInterrupted = errors.New("interrupted")
	errSpend       = errors.New("spend")
	errErrorRate   = errors.New("errors")
	errSink        = errors.New("records")
	errOver        = errors.New("over") // the time for what is in flight at the end is up
	errTimeout     = errors.New("timeout")
)

// run is one run under way.
//
// Two contexts end it: intake first, after which nothing more is sent, and work later, after which nothing is waited for.
// Goroutines: the preparer, the dispatcher and a worker for each request under way (open loop), or the users (closed
// loop); the watch on the client itself; the collector. Run waits for all of them.
type run struct {
	o        *Options
	target   *Target
	schedule *workload.Schedule
	prompts  Prompter
	sender   *sender
	urls     [3]*url.URL // of chat in one piece, of chat streamed, of embeddings
	timeout  time.Duration
	id       string
	virtual  bool // time is that of a test

	anchor time.Time // of all instants
	window struct{ from, to time.Duration }

	intake     context.Context
	stop       context.CancelCauseFunc // ends intake
	work       context.Context
	cut        context.CancelCauseFunc // ends work
	results    chan *outcome           // workers and users send, collect receives, Run closes
	bodies     sync.Pool               // *[]byte
	outcomes   sync.Pool               // *outcome
	gaps       gapRecorder
	inFlight   atomic.Int64
	maxFlight  atomic.Int64
	dispatched atomic.Int64
	held       atomic.Int64           // outcomes that had to wait for the collector
	sustained  atomic.Int64           // measured requests of a closed loop
	events     atomic.Int64           // with content, of all streams
	stoppedAt  atomic.Int64           // when intake ended early
	exhausted  atomic.Pointer[string] // which limit of this machine was met; nil if none
}

// Run puts the workload's load on the target once and returns what happened, with its verdict. The record of each request
// that came due goes to o.Record. The end of ctx ends it at once: what is in flight is recorded as incomplete, and the run
// comes back with Stopped set and no error. An error means that there is nothing to report.
func Run(ctx context.Context, o Options) (*report.Run, error) {
	r, err := newRun(&o)
	if err != nil {
		return nil, err
	}
	defer r.sender.close()
	return r.do(ctx)
}

func newRun(o *Options) (*run, error) {
	if o.Target == nil || o.Target.Dialect == nil || o.Workload == nil {
		return nil, errors.New("run load: there is no target, dialect or workload")
	}
	r := &run{o: o, target: o.Target, schedule: o.Schedule, prompts: o.Prompts, virtual: o.dial != nil, timeout: o.Workload.Timeout}
	if r.timeout <= 0 {
		r.timeout = defaultTimeout
	}
	var err error
	if r.schedule == nil {
		if r.schedule, err = o.Workload.Schedule(workload.ScheduleOptions{Key: o.Key, Rate: o.Rate}); err != nil {
			return nil, fmt.Errorf("schedule load of %s: %w", o.Target.Cell.Target, err)
		}
	}
	if r.prompts == nil {
		r.prompts = workload.NewPrompter(o.Workload, o.Key)
	}
	if err := checkLimits(r.schedule.Arrival.Concurrency, o.Target.shares()); err != nil {
		return nil, fmt.Errorf("run load on %s: %w", o.Target.Cell.Target, err)
	}
	if err := r.checkBudget(); err != nil {
		return nil, fmt.Errorf("run load on %s: %w", o.Target.Cell.Target, err)
	}
	if r.sender, err = newSender(o.Target, o.dial); err != nil {
		return nil, err
	}
	name := o.Target.Model // it stands in the path of some dialects, and so does the wish for a stream
	for i, p := range [...]llm.Prompt{{Op: llm.OpChat, Model: name}, {Op: llm.OpChat, Model: name, Stream: true}, {Op: llm.OpEmbedding, Model: name}} {
		r.urls[i] = r.sender.at(o.Target.Dialect.Path(&p))
	}
	p := r.schedule.Phases
	r.window.from = p.Warmup + p.Ramp
	r.window.to = r.window.from + p.Sustain
	if n := len(r.schedule.Slots); n > 0 && p.Sustain == 0 {
		r.window.to = max(r.window.from, r.schedule.Slots[n-1].At)
	}
	r.results = make(chan *outcome, 1024)
	r.bodies.New = func() any { b := make([]byte, 0, 4<<10); return &b }
	r.outcomes.New = func() any { return new(outcome) }
	return r, nil
}

// checkBudget refuses a cap on spending that cannot be kept.
func (r *run) checkBudget() error {
	limit := r.o.Budget.Cap()
	if limit == 0 {
		return nil
	}
	if !priced(r.target) {
		return fmt.Errorf("the spend limit of $%g cannot be kept, its price is not known", limit)
	}
	for s := range r.slots() {
		if unlimited(&s) {
			return fmt.Errorf("the spend limit of $%g cannot be kept, request %d has no limit on its output", limit, s.Index)
		}
	}
	return nil
}

// checkedSlots is how many requests of a closed loop, which has no end of them, are looked at before it starts. reserve
// holds back what is found later.
const checkedSlots = 1000

// slots are those of an open loop, or the first ones of a closed loop.
func (r *run) slots() iter.Seq[workload.Slot] {
	n := int64(len(r.schedule.Slots))
	if r.schedule.Arrival.Process == workload.Closed {
		n = checkedSlots
	}
	return func(yield func(workload.Slot) bool) {
		for i := range n {
			if !yield(r.schedule.Slot(i)) {
				return
			}
		}
	}
}

// unlimited reports whether nothing bounds the output of a slot's request.
func unlimited(s *workload.Slot) bool { return s.Output == 0 && s.Kind != workload.Embeddings }

// now is the instant on the run's clock.
func (r *run) now() time.Duration { return time.Since(r.anchor) }

// offset is an instant on the run's clock, None for the zero time.
func (r *run) offset(t time.Time) time.Duration {
	if t.IsZero() {
		return report.None
	}
	return t.Sub(r.anchor)
}

func (r *run) do(ctx context.Context) (*report.Run, error) {
	rtt := r.handshake(ctx)
	r.intake, r.stop = context.WithCancelCause(ctx)
	defer r.stop(nil)
	r.work, r.cut = context.WithCancelCause(context.WithoutCancel(ctx))
	defer r.cut(nil)
	defer context.AfterFunc(ctx, func() { r.cut(errInterrupted) })()

	r.anchor = time.Now().Add(leadTime) // time for the first requests to be prepared
	r.id = runID(r.anchor)
	if r.o.Began != nil {
		r.o.Began(r.anchor)
	}
	r.gaps.init()
	defer context.AfterFunc(r.intake, func() { r.stoppedAt.Store(int64(r.now())) })()
	c := newCollector(r)
	watch, err := r.startWatch()
	if err != nil {
		return nil, fmt.Errorf("watch the client: %w", err)
	}
	var collected sync.WaitGroup
	collected.Go(c.run)
	sendErr := r.sendAll()
	close(r.results)
	collected.Wait()
	w := watch.end()
	if err := errors.Join(sendErr, c.err); err != nil {
		return nil, fmt.Errorf("run load on %s: %w", r.target.Cell.Target, err)
	}
	return r.result(c, w, rtt)
}

// sendAll sends what the schedule says and waits for the answers, for as long as the cool-down lasts.
func (r *run) sendAll() error {
	var err error
	done := make(chan struct{})
	arrivals := make(chan struct{})
	go func() {
		defer close(done)
		if r.schedule.Arrival.Process == workload.Closed {
			r.closedLoop(arrivals)
		} else {
			err = r.openLoop(arrivals)
		}
	}()
	<-arrivals
	drain := r.timeout + time.Second
	if d := r.schedule.Phases.Cooldown; d > 0 {
		drain = d
	}
	t := time.AfterFunc(drain, func() { r.cut(errOver) })
	defer t.Stop()
	<-done
	return err
}

// stopped returns why the run ended early, "" if it did not.
func (r *run) stopped() string {
	if r.intake.Err() == nil {
		return ""
	}
	switch cause := context.Cause(r.intake); {
	case errors.Is(cause, errSpend), errors.Is(cause, errErrorRate), errors.Is(cause, errSink):
		return cause.Error()
	}
	return errInterrupted.Error()
}

// stopInstant returns when the intake ended.
func (r *run) stopInstant() time.Duration {
	if t := r.stoppedAt.Load(); t != 0 {
		return time.Duration(t)
	}
	return r.now() // it is about to be stored
}

// runID returns an ID that is unique and sorts by time.
func runID(t time.Time) string {
	var b [3]byte
	_, _ = rand.Read(b[:]) // never fails
	return t.UTC().Format("20060102T150405.000Z") + "-" + hex.EncodeToString(b[:])
}
