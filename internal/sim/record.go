package sim

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"sluice/internal/llm"
)

// RequestRecord is one request as it came in and how it ended. What belongs to the request is known once it has been read, the rest
// when Done.
type RequestRecord struct {
	Seq     uint64        `json:"seq"`
	ID      string        `json:"id"` // as the client was told in X-Request-Id
	Start   time.Time     `json:"start"`
	Method  string        `json:"method"`
	Path    string        `json:"path"`
	Query   string        `json:"query,omitempty"`
	Host    string        `json:"host,omitempty"`
	Dialect string        `json:"dialect,omitempty"`
	Op      string        `json:"op,omitempty"`
	Header  http.Header   `json:"header,omitempty"`
	Body    []byte        `json:"body,omitempty"` // base64 in JSON
	Model   string        `json:"model,omitempty"`
	Faults  []string      `json:"faults,omitempty"`
	Status  int           `json:"status"` // 0 if none was sent
	Usage   llm.Usage     `json:"usage"`
	Done    bool          `json:"done"`    // the request has ended
	Aborted bool          `json:"aborted"` // by the client
	Took    time.Duration `json:"took"`    // until the end or the abort was noticed
	Timing  Timing        `json:"timing"`  // of the content

	// Stream says that the answer was to be streamed.
	Stream bool `json:"stream,omitempty"`
	// Prompt is a hash of the conversation, the same in every dialect.
	Prompt string `json:"prompt,omitempty"`
	// Continues is the Prompt of the conversation whose partial answer the request ends with.
	Continues string `json:"continues,omitempty"`
	// Call is what the client calls its call by, for all of its attempts: X-Sluice-Request-Id, or the trace of traceparent.
	Call string `json:"call,omitempty"`
	// Billed is the tokens of input and output that are billed.
	Billed int64 `json:"billed"`
	// CanceledAt is when it was noticed that the client had left; zero if it had not.
	CanceledAt time.Time `json:"canceled_at,omitzero"`
}

// maxLight bounds record_light.
const maxLight = 10_000_000

// ring keeps the last records. It is guarded by the mutex of its book.
type ring struct {
	limit int
	light bool // without headers, bodies, query and host
	all   []*RequestRecord
	next  int // where the next one goes, once the ring is full
}

func (g *ring) clear() { g.all, g.next = nil, 0 }

// add makes a record of a request in place of the oldest one; nil if requests are not recorded.
func (g *ring) add(r *http.Request) *RequestRecord {
	if g.limit == 0 {
		return nil
	}
	one := &RequestRecord{Method: r.Method, Path: strings.Clone(r.URL.Path), Call: callOf(r.Header)}
	if !g.light {
		one.Query, one.Host, one.Header = r.URL.RawQuery, r.Host, r.Header.Clone()
	}
	if len(g.all) < g.limit {
		g.all = append(g.all, one)
		return one
	}
	g.all[g.next] = one
	g.next = (g.next + 1) % g.limit
	return one
}

// callOf returns what a client calls its call by.
func callOf(h http.Header) string {
	if id := h.Get("X-Sluice-Request-Id"); id != "" {
		return strings.Clone(id)
	}
	if parts := strings.Split(h.Get("Traceparent"), "-"); len(parts) == 4 {
		return strings.Clone(parts[1])
	}
	return ""
}

// note records a request that is no call and is not counted. A status of 0 says that it was answered otherwise.
func (b *book) note(r *http.Request, status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if one := b.records.add(r); one != nil {
		one.Start, one.Status, one.Done = time.Now(), status, true
	}
}

// received notes the body of a request.
func (b *book) received(x *exchange, body []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if x.record != nil && !b.records.light {
		x.record.Body = body
	}
}

// known notes what a request asks for, and what will befall it.
func (b *book) known(x *exchange) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := x.record
	if r == nil {
		return
	}
	r.Model, r.Stream, r.Faults = x.base, x.job.stream, x.fx.names
	said := &x.job.said
	if r.Prompt = hashText(said.hash); said.hash == 0 {
		r.Prompt = hashText(hashString(uint64(hashStart), x.job.text))
	}
	if t := said.partial(); t != nil {
		r.Continues = hashText(t.before)
	}
}

func hashText(h uint64) string {
	const digits = 16
	s := strconv.FormatUint(h, 16)
	return strings.Repeat("0", digits-len(s)) + s
}

// since returns copies of the records after a number, oldest first, no more than limit. Records of what is no call have the number 0
// and go with those before them.
func (b *book) since(after uint64, limit int) []RequestRecord {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := &b.records
	var out []RequestRecord
	begun := after == 0
	for i := range g.all {
		r := g.all[(g.next+i)%len(g.all)]
		begun = begun || r.Seq > after
		if begun && len(out) < limit {
			out = append(out, *r)
		}
	}
	return out
}

// Requests returns copies of the last requests, oldest first, if the configuration has them recorded. Headers and bodies
// are shared and must not be changed.
func (s *Server) Requests() []RequestRecord { return s.book.since(0, maxLight) }
