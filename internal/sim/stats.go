package sim

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"sluice/internal/llm"
)

// Stats is what the simulator counted since its start or the last reset.
type Stats struct {
	Requests    int64                 `json:"requests"`
	Refused     int64                 `json:"refused"`      // answers other than 2xx, by request, limit or fault
	Open        int64                 `json:"open"`         // requests under way
	OpenStreams int64                 `json:"open_streams"` // streams under way
	Aborted     int64                 `json:"aborted"`      // requests that the client left
	LastAbort   time.Time             `json:"last_abort,omitzero"`
	Usage       Usage                 `json:"usage"`
	Models      map[string]ModelStats `json:"models"`
	Faults      map[string]int64      `json:"faults"` // requests by fault
}

// ModelStats are the counts of one model, by its name without faults.
type ModelStats struct {
	Requests int64 `json:"requests"`
	Refused  int64 `json:"refused"`
	Aborted  int64 `json:"aborted"`
	Usage    Usage `json:"usage"`
}

// Usage is billed tokens: what the answers that were sent cost, an aborted one up to its end.
type Usage struct {
	Input      int64 `json:"input"`
	Cached     int64 `json:"cached"`
	Output     int64 `json:"output"`
	Reasoning  int64 `json:"reasoning"`
	CacheWrite int64 `json:"cache_write,omitempty"`
}

func (u *Usage) add(v llm.Usage) {
	u.Input += v.Input
	u.Cached += v.CachedInput
	u.Output += v.Output
	u.Reasoning += v.Reasoning
	u.CacheWrite += v.CacheWrite
}

// RequestRecord is one request as it came in and how it ended.
type RequestRecord struct {
	Seq     uint64        `json:"seq"`
	ID      string        `json:"id"` // as the client was told in X-Request-Id
	Start   time.Time     `json:"start"`
	Method  string        `json:"method"`
	Path    string        `json:"path"`
	Query   string        `json:"query,omitempty"`
	Host    string        `json:"host"`
	Dialect string        `json:"dialect,omitempty"`
	Op      string        `json:"op,omitempty"`
	Header  http.Header   `json:"header"`
	Body    []byte        `json:"body,omitempty"` // base64 in JSON
	Model   string        `json:"model,omitempty"`
	Faults  []string      `json:"faults,omitempty"`
	Status  int           `json:"status"` // 0 if none was sent
	Usage   llm.Usage     `json:"usage"`
	Done    bool          `json:"done"`    // the request has ended
	Aborted bool          `json:"aborted"` // by the client
	Took    time.Duration `json:"took"`    // until the end or the abort was noticed
	Timing  Timing        `json:"timing"`  // of the content
}

// maxModels bounds the models that are counted apart, since any name may be served.
const maxModels = 1000

// book keeps the counts.
type book struct {
	mu      sync.Mutex
	stats   Stats
	limit   int // records kept
	records []*RequestRecord
}

// keep sets how many requests are recorded.
func (b *book) keep(n int) {
	b.limit = n
	b.reset()
}

func (b *book) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats = Stats{
		Open: b.stats.Open, OpenStreams: b.stats.OpenStreams,
		Models: map[string]ModelStats{}, Faults: map[string]int64{},
	}
	b.records = nil
}

// begin counts a request in and returns its record; nil if requests are not recorded.
func (b *book) begin(x *exchange) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Requests++
	b.stats.Open++
	if b.limit == 0 {
		return
	}
	x.record = newRecord(x.r)
	x.record.Seq, x.record.Start = x.seq, x.start
	x.record.Dialect, x.record.Op = x.ask.dialect.String(), x.ask.op.String()
	b.add(x.record)
}

func newRecord(r *http.Request) *RequestRecord {
	return &RequestRecord{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Host: r.Host, Header: r.Header.Clone()}
}

// add keeps a record. The caller holds mu.
func (b *book) add(r *RequestRecord) {
	if len(b.records) == b.limit {
		b.records = slices.Delete(b.records, 0, 1)
	}
	b.records = append(b.records, r)
}

// note records a request that is no call and is not counted. A status of 0 says that it was answered otherwise.
func (b *book) note(r *http.Request, status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.limit == 0 {
		return
	}
	one := newRecord(r)
	one.Start, one.Status, one.Done = time.Now(), status, true
	b.add(one)
}

// received notes the body and the model of a request.
func (b *book) received(x *exchange, body []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if x.record != nil {
		x.record.Body = body
	}
}

func (b *book) streams(n int64) {
	b.mu.Lock()
	b.stats.OpenStreams += n
	b.mu.Unlock()
}

