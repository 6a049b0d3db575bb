// Package console is the operator's side of Sluice over HTTP: metrics, profiles, and the admin API with status, targets,
// configuration, reload, usage and calls, behind one guard; and, apart from it and open to all, the answers to health checks. It owns the
// guard and the shapes of the answers. What it shows comes from functions that app hands it. It runs no goroutines.
package console

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"sluice/internal/ledger"
	"sluice/internal/llm"
)

// Options are what a Console is made of. All functions must be set and safe for concurrent use.
type Options struct {
	AdminKey func() llm.Secret // read at each request, so that a reload can change it; empty means loopback only
	Version  string
	Revision string
	Start    time.Time // of the process
	Log      *slog.Logger

	Metrics http.Handler
	State   func() State
	Targets func() []Target
	// Queue returns who waits, with at most a number of keys and of targets.
	Queue  func(most int) Queue
	Quotas func() Quotas
	// Config returns the configuration in force as YAML, with its secrets already redacted.
	Config func() ([]byte, error)
	// Reload reads the configuration again and takes it over, or changes nothing and says why in an error whose text is
	// fit for the operator: every problem, and no secret. It returns the id of the snapshot now in force.
	Reload func(context.Context) (snapshot string, err error)
	// Usage sums up the calls of the ledger by groups, the dearest first. more says that some were left out.
	Usage func(context.Context, UsageQuery) (sums []Usage, more bool, err error)
	// Calls reads the ledger, newest first, from behind a place. The place returned is the last row's if more follow, else
	// the zero Place.
	Calls func(ctx context.Context, q CallsQuery) ([]ledger.Row, Place, error)
}

// State is what there is to say of the process at a moment.
type State struct {
	Snapshot    string // id of the configuration in force
	InFlight    int    // calls under way
	OpenStreams int    // streamed answers under way
	Queued      int    // calls that wait for capacity
	Draining    bool
}

// Target is one model at one provider account as the admin API shows it.
type Target struct {
	Name     string     `json:"name"`
	Provider string     `json:"provider"`
	Model    string     `json:"model"`
	Region   string     `json:"region,omitempty"`
	State    string     `json:"state"`              // closed, open, half_open, paused
	Cause    string     `json:"cause,omitempty"`    // what is behind it: auth, minute_quota, day_quota, quota, overload, ...
	Scope    string     `json:"scope,omitempty"`    // what is out: model, account, key
	Until    *time.Time `json:"until,omitempty"`    // when a call may try again
	InFlight int        `json:"in_flight"`          // attempts under way
	Limit    int        `json:"limit,omitempty"`    // of attempts at once; absent if there is none
	Failures int        `json:"failures,omitempty"` // in a row, while the breaker is closed
	Openings int64      `json:"openings"`           // of the breaker, since the process began or the target was forgotten
	Probes   int64      `json:"probes"`             // live calls that tried the target after a cool-down, likewise

	Error *TargetError `json:"error,omitempty"` // the last one; gone with the next success
}

// TargetError is the last error of a target in trouble.
type TargetError struct {
	Code           string `json:"code"`                      // of the closed vocabulary
	ProviderStatus int    `json:"provider_status,omitempty"` // HTTP status of its answer
	ProviderCode   string `json:"provider_code,omitempty"`   // the provider's own code
}

// status is the answer of GET /admin/v1/status.
type status struct {
	Version       string    `json:"version"`
	Revision      string    `json:"revision,omitempty"`
	Started       time.Time `json:"started"`
	UptimeSeconds float64   `json:"uptime_seconds"`
	Snapshot      string    `json:"snapshot"`
	InFlight      int       `json:"in_flight"`
	OpenStreams   int       `json:"open_streams"`
	Queued        int       `json:"queued"`
	Draining      bool      `json:"draining"`
}

// Console is the handler of the operator's side. Every path of it is guarded.
type Console struct {
	o   Options
	mux *http.ServeMux
}

