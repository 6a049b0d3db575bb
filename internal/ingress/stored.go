package ingress

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"sluice/internal/llm"
	"sluice/internal/thread"
	"sluice/internal/wire/responses"
)

// Limits of a page of input items, as the API has them (openai-go v3.95, 2026-11).
const (
	defaultItems = 20
	maxItems     = 100
)

// storedResponse answers GET and DELETE of one stored response.
func (s *Server) storedResponse(w http.ResponseWriter, r *http.Request, en *entry) {
	if r.Method == http.MethodDelete {
		s.deleteResponse(w, r, en)
		return
	}
	after, stream, e := replayWanted(r)
	if e == nil && stream && r.Method == http.MethodGet && s.recordedResponse(w, r, en, after) {
		return
	}
	var stored thread.Response
	if e == nil {
		stored, e = s.lookUp(w, r, en, http.MethodGet, "GET, DELETE")
	}
	if e != nil {
		s.refuse(w, r, en, e)
		return
	}
	rp := reply{w: w, stall: s.settings.Load().Clients.WriteStall, codec: en.codec()}
	if !stream {
		rp.Whole(http.StatusOK, stored.Body)
		return
	}
	events, err := responses.Replay(nil, stored.Body, after)
	if err != nil {
		s.refuse(w, r, en, &llm.Error{Kind: llm.KindInternal, Message: "the stored response cannot be read", Err: err})
		return
	}
	rp.Begin()
	if rp.Write(events) == nil {
		_ = rp.Flush() // a client that has left does not want it
	}
}

// replayWanted reads whether a stored response is wanted as a stream, and after which of its events. openai-go says so in a body,
// which a GET may have.
func replayWanted(r *http.Request) (after int64, stream bool, e *llm.Error) {
	const maxQuestion = 64 << 10
	q := r.URL.Query()
	stream = q.Get("stream") == "true"
	if body, err := io.ReadAll(io.LimitReader(r.Body, maxQuestion)); err == nil && len(bytes.TrimSpace(body)) > 0 {
		var asked struct {
			Stream bool `json:"stream"`
		}
		stream = json.Unmarshal(body, &asked) == nil && asked.Stream || stream
	}
	after = -1
	if v := q.Get("starting_after"); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 0 {
			return 0, false, badQuery("starting_after", v, "a sequence number")
		}
		after = n
	}
	return after, stream, nil
}

func badQuery(name, value, want string) *llm.Error {
	e := llm.Errorf(llm.KindBadRequest, "%s is %.40q; it must be %s", name, value, want)
	e.Param = name
	return e
}

func (s *Server) deleteResponse(w http.ResponseWriter, r *http.Request, en *entry) {
	key, e := s.owner(r)
	if e == nil {
		e = notFound(s.delete(r, key, en.id), en.id)
	}
	if e != nil {
		s.refuse(w, r, en, e)
		return
	}
	rp := reply{w: w, stall: s.settings.Load().Clients.WriteStall, codec: en.codec()}
	rp.Whole(http.StatusOK, responses.AppendDeleted(nil, en.id))
}

func (s *Server) delete(r *http.Request, key, id string) error {
	if s.threads == nil {
		return thread.ErrNotFound
	}
	return s.threads.DeleteResponse(r.Context(), key, id)
}

// cancelResponse answers as the API does for a response that is not made in the background: there is nothing to cancel.
func (s *Server) cancelResponse(w http.ResponseWriter, r *http.Request, en *entry) {
	_, e := s.lookUp(w, r, en, http.MethodPost, http.MethodPost)
	if e == nil {
		e = llm.Errorf(llm.KindBadRequest, "Cannot cancel a synchronous response: only responses that were created with background: true can be cancelled.")
	}
	s.refuse(w, r, en, e)
}

// inputItems answers with a page of the items that the request of a stored response has added.
func (s *Server) inputItems(w http.ResponseWriter, r *http.Request, en *entry) {
	stored, e := s.lookUp(w, r, en, http.MethodGet, http.MethodGet)
	var page responses.Page
	if e == nil {
		page, e = itemsPage(r)
	}
	if e != nil {
		s.refuse(w, r, en, e)
		return
	}
	body, ok := responses.AppendInputItems(nil, stored.Input, en.id, page)
	if !ok {
		s.refuse(w, r, en, badQuery("after", page.After, "the id of an input item of the response"))
		return
	}
	rp := reply{w: w, stall: s.settings.Load().Clients.WriteStall, codec: en.codec()}
	rp.Whole(http.StatusOK, body)
}

func itemsPage(r *http.Request) (responses.Page, *llm.Error) {
	q := r.URL.Query()
	page := responses.Page{After: q.Get("after"), Limit: defaultItems}
	if v := q.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxItems {
			return page, badQuery("limit", v, "from 1 to "+strconv.Itoa(maxItems))
		}
		page.Limit = n
	}
	switch v := q.Get("order"); v {
	case "", "desc":
	case "asc":
		page.Asc = true
	default:
		return page, badQuery("order", v, "asc or desc")
	}
	return page, nil
}

// lookUp returns the stored response that a request's path names, of the key that it presents.
func (s *Server) lookUp(w http.ResponseWriter, r *http.Request, en *entry, method, allowed string) (thread.Response, *llm.Error) {
	if r.Method != method {
		w.Header().Set("Allow", allowed)
		return thread.Response{}, methodError(r, allowed)
	}
	key, e := s.owner(r)
	if e != nil {
		return thread.Response{}, e
	}
	if s.threads == nil {
		return thread.Response{}, notFound(thread.ErrNotFound, en.id)
	}
	stored, err := s.threads.Response(r.Context(), key, en.id, time.Now())
	return stored, notFound(err, en.id)
}

// owner returns the name of the key that a request presents.
func (s *Server) owner(r *http.Request) (string, *llm.Error) {
	key, e := s.keys.Authenticate(r.Context(), credential(r))
	if e != nil {
		return "", e
	}
	if key.Name() == "" {
		return "", checkOrigin(r)
	}
	return key.Name(), nil
}

// notFound classifies what the store says about one response.
func notFound(err error, id string) *llm.Error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, thread.ErrNotFound):
		return llm.Errorf(llm.KindNoResponse, "Response with id '%.80s' not found.", id)
	}
	return &llm.Error{Kind: llm.KindStore, Message: "stored responses cannot be read", Err: err}
}