// finish counts the end of a request.
func (b *book) finish(x *exchange) {
	took := time.Since(x.start)
	b.mu.Lock()
	defer b.mu.Unlock()
	st := &b.stats
	st.Open--
	name := x.base
	if _, known := st.Models[name]; !known && len(st.Models) >= maxModels {
		name = "other"
	}
	m := st.Models[name]
	m.Requests++
	if x.status >= 300 {
		st.Refused++
		m.Refused++
	}
	if x.aborted {
		st.Aborted++
		st.LastAbort = x.start.Add(took)
		m.Aborted++
	}
	st.Usage.add(x.usage)
	m.Usage.add(x.usage)
	if x.model != nil {
		st.Models[name] = m
	}
	for _, fault := range x.fx.names {
		st.Faults[fault]++
	}
	if r := x.record; r != nil {
		r.Model, r.Faults, r.Status, r.Usage = x.base, x.fx.names, x.status, x.usage
		r.ID, r.Timing, r.Done, r.Aborted, r.Took = x.id, x.watch.Timing, true, x.aborted, took
	}
}

// Stats returns a copy of the counts.
func (s *Server) Stats() Stats {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	st := s.book.stats
	st.Models, st.Faults = maps.Clone(st.Models), maps.Clone(st.Faults)
	return st
}

// Requests returns copies of the last requests, oldest first, if the configuration has them recorded. Headers and bodies
// are shared and must not be changed.
func (s *Server) Requests() []RequestRecord {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	all := make([]RequestRecord, len(s.book.records))
	for i, r := range s.book.records {
		all[i] = *r
	}
	return all
}

// Reset forgets counts, records and the requests that faults with first or skip have seen. Requests under way go on.
func (s *Server) Reset() {
	s.book.reset()
	s.mu.Lock()
	clear(s.firsts)
	clear(s.onces)
	s.mu.Unlock()
}

// introspect answers the simulator's own paths.
func (s *Server) introspect(w http.ResponseWriter, r *http.Request, path string) {
	if path == "/sim/echo" || strings.HasPrefix(path, "/sim/echo/") {
		s.echo(w, r)
		return
	}
	if s.command(w, r, path) {
		return
	}
	if r.Method != http.MethodGet {
		refuseMethod(r, http.MethodGet).send(w, s.now())
		return
	}
	var v any
	switch path {
	case "/sim/stats":
		v = s.Stats()
	case "/sim/requests":
		all := s.Requests()
		if r.URL.Query().Get("bodies") == "false" {
			for i := range all {
				all[i].Body = nil
			}
		}
		v = all
	case "/sim/faults":
		v = s.FaultRules()
	case "/sim/faults/known":
		v = Faults()
	default:
		refuseURL(r).send(w, s.now())
		return
	}
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic("BUG: counts cannot be encoded: " + err.Error())
	}
	sendJSON(w, append(b, '\n'))
}

// command answers the requests that change something. done is false for others.
func (s *Server) command(w http.ResponseWriter, r *http.Request, path string) (done bool) {
	switch {
	case path == "/sim/faults" && r.Method == http.MethodPost:
		s.replaceFaults(w, r)
		return true
	case path == "/sim/faults" && r.Method == http.MethodDelete:
		if err := s.SetFaults(nil); err != nil {
			panic("BUG: no rules are refused: " + err.Error())
		}
	case path != "/sim/reset" && path != "/sim/schedule/start":
		return false
	case r.Method != http.MethodPost:
		refuseMethod(r, http.MethodPost).send(w, s.now())
		return true
	case path == "/sim/reset":
		s.Reset()
	default:
		s.StartSchedule()
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}

// maxRuleBytes bounds the body of POST /sim/faults.
const maxRuleBytes = 1 << 20

// replaceFaults answers POST /sim/faults: a list of rules, as GET gives it.
func (s *Server) replaceFaults(w http.ResponseWriter, r *http.Request) {
	var states []RuleState
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRuleBytes))
	if err == nil {
		err = json.Unmarshal(body, &states)
	}
	if err != nil {
		refuseField("", "read list of fault rules: "+err.Error()).send(w, s.now())
		return
	}
	rules := make([]FaultRule, len(states))
	for i := range states {
		rules[i] = states[i].FaultRule
	}
	if err := s.SetFaults(rules); err != nil {
		refuseField("", err.Error()).send(w, s.now())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// echo answers with what came in, and records it: what a relay hands on can be seen there.
func (s *Server) echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.cfg.MaxBody))
	if err != nil {
		return // the client is gone, or sends too much: the server closes the connection
	}
	s.book.note(r, 200)
	b, err := json.Marshal(struct {
		Method string      `json:"method"`
		Path   string      `json:"path"`
		Query  string      `json:"query"`
		Header http.Header `json:"header"`
		Body   []byte      `json:"body"`
	}{r.Method, r.URL.Path, r.URL.RawQuery, r.Header, body})
	if err != nil {
		panic("BUG: an echo cannot be encoded: " + err.Error())
	}
	sendJSON(w, b)
}
