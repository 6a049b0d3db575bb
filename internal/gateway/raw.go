package gateway

import (
	"bytes"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/route"
	"sluice/internal/upstream"
	"sluice/internal/wire"
)

// rawModel stands for the model in the name of a target when a relayed request does not say which it is for.
const rawModel = "raw"

// maxRawScan bounds what of a relayed answer is kept to read its usage.
const maxRawScan = 4 << 20

// serveRaw relays a request to one provider account without understanding it. It is one attempt: Sluice does not know whether
// the request may be sent twice. The account's and the model's slots, their breakers, the key's limits and the ledger hold as
// for any call.
func (r *run) serveRaw() {
	plan, e := r.planRaw()
	if e == nil {
		e = r.reserve(&plan)
	}
	if e == nil {
		r.limit()
		e = r.attemptOnce(plan)
	}
	if e != nil && r.committed.IsZero() {
		r.fail(e)
	}
}

func (r *run) attemptOnce(plan route.Plan) *llm.Error {
	defer r.unpay()
	grant, e := r.acquire(plan.Tiers, 0, time.Time{})
	if e != nil {
		return e
	}
	return r.attempt(grant)
}

// planRaw finds the account, and checks that the key may relay to it.
func (r *run) planRaw() (route.Plan, *llm.Error) {
	x := r.x
	if r.snap.Accounts[x.Provider] == nil {
		return route.Plan{}, r.noProvider(x.Provider)
	}
	// Raw relay reaches files, batches and whatever else an account has: a key for some models does not cover that.
	if !x.Key.Allows(x.Provider + "/*") {
		return route.Plan{}, llm.Errorf(llm.KindModelForbidden, "the key %q may not relay to the provider %q: that takes \"%s/*\" among its models (keys.models)",
			x.Key.Name(), x.Provider, x.Provider)
	}
	if x.Call.Model == "" {
		x.Call.Model = rawModel
	}
	plan, e := r.snap.Routes.At(x.Provider, x.Call.Model)
	x.Call.Model = x.Provider + "/" + x.Call.Model
	if e != nil {
		return plan, e
	}
	x.Call.Front = plan.Tiers[0][0].API // nothing is translated
	x.Path = belowBase(x.Path, r.snap.Accounts[x.Provider].Settings.URL())
	r.settings = r.snap.settings(plan.Public)
	r.public, r.configured = plan.Public, plan.Configured
	r.budget = r.g.budgets.of(&plan)
	r.planned = time.Now()
	return plan, nil
}

// belowBase returns a path without its version, if the account's base ends with the same one: a client whose own base is
// /p/openai/v1 means what one whose base is /p/openai means.
func belowBase(path, base string) string {
	last := base[strings.LastIndexByte(base, '/'):]
	if rest, ok := strings.CutPrefix(path, last); ok && len(last) > 1 && last[1] == 'v' && strings.HasPrefix(rest, "/") {
		return rest
	}
	return path
}

// noProvider says which accounts there are.
func (r *run) noProvider(name string) *llm.Error {
	const most = 3
	var names []string
	for n := range r.snap.Accounts {
		names = append(names, n)
	}
	slices.Sort(names)
	e := llm.Errorf(llm.KindNotFound, "there is no provider %.64q", name)
	if near := model.Nearest(name, names, most); len(near) > 0 {
		e.Message += "; nearest: " + strings.Join(near, ", ")
	} else if len(names) > 0 {
		e.Message += "; there are: " + strings.Join(names[:min(len(names), 2*most)], ", ")
	}
	return e
}

