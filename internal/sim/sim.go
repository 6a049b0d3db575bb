// Package sim is a simulated LLM provider on the wire, for testing clients, Sluice among them. It answers the OpenAI API
// with text of its own, exact token counts, the timing of a small model of a serving engine, rate limits, and faults on
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

	"sluice/internal/llm"
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
	cfg    Config            // set once
	order  []*model          // set once; as configured
	models map[string]*model // set once
	http   *http.Server      // set once
	life   context.Context   // ends with Close
	end    context.CancelCauseFunc

	seq  atomic.Uint64
	book book

	mu       sync.Mutex
	listener net.Listener
	firsts   map[string]int64 // requests seen by key of a fault with first or skip
	closed   bool

	handlers sync.WaitGroup // requests under way
}

// model is one simulated model with its state.
type model struct {
	cfg    ModelConfig
	engine *engine
	limits *limits
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
	s.book.keep(c.Record)
	for _, mc := range c.Models {
		if c.Latency == "none" {
			mc.Speed = Speed{Batch: mc.Speed.Batch}
		}
		m := &model{cfg: mc, engine: newEngine(mc.Speed), limits: newLimits(mc.RPM, mc.TPM)}
		if mc.PromptCache {
			m.cache = &promptCache{}
		}
		s.order = append(s.order, m)
		s.models[mc.Name] = m
	}
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
	s.listener = l
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
	path := strings.TrimPrefix(r.URL.Path, "/v1")
	switch path {
	case "/chat/completions":
		s.call(w, r, llm.OpChat)
	case "/completions":
		s.call(w, r, llm.OpCompletion)
	case "/embeddings":
		s.call(w, r, llm.OpEmbedding)
	case "/models":
		s.listModels(w, r)
	case "/sim/stats", "/sim/requests", "/sim/faults", "/sim/reset":
		s.introspect(w, r, path)
	default:
		if id, ok := strings.CutPrefix(path, "/models/"); ok {
			s.showModel(w, r, id)
			return
		}
		(&refusal{
			status: 404, kind: "invalid_request_error",
			text: "Invalid URL (" + r.Method + " " + r.URL.Path + ")",
		}).send(w, s.now())
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

// authorized checks the bearer key and answers 401 if it is wrong.
func (s *Server) authorized(r *http.Request) *refusal {
	if s.cfg.APIKey.Empty() {
		return nil
	}
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || key == "" {
		return &refusal{
			status: 401, kind: "invalid_request_error", code: "missing_api_key",
			text: "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth.",
		}
	}
	if key != s.cfg.APIKey.Reveal() {
		return refuseStatus(401, -1, "")
	}
	return nil
}

// find returns the model of a name, or the stand-in for unknown names if these are accepted.
func (s *Server) find(name string, embedding bool) *model {
	if m := s.models[name]; m != nil {
		return m
	}
	if !s.cfg.AnyModel || name == "" {
		return nil
	}
	reasoning := !embedding && looksReasoning(name)
	var fallback *model
	for _, m := range s.order {
		if (m.cfg.Kind == "embedding") != embedding {
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
