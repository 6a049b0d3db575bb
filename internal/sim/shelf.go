package sim

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/tidwall/gjson"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Bounds of the answers that are kept for the Responses dialect; the oldest go first.
const (
	maxKept      = 1000
	maxKeptBytes = 64 << 20
)

// shelf keeps answers of the Responses dialect that were to be stored.
type shelf struct {
	mu    sync.Mutex
	kept  map[string]*keptAnswer
	order []string // oldest first
	size  int
}

// keptAnswer is one of them. It is not changed.
type keptAnswer struct {
	body []byte
	chat []llm.Turn // the conversation with the answer at its end
}

// put keeps an answer.
func (s *shelf) put(id string, c *llm.Chat, a *llm.Answer, body []byte) {
	turns := slices.Clone(c.Messages)
	if len(a.Choices) > 0 {
		turns = append(turns, llm.Turn{Role: llm.RoleAssistant, Parts: a.Choices[0].Parts})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil {
		s.kept = map[string]*keptAnswer{}
	}
	s.kept[id] = &keptAnswer{slices.Clone(body), turns}
	s.order = append(s.order, id)
	s.size += len(body)
	for len(s.order) > maxKept || s.size > maxKeptBytes {
		s.drop(s.order[0])
	}
}

// drop forgets an answer. The caller holds mu.
func (s *shelf) drop(id string) {
	s.size -= len(s.kept[id].body)
	delete(s.kept, id)
	s.order = slices.DeleteFunc(s.order, func(other string) bool { return other == id })
}

func (s *shelf) get(id string) *keptAnswer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept[id]
}

// take is get, and forgets the answer.
func (s *shelf) take(id string) *keptAnswer {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kept[id]
	if k != nil {
		s.drop(id)
	}
	return k
}

// stored answers what can be asked about an answer that was kept.
func (s *Server) stored(w http.ResponseWriter, r *http.Request, a *ask) {
	id, rest, _ := strings.Cut(a.rest, "/")
	var ref *refusal
	var k *keptAnswer
	if ref = s.admit(a, r); ref == nil {
		if r.Method == http.MethodDelete && rest == "" {
			k = s.shelf.take(id)
		} else {
			k = s.shelf.get(id)
		}
		if k == nil {
			ref = &refusal{status: 404, kind: "invalid_request_error", text: "Response with id '" + id + "' not found."}
		}
	}
	switch {
	case ref != nil:
	case r.Method == http.MethodDelete && rest == "":
		sendJSON(w, []byte(`{"id":`+string(wire.AppendString(nil, id))+`,"object":"response","deleted":true}`))
		return
	case r.Method == http.MethodGet && rest == "":
		sendJSON(w, k.body)
		return
	case r.Method == http.MethodGet && rest == "input_items":
		sendJSON(w, appendInputs(k.chat))
		return
	case r.Method == http.MethodPost && rest == "cancel":
		ref = refuseField("", "Cannot cancel a synchronous response.")
	default:
		ref = refuseMethod(r, "GET, DELETE")
	}
	s.refuse(w, ref, a, "", nil)
}

// appendInputs lists the texts of a conversation as input items, the latest first, without the answer.
func appendInputs(turns []llm.Turn) []byte {
	b := []byte(`{"object":"list","data":[`)
	first := true
	for i := len(turns) - 2; i >= 0; i-- {
		for _, p := range turns[i].Parts {
			if p.Kind != llm.PartText {
				continue
			}
			if !first {
				b = append(b, ',')
			}
			first = false
			b = append(b, `{"id":"msg_sim","type":"message","status":"completed","role":`...)
			b = wire.AppendString(b, turns[i].Role.String())
			b = wire.AppendString(append(b, `,"content":[{"type":"input_text","text":`...), p.Text)
			b = append(b, "}]}"...)
		}
	}
	return append(b, `],"has_more":false,"first_id":null,"last_id":null}`...)
}

// recall puts the conversation that a request continues before its input. Instructions are not carried over.
func (x *exchange) recall(c *llm.Chat, body []byte) *refusal {
	id := gjson.GetBytes(body, "previous_response_id").Str
	if id == "" {
		return nil
	}
	k := x.s.shelf.get(id)
	if k == nil {
		return &refusal{
			status: 400, kind: "invalid_request_error", code: "previous_response_not_found", param: "previous_response_id",
			text: "Previous response with id '" + id + "' not found.",
		}
	}
	system := 0
	for system < len(c.Messages) && (c.Messages[system].Role == llm.RoleSystem || c.Messages[system].Role == llm.RoleDeveloper) {
		system++
	}
	old := slices.DeleteFunc(slices.Clone(k.chat), func(t llm.Turn) bool { return t.Role == llm.RoleSystem })
	c.Messages = slices.Concat(c.Messages[:system], old, c.Messages[system:])
	return nil
}
