package sim

import (
	"net/http"
	"strings"

	"sluice/internal/wire/openai"
)

// modelsSince is the creation time that models state: 2025-01-01, so that lists are the same on every run.
const modelsSince = 1735689600

func (s *Server) listModels(w http.ResponseWriter, r *http.Request) {
	if ref := s.readOnly(r); ref != nil {
		ref.send(w, s.now())
		return
	}
	cards := make([]openai.ModelCard, 0, len(s.order))
	for _, m := range s.order {
		cards = append(cards, card(m.cfg.Name))
	}
	sendJSON(w, openai.AppendModels(nil, cards))
}

func (s *Server) showModel(w http.ResponseWriter, r *http.Request, id string) {
	if ref := s.readOnly(r); ref != nil {
		ref.send(w, s.now())
		return
	}
	base, _, _ := splitModel(id) // a fault with wrong keys is reported when the model is used
	if s.find(base, strings.Contains(base, "embed")) == nil {
		refuseModel(id).send(w, s.now())
		return
	}
	sendJSON(w, openai.AppendModel(nil, card(id)))
}

func (s *Server) readOnly(r *http.Request) *refusal {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return refuseMethod(r, "GET, HEAD")
	}
	return s.authorized(r)
}

func refuseMethod(r *http.Request, allow string) *refusal {
	return &refusal{
		status: 405, kind: "invalid_request_error", code: "method_not_supported", allow: allow,
		text: "Not allowed to " + r.Method + " on " + r.URL.Path + ".",
	}
}

func card(id string) openai.ModelCard {
	return openai.ModelCard{ID: id, Created: modelsSince, OwnedBy: "sluice-sim"}
}

func sendJSON(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // the client may be gone: nothing is left to tell it
}
