package gateway

import (
	"bytes"
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/obs"
	"sluice/internal/upstream"
	"sluice/internal/wire"
	"sluice/internal/wire/bedrock"
)

// maxDialect is one more than the last dialect.
const maxDialect = int(llm.Jina) + 1

// leg is how the attempt under way speaks to its target.
type leg struct {
	surface upstream.Surface
	same    bool           // target and client speak one dialect: bytes are forwarded
	back    *dialect.Codec // of the target
	adapted *dialect.Adapted
	words   retrieval
	dropped string // value of X-Sluice-Dropped-Params
	inner   bool   // a stream whose client wants the answer whole
}

// request finds out how the target is asked, and writes the call in its words.
func (r *run) request(span *obs.Span) (*upstream.Request, *llm.Error) {
	x := r.x
	account := r.info.account
	surface, ok := account.Surface(&upstream.Ask{
		Op: x.Call.Op, Front: x.Call.Front, Model: r.target.Model, Stream: x.Call.Stream, Path: x.Path, Query: x.Query, Header: x.Header,
	})
	if !ok {
		return nil, unsupported(&x.Call, r.target)
	}
	inner := r.supervises(&surface)
	if inner {
		surface, _ = account.Surface(&upstream.Ask{
			Op: x.Call.Op, Front: x.Call.Front, Model: r.target.Model, Stream: true, Path: streamPath(&x.Call, x.Path), Query: x.Query, Header: x.Header,
		})
	}
	r.leg = leg{inner: inner, surface: surface, same: surface.Dialect == x.Call.Front && !r.otherForm(&surface), back: dialect.Of(surface.Dialect)}
	body, e := r.encode()
	if e != nil {
		return nil, e
	}
	method := cmp.Or(surface.Method, x.Method, http.MethodPost)
	return &upstream.Request{
		Method:      method,
		Path:        surface.Path,
		Query:       surface.Query,
		Body:        body,
		Header:      x.Header,
		Set:         r.setHeaders(&surface),
		Foreign:     !r.leg.same,
		TraceParent: r.traceParent(span),
		Limits:      r.limits(),
		Stream:      r.streams(),
	}, nil
}

// setHeaders returns the headers that the request has besides the client's. A body that is relayed raw goes as it came, so what it is
// coded with has to be told.
func (r *run) setHeaders(s *upstream.Surface) http.Header {
	coding := r.x.Header["Content-Encoding"]
	if r.x.Call.Op != llm.OpRaw || len(coding) == 0 {
		return s.Header
	}
	h := http.Header{"Content-Encoding": coding}
	maps.Copy(h, s.Header)
	return h
}

// unsupported makes the error for a target that has no such operation.
func unsupported(call *llm.Call, t *llm.Target) *llm.Error {
	e := llm.Errorf(llm.KindUnsupported, "%s cannot be asked for %s: its provider has no such operation", t.Name, call.Op)
	e.Param = "model"
	return e
}

// encode returns the request's body for the target.
func (r *run) encode() ([]byte, *llm.Error) {
	x, l := r.x, &r.leg
	c := l.surface.Change
	if c.Model == "" {
		c.Model = r.target.Model
	}
	if x.Upload != nil || x.Call.Op == llm.OpRaw {
		if !l.same {
			return nil, unsupported(&x.Call, r.target)
		}
		return x.Body, nil // an upload: see send
	}
	if l.same {
		c.NoThinking = r.anotherModel()
		c.Usage, c.Account = r.streams() && r.info.account.StreamUsage && !isMedia(x.Call.Op), r.target.Provider
		if l.inner && x.Call.Front != llm.Gemini { // whose path says it
			c.Set = append(slices.Clip(c.Set), llm.Member{Name: "stream", Value: "true"})
		}
		if e := r.policy(dialect.AdaptSame(x.Call.Front, x.Call.Op, x.Body, &r.info.traits, &c)); e != nil {
			return nil, e
		}
		turns := r.turns()
		if len(turns) == 0 {
			return x.Request.AppendUpstream(make([]byte, 0, len(x.Body)+64+len(c.Model)), x.Body, &c), nil
		}
		own := c
		if body, ok := r.withTurns(turns, &own); ok {
			return body, nil
		}
	}
	if x.Call.Op == llm.OpEmbedding || x.Call.Op == llm.OpRerank {
		return r.encodeRetrieval(&c)
	}
	if e := r.readChat(); e != nil {
		return nil, e
	}
	asked := x.Chat
	if r.anotherModel() {
		asked = dialect.StripThinking(asked)
	}
	asked = r.lengthened(asked, r.turns())
	adapted, notes, e := dialect.Adapt(asked, x.Call.Front, l.surface.Dialect, &r.info.foreign)
	if e != nil {
		return nil, e
	}
	if e := r.policy(notes); e != nil {
		return nil, e
	}
	chat := *adapted.Chat // it may be the client's, which another target is to have too
	chat.Model, chat.Stream, chat.StreamUsage = c.Model, r.streams(), r.streams() && r.info.account.StreamUsage
	adapted.Chat, l.adapted = &chat, adapted
	body := adapted.AppendBody(make([]byte, 0, len(x.Body)+256))
	if !c.Plain() {
		body = wire.AppendChanged(make([]byte, 0, len(body)+64), body, &c)
	}
	return body, nil
}