// relayRaw passes an answer on, whatever its status. What the status says of the account goes to its breaker; only that the
// account's credentials are refused is not the client's to read.
func (r *run) relayRaw(answer *upstream.Answer) *llm.Error {
	r.consumed.begun = answer.Status < 300
	r.consumed.opaque = true
	if answer.Status < 400 {
		return r.pass(answer, r.watchRaw(answer))
	}
	body, e := readAll(answer, maxErrorBody, "")
	if e != nil && e.Kind.Cause() != llm.ByProvider {
		return e
	}
	body = r.info.account.Redact(body)
	e = r.leg.back.ClassifyError(answer.Status, answer.Header, body, time.Now())
	if e.Kind == llm.KindProviderAuth || e.Kind == llm.KindQuotaExhausted {
		// The path may want another kind of key, as OpenAI's /organization does, or have a limit of its own, as stored files have: that is no trouble
		// of the account's.
		e.Scope = llm.ScopeModel
	}
	if e.Kind == llm.KindProviderAuth {
		return e
	}
	r.relayed = true
	r.first = time.Now()
	r.status = answer.Status
	r.commit(r.info.account.RedactHeader(answer.Header))
	r.bytesOut = int64(len(body))
	r.w.Whole(answer.Status, body)
	r.err = e
	return nil
}

// watchRaw returns what reads the usage of an answer, where its form is known by the path that was asked for.
func (r *run) watchRaw(answer *upstream.Answer) watcher {
	op := rawOp(r.x.Path)
	codec := dialect.Of(r.x.Call.Front)
	if strings.HasSuffix(r.x.Path, "/responses") {
		codec = dialect.Of(llm.Responses)
	}
	if op == 0 || codec == nil || answer.Status != http.StatusOK || answer.Header.Get("Content-Encoding") != "" || r.leg.surface.Frames != upstream.FrameSSE {
		return blind{}
	}
	kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	switch {
	case kind == "text/event-stream" && op == llm.OpChat && codec.NewFollower != nil:
		f := &rawEvents{follower: codec.NewFollower()}
		f.follower.Reset(wire.FollowOptions{})
		f.reader.Reset(r.info.account.MaxEvent)
		return f
	case isJSON(kind) && codec.Scan != nil:
		return &rawJSON{op: op, scan: codec.Scan}
	}
	return blind{}
}

// rawOp returns the operation that a path of a provider stands for; 0 if it is not known.
func rawOp(path string) llm.Op {
	switch {
	case strings.HasSuffix(path, "/chat/completions"), strings.HasSuffix(path, "/messages"), strings.HasSuffix(path, "/responses"),
		strings.HasSuffix(path, ":generateContent"), strings.HasSuffix(path, ":streamGenerateContent"):
		return llm.OpChat
	case strings.HasSuffix(path, "/completions"):
		return llm.OpCompletion
	case strings.HasSuffix(path, "/embeddings"):
		return llm.OpEmbedding
	}
	return 0
}

// rawEvents reads the usage of a stream beside its way to the client.
type rawEvents struct {
	blind
	reader   wire.Reader
	follower wire.Follower
	lost     bool // the stream cannot be read; it is passed on all the same
}

func (f *rawEvents) see(p []byte) {
	src := bytes.NewReader(p)
	for src.Len() > 0 && !f.lost {
		if _, err := f.reader.Fill(src); err != nil {
			f.lost = true
			return
		}
		for {
			ev, ok, err := f.reader.Next()
			f.lost = err != nil
			if !ok {
				break
			}
			f.follower.Observe(&ev)
		}
	}
}

func (f *rawEvents) end() error {
	if ev, ok := f.reader.Last(); ok {
		f.follower.Observe(&ev)
	}
	return nil
}

func (f *rawEvents) used(c *consumed) {
	st := f.follower.State()
	c.usage, c.reported, c.outBytes, c.tier = st.Usage, st.HasUsage, int64(st.OutputBytes), st.Tier
}

// rawJSON reads the usage of a whole answer beside its way to the client.
type rawJSON struct {
	blind
	op   llm.Op
	scan func(op llm.Op, body []byte) (wire.Answer, *llm.Error)
	body []byte
	over bool // it is too large to be kept
}

func (j *rawJSON) see(p []byte) {
	if j.over = j.over || len(j.body)+len(p) > maxRawScan; j.over {
		j.body = nil
		return
	}
	j.body = append(j.body, p...)
}

func (j *rawJSON) used(c *consumed) {
	if j.over {
		return
	}
	if a, e := j.scan(j.op, j.body); e == nil {
		c.usage, c.reported, c.tier = a.Usage, a.HasUsage, a.Tier
	}
}
