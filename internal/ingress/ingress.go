// Package ingress answers clients over HTTP: it reads and checks a request, finds out whose it is, hands it to the
// gateway, and writes the answer in the client's dialect. It owns the limits on slow and huge clients. Each request stays on the goroutine of
// net/http's that brought it, but for a call whose answer is recorded: that has its own, which may outlive its client (see Server.Detached).
package ingress

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"sluice/internal/auth"
	"sluice/internal/dialect"
	"sluice/internal/gateway"
	"sluice/internal/llm"
	"sluice/internal/obs"
	"sluice/internal/replay"
	"sluice/internal/route"
)

// Caller runs calls to their end; see gateway.Gateway.
type Caller interface {
	Do(ctx context.Context, x *gateway.Exchange, w gateway.Reply)
}

// Server is the HTTP handler for clients. It is safe for concurrent use.
type Server struct {
	// set once
	calls   Caller
	keys    *auth.Directory
	tracer  *obs.Tracer
	metrics *obs.Metrics
	log     *slog.Logger
	threads threads // nil if nothing is stored
	files   files   // nil if none are kept
	replays *replay.Registry
	keeper  replay.Keeper // nil if answers are kept in this process only
	health  http.Handler  // /healthz and /readyz
	admin   http.Handler  // the operator's side, where it shares the address; nil if it has its own
	isAdmin func(path string) bool
	routes  func() *route.Table // in force now
	targets func() []dialect.CapabilityTarget

	settings atomic.Pointer[Config]
	draining atomic.Bool
	base     atomic.Pointer[context.Context] // of calls with a goroutine of their own
	detached atomic.Int64                    // how many of those there are
}

// Options are what a Server is made of. Admin may be nil.
type Options struct {
	Calls   Caller
	Keys    *auth.Directory
	Tracer  *obs.Tracer
	Metrics *obs.Metrics
	Log     *slog.Logger
	Threads threads       // of the Responses API; may be nil
	Files   files         // that clients upload; may be nil
	Replays replay.Keeper // of answers for idempotency keys; may be nil
	Health  http.Handler
	Admin   http.Handler
	IsAdmin func(path string) bool // whether a path belongs to Admin
	Routes  func() *route.Table
	Targets func() []dialect.CapabilityTarget // configured now; the caller owns the slice
}

// New returns a handler with settings c.
func New(c Config, o Options) *Server {
	s := &Server{
		calls: o.Calls, threads: o.Threads, files: o.Files, keys: o.Keys, tracer: o.Tracer, metrics: o.Metrics, log: o.Log, health: o.Health, admin: o.Admin, isAdmin: o.IsAdmin, routes: o.Routes, targets: o.Targets,
		replays: replay.New(c.Resume), keeper: o.Replays,
	}
	s.Update(c)
	return s
}

// Update puts other limits in force for requests that come from now on.
func (s *Server) Update(c Config) {
	s.settings.Store(&c)
	s.replays.Update(c.Resume)
}

// Drain makes the server refuse new calls; those under way go on, but for calls that nobody reads.
func (s *Server) Drain() {
	s.draining.Store(true)
	s.replays.Drain()
}

// Base sets the context whose end ends the calls that have a goroutine of their own. It must be called before the server is.
func (s *Server) Base(ctx context.Context) { s.base.Store(&ctx) }

// Detached returns how many calls have a goroutine of their own. It must be 0 before the gateway and the store are closed; who ends Base's
// context, or has called Drain, waits for that.
func (s *Server) Detached() int64 { return s.detached.Load() }

// Replays returns the recordings of the server's answers, for replay.Clean.
func (s *Server) Replays() *replay.Registry { return s.replays }

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		// Also for who is refused: net/http reads what is left of a body before it lets an answer out.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.settings.Load().Clients.ReadBody))
	}
	en := find(r)
	switch {
	case en.serve != nil:
		en.serve(s, w, r, &en)
	case s.admin != nil && s.isAdmin(r.URL.Path):
		s.admin.ServeHTTP(w, r)
	default:
		s.refuse(w, r, &en, unknownPath(r.URL.Path, en.front))
	}
}

// healthy answers those who ask whether the gateway is well.
func (s *Server) healthy(w http.ResponseWriter, r *http.Request, _ *entry) { s.health.ServeHTTP(w, r) }

// root tells a person who opens the address what this is.
func (s *Server) root(w http.ResponseWriter, r *http.Request, en *entry) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", http.MethodGet)
		s.refuse(w, r, en, methodError(r, http.MethodGet))
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("Sluice is running. Point an OpenAI client at " + baseURL(r) + "/v1, an Anthropic client at " + baseURL(r) +
		"/anthropic, a Gemini client at " + baseURL(r) + "/gemini.\n" + baseURL(r) + "/v1/models lists the models, " + baseURL(r) +
		"/v1/capabilities what each can do.\n")) // a client that left is no matter
}

func baseURL(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	u := url.URL{Scheme: scheme, Host: r.Host}
	return u.String()
}

// refuse answers a request that does not become a call. It is counted as one that ended so, and has no row in the ledger:
// anybody could otherwise fill that.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, en *entry, e *llm.Error) {
	id := w.Header().Get("X-Sluice-Request-Id")
	if id == "" { // refused before it could have one
		id = newID(time.Now())
		setID(w.Header(), en.front, id)
	}
	s.metrics.Observe(&obs.CallStats{Kind: e.Kind})
	if s.log.Enabled(r.Context(), slog.LevelInfo) {
		s.log.LogAttrs(r.Context(), slog.LevelInfo, "request refused", slog.String("path", r.URL.Path), slog.String("code", e.Kind.Code()),
			slog.String("error", e.Message), slog.String("remote", r.RemoteAddr), slog.String("id", id))
	}
	rp := reply{w: w, stall: s.settings.Load().Clients.WriteStall, codec: en.codec(), id: id}
	rp.Fail(e, nil)
}

func methodError(r *http.Request, allowed string) *llm.Error {
	return llm.Errorf(llm.KindMethod, "%s is not allowed at %s; use %s", r.Method, r.URL.Path, allowed)
}

// credential returns the key that a request presents, in any of the forms that SDKs use; empty if there is none.
func credential(r *http.Request) string {
	h := r.Header
	if v := h.Get("Authorization"); v != "" {
		if len(v) > 7 && strings.EqualFold(v[:7], "Bearer ") {
			return strings.TrimSpace(v[7:])
		}
		return v
	}
	for _, name := range [...]string{"X-Api-Key", "X-Goog-Api-Key", "Api-Key"} {
		if v := h.Get(name); v != "" {
			return v
		}
	}
	if r.URL.RawQuery != "" {
		return r.URL.Query().Get("key") // Gemini
	}
	return ""
}

// checkOrigin refuses browsers on other sites while the gateway is open to everyone on this machine: a page could
// otherwise spend money with a plain form post, or reach the gateway under a name of its own that resolves to loopback.
func checkOrigin(r *http.Request) *llm.Error {
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || !loopbackHost(u.Host) {
			return llm.Errorf(llm.KindOrigin, "the origin %.100q may not call a gateway without keys; configure keys to allow it", origin)
		}
	}
	if !loopbackHost(r.Host) {
		return llm.Errorf(llm.KindOrigin, "the host name %.100q is not this machine; configure keys to be reached by other names", r.Host)
	}
	return nil
}

func loopbackHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
