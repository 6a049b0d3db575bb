package ingress

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"time"

	"sluice/internal/gateway"
	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/thread"
	"sluice/internal/wire"
	"sluice/internal/wire/responses"
)

// threads keeps the answers of the Responses API; see store.Store. Errors are thread.ErrNotFound, thread.ErrTooLong, or those of a
// database that does not answer.
type threads interface {
	PutResponse(ctx context.Context, r *thread.Response) error
	Response(ctx context.Context, key, id string, now time.Time) (thread.Response, error)
	Conversation(ctx context.Context, key, id string, now time.Time) ([]thread.Response, error)
	DeleteResponse(ctx context.Context, key, id string) error
}

// storeTime is how long storing an answer may hold up its end.
const storeTime = 5 * time.Second

// findResponses returns what is at a path of the Responses API, given below its version.
func findResponses(path string) entry {
	en := entry{front: llm.Responses, path: path}
	rest, _ := strings.CutPrefix(path, "/responses")
	id, what, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	switch {
	case rest == "":
		en.serve, en.op, en.prepare = (*Server).call, llm.OpChat, (*Server).converse
	case rest == "/input_tokens":
		en.serve, en.op, en.prepare = (*Server).call, llm.OpCountTokens, (*Server).goOn
	case rest[0] != '/', id == "", id == "compact":
		// Nothing is there. A conversation is compacted by the provider only, in its own words.
	case what == "":
		en.serve, en.id = (*Server).storedResponse, id
	case what == "cancel":
		en.serve, en.id = (*Server).cancelResponse, id
	case what == "input_items":
		en.serve, en.id = (*Server).inputItems, id
	}
	return en
}

// converse makes the exchange one of a conversation that Sluice keeps: what it goes on with is looked up, and its answer is stored if
// the client wants that, which is the API's default.
func (s *Server) converse(ctx context.Context, x *gateway.Exchange) *llm.Error {
	rq, ok := x.Request.(*responses.Request)
	if !ok {
		panic("BUG: a request of the Responses API is none of its codec's")
	}
	if rq.Background {
		e := llm.Errorf(llm.KindUnsupportedParam, "background: true is not supported by this gateway; leave it out, and stream the answer if it takes long")
		e.Param = "background"
		return e
	}
	x.Head.Echo = responses.Echo(x.Body)
	if e := s.resolve(ctx, x); e != nil {
		return e
	}
	keep := s.settings.Load().Responses.Retention
	if s.threads != nil && rq.Store && keep > 0 {
		input := responses.InputItems(x.Body)
		previous := rq.PreviousID
		x.OnAnswer = func(raw []byte, a *llm.Answer, by *llm.Target) {
			s.keepAnswer(ctx, x, raw, a, by, &thread.Response{Input: input, Previous: previous, Expires: x.Call.Start.Add(keep)})
		}
	}
	return s.goOn(ctx, x)
}

// goOn looks up what a request goes on with, and makes its body say so for itself. Without a store the provider may know: then the
// request stays as it is, and targets of other dialects refuse it.
func (s *Server) goOn(ctx context.Context, x *gateway.Exchange) *llm.Error {
	if e := s.resolve(ctx, x); e != nil {
		return e
	}
	rq, ok := x.Request.(*responses.Request)
	if !ok || rq.PreviousID == "" || s.threads == nil || s.settings.Load().Responses.Retention == 0 {
		return nil
	}
	all, err := s.threads.Conversation(ctx, x.Call.Key, rq.PreviousID, x.Call.Start)
	if err != nil {
		return lookupError(err, rq.PreviousID)
	}
	history := make([]responses.Turn, len(all))
	for i := range all {
		history[i] = responses.Turn{Input: all[i].Input, Body: all[i].Body}
	}
	body := responses.AppendContinued(nil, x.Body, history)
	full, e := responses.ParseRequest(x.Call.Op, body)
	if e != nil {
		return e
	}
	x.Request = &continued{Request: full, asked: *rq, body: x.Body, account: all[len(all)-1].Provider}
	x.Body = body
	x.Call.InputTokens = model.EstimateTokens(full.InputBytes) + full.MediaTokens
	return nil
}

