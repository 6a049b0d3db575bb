package sim

import (
	"net/http"
	"strconv"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/wire"
	"sluice/internal/wire/openai"
)

// modelsSince is the creation time that models state: 2025-01-01, so that lists are the same on every run.
const modelsSince = 1735689600

// listModels answers for the list of models, or one of them, in the dialect that is asked.
func (s *Server) listModels(w http.ResponseWriter, r *http.Request, a *ask) {
	ref := s.readOnly(a, r)
	if ref == nil && a.rest != "" {
		base, _, _ := splitModel(a.rest) // a fault with wrong keys is reported when the model is used
		kind := kindChat
		if strings.Contains(base, "embed") {
			kind = kindEmbedding
		}
		m := s.models[base]
		if m == nil && s.cfg.AnyModel {
			m = s.find(base, kind)
		}
		if m == nil {
			ref = refuseModel(a.rest)
		} else {
			sendJSON(w, appendCard(nil, a.rest, m, a.dialect))
			return
		}
	}
	if ref != nil {
		s.refuse(w, ref, a, "", nil)
		return
	}
	if a.dialect == llm.OpenAI {
		cards := make([]openai.ModelCard, 0, len(s.order))
		for _, m := range s.order {
			cards = append(cards, card(m.cfg.Name))
		}
		sendJSON(w, openai.AppendModels(nil, cards))
		return
	}
	var b []byte
	for _, m := range s.order {
		if len(b) > 0 {
			b = append(b, ',')
		}
		b = appendCard(b, m.cfg.Name, m, a.dialect)
	}
	if a.dialect == llm.Gemini {
		sendJSON(w, []byte(`{"models":[`+string(b)+`]}`))
		return
	}
	first, last := wire.AppendString(nil, s.order[0].cfg.Name), wire.AppendString(nil, s.order[len(s.order)-1].cfg.Name)
	sendJSON(w, []byte(`{"data":[`+string(b)+`],"has_more":false,"first_id":`+string(first)+`,"last_id":`+string(last)+`}`))
}

// appendCard appends what a dialect says of one model.
func appendCard(b []byte, id string, m *model, d llm.Dialect) []byte {
	window := m.cfg.Context
	if window == 0 {
		window = 1_000_000
	}
	const output = 64_000
	switch d {
	case llm.Anthropic:
		b = wire.AppendString(append(b, `{"type":"model","id":`...), id)
		b = wire.AppendString(append(b, `,"display_name":`...), id)
		b = strconv.AppendInt(append(b, `,"created_at":"2025-01-01T00:00:00Z","max_input_tokens":`...), window, 10)
		return append(strconv.AppendInt(append(b, `,"max_tokens":`...), output, 10), '}')
	case llm.Gemini:
		b = wire.AppendString(append(b, `{"name":`...), "models/"+id)
		b = wire.AppendString(append(b, `,"version":"001","displayName":`...), id)
		b = strconv.AppendInt(append(b, `,"inputTokenLimit":`...), window, 10)
		b = strconv.AppendInt(append(b, `,"outputTokenLimit":`...), output, 10)
		methods := `["generateContent","countTokens"]`
		if m.cfg.kind() == kindEmbedding {
			methods = `["embedContent","batchEmbedContents"]`
		}
		return append(b, `,"supportedGenerationMethods":`+methods+`}`...)
	default:
		return openai.AppendModel(b, card(id))
	}
}

func (s *Server) readOnly(a *ask, r *http.Request) *refusal {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return refuseMethod(r, "GET, HEAD")
	}
	return s.admit(a, r)
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
