package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/upstream"
	"sluice/internal/wire"
	"sluice/internal/wire/openai"
)

// wording is one way to ask for the same. Servers differ in the name of the limit on output, and some refuse to be asked for
// usage.
type wording struct {
	oldLimit bool // max_tokens in place of max_completion_tokens
	noUsage  bool // no stream_options
}

// outcome is what one request came to.
type outcome struct {
	header http.Header
	usage  llm.Usage
	ttft   time.Duration // 0 if no token came
	total  time.Duration
	err    *llm.Error
}

// call calls a target. A request that is refused for a parameter, which costs nothing, is worded in another way.
func (x *Exam) call(ctx context.Context, t *target) {
	tried := t.wordings()
	var o outcome
	var w wording
	for _, w = range tried {
		o = x.send(ctx, t, w)
		if o.err == nil || !refusesParameter(o.err) {
			break
		}
	}
	t.report.Limits = ReadLimits(o.header, time.Now())
	if o.err != nil {
		t.add(t.failure(o.err))
		return
	}
	t.succeed(&o)
	if !t.embedding() {
		t.add(t.usageCheck(&o, w))
	}
	t.add(t.limitsCheck())
}

func (t *target) embedding() bool {
	if t.info != nil && t.info.Kind != "" {
		return t.info.Kind == "embedding"
	}
	return strings.Contains(strings.ToLower(t.report.Model), "embed")
}

// wordings returns the ways to ask, the likeliest first.
func (t *target) wordings() []wording {
	if d := t.account.up.Preset().Dialect(); t.embedding() || d != llm.OpenAI {
		return []wording{{}}
	}
	// OpenAI's reasoning models know the new name only, most other servers the old one.
	old := t.account.priceOf != "openai" && t.account.priceOf != "azure"
	if !t.account.Provider.InjectUsage() {
		return []wording{{oldLimit: old, noUsage: true}, {oldLimit: !old, noUsage: true}}
	}
	return []wording{{oldLimit: old}, {oldLimit: !old}, {oldLimit: true, noUsage: true}}
}

// refusesParameter reports whether other words may help.
func refusesParameter(e *llm.Error) bool {
	return e.Kind == llm.KindRejected && (e.ProviderStatus == http.StatusBadRequest || e.ProviderStatus == http.StatusUnprocessableEntity)
}

// send makes one request and reads its answer.
func (x *Exam) send(ctx context.Context, t *target, w wording) (o outcome) {
	prompt := llm.Prompt{Model: t.report.Model, Messages: []llm.Message{{Role: "user", Text: "Reply with the word ok."}}, Output: x.o.Output, Stream: true}
	if t.embedding() {
		prompt = llm.Prompt{Op: llm.OpEmbedding, Model: t.report.Model, Messages: []llm.Message{{Text: "ok"}}}
	}
	client := openai.Client{OldMaxTokens: w.oldLimit}
	s, ok := t.account.up.Surface(&upstream.Ask{Op: cmp.Or(prompt.Op, llm.OpChat), Front: llm.OpenAI, Model: prompt.Model, Stream: prompt.Stream, Path: client.Path(&prompt)})
	switch {
	case !ok || s.Dialect != llm.OpenAI && t.embedding():
		return outcome{err: llm.Errorf(llm.KindUnsupported, "the doctor has no call for this model in the dialect of its provider")}
	case s.Dialect != llm.OpenAI:
		return x.sendChat(ctx, t, &s)
	}
	prompt.Model = cmp.Or(s.Change.Model, prompt.Model)
	body := string(client.AppendRequest(nil, &prompt))
	if w.noUsage || !t.account.Provider.InjectUsage() {
		body = strings.Replace(body, `,"stream_options":{"include_usage":true}`, "", 1)
	}
	began := time.Now()
	answer, e := t.account.up.Send(ctx, &upstream.Request{
		Method: http.MethodPost, Path: s.Path, Query: s.Query, Set: s.Header, Body: []byte(body), Limits: x.limits(), Stream: prompt.Stream,
	})
	if e != nil {
		return outcome{err: e}
	}
	defer answer.Finish()
	o.header = answer.Header
	switch {
	case answer.Status != http.StatusOK:
		body, _ := io.ReadAll(io.LimitReader(answer, maxError)) // what came of it is enough
		o.err = client.Error(answer.Status, answer.Header, body, time.Now())
	case prompt.Stream:
		t.stream(answer, client.Stream(prompt.Op), began, &o)
	default:
		body, err := io.ReadAll(io.LimitReader(answer, t.account.maxAnswer()))
		if err != nil {
			o.err = answer.Fail(err)
			break
		}
		o.usage, o.err = client.Answer(prompt.Op, body)
	}
	o.total = time.Since(began) - answer.Connect()
	return o
}

func (a *account) maxAnswer() int64 {
	if n := a.Provider.MaxAnswer; n > 0 {
		return n
	}
	return maxList
}

