package console

import (
	"net/http"

	"sluice/internal/llm"
)

// Health answers the checks of an orchestrator or load balancer: /healthz while the process can answer at all, /readyz while
// it wants calls. It says no more than a kind of reason, so that the public listener may serve it.
type Health struct {
	notReady func() []llm.Kind
	degraded func() []string
}

// Reason is one reason not to be ready.
type Reason struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// NewHealth makes the handler. notReady returns why calls are not wanted (KindDraining, KindStore, KindLedgerFull), or
// nothing; degraded names what is away that calls can do without (redis); nil stands for nothing. Both are called at each check, from many
// goroutines, and must not wait for anything.
func NewHealth(notReady func() []llm.Kind, degraded func() []string) *Health {
	return &Health{notReady, degraded}
}

// ServeHTTP serves /healthz and /readyz, and 404 for everything else.
func (h *Health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	var serve http.HandlerFunc
	switch r.URL.Path {
	case "/healthz":
		serve = h.Live
	case "/readyz":
		serve = h.Ready
	default:
		writeError(w, http.StatusNotFound, "not_found", "no such path: "+r.URL.Path)
		return
	}
	only(http.MethodGet, serve).ServeHTTP(w, r)
}

// Live answers 200: a process that is stuck does not come this far.
func (h *Health) Live(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// Ready answers 200 or, with the reasons, 503. A replica that is degraded is ready: the others would be no better.
func (h *Health) Ready(w http.ResponseWriter, _ *http.Request) {
	kinds := h.notReady()
	body := struct {
		Ready    bool     `json:"ready"`
		Reasons  []Reason `json:"reasons"`
		Degraded []string `json:"degraded,omitempty"`
	}{Ready: len(kinds) == 0, Reasons: make([]Reason, len(kinds))}
	if h.degraded != nil {
		body.Degraded = h.degraded()
	}
	for i, k := range kinds {
		body.Reasons[i] = Reason{k.Code(), reason(k)}
	}
	code := http.StatusOK
	if !body.Ready {
		code = http.StatusServiceUnavailable
	}
	writeJSON(w, code, body)
}

func reason(k llm.Kind) string {
	switch k {
	case llm.KindDraining:
		return "shutting down: calls under way are finished, new ones are not taken"
	case llm.KindStore:
		return "the database does not answer"
	case llm.KindLedgerFull:
		return "ledger rows wait to be written and their backlog is full"
	default:
		return "not ready: " + k.Code()
	}
}