// resolve puts the items themselves in place of references to items of stored answers: @ai-sdk/openai refers to what it believes to be
// stored (4.0.118, seen 2026-11-21). A reference that leads nowhere stays; targets that cannot know it refuse it.
func (s *Server) resolve(ctx context.Context, x *gateway.Exchange) *llm.Error {
	ids := responses.References(x.Body)
	if len(ids) == 0 || s.threads == nil {
		return nil
	}
	if len(ids) > thread.MaxTurns {
		e := llm.Errorf(llm.KindBadRequest, "input refers to items of %d responses; %d is the most", len(ids), thread.MaxTurns)
		e.Param = "input"
		return e
	}
	answers, size := map[string][]byte{}, 0
	for _, id := range ids {
		stored, err := s.threads.Response(ctx, x.Call.Key, id, x.Call.Start)
		if size += len(stored.Body); err == nil && size > thread.MaxBytes {
			err = thread.ErrTooLong
		}
		switch {
		case errors.Is(err, thread.ErrNotFound):
		case err != nil:
			e := lookupError(err, id)
			e.Param = "input"
			return e
		default:
			answers[id] = stored.Body
		}
	}
	if len(answers) == 0 {
		return nil
	}
	body := responses.AppendResolved(nil, x.Body, answers)
	full, e := responses.ParseRequest(x.Call.Op, body)
	if e != nil {
		return e
	}
	x.Request, x.Body = &full, body
	x.Call.InputTokens = model.EstimateTokens(full.InputBytes) + full.MediaTokens
	return nil
}

// lookupError classifies what went wrong with the response that a request goes on with.
func lookupError(err error, id string) *llm.Error {
	e := &llm.Error{Kind: llm.KindStore, Message: "stored responses cannot be read", Err: err}
	switch {
	case errors.Is(err, thread.ErrNotFound):
		e = llm.Errorf(llm.KindPrevious, "Previous response with id '%.80s' not found: it, or a response before it, is not stored for this key (any more).", id)
	case errors.Is(err, thread.ErrTooLong):
		e = llm.Errorf(llm.KindBadRequest, "the conversation that ends with %.80s is over %d responses or %d bytes: begin a new one with what matters of it", id,
			thread.MaxTurns, thread.MaxBytes)
	default:
		return e
	}
	e.Param = "previous_response_id"
	return e
}

// continued is a request that goes on with stored responses. The embedded request says all for itself; the account that has
// stored the last response is sent what the client wrote, and looks them up itself.
type continued struct {
	responses.Request
	asked   responses.Request // as the client wrote it
	body    []byte            // that asked was read from
	account string            // "" if there is none
}

// AppendUpstream appends the body for the change's account.
func (c *continued) AppendUpstream(dst, body []byte, change *wire.Change) []byte {
	if c.account != "" && c.account == change.Account {
		return c.asked.AppendUpstream(dst, c.body, change)
	}
	return c.Request.AppendUpstream(dst, body, change)
}

// keepAnswer stores a complete answer, before the client has its end. That it cannot be stored is no reason to fail a call whose
// answer is there: the log says so, and who goes on with it is told that it is not there.
func (s *Server) keepAnswer(ctx context.Context, x *gateway.Exchange, raw []byte, a *llm.Answer, by *llm.Target, r *thread.Response) {
	r.Body = raw
	if a != nil {
		head := x.Head
		head.ID, head.Created, head.Op = x.Call.ID, x.Call.Start, x.Call.Op
		r.Body = responses.AppendAnswer(nil, a, &head)
	} else if by != nil {
		r.Provider = by.Provider
	}
	var said struct {
		ID     string `json:"id"`
		Status string `json:"status"`
	}
	err := json.Unmarshal(r.Body, &said)
	if err == nil {
		r.ID, r.Status, r.Key, r.Created, r.Model = said.ID, said.Status, x.Call.Key, x.Call.Start, x.Call.Model
		// A client that leaves now has got its answer, or most of it.
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
		defer cancel()
		err = s.threads.PutResponse(limited, r)
	}
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "answer not stored", slog.String("id", x.Call.ID), slog.String("error", err.Error()))
	}
}