// New makes the handler. It serves /metrics, /debug/pprof/ and /admin/v1/, and 404 for everything else.
func New(o Options) *Console {
	c := &Console{o: o, mux: http.NewServeMux()}
	c.mux.Handle("/metrics", only(http.MethodGet, o.Metrics.ServeHTTP))
	c.mux.Handle("/debug/pprof/", only(http.MethodGet, pprof.Index))
	c.mux.Handle("/debug/pprof/cmdline", only(http.MethodGet, pprof.Cmdline))
	c.mux.Handle("/debug/pprof/profile", only(http.MethodGet, pprof.Profile))
	c.mux.Handle("/debug/pprof/symbol", http.HandlerFunc(pprof.Symbol)) // GET and POST
	c.mux.Handle("/debug/pprof/trace", only(http.MethodGet, pprof.Trace))
	c.mux.Handle("/admin/v1/status", only(http.MethodGet, c.status))
	c.mux.Handle("/admin/v1/targets", only(http.MethodGet, c.targets))
	c.mux.Handle("/admin/v1/queue", only(http.MethodGet, c.queue))
	c.mux.Handle("/admin/v1/quotas", only(http.MethodGet, c.quotas))
	c.mux.Handle("/admin/v1/config", only(http.MethodGet, c.config))
	c.mux.Handle("/admin/v1/usage", only(http.MethodGet, c.usage))
	c.mux.Handle("/admin/v1/calls", only(http.MethodGet, c.calls))
	c.mux.Handle("/admin/v1/reload", only(http.MethodPost, c.reload))
	c.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, http.StatusNotFound, "not_found", "no such path: "+r.URL.Path)
	})
	return c
}

// Owns reports whether a path belongs to the operator's side, for a listener that serves both sides.
func Owns(path string) bool {
	return path == "/metrics" || strings.HasPrefix(path, "/admin/") || strings.HasPrefix(path, "/debug/")
}

// ServeHTTP checks that the caller may see the operator's side, then serves it.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if d := check(r, c.o.AdminKey()); d != nil {
		c.o.Log.Warn("admin request refused", "code", d.code, "path", r.URL.Path, "remote", r.RemoteAddr)
		if d.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Bearer realm="sluice admin"`)
		}
		writeError(w, d.status, d.code, d.message)
		return
	}
	c.mux.ServeHTTP(w, r)
}

func (c *Console) status(w http.ResponseWriter, _ *http.Request) {
	s := c.o.State()
	writeJSON(w, http.StatusOK, status{
		Version: c.o.Version, Revision: c.o.Revision,
		Started: c.o.Start.UTC(), UptimeSeconds: time.Since(c.o.Start).Seconds(),
		Snapshot: s.Snapshot, InFlight: s.InFlight, OpenStreams: s.OpenStreams, Queued: s.Queued, Draining: s.Draining,
	})
}

func (c *Console) targets(w http.ResponseWriter, _ *http.Request) {
	list := c.o.Targets()
	if list == nil {
		list = []Target{} // an empty list, not null
	}
	writeJSON(w, http.StatusOK, map[string][]Target{"targets": list})
}

func (c *Console) config(w http.ResponseWriter, _ *http.Request) {
	text, err := c.o.Config()
	if err != nil {
		c.o.Log.Error("configuration not shown", "error", err)
		writeError(w, http.StatusInternalServerError, "internal_error", "the configuration cannot be written out; the log says why")
		return
	}
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(text) // the client may have left
}

func (c *Console) reload(w http.ResponseWriter, r *http.Request) {
	snapshot, err := c.o.Reload(r.Context())
	if err != nil {
		writeError(w, http.StatusUnprocessableEntity, "config_invalid", "nothing was changed: "+err.Error())
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"snapshot": snapshot})
}

// only answers other methods than one with 405. HEAD goes where GET goes.
func only(method string, h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method && (method != http.MethodGet || r.Method != http.MethodHead) {
			w.Header().Set("Allow", method)
			writeError(w, http.StatusMethodNotAllowed, "method_not_allowed", r.URL.Path+" takes "+method+" only")
			return
		}
		h(w, r)
	})
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic("BUG: answer of the admin API is not JSON: " + err.Error()) // its types are all ours
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(b, '\n')) // the client may have left
}

func writeError(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, status, map[string]map[string]string{"error": {"code": code, "message": message}})
}
