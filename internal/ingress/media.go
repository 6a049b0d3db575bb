package ingress

import (
	"bytes"
	"mime"
	"net/http"
	"strings"
	"time"

	"sluice/internal/gateway"
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// media takes an operation whose body is a form with files, or JSON. A form is streamed through: no more of it is read than is needed
// to know the model, until the provider takes it.
func (s *Server) media(w http.ResponseWriter, r *http.Request, en *entry) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "multipart/form-data" && en.op != llm.OpTranscription {
		s.call(w, r, en)
		return
	}
	s.stream(w, r, en, func(x *gateway.Exchange, in *incoming) *llm.Error {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			return methodError(r, http.MethodPost)
		}
		if e := s.enter(x, w, r); e != nil {
			return e
		}
		return s.openForm(x, in)
	})
}

// stream takes an operation whose body is streamed through; open checks the request and fills in the exchange.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, en *entry, open func(x *gateway.Exchange, in *incoming) *llm.Error) {
	start := time.Now()
	settings := s.settings.Load()
	x := &gateway.Exchange{Path: en.path, Query: cleanQuery(r.URL.RawQuery), Header: r.Header}
	x.Call = llm.Call{ID: newID(start), Op: en.op, Front: en.front, Start: start, Choices: 1}
	rp := &reply{w: w, stall: settings.Clients.WriteStall, codec: en.codec(), id: x.Call.ID}
	setID(w.Header(), en.front, x.Call.ID)
	in := newIncoming(w, r, settings)
	defer in.end()
	if e := open(x, in); e != nil {
		if !in.ended.Load() && r.ContentLength != 0 {
			w.Header().Set("Connection", "close") // what is left of the body is not read
		}
		s.refuse(w, r, en, e)
		return
	}
	if x.Upload != nil {
		// Else net/http reads what is left of the body, away from the provider, before it lets the answer begin.
		_ = http.NewResponseController(w).EnableFullDuplex() // HTTP/2 is so by itself
	}
	x.Checked = time.Now()
	s.calls.Do(r.Context(), x, rp)
	rp.end()
}

// defaultModeration is the model of a moderation request that names none, as at OpenAI (PROVIDERS.md 1.5): routing needs a name.
const defaultModeration = "omni-moderation-latest"

// withModel returns a body with a model, where it is an object that has none.
func withModel(body []byte) []byte {
	named := false
	object, err := wire.Walk(body, func(name string, _ wire.Span) bool {
		named = strings.EqualFold(name, "model")
		return !named
	})
	if !object || err != nil || named {
		return body
	}
	at := bytes.IndexByte(body, '{') + 1
	member := []byte(`"model":"` + defaultModeration + `"`)
	if rest := bytes.TrimLeft(body[at:], " \t\r\n"); len(rest) > 0 && rest[0] != '}' {
		member = append(member, ',')
	}
	return append(append(append(make([]byte, 0, len(body)+len(member)), body[:at]...), member...), body[at:]...)
}
