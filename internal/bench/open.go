package bench

import (
	"context"
	"sync"
	"time"

	"sluice/internal/llm"
	"sluice/internal/report"
	"sluice/internal/workload"
)

// preparedBytes is how many bytes of requests are made ahead of their time.
const preparedBytes = 16 << 20

// job is a request that is ready to be sent.
type job struct {
	slot     workload.Slot
	body     *[]byte // from run.bodies
	op       llm.Op
	stream   bool
	due      time.Duration // when it should be sent
	came     time.Duration // when the engine came to it, if it had to wait for a place afterwards; None otherwise
	place    time.Duration // when the place that it waited for was free
	around   int64         // tokens that the request has around its texts, at most
	reserved int64         // nano-dollars
}

// openLoop sends each request at its instant, whatever has become of the others:
//
//		preparer --jobs--> dispatcher --crew--> workers --results--> collector
//
//	 1. The preparer words requests ahead of their time, so that the making of long prompts delays nobody.
//	 2. The dispatcher waits for anchor+At of each slot in turn and gives it away at once. It never waits for an answer, for a
//	    place or for money, and it never moves the schedule: a slot that is late is sent as soon as possible, and timed from
//	    when it should have been sent.
//	 3. A worker sends it. Under a cap on concurrency it may lie in the crew's queue before, which is the client's own queue.
//
// arrivals is closed when nothing more will come. It returns when all answers are there, or the work has been cut.
func (r *run) openLoop(arrivals chan<- struct{}) error {
	jobs := make(chan *job, r.ahead())
	var wg sync.WaitGroup
	wg.Go(func() { r.prepareAll(jobs) })
	crew := newCrew(r, r.schedule.Arrival.Concurrency)
	err := r.dispatch(jobs, crew)
	r.stopIntake(err)
	close(arrivals)
	for range jobs { // lets the preparer end; what is left never came due
	}
	wg.Wait()
	crew.finish()
	return err
}

// stopIntake makes the preparer end early after an error.
func (r *run) stopIntake(err error) {
	if err != nil {
		r.stop(err)
	}
}

// ahead is how many requests are prepared ahead of their time.
func (r *run) ahead() int {
	slots := r.schedule.Slots
	if len(slots) == 0 {
		return 1
	}
	tokens := 0
	n := min(len(slots), 1000)
	for i := range slots[:n] {
		tokens += int(slots[i].Input)
	}
	return min(max(preparedBytes/(tokens*6/n+512), 4), 512)
}

// prepareAll words all requests in order.
func (r *run) prepareAll(jobs chan<- *job) {
	defer close(jobs)
	for i := range r.schedule.Slots {
		j := r.prepare(r.schedule.Slots[i])
		select {
		case jobs <- j:
		case <-r.intake.Done():
			return
		}
	}
}

// prepare words one request.
func (r *run) prepare(s workload.Slot) *job {
	p := llm.Prompt{
		Op: llm.OpChat, Model: r.target.Model, Output: int64(s.Output), Exact: r.target.Exact, Stream: r.o.Workload.Stream,
	}
	switch s.Kind {
	case workload.Embeddings:
		p.Op, p.Stream, p.Output = llm.OpEmbedding, false, 0
	case workload.Tools:
		p.Tools = tools()
	case workload.Structured:
		p.Schema = answerSchema
	}
	for _, m := range r.prompts.Messages(s) {
		p.Messages = append(p.Messages, llm.Message(m))
	}
	buf := r.bodies.Get().(*[]byte)
	*buf = r.target.Dialect.AppendRequest((*buf)[:0], &p)
	return &job{slot: s, body: buf, op: p.Op, stream: p.Stream, due: s.At, came: report.None, around: around(&p)}
}

// dispatch gives each job to the crew when it is due. It returns when there are no more, or the intake has ended.
func (r *run) dispatch(jobs <-chan *job, crew *crew) error {
	a, release, err := newAlarm(r.intake, r.virtual)
	if err != nil {
		return err
	}
	defer release()
	for {
		var j *job
		var ok bool
		select {
		case j, ok = <-jobs:
		case <-r.intake.Done():
			return nil
		}
		if !ok {
			// The load lasts until the end of the last phase, though nothing more may come.
			a.until(r.anchor.Add(r.window.to))
			return nil
		}
		if r.now() < j.due && !a.until(r.anchor.Add(j.due)) {
			return nil
		}
		if !r.reserve(j) {
			r.stop(errSpend)
			return nil
		}
		crew.give(j)
	}
}

