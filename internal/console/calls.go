package console

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/internal/ledger"
	"sluice/internal/llm"
)

const (
	defaultPage = 100
	maxPage     = 1000
)

// CallsQuery picks calls of the ledger. Empty fields pick all.
type CallsQuery struct {
	ID, Key, Model, Target, Provider, Tag string
	Code                                  string // of the error that the call ended with
	Failed                                bool   // only calls that ended with an error
	From, To                              time.Time
	After                                 Place
	Limit                                 int // 1 to 1,000
}

// Place is a place in the sequence of calls, newest first. The zero Place is its beginning.
type Place struct {
	Time time.Time
	ID   string
}

// page is the answer of GET /admin/v1/calls.
type page struct {
	Calls []callView `json:"calls"`
	Next  string     `json:"next,omitempty"` // the cursor of the next page; absent on the last
}

// callView is a row of the ledger as the admin API shows it. Fields that do not apply are absent; cost_usd and tokens are
// always there.
type callView struct {
	ID         string    `json:"id"`
	Time       time.Time `json:"time"`
	Key        string    `json:"key,omitempty"`
	User       string    `json:"user,omitempty"`
	Op         string    `json:"op"`
	Front      string    `json:"front,omitempty"`
	Model      string    `json:"model"`
	Target     string    `json:"target,omitempty"`
	Provider   string    `json:"provider,omitempty"`
	Region     string    `json:"region,omitempty"`
	Class      string    `json:"class,omitempty"`
	Stream     bool      `json:"stream"`
	Status     int       `json:"status"`
	Code       string    `json:"code,omitempty"` // of the error; absent for success
	Cause      string    `json:"cause,omitempty"`
	Attempts   int       `json:"attempts"`
	Tokens     Tokens    `json:"tokens"`
	Estimated  bool      `json:"tokens_estimated,omitempty"`
	CostUSD    *string   `json:"cost_usd"` // null: unpriced
	PriceAsOf  string    `json:"price_as_of,omitempty"`
	Queue      float64   `json:"queue_seconds"`
	FirstToken float64   `json:"first_token_seconds,omitempty"`
	Total      float64   `json:"total_seconds"`
	Overhead   float64   `json:"overhead_seconds"`
	BytesIn    int64     `json:"bytes_in"`
	BytesOut   int64     `json:"bytes_out"`
	Tags       []string  `json:"tags,omitempty"`
	Snapshot   string    `json:"snapshot,omitempty"`
	TraceID    string    `json:"trace_id,omitempty"`
}

func viewCall(r *ledger.Row) callView {
	v := callView{
		ID: r.ID, Time: r.Time.UTC(), Key: r.Key, User: r.User, Op: r.Op, Front: r.Front, Model: r.Model, Target: r.Target,
		Provider: r.Provider, Region: r.Region, Class: r.Class, Stream: r.Stream, Status: r.Status, Code: r.Code, Cause: r.Cause,
		Attempts: r.Attempts, Estimated: r.Usage.Estimated, PriceAsOf: r.PriceAsOf,
		Tokens: Tokens{
			Input: r.Usage.Input, CachedInput: r.Usage.CachedInput, CacheWrite: r.Usage.CacheWrite,
			Output: r.Usage.Output, Reasoning: r.Usage.Reasoning,
		},
		Queue: r.Queue.Seconds(), FirstToken: r.FirstToken.Seconds(), Total: r.Total.Seconds(), Overhead: r.Overhead.Seconds(),
		BytesIn: r.BytesIn, BytesOut: r.BytesOut, Tags: r.Tags, Snapshot: r.Snapshot, TraceID: r.TraceID,
	}
	if r.Priced {
		cost := usd(r.CostNanoUSD)
		v.CostUSD = &cost
	}
	return v
}

func (c *Console) calls(w http.ResponseWriter, r *http.Request) {
	p := newParams(r.URL.Query(),
		"cursor", "limit", "from", "to", "id", "key", "model", "target", "provider", "tag", "code", "failed")
	q := CallsQuery{
		ID: p.get("id"), Key: p.get("key"), Model: p.get("model"), Target: p.get("target"), Provider: p.get("provider"),
		Tag: p.get("tag"), Code: p.get("code"), After: p.cursor(), Limit: p.limit(),
	}
	p.moments(&q, time.Now())
	switch p.get("failed") {
	case "", "false":
	case "true":
		q.Failed = true
	default:
		p.fail("failed", "must be true or false")
	}
	if q.Code != "" && !slices.ContainsFunc(llm.Kinds(), func(k llm.Kind) bool { return k.Code() == q.Code }) {
		p.fail("code", "is not a code that calls end with; docs/API.md lists them")
	}
	if p.refuse(w) {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTime)
	defer cancel()
	rows, next, err := c.o.Calls(ctx, q)
	if err != nil {
		c.ledgerError(w, r, err)
		return
	}
	answer := page{Calls: make([]callView, len(rows)), Next: next.cursor()}
	for i := range rows {
		answer.Calls[i] = viewCall(&rows[i])
	}
	writeJSON(w, http.StatusOK, answer)
}

// moments reads from and to. Without them there is no limit: the newest come first, and the page has an end.
func (p *params) moments(q *CallsQuery, now time.Time) {
	if s := p.get("from"); s != "" {
		q.From = p.time("from", s, now)
	}
	if s := p.get("to"); s != "" {
		q.To = p.time("to", s, now)
	}
	if !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To) {
		p.fail("from", "must be before to")
	}
}

func (p *params) limit() int {
	s := p.get("limit")
	if s == "" {
		return defaultPage
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxPage {
		p.fail("limit", "must be a number from 1 to "+strconv.Itoa(maxPage))
	}
	return n
}

func (p *params) cursor() Place {
	s := p.get("cursor")
	if s == "" {
		return Place{}
	}
	at, ok := parseCursor(s)
	if !ok {
		p.fail("cursor", "must be the next of an answer, unchanged")
	}
	return at
}

// cursor writes a place as the API shows it: microseconds and id, in an alphabet that needs no escapes in a URL.
func (p Place) cursor() string {
	if p == (Place{}) {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(p.Time.UnixMicro(), 10) + "." + p.ID))
}

func parseCursor(s string) (Place, bool) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return Place{}, false
	}
	micros, id, ok := strings.Cut(string(b), ".")
	n, err := strconv.ParseInt(micros, 10, 64)
	if !ok || err != nil || id == "" {
		return Place{}, false
	}
	return Place{Time: time.UnixMicro(n), ID: id}, true
}
