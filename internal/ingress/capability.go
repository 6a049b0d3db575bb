package ingress

import (
	"net/http"
	"slices"

	"sluice/internal/dialect"
)

// capabilities answers /v1/capabilities: what of each feature each dialect can express, and what the models that the key may use
// do otherwise. It is the table that translation itself goes by.
func (s *Server) capabilities(w http.ResponseWriter, r *http.Request, en *entry) {
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
	targets := slices.DeleteFunc(s.targets(), func(t dialect.CapabilityTarget) bool { return !key.Allows(t.Name) })
	rp := reply{w: w, stall: s.settings.Load().Clients.WriteStall, codec: en.codec()}
	rp.Whole(http.StatusOK, dialect.AppendCapabilities(nil, targets))
}
