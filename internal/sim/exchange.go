package sim

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tidwall/gjson"

	"sluice/internal/llm"
	"sluice/internal/wire/openai"
)

// exchange is one request and its answer. It belongs to the handler's goroutine.
type exchange struct {
	s     *Server
	w     http.ResponseWriter
	r     *http.Request
	ctx   context.Context // ends when the client leaves or the server is closed
	ask   *ask
	start time.Time
	seq   uint64
	id    string // of the request, told to the client
	rng   rng    // for timing; text has its own, made of the prompt

	body   []byte // until the model is known
	job    *job
	model  *model
	base   string // model name without faults
	quotas []*quota
	held   *hold // what the quotas were charged; nil before
	fx     effects
	timer  *time.Timer
	due    time.Time // when the next token is
	head   openai.Head
	record *RequestRecord
	watch  stopwatch

	status   int
	usage    llm.Usage    // billed so far
	canceled atomic.Int64 // when the client left, in Unix nanoseconds; 0 if it has not
	aborted  bool
	reset    bool // the stream is to be reset by the HTTP server, since there is no connection to break
}

// errBroken ends an answer that a fault has broken off; the connection is already dealt with.
var errBroken = errors.New("answer broken off by a fault")

// call answers one request to an operation.
func (s *Server) call(w http.ResponseWriter, r *http.Request, a *ask) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer context.AfterFunc(s.life, func() { cancel(ErrClosed) })()
	x := &exchange{s: s, w: w, r: r, ctx: ctx, start: time.Now(), seq: s.seq.Add(1), ask: a, fx: noEffects()}
	x.rng = rng(mix(s.cfg.Seed ^ mix(x.seq)))
	defer context.AfterFunc(r.Context(), func() { x.canceled.Store(time.Now().UnixNano()) })()
	s.book.begin(x)
	defer s.book.finish(x)
	if s.cfg.Clock != 0 {
		w.Header().Set("Date", s.now().Format(http.TimeFormat))
	}
	x.id = "req_" + x.makeID()
	x.introduce(w.Header())
	ref, err := x.run()
	if ref != nil {
		x.refuse(ref)
		x.status = ref.status
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
func (x *exchange) run() (*refusal, error) {
	if rule, _ := x.s.down(x.start); rule != nil {
		return x.lieDown(rule)
	}
	if x.r.Method != http.MethodPost {
		return refuseMethod(x.r, http.MethodPost), nil
	}
	if ref := x.s.admit(x.ask, x.r); ref != nil {
		return ref, nil
	}
	body, ref, err := x.read()
	if ref != nil || err != nil {
		return ref, err
	}
	if x.ask.host == onBedrock {
		if ref := x.s.checkSignature(x.r, body); ref != nil {
			return ref, nil
		}
	}
	if ref := x.decode(body); ref != nil {
		return ref, nil
	}
	job := x.job
	ref = x.choose()
	if x.s.book.known(x); ref != nil {
		return ref, nil
	}
	x.body = nil
	x.settleQuirk()
	x.quotas = x.s.quotasOf(x.model, x.base)
	x.describeAll(x.start) // a fault's answer has the headers too
	if ref, err := x.before(); ref != nil || err != nil {
		if ref != nil {
			failed(time.Now(), x.quotas)
		}
		return ref, err
	}
	if w, asked := x.model.cfg.Context, job.input+job.maxTokens; w > 0 && asked > w && x.ask.op != llm.OpEmbedding {
		return refuseContext(w, asked), nil
	}
	now := time.Now()
	held, over := take(now, x.quotas, job)
	x.describeAll(now)
	if over != nil {
		return over.refuse(x.base), nil
	}
	x.held = held
	defer func() { held.correct(time.Now(), x.usage) }()
	return x.answer()
}

// lieDown answers for a provider that is down. Nothing of the request is read.
func (x *exchange) lieDown(r *rule) (*refusal, error) {
	r.struck.Add(1)
	for i := range r.faults {
		r.faults[i].apply(&x.fx)
	}
	return x.before()
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
	x.model = x.s.find(base, x.job.kind())
	if x.model == nil {
		return refuseModel(x.job.model)
	}
	if ref := x.suits(); ref != nil {
		return ref
	}
	x.deviate()
	if len(faults) > 0 {
		x.strike(faults, key)
	} else if rule := x.s.ruled(base, x.start, &x.rng); rule != nil && x.strike(rule.faults, key) {
		rule.struck.Add(1)
	}
	return nil
}

// strike applies those of the faults that happen. It reports whether there was one.
func (x *exchange) strike(faults []fault, key string) (struck bool) {
	for i := range faults {
		f := &faults[i]
		if !x.s.happens(f, key+" "+strconv.Itoa(i), &x.rng) {
			continue
		}
		if f.args.once && x.s.begun(f.name+" at "+x.base, x.job.said.first) {
			continue
		}
		f.apply(&x.fx)
		struck = true
	}
	return struck
}

// suits checks what depends on the model that was asked for.
func (x *exchange) suits() *refusal {
	m := &x.model.cfg
	embedding := x.job.embedding != nil
	switch {
	case m.kind() != x.job.kind():
		return &refusal{
			status: 404, kind: "invalid_request_error", param: "model",
			text: "The model '" + x.base + "' does not serve this endpoint.",
		}
	case x.job.oldMax && (m.Reasoning > 0 || m.rejects("max_tokens")):
		return &refusal{
			status: 400, kind: "invalid_request_error", code: "unsupported_parameter", param: "max_tokens",
			text: "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
		}
	case x.ask.dialect == llm.OpenAI && x.job.talk != nil && m.rejects("prefill") && x.job.said.last.role == "assistant":
		return refuseField("messages", "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant")
	case x.ask.dialect == llm.OpenAI && x.job.talk != nil && (looksReasoning(x.base) || m.rejects("temperature")) && sampling(x.body) != "":
		return refuseSampling(sampling(x.body))
	case embedding && checkEmbedding(x.job) != nil:
		return checkEmbedding(x.job)
	case embedding && x.job.embedding.dimensions > m.dimensions():
		return refuseRequest(&openai.RequestError{Param: "dimensions", Message: "This model does not support more than " +
			strconv.Itoa(m.dimensions()) + " dimensions."})
	}
	if x.job.strict != nil {
		return x.job.strict(x)
	}
	return nil
}

// sampling returns the parameter of a request that says how to sample otherwise than by default; "" if there is none.
func sampling(body []byte) string {
	for _, name := range []string{"temperature", "top_p", "presence_penalty", "frequency_penalty"} {
		v, usual := gjson.GetBytes(body, name), 1.0
		if strings.HasSuffix(name, "penalty") {
			usual = 0
		}
		if v.Type == gjson.Number && v.Num != usual {
			return name
		}
	}
	return ""
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
	return x.inOwnWords(x.fx.refusal), nil
}

// inOwnWords gives a refusal the status and the headers that the provider has for it.
func (x *exchange) inOwnWords(r *refusal) *refusal {
	fx := &x.fx
	switch {
	case r == nil:
	case fx.overloaded:
		status := http.StatusServiceUnavailable
		switch {
		case fx.quirk != nil && fx.quirk.name == "groq":
			status = 498
		case x.ask.dialect == llm.Anthropic && x.ask.host != onBedrock:
			status = 529
		}
		own := refuseStatus(status, -1, "")
		own.wait, own.form = r.wait, r.form
		return own
	case fx.limited:
		r.kind, r.text = "requests", "Rate limit reached for "+x.base+" in organization org-sim on requests per min (RPM): Limit 60, Used 60, "+
			"Requested 1. Please try again in "+r.wait.String()+"."
		spent := &views{}
		spent.minute[countRequests] = &view{limit: 60, reset: r.wait}
		x.describe(spent)
	}
	return r
}

// answer waits for the engine and answers.
func (x *exchange) answer() (*refusal, error) {
	e := x.model.engine
	if err := e.enter(x.ctx, x.job.choices); err != nil {
		return nil, err
	}
	defer e.leave(x.job.choices)
	x.usage.Input = x.job.input
	x.consultCache()
	now := time.Now()
	x.due = e.prefilled(now, x.job.input-x.usage.CachedInput, &x.rng)
	x.due = x.due.Add(x.fx.firstDelay)
	if x.ask.dialect == llm.OpenAI {
		x.w.Header().Set("Openai-Processing-Ms", strconv.FormatInt(x.due.Sub(now).Milliseconds(), 10))
	}
	x.status = http.StatusOK
	if x.job.reply != nil {
		return nil, x.job.reply(x)
	}
	id := x.makeID()
	if x.ask.dialect != llm.OpenAI {
		return nil, x.speak(id)
	}
	prefix := "chatcmpl-"
	if x.job.op == llm.OpCompletion {
		prefix = "cmpl-"
	}
	x.head = openai.Head{ID: prefix + id, Created: x.s.now().Unix(), Model: x.job.model, Fingerprint: "fp_sim" +
		strconv.FormatUint(mix(x.s.cfg.Seed)>>40, 16), NullUsage: x.job.usage && !x.fx.noUsage}
	if x.job.talk != nil && x.job.talk.tier != "" {
		x.head.ServiceTier = servedTier(x.job.talk.tier)
	}
	choices := newPlanner(x, x.head.ID).plan()
	x.fx.settle(planned(choices), &x.rng)
	x.job.release()
	if !x.job.stream {
		return nil, x.whole(choices)
	}
	return nil, x.stream(choices, &openAIVoice{x: x})
}

// consultCache notes what of the prompt was seen before. Anthropic's dialect has a cache only where the client marks it,
// and counts what is written to it.
func (x *exchange) consultCache() {
	if x.model.cache == nil {
		return
	}
	t := x.job.talk
	marked := x.ask.dialect == llm.Anthropic || x.ask.dialect == llm.Converse
	if marked && (t == nil || t.cache == "") {
		return
	}
	cached, prefix := x.model.cache.lookup(x.job.text)
	x.usage.CachedInput = cached
	x.held.cached(time.Now(), cached)
	if marked {
		x.usage.CacheWrite = max(prefix-cached, 0)
		if t.cache == "1h" {
			x.usage.CacheWriteLong = x.usage.CacheWrite
		}
	}
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

// canceledAt is when it was noticed that the client has left: as soon as its connection was found closed or, at the latest, when the
// request ended, which took so long.
func (x *exchange) canceledAt(took time.Duration) time.Time {
	end := x.start.Add(took)
	if at := x.canceled.Load(); at != 0 && time.Unix(0, at).Before(end) {
		return time.Unix(0, at)
	}
	return end
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
	x.reset = !sever(x.w, how)
	return errBroken
}

// sever breaks the connection of a request in the given form. It reports whether there is one to break: over HTTP/2 there is not.
func sever(w http.ResponseWriter, how cutForm) bool {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return false
	}
	hangUp(conn, how)
	return true
}
