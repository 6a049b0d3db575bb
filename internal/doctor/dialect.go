package doctor

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/upstream"
	"sluice/internal/wire"
	"sluice/internal/wire/bedrock"
)

// sendChat makes one request to a target that speaks another dialect than OpenAI's: what a translated call would be.
func (x *Exam) sendChat(ctx context.Context, t *target, s *upstream.Surface) (o outcome) {
	codec := dialect.Of(s.Dialect)
	chat := &llm.Chat{
		Model:    cmp.Or(s.Change.Model, t.report.Model),
		Messages: []llm.Turn{{Role: llm.RoleUser, Parts: []llm.Part{{Kind: llm.PartText, Text: "Reply with the word ok."}}}},
		Stream:   true, Choices: 1, MaxTokens: x.o.Output,
	}
	traits := model.TraitsOf(t.account.Provider.Kind(), t.report.Model)
	adapted, _, e := dialect.Adapt(chat, llm.OpenAI, s.Dialect, &traits)
	if e != nil {
		return outcome{err: e}
	}
	body := adapted.AppendBody(nil)
	if !s.Change.Plain() {
		body = wire.AppendChanged(nil, body, &s.Change)
	}
	began := time.Now()
	answer, e := t.account.up.Send(ctx, &upstream.Request{
		Method: http.MethodPost, Path: s.Path, Query: s.Query, Set: s.Header, Foreign: true, Body: body, Limits: x.limits(), Stream: true,
	})
	if e != nil {
		return outcome{err: e}
	}
	defer answer.Finish()
	o.header = answer.Header
	if answer.Status != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(answer, maxError)) // what came of it is enough
		o.err = codec.ClassifyError(answer.Status, answer.Header, body, time.Now())
	} else {
		var frames frames = new(wire.Reader)
		if s.Frames == upstream.FrameAWS {
			frames = &bedrock.Frames{Anthropic: s.Dialect == llm.Anthropic}
		}
		t.events(answer, frames, codec.NewReader(), began, &o)
	}
	o.total = time.Since(began) - answer.Connect()
	return o
}

// frames cuts a stream into events.
type frames interface {
	Reset(maxEvent int)
	Fill(src io.Reader) (int, error)
	Next() (wire.Event, bool, error)
	Last() (wire.Event, bool)
}

// events reads a streamed answer to its end.
func (t *target) events(answer *upstream.Answer, f frames, reader llm.EventReader, began time.Time, o *outcome) {
	f.Reset(int(t.account.Provider.MaxEvent))
	var whole llm.Folder
	take := func(events []llm.Event) (over bool) {
		for i := range events {
			ev := &events[i]
			whole.Add(ev)
			if ev.Kind == llm.EventDelta && o.ttft == 0 {
				o.ttft = time.Since(began) - answer.Connect()
				answer.FirstToken()
			}
			over = over || ev.Kind == llm.EventEnd
		}
		return over
	}
	observe := func(ev *wire.Event) (over bool) {
		answer.Progress()
		events, e := reader.Read(nil, ev.Name, ev.Data)
		o.err = e
		return take(events) || e != nil
	}
	for over := false; !over; {
		_, err := f.Fill(answer)
		for !over {
			ev, ok, limit := f.Next()
			if limit != nil {
				o.err = &llm.Error{Kind: llm.KindBadAnswer, Message: "an event of the stream cannot be read, or is over the limit (max_event)", Err: limit}
				return
			}
			if !ok {
				break
			}
			over = ev.Data != nil && observe(&ev)
		}
		if over || err == nil {
			continue
		}
		if !errors.Is(err, io.EOF) {
			o.err = answer.Fail(err)
			return
		}
		if ev, ok := f.Last(); ok {
			observe(&ev)
		}
		over = true
	}
	if o.err != nil {
		return
	}
	events, e := reader.End(nil)
	take(events)
	a := whole.Answer()
	o.usage, o.err = a.Usage, e
	o.usage.Estimated = !a.HasUsage
}

// classify reads an error of the account in its own dialect.
func (a *account) classify(answer *upstream.Answer, body []byte) *llm.Error {
	d := a.up.Preset().Dialect()
	codec := dialect.Of(d)
	if codec == nil || codec.ClassifyError == nil {
		codec = dialect.Of(llm.OpenAI)
	}
	return codec.ClassifyError(answer.Status, answer.Header, body, time.Now())
}