// anotherModel reports whether the call has failed over to another model, which takes no thinking but its own. Whose the
// conversation's is nobody says; most likely the one's that the call goes to first.
func (r *run) anotherModel() bool {
	return r.info.traits.BoundThinking && len(r.asked) > 1 && r.asked[0].Model != r.target.Model
}

// readChat makes the call's request in neutral words, once.
func (r *run) readChat() *llm.Error {
	x := r.x
	if x.Chat != nil {
		return nil
	}
	front := dialect.Of(x.Call.Front)
	if front.ReadChat == nil || r.leg.back == nil || r.leg.back.AppendChat == nil || !isChat(x.Call.Op) {
		return unsupported(&x.Call, r.target)
	}
	if x.Call.Front == llm.Anthropic && x.Call.MaxTokens == 0 {
		e := llm.Errorf(llm.KindBadRequest, "max_tokens is 0, which fills a prompt cache of Anthropic's; %s cannot be asked for that", r.target.Name)
		e.Param = "max_tokens"
		return e
	}
	return r.readFront()
}

// readFront makes the call's request in neutral words, for whatever target.
func (r *run) readFront() *llm.Error {
	x := r.x
	if x.Chat != nil {
		return nil
	}
	front := dialect.Of(x.Call.Front)
	if front.ReadChat == nil {
		return llm.Errorf(llm.KindUnsupported, "requests in the dialect %s are not read", x.Call.Front)
	}
	chat, e := front.ReadChat(x.Call.Op, x.Body)
	if e != nil {
		return e
	}
	r.g.signed.restore(x.Call.Key, chat)
	x.Chat = chat
	return nil
}

// streamPath returns the path of the same call as a stream: Gemini's says which it is.
func streamPath(c *llm.Call, path string) string {
	if c.Front == llm.Gemini {
		return strings.Replace(path, ":generateContent", ":streamGenerateContent", 1)
	}
	return path
}

// policy applies what the model's settings say of parameters that the target cannot honour.
func (r *run) policy(notes []dialect.Note) *llm.Error {
	if len(notes) == 0 {
		return nil
	}
	header, e := dialect.ApplyPolicy(r.settings.Parameters, notes, r.target.Name)
	r.leg.dropped = header
	return e
}

// framing returns what cuts the answer's stream into events.
func (r *run) framing(sse *wire.Reader) frames {
	if r.leg.surface.Frames == upstream.FrameAWS {
		f := &bedrock.Frames{Anthropic: r.leg.surface.Dialect == llm.Anthropic}
		if r.leg.same {
			return &reframed{Frames: f}
		}
		return f
	}
	return sse
}

// reframed makes SSE of a provider's frames, for a client that speaks the dialect within them.
type reframed struct {
	*bedrock.Frames
	raw []byte
}

// Next returns the next event, with the bytes that a client is sent.
func (f *reframed) Next() (wire.Event, bool, error) {
	ev, ok, err := f.Frames.Next()
	if ok {
		f.raw = wire.AppendEvent(f.raw[:0], string(ev.Name), ev.Data)
		ev.Raw = f.raw
		if !bytes.ContainsAny(ev.Data, "\r\n") { // else the data stands in several lines
			ev.At = len(f.raw) - len(ev.Data) - len("\n\n")
			ev.Data = f.raw[ev.At : ev.At+len(ev.Data)]
		}
	}
	return ev, ok, err
}

// follower returns what looks at the stream's events, or translates them.
func (r *run) follower(rl *relay) wire.Follower {
	x, l := r.x, &r.leg
	front := dialect.Of(x.Call.Front)
	if !l.same || r.resc != nil {
		head := r.head()
		var writer llm.EventWriter
		splice := r.splice()
		if splice == nil {
			writer = front.NewWriter(&head)
		}
		head.Chat, head.Echo = nil, nil // a writer may keep the head
		choices := 1
		if l.adapted != nil {
			choices = l.adapted.Chat.Choices // that the target was asked for
		}
		if l.back.Unmarked {
			choices = 1 // a blocked prompt has one whatever was asked for, and nothing else would say that no more follow
		}
		return dialect.Translate(l.back.NewReader(), writer, &dialect.TranslateOptions{
			Adapted: l.adapted, Model: r.target.Model, Choices: choices, Fold: x.OnAnswer != nil || rl.quiet,
			Pieces: rl.watch.active(), Splice: splice,
		})
	}
	var f wire.Follower
	if x.Head.Array && front.NewArrayFollower != nil && !rl.quiet {
		f = front.NewArrayFollower()
	} else {
		if rl.followers[x.Call.Front] == nil {
			rl.followers[x.Call.Front] = front.NewFollower()
		}
		f = rl.followers[x.Call.Front]
	}
	f.Reset(wire.FollowOptions{
		ID:         x.Call.ID,
		Choices:    x.Call.Choices,
		StripUsage: r.info.account.StreamUsage && !x.Head.Usage && !rl.quiet,
		Model:      r.answerModel(),
		Keep:       x.OnAnswer != nil,
		Pieces:     rl.watch.active(),
	})
	return f
}

