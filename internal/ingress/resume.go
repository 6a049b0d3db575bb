package ingress

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sluice/internal/llm"
	"sluice/internal/replay"
)

// streamID returns the id of the recording that a path names: /v1/streams/{id}, below any front.
func streamID(path string) (id string, ok bool) {
	for _, prefix := range [...]string{"/anthropic", "/gemini"} {
		if rest, ok := strings.CutPrefix(path, prefix+"/"); ok {
			path = "/" + rest
			break
		}
	}
	for _, version := range [...]string{"/v1", "/v1beta"} {
		if id, ok := strings.CutPrefix(path, version+"/streams/"); ok && id != "" && !strings.Contains(id, "/") {
			return id, true
		}
	}
	return "", false
}

// streamFront returns in whose dialect a client is told that there is no such recording.
func streamFront(path string, h http.Header) llm.Dialect {
	switch {
	case strings.HasPrefix(path, "/anthropic"):
		return llm.Anthropic
	case strings.HasPrefix(path, "/gemini"), strings.HasPrefix(path, "/v1beta"):
		return llm.Gemini
	}
	return frontOf(h)
}

// recordedStream lets a client go on reading a stream that was recorded.
func (s *Server) recordedStream(w http.ResponseWriter, r *http.Request, en *entry) {
	rp, e := s.newReader(w, r, en)
	if e == nil && r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		e = methodError(r, http.MethodGet)
	}
	last := r.Header.Get("Last-Event-Id")
	if last == "" {
		last = en.id
	}
	if id, _, _ := splitEventID(last); e == nil && id != en.id {
		e = llm.Errorf(llm.KindBadRequest, "Last-Event-ID is %.80q, and the path names the stream %.80q", last, en.id)
		e.Param = "Last-Event-ID"
	}
	if e != nil {
		s.refuse(w, r, en, e)
		return
	}
	s.readAfter(r, en, rp, last)
}

// goOnReading lets a client go on reading by sending its request again, with the id of the last event that it has seen. The body is read, so
// that net/http can notice a client that leaves, and means nothing.
func (s *Server) goOnReading(w http.ResponseWriter, r *http.Request, en *entry, rp *reply) {
	var e *llm.Error
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		e = methodError(r, http.MethodPost)
	} else if _, e = readBody(w, r, s.settings.Load()); e == nil {
		rp, e = s.newReader(w, r, en)
	}
	if e != nil {
		s.refuse(w, r, en, e)
		return
	}
	s.readAfter(r, en, rp, r.Header.Get("Last-Event-Id"))
}

// newReader returns the reply to a client that reads a recording of its own key.
func (s *Server) newReader(w http.ResponseWriter, r *http.Request, en *entry) (*reply, *llm.Error) {
	rp := &reply{w: w, stall: s.settings.Load().Clients.WriteStall, codec: en.codec(), id: w.Header().Get("X-Sluice-Request-Id")}
	if rp.id == "" {
		rp.id = newID(time.Now())
		setID(w.Header(), en.front, rp.id)
	}
	var e *llm.Error
	rp.owner, e = s.owner(r)
	return rp, e
}

// readAfter sends what comes after an event.
func (s *Server) readAfter(r *http.Request, en *entry, rp *reply, last string) {
	id, after, ok := splitEventID(last)
	var rec *replay.Recording
	var rd *replay.Reader
	e := llm.Errorf(llm.KindNoStream, "Last-Event-ID is %.80q; it must be that of an event, such as %s-7, or the id of a call for its whole stream", last, strings.Repeat("0", idLen))
	if ok {
		rec, e = s.replays.Find(rp.owner, id)
	}
	if e == nil {
		rd, e = rec.AttachAfter(after)
	}
	if e != nil {
		s.refuse(rp.w, r, en, e)
		return
	}
	s.relay(r, rp, rd, rec, true)
}

// idLen is the length of a call's id.
const idLen = 26

// splitEventID takes the id of an event apart: that of its call, and its number from 1; 0 for the id of a call alone.
func splitEventID(last string) (id string, n int64, ok bool) {
	id, number, numbered := strings.Cut(last, "-")
	if len(id) != idLen {
		return id, 0, false
	}
	if !numbered {
		return id, 0, true
	}
	n, err := strconv.ParseInt(number, 10, 64)
	return id, n, err == nil && n >= 0
}

// recordedResponse sends the stream of a response from its recording, after an event's sequence number. It returns false if there is no
// recording, or it does not reach back so far: then what is stored has to do.
func (s *Server) recordedResponse(w http.ResponseWriter, r *http.Request, en *entry, after int64) bool {
	rp, e := s.newReader(w, r, en)
	if e != nil {
		return false // told by who looks up what is stored
	}
	rec, e := s.replays.Find(rp.owner, en.id)
	if e != nil || !rec.Form().Stream {
		return false
	}
	rd, e := rec.AttachFrom(func(event []byte) bool { return sequence(event) > after })
	if e != nil {
		return false
	}
	s.relay(r, rp, rd, rec, true)
	return true
}

// sequence returns the sequence_number of an event of the Responses API; -1 if it has none. Within strings of JSON the quotes of such a name
// would be escaped.
func sequence(event []byte) int64 {
	_, rest, ok := bytes.Cut(event, []byte(`"sequence_number":`))
	if !ok {
		return -1
	}
	rest = bytes.TrimLeft(rest, " ")
	end := 0
	for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(string(rest[:end]), 10, 64)
	if err != nil {
		return -1
	}
	return n
}
