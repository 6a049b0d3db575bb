package ingress

import (
	"net/http"

	"sluice/internal/llm"
	"sluice/internal/wire/openai"
)

// models answers /v1/models, and /v1/models/{id} where id is not empty: the names that the presented key may ask for.
func (s *Server) models(w http.ResponseWriter, r *http.Request, en *entry) {
	id := en.id
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", http.MethodGet)
		s.refuse(w, r, en, methodError(r, http.MethodGet))
		return
	}
	key, e := s.keys.Authenticate(r.Context(), credential(r))
	if e == nil && key.Name() == "" {
		e = checkOrigin(r)
	}
	if e != nil {
		s.refuse(w, r, en, e)
		return
	}
	rp := reply{w: w, stall: s.settings.Load().Clients.WriteStall, codec: en.codec()}
	table := s.routes()
	if id != "" {
		plan, e := table.Plan(id, 0)
		if e == nil && !key.Allows(id) && (plan.Alias || !key.Allows(plan.Tiers[0][0].Name)) { // as for calls
			e = llm.Errorf(llm.KindNotFound, "the model %q does not exist or this key may not use it", id)
		}
		if e != nil {
			s.refuse(w, r, en, e)
			return
		}
		rp.Whole(http.StatusOK, openai.AppendModel(nil, openai.ModelCard{ID: id, OwnedBy: plan.Tiers[0][0].Provider}))
		return
	}
	var list []openai.ModelCard
	for _, l := range table.List() {
		if !key.Allows(l.ID) {
			continue
		}
		owner := l.Provider
		if owner == "" {
			owner = "sluice"
		}
		list = append(list, openai.ModelCard{ID: l.ID, OwnedBy: owner})
	}
	rp.Whole(http.StatusOK, openai.AppendModels(nil, list))
}