// head returns what a translated answer says of itself.
func (r *run) head() llm.Head {
	h := r.x.Head
	h.Model, h.Created, h.Op = r.answerModel(), r.x.Call.Start, r.x.Call.Op
	if h.ID == "" {
		h.ID = r.x.Call.ID
	}
	if h.Chat == nil {
		h.Chat = r.x.Chat
	}
	return h
}

// translated reads a whole answer in another dialect and writes it in the client's.
func (r *run) translated(body []byte) ([]byte, *llm.Answer, *llm.Error) {
	if r.leg.words != (retrieval{}) {
		out, e := r.retrieved(body)
		return out, nil, e
	}
	a, e := r.leg.back.ReadAnswer(body)
	if e != nil {
		r.consumed.refused = e.Kind != llm.KindBadAnswer
		return nil, nil, e
	}
	r.consumed.usage, r.consumed.reported, r.consumed.tier = a.Usage, a.HasUsage, a.ServiceTier
	complete := len(a.Choices) > 0
	for i := range a.Choices {
		complete = complete && a.Choices[i].Finish != llm.FinishUnset
		for j := range a.Choices[i].Parts {
			r.consumed.outBytes += int64(len(a.Choices[i].Parts[j].Text))
		}
	}
	if !complete {
		return nil, nil, noFinish()
	}
	for i := range a.Choices {
		r.g.signed.keep(r.x.Call.Key, a.Choices[i].Parts)
	}
	out, a := r.written(a, len(body))
	return out, a, nil
}

// asShown returns a translated stream's answer as the client has seen it: with the names of the client's tools and the model that it
// is shown.
func (r *run) asShown(a *llm.Answer) *llm.Answer {
	r.leg.adapted.Answer(a)
	if m := r.answerModel(); m != "" {
		a.Model = m
	}
	return a
}

func noFinish() *llm.Error {
	e := llm.Errorf(llm.KindTruncated, "the provider's answer has no finish reason")
	e.Sent = llm.WasSent
	return e
}

// answerHeaders sets the headers that come from the provider: all that may go on where the client speaks its dialect, else
// its quotas in the client's words.
func (r *run) answerHeaders(h, from http.Header) {
	if r.leg.dropped != "" {
		h[dialect.DroppedHeader] = []string{r.leg.dropped}
	}
	if !r.leg.same {
		if limits := r.leg.back.Limits; limits != nil {
			if set := dialect.Of(r.x.Call.Front).SetLimits; set != nil {
				set(h, limits(from), time.Now())
			}
		}
		return
	}
	for k, v := range from {
		if upstream.ForwardResponseHeader(k) && (k != "Content-Type" || !r.leg.inner && r.saysRight(v) && r.leg.surface.Frames == upstream.FrameSSE && !r.x.Head.Array) {
			h[k] = v
		}
	}
}

// able returns the plan's tiers without the targets that cannot be asked for the call's operation.
func (r *run) able(tiers [][]*llm.Target) [][]*llm.Target {
	call := &r.x.Call
	can := func(t *llm.Target) bool {
		account := r.snap.Accounts[t.Provider]
		return account == nil || account.Supports(call.Op, call.Front, t.Model)
	}
	all := true
	for _, tier := range tiers {
		all = all && !slices.ContainsFunc(tier, func(t *llm.Target) bool { return !can(t) })
	}
	if all {
		return tiers
	}
	var left [][]*llm.Target
	for _, tier := range tiers {
		var some []*llm.Target
		for _, t := range tier {
			if can(t) {
				some = append(some, t)
			}
		}
		if len(some) > 0 {
			left = append(left, some)
		}
	}
	return left
}

// saysRight reports whether a provider's content type is one of what it has sent, as far as that has a codec.
func (r *run) saysRight(contentType []string) bool {
	op := r.x.Call.Op
	if op == llm.OpRaw || isMedia(op) || len(contentType) == 0 {
		return true
	}
	if r.x.Call.Stream {
		return strings.HasPrefix(contentType[0], "text/event-stream")
	}
	return strings.HasPrefix(contentType[0], "application/json")
}
