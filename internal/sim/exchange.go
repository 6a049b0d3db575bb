package sim

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"sluice/internal/llm"
	"sluice/internal/wire/openai"
)

// exchange is one request and its answer. It belongs to the handler's goroutine.
type exchange struct {
	s     *Server
	w     http.ResponseWriter
	r     *http.Request
	ctx   context.Context // ends when the client leaves or the server is closed
	start time.Time
	seq   uint64
	id    string // of the request, told to the client
	rng   rng    // for timing; text has its own, made of the prompt

	job    *job
	model  *model
	base   string // model name without faults
	fx     effects
	timer  *time.Timer
	due    time.Time // when the next token is
	head   openai.Head
	record *RequestRecord
	watch  stopwatch

	status  int
	usage   llm.Usage // billed so far
	aborted bool
	reset   bool // the stream is to be reset by the HTTP server, since there is no connection to break
}

// errBroken ends an answer that a fault has broken off; the connection is already dealt with.
var errBroken = errors.New("answer broken off by a fault")

// call answers one request to an operation.
func (s *Server) call(w http.ResponseWriter, r *http.Request, op llm.Op) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer context.AfterFunc(s.life, func() { cancel(ErrClosed) })()
	x := &exchange{s: s, w: w, r: r, ctx: ctx, start: time.Now(), seq: s.seq.Add(1), fx: noEffects()}
	x.rng = rng(mix(s.cfg.Seed ^ mix(x.seq)))
	s.book.begin(x)
	defer s.book.finish(x)
	if s.cfg.Clock != 0 {
		w.Header().Set("Date", s.now().Format(http.TimeFormat))
	}
	x.id = "req_" + x.makeID()
	w.Header().Set("X-Request-Id", x.id)
	w.Header().Set("Openai-Version", "2020-10-01")
	w.Header().Set("Openai-Organization", "org-sim")
	ref, err := x.run(op)
	if ref != nil {
		x.status = ref.status
		ref.send(w, s.now())
	}
	if x.timer != nil {
		x.timer.Stop()
	}
	// The request's own context tells a client that left from a server that is closed.
	x.aborted = err != nil && !errors.Is(err, errBroken) && s.life.Err() == nil
	if x.reset {
		panic(http.ErrAbortHandler) // the way to reset a stream of HTTP/2
	}
}

// run takes the request through its stages. A refusal is still to be sent; an error means that the answer ended early.
func (x *exchange) run(op llm.Op) (*refusal, error) {
	if x.r.Method != http.MethodPost {
		return refuseMethod(x.r, http.MethodPost), nil
	}
	if ref := x.s.authorized(x.r); ref != nil {
		return ref, nil
	}
	body, ref, err := x.read()
	if ref != nil || err != nil {
		return ref, err
	}
	job, bad := decodeJob(op, body)
	if bad != nil {
		return refuseRequest(bad), nil
	}
	x.job = job
	if ref := x.choose(); ref != nil {
		return ref, nil
	}
	x.model.limits.describe(x.w.Header(), x.start) // a fault's answer has the headers too
	if ref, err := x.before(); ref != nil || err != nil {
		return ref, err
	}
	if w, asked := x.model.cfg.Context, job.input+job.maxTokens; w > 0 && asked > w && op != llm.OpEmbedding {
		return refuseContext(w, asked), nil
	}
	estimate := job.input + job.maxTokens
	ref = x.model.limits.take(x.start, estimate, x.base)
	x.model.limits.describe(x.w.Header(), x.start)
	if ref != nil {
		return ref, nil
	}
	defer func() { x.model.limits.settle(time.Now(), estimate, x.usage.Total()) }()
	return x.answer()
}