// stream reads a streamed answer to its end.
func (t *target) stream(answer *upstream.Answer, events llm.StreamReader, began time.Time, o *outcome) {
	var r wire.Reader
	r.Reset(int(t.account.Provider.MaxEvent))
	observe := func(ev *wire.Event) (over bool) {
		answer.Progress()
		seen := events.Observe(ev.Name, ev.Data)
		if seen&(llm.SawText|llm.SawReasoning) != 0 && o.ttft == 0 {
			o.ttft = time.Since(began) - answer.Connect()
			answer.FirstToken()
		}
		return seen&(llm.SawEnd|llm.SawError) != 0
	}
	for over := false; !over; {
		_, err := r.Fill(answer)
		for !over {
			ev, ok, limit := r.Next()
			if limit != nil {
				o.err = &llm.Error{Kind: llm.KindBadAnswer, Message: "an event of the stream is over the limit (max_event)", Err: limit}
				return
			}
			if !ok {
				break
			}
			over = observe(&ev)
		}
		if over || err == nil {
			continue
		}
		if !errors.Is(err, io.EOF) {
			o.err = answer.Fail(err)
			return
		}
		if ev, ok := r.Last(); ok {
			observe(&ev)
		}
		over = true
	}
	o.usage, o.err = events.End()
}

// succeed notes a call that was answered in full.
func (t *target) succeed(o *outcome) {
	nano, priced := t.info.Cost(o.usage, "")
	c := &Call{
		TTFT: float64(o.ttft) / float64(time.Millisecond), Total: float64(o.total) / float64(time.Millisecond),
		InputTokens: o.usage.Input, OutputTokens: o.usage.Output, Usage: !o.usage.Estimated,
		CostUSD: float64(nano) / 1e9, Priced: priced && !o.usage.Estimated,
	}
	t.report.Call = c
	first := ""
	if o.ttft > 0 {
		first = ", first token after " + millis(o.ttft)
	}
	cost := ", price unknown"
	switch {
	case t.account.Simulated:
		cost = ", free"
	case c.Priced:
		cost = fmt.Sprintf(", $%.7f", c.CostUSD)
	}
	t.add(okf("call", "answered in %s%s%s", millis(o.total), first, cost))
	if t.unlisted() {
		t.add(okf("model", "answers, though the provider does not list it"))
	}
}

// unlisted reports whether the account lists models, and not this one.
func (t *target) unlisted() bool {
	return len(t.account.listed) > 0 && !slices.Contains(t.account.listed, t.report.Model)
}

// usageCheck judges whether tokens can be counted by what the provider says.
func (t *target) usageCheck(o *outcome, w wording) Check {
	p := t.account.Provider.Name
	switch {
	case !o.usage.Estimated:
		return okf("usage", "reported: %d input, %d output tokens", o.usage.Input, o.usage.Output)
	case w.noUsage && t.account.Provider.InjectUsage():
		return Check{"usage", Warn, "requests with stream_options are refused", "set stream_usage: off at providers." + p + "; tokens of streams are then estimated"}
	case w.noUsage:
		return okf("usage", "not asked for (stream_usage: off): tokens of streams are estimated")
	}
	return Check{"usage", Warn, "the stream has no usage, though it was asked for", "tokens and costs of streams will be estimates; ask who runs the server for stream_options.include_usage"}
}

// failure says what an error means for the target.
func (t *target) failure(e *llm.Error) Check {
	p := t.account.Provider.Name
	c := Check{"call", Fail, e.Kind.Code() + ": " + e.Message, ""}
	switch e.Kind {
	case llm.KindProviderAuth:
		c.Do = t.account.keyAdvice()
	case llm.KindRejected:
		c.Do = "the request itself is refused: is the model right, and is it one that chats?"
		if e.ProviderStatus == http.StatusNotFound {
			c.Name, c.Do = "model", t.nameAdvice()
		}
	case llm.KindRateLimited:
		c.State, c.Do = Warn, "the account works but is at its limit now; look again later"
		if e.RetryAfter > 0 {
			c.Do = fmt.Sprintf("the account works but is at its limit now; the provider says to wait %s", e.RetryAfter.Round(time.Millisecond))
		}
	case llm.KindQuotaExhausted:
		c.Do = "no credit, a spend limit, or a model that the plan does not have: look at the provider's billing page"
	case llm.KindOverloaded:
		c.State, c.Do = Warn, "the provider is overloaded now; look again later, and give the model a second target"
	case llm.KindServerError, llm.KindProviderStream:
		c.Do = "the provider fails; look at its status page, or at the server's log"
	case llm.KindConnectTimeout, llm.KindHeaderTimeout, llm.KindFirstToken, llm.KindStalled, llm.KindTotalTimeout:
		c.Do = "the provider is too slow or hangs: look at its status page or log; --timeout gives it longer"
	case llm.KindTruncated:
		c.Do = "the stream breaks off: look for proxies between here and the provider that buffer or cut streams"
	case llm.KindBadAnswer:
		c.Do = "this is no answer of the protocol: is base_url right, and api of providers." + p + "?"
	case llm.KindCanceled, llm.KindUnsupported:
		c.State, c.Do = Skip, ""
	}
	if c.Do == "" && c.State == Fail {
		c.Do = "look at the provider's log or status page"
	}
	return c
}

// nameAdvice helps with a model that the provider does not have.
func (t *target) nameAdvice() string {
	near := model.Nearest(t.report.Model, t.account.listed, 3)
	if len(near) == 0 {
		return "ask the provider for the names of its models; a deployment may have a name of its own"
	}
	return "the provider lists: " + strings.Join(near, ", ")
}