// reserve takes what the job may cost out of the budget. It reports false if that is not left, or not known.
func (r *run) reserve(j *job) bool {
	if r.o.Budget == nil || r.target.Price == nil {
		return true
	}
	if r.o.Budget.Cap() > 0 && unlimited(&j.slot) {
		return false
	}
	if cost, ok := r.target.Price(worst(j)); ok {
		if !r.o.Budget.Reserve(cost) {
			return false
		}
		j.reserved = cost
	}
	return true
}

const (
	// inputMargin is what the tokens of a prompt may be over what was asked for: not all providers count with the tokenizer
	// that the prompt was made with.
	inputMargin = 0.05
	// messageTokens is what providers count at most for a message beside its text, and answerTokens for the start of the
	// answer.
	messageTokens, answerTokens = 8, 8
)

// around returns how many tokens a request has at most beside its texts: providers count some for each message, and bill
// tools and schemas as input. A token has a byte at least, but schemas have two or more for each.
func around(p *llm.Prompt) int64 {
	n := len(p.Schema)
	for i := range p.Tools {
		t := &p.Tools[i]
		n += len(t.Name) + len(t.Description) + len(t.Parameters) + 2*messageTokens
	}
	return int64(n/2 + messageTokens*len(p.Messages) + answerTokens)
}

// worst returns the usage that a job has at most.
func worst(j *job) llm.Usage {
	in := int64(j.slot.Input)
	return llm.Usage{Input: in + int64(inputMargin*float64(in)) + j.around, Output: int64(j.slot.Output)}
}

// crew is the workers of an open loop: as many as there are requests under way, up to the limit. An idle worker keeps its
// stack and its buffers, and the one that became idle last is the first to work again.
type crew struct {
	r     *run
	limit int // 0 for none
	wg    sync.WaitGroup

	mu     sync.Mutex // guards what follows
	idle   []*worker
	size   int
	queue  []*job // jobs that met the limit, oldest first from head
	head   int
	closed bool
}

func newCrew(r *run, limit int) *crew { return &crew{r: r, limit: limit} }

// give hands a job to a worker; it never waits.
func (c *crew) give(j *job) {
	c.mu.Lock()
	if n := len(c.idle); n > 0 {
		w := c.idle[n-1]
		c.idle = c.idle[:n-1]
		c.mu.Unlock()
		w.jobs <- j
		return
	}
	if c.limit > 0 && c.size >= c.limit {
		j.came = c.r.now()
		c.queue = append(c.queue, j)
		c.mu.Unlock()
		return
	}
	c.size++
	c.mu.Unlock()
	w := newWorker(c.r)
	w.jobs = make(chan *job, 1)
	w.jobs <- j
	c.wg.Go(func() { c.serve(w) })
}

// serve works until the crew is closed.
func (c *crew) serve(w *worker) {
	for j := range w.jobs {
		for j != nil {
			ended, _ := w.do(j)
			if j = c.next(w); j != nil {
				j.place = ended
			}
		}
	}
}

// next returns the oldest job in the queue. Without one it returns nil, and the worker is idle.
func (c *crew) next(w *worker) *job {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.head < len(c.queue) {
		j := c.queue[c.head]
		c.queue[c.head] = nil
		if c.head++; c.head == len(c.queue) {
			c.queue, c.head = c.queue[:0], 0
		}
		return j
	}
	if c.closed {
		close(w.jobs)
		return nil
	}
	c.idle = append(c.idle, w)
	return nil
}

// finish waits for the workers, who end when there is nothing left to do.
func (c *crew) finish() {
	c.mu.Lock()
	c.closed = true
	for _, w := range c.idle {
		close(w.jobs)
	}
	c.idle = nil
	c.mu.Unlock()
	c.wg.Wait()
}

// wait returns when t has come on the run's clock, or false when the intake has ended before.
func (r *run) wait(ctx context.Context, t time.Duration) bool {
	d := t - r.now()
	if d <= 0 {
		return ctx.Err() == nil
	}
	tick := time.NewTimer(d)
	defer tick.Stop()
	select {
	case <-tick.C:
		return true
	case <-ctx.Done():
		return false
	}
}