// read reads the body. A client that goes away meanwhile is an error.
func (x *exchange) read() ([]byte, *refusal, error) {
	var body []byte
	var err error
	limited := http.MaxBytesReader(x.w, x.r.Body, x.s.cfg.MaxBody)
	if n := x.r.ContentLength; n > 0 && n <= x.s.cfg.MaxBody {
		body = make([]byte, n)
		_, err = io.ReadFull(limited, body)
	} else {
		body, err = io.ReadAll(limited)
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, refuseStatus(http.StatusRequestEntityTooLarge, -1, ""), nil
	case err != nil && !errors.Is(err, io.EOF):
		return nil, nil, err
	}
	x.s.book.received(x, body)
	return body, nil, nil
}

// choose finds the model and the faults of the request.
func (x *exchange) choose() *refusal {
	base, faults, err := splitModel(x.job.model)
	key := x.job.model
	if h := x.r.Header.Get("X-Sim-Fault"); h != "" && err == nil {
		faults, err = parseFaults(h)
		key = h + " at " + base
	}
	x.base = base
	if err != nil {
		return &refusal{status: 400, kind: "invalid_request_error", code: "invalid_fault", param: "model", text: err.Error()}
	}
	x.model = x.s.find(base, x.job.op == llm.OpEmbedding)
	if x.model == nil {
		return refuseModel(x.job.model)
	}
	if ref := x.suits(); ref != nil {
		return ref
	}
	if len(faults) == 0 {
		faults = x.s.ruled(base, &x.rng)
	}
	for i := range faults {
		if x.s.happens(&faults[i], key+" "+strconv.Itoa(i), &x.rng) {
			faults[i].apply(&x.fx)
		}
	}
	return nil
}

// suits checks what depends on the model that was asked for.
func (x *exchange) suits() *refusal {
	m := &x.model.cfg
	embedding := x.job.op == llm.OpEmbedding
	switch {
	case (m.Kind == "embedding") != embedding:
		return &refusal{
			status: 404, kind: "invalid_request_error", param: "model",
			text: "The model '" + x.base + "' does not serve this endpoint.",
		}
	case x.job.chat != nil && x.job.chat.OldMaxTokens && m.Reasoning > 0:
		return &refusal{
			status: 400, kind: "invalid_request_error", code: "unsupported_parameter", param: "max_tokens",
			text: "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
		}
	case embedding && checkEmbedding(x.job) != nil:
		return checkEmbedding(x.job)
	case embedding && x.job.embedding.Dimensions > m.dimensions():
		return refuseRequest(&openai.RequestError{Param: "dimensions", Message: "This model does not support more than " +
			strconv.Itoa(m.dimensions()) + " dimensions."})
	}
	return nil
}

// ruled returns the faults that the configuration wants for this request: those of the first rule that applies.
func (s *Server) ruled(name string, r *rng) []fault {
	for i := range s.cfg.Faults {
		rule := &s.cfg.Faults[i]
		if !matches(rule.Models, name) || rule.Probability > 0 && r.float() >= rule.Probability {
			continue
		}
		if rule.First > 0 && s.count("rule "+strconv.Itoa(i)+" "+name) > int64(rule.First) {
			continue
		}
		faults, err := parseFaults(rule.Fault)
		if err != nil {
			panic("BUG: fault rule was not checked: " + err.Error())
		}
		return faults
	}
	return nil
}

// happens decides by first, skip and p whether a fault takes place. key tells the counters apart.
func (s *Server) happens(f *fault, key string, r *rng) bool {
	if f.args.first > 0 || f.args.skip > 0 {
		n := s.count(key)
		if n <= f.args.skip || f.args.first > 0 && n > f.args.skip+f.args.first {
			return false
		}
	}
	return f.args.p >= 1 || r.float() < f.args.p
}

// maxCounters bounds the counters of first and skip; beyond it they start again.
const maxCounters = 1 << 16

func (s *Server) count(key string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.firsts) >= maxCounters {
		clear(s.firsts)
	}
	s.firsts[key]++
	return s.firsts[key]
}

