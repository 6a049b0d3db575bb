// Package sim is a simulated LLM provider on the wire, for testing clients, Sluice among them. It answers the protocols of
// OpenAI, Anthropic, Google, Amazon and others with text of its own, exact token counts, the timing of a small model of a serving engine, rate limits, and faults on
// demand, all decided by a seed. docs/SIM.md describes it for users.
//
// It knows nothing of the gateway: they share only codecs. Handlers run on the goroutines of the HTTP server that calls
// them; the package starts none of its own.
package sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultMaxBody = 64 << 20
	maxDimensions  = 1 << 14
)

// ErrClosed is the cause that ends requests under way when the server is closed.
var ErrClosed = errors.New("simulator closed")

// Server is a simulated provider. It is an http.Handler; Listen and Serve run it on a listener of its own. All methods
// may be called at the same time.
type Server struct {
	cfg      Config            // set once
	order    []*model          // set once; as configured
	models   map[string]*model // set once
	standIns map[string]*model // set once; by kind, of kinds that the configuration has no model of
	quotas   []*sharedQuota    // set once; as configured
	http     *http.Server      // set once
	life     context.Context   // ends with Close
	end      context.CancelCauseFunc

	rules atomic.Pointer[[]*rule]
	epoch atomic.Pointer[time.Time] // when the schedule of the rules began

	seq    atomic.Uint64
	book   book
	shelf  shelf
	grants grants

	mu       sync.Mutex
	listener net.Listener
	firsts   map[string]int64    // requests seen by key of a fault with first or skip
	onces    map[uint64]struct{} // conversations that faults with once have struck
	closed   bool

	handlers sync.WaitGroup // requests under way
}

// model is one simulated model with its state.
type model struct {
	cfg    ModelConfig
	engine *engine
	quota  *quota // its own; nil if it has none
	cache  *promptCache
}

// New makes a simulated provider. It fails if the configuration has an error.
func New(c Config) (*Server, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("check simulator configuration: %w", err)
	}
	if len(c.Models) == 0 {
		c.Models = DefaultModels()
	}
	if c.MaxBody == 0 {
		c.MaxBody = defaultMaxBody
	}
	s := &Server{cfg: c, models: make(map[string]*model, len(c.Models)), firsts: map[string]int64{}}
	s.book.keep(c.Record, c.RecordLight)
	s.standIns = standIns(c.Models)
	for _, mc := range c.Models {
		if c.Latency == "none" {
			mc.Speed = Speed{Batch: mc.Speed.Batch}
		}
		m := &model{cfg: mc, engine: newEngine(mc.Speed), quota: mc.quota()}
		if mc.PromptCache {
			m.cache = &promptCache{}
		}
		s.order = append(s.order, m)
		s.models[mc.Name] = m
	}
	for _, q := range c.Quotas {
		s.quotas = append(s.quotas, newSharedQuota(q))
	}
	if err := s.SetFaults(c.Faults); err != nil {
		return nil, err
	}
	s.StartSchedule()
	s.life, s.end = context.WithCancelCause(context.Background())
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 30 * time.Second, ErrorLog: c.ErrorLog, Protocols: new(http.Protocols)}
	s.http.Protocols.SetHTTP1(true)
	s.http.Protocols.SetUnencryptedHTTP2(true)
	return s, nil
}

// Listen binds addr, or a free loopback port if addr is empty, and returns the base URL for clients, which ends in /v1.
func (s *Server) Listen(addr string) (string, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", fmt.Errorf("listen for simulator: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil || s.closed {
		_ = l.Close() // never used
		return "", errors.New("listen for simulator: already listening or closed")
	}
	s.listener = newGate(s, l)
	return "http://" + l.Addr().String() + "/v1", nil
}

// Serve answers clients on the listener that Listen made, until Close. It returns nil after Close.
func (s *Server) Serve() error {
	s.mu.Lock()
	l := s.listener
	s.mu.Unlock()
	if l == nil {
		return errors.New("serve simulator: Listen was not called")
	}
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve simulator: %w", err)
	}
	return nil
}

// Close ends requests under way, closes the listener and all connections, and waits for the handlers. It may be called
// more than once.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	l := s.listener
	s.mu.Unlock()
	s.end(ErrClosed)
	err := s.http.Close()
	if l != nil {
		_ = l.Close() // closed already if Serve ran
	}
	s.handlers.Wait()
	return err
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.join() {
		http.Error(w, ErrClosed.Error(), http.StatusServiceUnavailable)
		return
	}
	defer s.handlers.Done()
	a, ok := route(r)
	var down *rule
	if a.action != actCall && a.action != actOwn || !ok {
		down, _ = s.down(time.Now())
	}
	switch {
	case down != nil:
		s.lieDown(w, r, &a, down)
	case !ok:
		s.book.note(r, 404)
		refuseURL(r).send(w, s.now())
	case a.action == actOwn:
		s.introspect(w, r, a.rest)
	case a.action == actList:
		s.book.note(r, 0)
		s.listModels(w, r, &a)
	case a.action == actToken:
		s.book.note(r, 0)
		s.grant(w, r)
	case a.action == actStored:
		s.book.note(r, 0)
		s.stored(w, r, &a)
	default:
		s.call(w, r, &a)
	}
}

// join counts a handler in, unless the server is closed.
func (s *Server) join() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.handlers.Add(1)
	return true
}

// now is the time that answers show: the frozen clock if there is one.
func (s *Server) now() time.Time {
	if s.cfg.Clock != 0 {
		return time.Unix(s.cfg.Clock, 0).UTC()
	}
	return time.Now()
}

// find returns the model of a name, or the stand-in for unknown names if these are accepted. Kinds that no model of the
// configuration has are served under any name.
func (s *Server) find(name, kind string) *model {
	if m := s.models[name]; m != nil {
		return m
	}
	if m := s.standIns[kind]; m != nil && name != "" {
		return m
	}
	if !s.cfg.AnyModel || name == "" {
		return nil
	}
	reasoning := kind == kindChat && looksReasoning(name)
	var fallback *model
	for _, m := range s.order {
		if m.cfg.kind() != kind {
			continue
		}
		if (m.cfg.Reasoning > 0) == reasoning {
			return m
		}
		if fallback == nil {
			fallback = m
		}
	}
	return fallback
}

// looksReasoning tells reasoning models by the names that providers give them.
func looksReasoning(name string) bool {
	base := name[strings.LastIndexByte(name, '/')+1:]
	for _, p := range []string{"o1", "o3", "o4", "gpt-5", "deepseek-r"} {
		if strings.HasPrefix(base, p) {
			return true
		}
	}
	return strings.Contains(base, "reason") || strings.Contains(base, "thinking")
}

// lieDown answers a request other than a call for a provider that is down.
func (s *Server) lieDown(w http.ResponseWriter, r *http.Request, a *ask, down *rule) {
	down.struck.Add(1)
	fx := noEffects()
	for i := range down.faults {
		down.faults[i].apply(&fx)
	}
	if fx.reset == "" {
		s.book.note(r, http.StatusServiceUnavailable)
		s.refuse(w, refuseStatus(http.StatusServiceUnavailable, -1, ""), a, "", nil)
		return
	}
	s.book.note(r, 0)
	if !sever(w, fx.reset) {
		panic(http.ErrAbortHandler) // the way to reset a stream of HTTP/2
	}
}