// before applies the faults that come before an answer.
func (x *exchange) before() (*refusal, error) {
	if x.fx.headerDelay > 0 {
		if err := x.sleep(x.fx.headerDelay); err != nil {
			return nil, err
		}
	}
	if x.fx.silent {
		<-x.ctx.Done()
		return nil, context.Cause(x.ctx)
	}
	if x.fx.reset != "" {
		return nil, x.breakOff(x.fx.reset)
	}
	return x.fx.refusal, nil
}

// answer waits for the engine and answers.
func (x *exchange) answer() (*refusal, error) {
	e := x.model.engine
	if err := e.enter(x.ctx, x.job.choices); err != nil {
		return nil, err
	}
	defer e.leave(x.job.choices)
	x.usage.Input = x.job.input
	if x.model.cache != nil {
		x.usage.CachedInput = x.model.cache.lookup(x.job.text)
	}
	now := time.Now()
	x.due = e.prefilled(now, x.job.input-x.usage.CachedInput, &x.rng)
	x.due = x.due.Add(x.fx.firstDelay)
	x.w.Header().Set("Openai-Processing-Ms", strconv.FormatInt(x.due.Sub(now).Milliseconds(), 10))
	x.status = http.StatusOK
	if x.job.op == llm.OpEmbedding {
		return nil, x.embed()
	}
	id := x.makeID()
	prefix := "chatcmpl-"
	if x.job.op == llm.OpCompletion {
		prefix = "cmpl-"
	}
	x.head = openai.Head{ID: prefix + id, Created: x.s.now().Unix(), Model: x.job.model, Fingerprint: "fp_sim" +
		strconv.FormatUint(mix(x.s.cfg.Seed)>>40, 16), NullUsage: x.job.usage && !x.fx.noUsage}
	if x.job.chat != nil && x.job.chat.ServiceTier != "" {
		x.head.ServiceTier = servedTier(x.job.chat.ServiceTier)
	}
	choices := newPlanner(x.job, &x.model.cfg, &x.fx, mix(x.s.cfg.Seed), x.head.ID).plan()
	x.job.release()
	if !x.job.stream {
		return nil, x.whole(choices)
	}
	x.s.book.streams(1)
	defer x.s.book.streams(-1)
	return nil, x.stream(choices)
}

// servedTier is the tier that an answer names for a wanted one.
func servedTier(asked string) string {
	switch asked {
	case "fast":
		return "priority"
	case "auto":
		return "default"
	}
	return asked
}

// makeID returns 24 letters and digits that are made of the seed and the number of the request.
func (x *exchange) makeID() string {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var b [24]byte
	for i := range b {
		b[i] = alphabet[x.rng.below(len(alphabet))]
	}
	return string(b[:])
}

// sleep waits for the duration, unless the client leaves before.
func (x *exchange) sleep(d time.Duration) error { return x.until(time.Now().Add(d)) }

// until waits for a time, unless the client leaves before. One timer serves the whole exchange.
func (x *exchange) until(t time.Time) error {
	d := time.Until(t)
	if d <= 0 {
		if x.ctx.Err() != nil {
			return context.Cause(x.ctx)
		}
		return nil
	}
	if x.timer == nil {
		x.timer = time.NewTimer(d)
	} else {
		x.timer.Reset(d)
	}
	select {
	case <-x.timer.C:
		return nil
	case <-x.ctx.Done():
		return context.Cause(x.ctx)
	}
}

// breakOff ends the connection in the given form and returns errBroken. Over HTTP/2 the stream is reset.
func (x *exchange) breakOff(how cutForm) error {
	if how == cutEOF {
		return errBroken
	}
	conn, _, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		x.reset = true
		return errBroken
	}
	if tcp, ok := conn.(*net.TCPConn); ok && how == cutRST {
		_ = tcp.SetLinger(0) // close sends a reset then; without it the close is only softer
	}
	_ = conn.Close() // broken on purpose
	return errBroken
}
